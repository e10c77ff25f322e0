//! `.<version>.partial.<run>`: where a target is made, beside its final place and on the same file system.
//!
//! Only its owner can enter it. It is no part of the archive: who finds one while holding the package's lock
//! removes it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The contents of the fragments, each in a directory named by its number.
pub(crate) const CONTENTS: &str = "fragments";
/// The package as it will be.
pub(crate) const TREE: &str = "tree";
/// What was at the target's place, where it cannot be exchanged.
pub(crate) const OLD: &str = "old";

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A partial directory; it is removed when this is dropped.
pub(crate) struct Partial {
    path: PathBuf,
    /// Opened before anything is written, so that a flush through it reports every error since.
    dir: OwnedFd,
}

impl Partial {
    /// Makes one in the package's directory.
    pub(crate) fn make(package_dir: &Path, version: &str, run: &str) -> io::Result<Self> {
        let run: String = run.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let path = package_dir.join(format!("{}{run}", prefix(version)));
        rustix::fs::mkdir(&path, Mode::RWXU)?;
        let dir = rustix::fs::open(&path, DIRECTORY, Mode::empty())?;
        for name in [CONTENTS, TREE] {
            rustix::fs::mkdirat(&dir, name, Mode::RWXU)?;
        }
        Ok(Self { path, dir })
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Opens a directory in it.
    pub(crate) fn open(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(&self.dir, name, DIRECTORY, Mode::empty())?)
    }

    /// Makes and opens the directory for a fragment's contents.
    pub(crate) fn contents(&self, index: usize) -> io::Result<OwnedFd> {
        let name = contents(index);
        rustix::fs::mkdirat(&self.dir, &name, Mode::RWXU)?;
        self.open(&name)
    }

    /// Removes it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Whoever wants to know calls `remove`; what stays is removed by the next assembly.
        let _ = self.remove();
    }
}

/// Returns the name of the directory for a fragment's contents.
pub(crate) fn contents(index: usize) -> String {
    format!("{CONTENTS}/{index}")
}

/// Returns the partial directories of this version that nobody works in, since the caller has the lock.
pub(crate) fn leftovers(package_dir: &Path, version: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(package_dir)? {
        let entry = entry?;
        let is_one =
            entry.file_name().to_str().and_then(|name| name.strip_prefix(&prefix(version)).map(is_run));
        if is_one == Some(true) && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn prefix(version: &str) -> String {
    format!(".{version}.partial.")
}

/// A run has no dot, so that the partial directory of version `1` is never taken for one of `1.partial.x`.
fn is_run(rest: &str) -> bool {
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
