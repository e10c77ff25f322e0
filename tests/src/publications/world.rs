//! Where the tree lies.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::scene::Scene;

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// That of temporary files.
    Plain,
    /// One that cannot exchange two names: bindfs, of FUSE 2, which shows another directory. The web server
    /// reads that one: who follows a link through bindfs just when it is replaced may find none, although the
    /// rename below has no gap.
    WithoutExchange,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "readers",
            Self::WithoutExchange => "readers, without exchange",
        })
    }
}

/// A signed tree in a world. Fields are dropped in their order.
pub(crate) struct Place {
    _bound: Option<Bound>,
    pub(crate) scene: Scene,
    /// What is served.
    pub(crate) served: PathBuf,
}

impl World {
    /// Makes a tree in which each suite was published once.
    pub(crate) fn place(self) -> Place {
        let scene = Scene::new();
        scene.sign();
        let root = scene.path("root");
        // A directory that something is mounted on is empty.
        fs::remove_dir(root.join("pool")).expect("a directory");
        let (bound, served) = match self {
            Self::Plain => (None, root.clone()),
            Self::WithoutExchange => {
                let below = scene.path("below");
                (Some(Bound::mount(&below, &root)), below)
            }
        };
        fs::create_dir_all(root.join("pool")).expect("a directory");
        for suite in ["stable", "testing", "stable-security"] {
            scene.accept(suite, "blast", "0");
        }
        scene.publish(&[]).expect_silence();
        Place { _bound: bound, scene, served }
    }
}

/// A directory that is shown at another place. Dropping it ends that.
struct Bound(PathBuf);

impl Bound {
    fn mount(dir: &Path, at: &Path) -> Self {
        fs::create_dir(dir).expect("a directory");
        let output = Command::new("bindfs").args([dir, at]).output().expect("bindfs starts");
        assert!(output.status.success(), "{output:?}");
        let bound = Self(at.to_owned());
        bound.cannot_exchange();
        bound
    }

    /// What this world is for.
    fn cannot_exchange(&self) {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let (one, other) = (self.0.join("one"), self.0.join("other"));
        for name in [&one, &other] {
            fs::write(name, "").expect("a file");
        }
        let exchanged = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
        assert!(exchanged.is_err(), "bindfs can exchange two names here; another file system is needed");
        for name in [&one, &other] {
            fs::remove_file(name).expect("a file");
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}
