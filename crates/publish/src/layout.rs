//! Where everything of a tree lies, and which of its numbered trees is in place.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use intraware_config::TreeConfig;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::PublishError;
use crate::flush;

/// The directory below the root that holds what is needed to publish.
const STATE: &str = ".publish";

/// The places of one tree.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    dists: String,
}

/// What stands where readers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// Nothing: nothing was published yet.
    Nothing,
    /// The link to a numbered tree.
    Tree(u64),
    /// A directory that another program has made.
    Directory,
}

impl Layout {
    pub(crate) fn of(tree: &TreeConfig) -> Self {
        Self { root: tree.root.clone(), dists: tree.dists.clone() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where readers look.
    pub(crate) fn live_path(&self) -> PathBuf {
        self.root.join(&self.dists)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(STATE)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.state().join("lock")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.state().join("journal.json")
    }

    pub(crate) fn dirty(&self) -> PathBuf {
        self.state().join("dirty")
    }

    pub(crate) fn again(&self) -> PathBuf {
        self.state().join("again")
    }

    /// The lists of what the suites have.
    pub(crate) fn lists(&self) -> PathBuf {
        self.state().join("suites")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.state().join("cache")
    }

    /// Where an upload is copied to, before it is in the pool.
    pub(crate) fn upload_work(&self) -> PathBuf {
        self.state().join("work/upload")
    }

    /// Where the publisher that is built in has its files.
    pub(crate) fn apt_work(&self) -> PathBuf {
        self.state().join("work/apt")
    }

    pub(crate) fn work(&self, number: u64) -> PathBuf {
        self.state().join("work").join(number.to_string())
    }

    pub(crate) fn tree(&self, number: u64) -> PathBuf {
        self.state().join("trees").join(number.to_string())
    }

    /// Returns what is renewed, below a tree of either kind.
    pub(crate) fn dists_in(&self, tree: &Path) -> PathBuf {
        tree.join(&self.dists)
    }

    /// Fails if there is no root, in which nothing can be wrong.
    pub(crate) fn has_root(&self) -> Result<(), PublishError> {
        if self.root.is_dir() {
            return Ok(());
        }
        let message = format!("{} is not there; make it, or mend tree.root", self.root.display());
        Err(PublishError::Configuration(message))
    }

    /// Makes what is missing of the directories. Readers have to get through them, whatever our umask is.
    pub(crate) fn make(&self) -> Result<(), PublishError> {
        self.has_root()?;
        let state = self.state();
        let (work, trees) = (state.join("work"), state.join("trees"));
        for dir in [state.clone(), self.dirty(), work, trees, self.lists(), self.cache()] {
            make_dir(&dir).map_err(PublishError::io("make", &dir))?;
        }
        Ok(())
    }

    /// Asks for a suite to be published, so that it survives a loss of power.
    pub(crate) fn ask(&self, suite: &str) -> Result<(), PublishError> {
        let request = self.dirty().join(suite);
        let made = File::options().create(true).append(true).open(&request);
        made.map_err(PublishError::io("make", &request))?;
        sync_dir(&self.dirty())
    }

    /// Looks at what readers get.
    pub(crate) fn live(&self) -> Result<Live, PublishError> {
        let path = self.live_path();
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Live::Nothing),
            Err(error) => Err(PublishError::io("look at", &path)(error)),
            Ok(seen) if seen.is_dir() => Ok(Live::Directory),
            Ok(seen) => {
                let target = if seen.is_symlink() { fs::read_link(&path).ok() } else { None };
                let number = target.and_then(|target| self.number_of(&target));
                number.map(Live::Tree).ok_or_else(|| {
                    let message =
                        format!("{} is no tree of ours and no directory; move it away", path.display());
                    PublishError::Configuration(message)
                })
            }
        }
    }

    /// Returns the number in the target of a link; `None` if it is not as we make them.
    fn number_of(&self, target: &Path) -> Option<u64> {
        let number =
            target.strip_prefix(STATE).ok()?.strip_prefix("trees").ok()?.parent()?.to_str()?.parse().ok()?;
        (target == self.target(number)).then_some(number)
    }

    fn target(&self, number: u64) -> PathBuf {
        Path::new(STATE).join("trees").join(number.to_string()).join(&self.dists)
    }

    /// Where the next link waits, and for a moment a directory that was taken over.
    fn switch_path(&self) -> PathBuf {
        self.state().join("switch")
    }

    /// Puts a tree in place, in one step.
    pub(crate) fn switch(&self, number: u64) -> Result<(), PublishError> {
        let (next, live) = (self.switch_path(), self.live_path());
        self.link(number)?;
        fs::rename(&next, &live).map_err(PublishError::io("exchange", &live))?;
        sync_dir(&self.root)
    }

    /// Puts a tree, a copy of the directory that stands there, in the place of that, in one step.
    pub(crate) fn take_over(&self, number: u64) -> Result<(), PublishError> {
        let (next, live) = (self.switch_path(), self.live_path());
        self.link(number)?;
        renameat_with(CWD, &next, CWD, &live, RenameFlags::EXCHANGE)
            .map_err(|error| PublishError::io("exchange", &live)(error.into()))?;
        sync_dir(&self.root)?;
        self.tidy_switch()
    }

