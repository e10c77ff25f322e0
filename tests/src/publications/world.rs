//! Where the tree lies.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::archive::Archive;
use intraware_tests::scene::Scene;

/// All suites of a tree.
pub(crate) const SUITES: [&str; 3] = ["stable", "testing", "stable-security"];

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// That of temporary files.
    Plain,
    /// One that cannot exchange two names: bindfs, of FUSE 2, which shows another directory. The web server
    /// reads that one: who follows a link through bindfs just when it is replaced may find none, although the
    /// rename below has no gap.
    WithoutExchange,
    /// As plain, and uploads are taken in and published by what is built in.
    BuiltIn,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "readers",
            Self::WithoutExchange => "readers, without exchange",
            Self::BuiltIn => "readers, built-in publisher",
        })
    }
}

/// A signed tree in a world. Fields are dropped in their order.
pub(crate) struct Place {
    _bound: Option<Bound>,
    pub(crate) tree: Tree,
    /// What is served.
    pub(crate) served: PathBuf,
}

/// Who renews the suites.
pub(crate) enum Tree {
    /// The script that is shipped as an example.
    Script(Scene),
    /// What is built in.
    BuiltIn(Archive),
}

impl Tree {
    pub(crate) fn scene(&self) -> &Scene {
        match self {
            Self::Script(scene) => scene,
            Self::BuiltIn(archive) => archive,
        }
    }

    /// Has a package come in.
    pub(crate) fn accept(&self, suite: &str, package: &str, version: &str) {
        match self {
            Self::Script(scene) => scene.accept(suite, package, version),
            Self::BuiltIn(archive) => drop(archive.upload(suite, package, version)),
        }
    }

    /// Returns whether readers are told of this version of a package.
    pub(crate) fn has(&self, suite: &str, package: &str, version: &str) -> bool {
        match self {
            Self::Script(scene) => scene.has(suite, package, version),
            Self::BuiltIn(archive) => {
                let index = archive.path("root/dists").join(suite).join("main/binary-amd64/Packages.xz");
                let output = Command::new("xzcat").arg(index).output().expect("xzcat starts");
                String::from_utf8_lossy(&output.stdout).split("\n\n").any(|stanza| {
                    let has = |line: String| stanza.lines().any(|other| other == line);
                    has(format!("Package: {package}")) && has(format!("Version: {version}"))
                })
            }
        }
    }
}

impl World {
    /// Makes a tree in which each suite was published once.
    pub(crate) fn place(self) -> Place {
        if self == Self::BuiltIn {
            return Self::built_in();
        }
        let scene = Scene::new();
        scene.sign();
        let root = scene.path("root");
        // A directory that something is mounted on is empty.
        fs::remove_dir(root.join("pool")).expect("a directory");
        let (bound, served) = match self {
            Self::Plain | Self::BuiltIn => (None, root.clone()),
            Self::WithoutExchange => {
                let below = scene.path("below");
                (Some(Bound::mount(&below, &root)), below)
            }
        };
        fs::create_dir_all(root.join("pool")).expect("a directory");
        for suite in SUITES {
            scene.accept(suite, "blast", "0");
        }
        scene.publish(&[]).expect_silence();
        Place { _bound: bound, tree: Tree::Script(scene), served }
    }

    fn built_in() -> Place {
        let archive = Archive::new();
        // Uploads go on coming while readers sleep: here dozens of trees a minute are too old soon.
        let path = archive.path("conf.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        fs::write(path, text.replacen("keyring = ", "keep = 20\nkeyring = ", 1)).expect("a configuration");
        // All suites have one pool, so that no version can be in two of them with other bytes.
        for (suite, version) in SUITES.into_iter().zip(["0.1", "0.2", "0.3"]) {
            archive.upload(suite, "blast", version);
        }
        archive.publish(&[]).expect_silence();
        let served = archive.path("root");
        Place { _bound: None, tree: Tree::BuiltIn(archive), served }
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