    /// Fails if a directory could not be taken over here. A person can do it by two renames, between which
    /// readers find nothing: the directory becomes a former tree, of a number that no other has.
    pub(crate) fn can_take_over(&self) -> Result<(), PublishError> {
        let (one, other) = (self.work(0), self.state().join("work").join("0.other"));
        let probe = || -> io::Result<bool> {
            make_dir(&one)?;
            make_dir(&other)?;
            match renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE) {
                Ok(()) => Ok(true),
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        let can = probe().map_err(PublishError::io("exchange two directories in", &self.state()))?;
        self.clear_work()?;
        if can {
            return Ok(());
        }
        let message = format!(
            "{live} is a directory, and this file system cannot exchange it for a link in one step; when no \
             reader minds, run: mkdir {tree} && mv {live} {tree}/ && ln -s {target} {live}",
            live = self.live_path().display(),
            tree = self.tree(0).display(),
            target = self.target(0).display(),
        );
        Err(PublishError::Configuration(message))
    }

    fn link(&self, number: u64) -> Result<(), PublishError> {
        self.tidy_switch()?;
        let next = self.switch_path();
        symlink(self.target(number), &next).map_err(PublishError::io("make the link", &next))
    }

    /// Removes a link that was not used, and moves aside a directory that was taken over.
    pub(crate) fn tidy_switch(&self) -> Result<(), PublishError> {
        let next = self.switch_path();
        let failed = PublishError::io("tidy", &next);
        match fs::symlink_metadata(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(seen) if seen.is_dir() => fs::rename(&next, self.aside()).map_err(failed),
            Ok(_) => fs::remove_file(&next).map_err(failed),
        }
    }

    /// Returns where a directory that was taken over is kept for people: each has a name of its own.
    fn aside(&self) -> PathBuf {
        let name = |count: u32| match count {
            1 => self.state().join("taken-over"),
            count => self.state().join(format!("taken-over.{count}")),
        };
        let is_free = |path: &PathBuf| !path.exists();
        (1..).map(name).find(is_free).unwrap_or_else(|| name(1))
    }

    /// Returns the numbers of all whole trees, rising.
    pub(crate) fn trees(&self) -> Result<Vec<u64>, PublishError> {
        let dir = self.state().join("trees");
        let read = || -> io::Result<Vec<u64>> {
            let mut numbers = Vec::new();
            let entries = match fs::read_dir(&dir) {
                // Nothing was published yet.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
                entries => entries?,
            };
            for entry in entries {
                numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
            }
            numbers.sort_unstable();
            Ok(numbers)
        };
        read().map_err(PublishError::io("read", &dir))
    }

    /// Removes a tree: first its name, so that no half of it is taken for a whole one. The one in place
    /// stays.
    pub(crate) fn remove_tree(&self, number: u64) -> Result<(), PublishError> {
        if self.live()? == Live::Tree(number) {
            return Ok(());
        }
        let (tree, gone) = (self.tree(number), self.state().join("work").join(format!("{number}.old")));
        match fs::rename(&tree, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PublishError::io("move", &tree)(error)),
            Ok(()) => fs::remove_dir_all(&gone).map_err(PublishError::io("remove", &gone)),
        }
    }

    /// Removes all that is in the making. Only links lead out of there, and no link is followed.
    pub(crate) fn clear_work(&self) -> Result<(), PublishError> {
        let work = self.state().join("work");
        let clear = || -> io::Result<()> {
            for entry in fs::read_dir(&work)? {
                fs::remove_dir_all(entry?.path())?;
            }
            Ok(())
        };
        clear().map_err(PublishError::io("clear", &work))
    }

    /// Makes the directory that a tree is made in, with links to everything beside the dists.
    pub(crate) fn make_stage(&self, number: u64) -> Result<PathBuf, PublishError> {
        let stage = self.work(number);
        let make = || -> io::Result<()> {
            make_dir(&stage)?;
            make_dir(&self.dists_in(&stage))?;
            for entry in fs::read_dir(&self.root)? {
                let name = entry?.file_name();
                if name != *self.dists && name != *STATE {
                    symlink(Path::new("../../..").join(&name), stage.join(&name))?;
                }
            }
            Ok(())
        };
        make().map_err(PublishError::io("make", &stage))?;
        Ok(stage)
    }

    /// Gives a tree that is made its number's place, flushed to the disk with the files of the pool that it
    /// names and no tree has named before; with everything there, if these are not known.
    pub(crate) fn keep_stage(&self, number: u64, named: Option<&[PathBuf]>) -> Result<(), PublishError> {
        let (stage, tree) = (self.work(number), self.tree(number));
        let keep = || -> io::Result<()> {
            match named {
                Some(named) => flush::tree(&stage, named, &self.root)?,
                None => flush::file_system(&stage)?,
            }
            fs::rename(&stage, &tree)?;
            File::open(self.state().join("trees"))?.sync_all()
        };
        keep().map_err(PublishError::io("flush", &stage))
    }
}

/// Makes a directory that everybody may read, unless it is there.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    fs::set_permissions(dir, Permissions::from_mode(0o755))
}

/// Writes a file that everybody may read in the place of one that may have other names, which stays what it
/// is under these.
pub(crate) fn put_file(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    let mut file = File::create_new(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(content)
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), PublishError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(PublishError::io("flush", dir))
}
