//! From a build path that an outsider chose to an open directory below a configured build root.
//!
//! A record's build path is text from people. Here it becomes a descriptor, and from then on nobody
//! looks at the path again: the tree is walked from that descriptor, so a directory or link that is
//! swapped later changes nothing. String comparison only chooses the root; that the directory lies
//! below it is decided by the kernel (`openat2` with `RESOLVE_BENEATH`). Where the kernel has no such
//! call, or a sandbox forbids it, names are opened one by one and no link is followed at all.
//!
//! Promises: a [`BuildDir`] lies below its root at the moment it was opened, is a directory, and is
//! never the root itself. Relies on the build roots being chosen by the operator alone.

mod error;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

pub use error::{BuildError, Limit};

use crate::foreign;

/// How often a resolution is repeated that the kernel gave up because directories moved meanwhile.
const RESOLVE_TRIES: usize = 8;

/// The directories below which builds may lie, opened once.
#[derive(Debug)]
pub struct BuildRoots {
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    /// Absolute, without a trailing slash; empty for the root of the file system.
    path: Vec<u8>,
    fd: OwnedFd,
}

impl BuildRoots {
    /// Opens the configured build roots, which are absolute paths; links in them are followed.
    pub fn open(paths: &[PathBuf]) -> Result<Self, BuildError> {
        let roots = paths.iter().map(|path| Root::open(path.as_os_str().as_bytes()));
        Ok(Self { roots: roots.collect::<Result<_, _>>()? })
    }

    /// Opens the build directory that a record names.
    pub fn resolve(&self, build_path: &str) -> Result<BuildDir, BuildError> {
        let (root, below) = self.split(build_path)?;
        let fd = open_beneath(root.fd.as_fd(), below).map_err(|cause| cause.into_error(build_path))?;
        Ok(BuildDir { fd, below: below.to_vec(), path: build_path.as_bytes().to_vec() })
    }

    /// Returns what of a record's build path is below its root, by the names alone: the directory need not
    /// exist any more.
    pub fn below<'p>(&self, build_path: &'p str) -> Result<&'p [u8], BuildError> {
        self.split(build_path).map(|(_, below)| below)
    }

    fn split<'p>(&self, build_path: &'p str) -> Result<(&Root, &'p [u8]), BuildError> {
        let refused = |why| BuildError::NotAllowed { path: foreign::escape(build_path), why };
        let Some(absolute) = build_path.strip_prefix('/') else {
            return Err(refused("it is not absolute"));
        };
        if build_path.contains('\0') {
            return Err(refused("it holds a NUL byte"));
        }
        if absolute.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(refused("it has an empty, \".\" or \"..\" component, or ends with a slash"));
        }
        self.root_of(build_path.as_bytes()).ok_or_else(|| refused("no build root holds it"))
    }

    /// Returns the innermost root above `path`, and what of `path` is below it.
    fn root_of<'p>(&self, path: &'p [u8]) -> Option<(&Root, &'p [u8])> {
        let below = |root: &Root| path.strip_prefix(root.path.as_slice())?.strip_prefix(b"/");
        let roots = self.roots.iter().filter_map(|root| Some((root, below(root)?)));
        roots.max_by_key(|(root, _)| root.path.len())
    }
}

impl Root {
    fn open(path: &[u8]) -> Result<Self, BuildError> {
        let failed = |source| BuildError::Root { path: foreign::escape(path), source };
        if !path.starts_with(b"/") {
            return Err(failed(Errno::INVAL));
        }
        let fd = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let end = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
        Ok(Self { path: path[..end].to_vec(), fd: fd.map_err(failed)? })
    }
}

/// An open build directory.
#[derive(Debug)]
pub struct BuildDir {
    fd: OwnedFd,
    below: Vec<u8>,
    path: Vec<u8>,
}

impl BuildDir {
    /// Returns the path below the build root: what [`crate::site::Place::of_build`] mirrors.
    pub fn below(&self) -> &[u8] {
        &self.below
    }

    /// Returns the directory's own name, the top-level name in the archive.
    pub fn name(&self) -> &[u8] {
        self.below.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// Returns the build's date on the file system: when the build directory was last changed.
    pub fn mtime(&self) -> Result<Timestamp, BuildError> {
        let stat =
            rustix::fs::fstat(&self.fd).map_err(|errno| BuildError::reading(self.shown(b""), errno))?;
        let (seconds, nanoseconds) = (stat.st_mtime, i32::try_from(stat.st_mtime_nsec).unwrap_or(0));
        let clamped = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Ok(Timestamp::new(seconds, nanoseconds).unwrap_or(clamped))
    }

    /// Returns the directory's descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns the whole path of what is at `below` in the build, fit for a message; `below` is empty for the
    /// build directory itself.
    pub fn shown(&self, below: &[u8]) -> String {
        let separator: &[u8] = if below.is_empty() { b"" } else { b"/" };
        foreign::escape([&self.path, separator, below].concat())
    }
}

/// Why a build directory could not be opened.
enum Unopened {
    /// A link on the way may not be followed.
    Link,
    Errno(Errno),
}

impl Unopened {
    fn into_error(self, build_path: &str) -> BuildError {
        let path = foreign::escape(build_path);
        match self {
            Self::Link | Self::Errno(Errno::XDEV | Errno::LOOP) => {
                BuildError::NotAllowed { path, why: "a link on the way is absolute or leaves the build root" }
            }
            Self::Errno(Errno::NAMETOOLONG) => BuildError::NotAllowed { path, why: "it is too long" },
            Self::Errno(Errno::NOENT | Errno::NOTDIR) => BuildError::NotFound { path },
            Self::Errno(Errno::AGAIN) => {
                BuildError::Changed { path, what: "directories above it were moved while it was opened" }
            }
            Self::Errno(errno) => BuildError::reading(path, errno),
        }
    }
}

/// How a directory is opened here: for listing, and never a terminal, a FIFO or a link in its place.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

fn open_beneath(root: BorrowedFd<'_>, below: &[u8]) -> Result<OwnedFd, Unopened> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RESOLVE_TRIES {
        match rustix::fs::openat2(root, below, DIRECTORY, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Older container runtimes answer EPERM to calls they do not know.
            Err(Errno::NOSYS | Errno::PERM) => return open_by_components(root, below),
            opened => return opened.map_err(Unopened::Errno),
        }
    }
    Err(Unopened::Errno(Errno::AGAIN))
}

/// Opens `below` name by name without following any link; stricter than `openat2`, and as safe.
fn open_by_components(root: BorrowedFd<'_>, below: &[u8]) -> Result<OwnedFd, Unopened> {
    let mut opened: Option<OwnedFd> = None;
    for name in below.split(|&b| b == b'/') {
        let dir = opened.as_ref().map_or(root, OwnedFd::as_fd);
        let next = rustix::fs::openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        opened = Some(next.map_err(|errno| link_or(errno, dir, name))?);
    }
    opened.ok_or(Unopened::Errno(Errno::NOENT))
}

/// `O_DIRECTORY` answers ENOTDIR for a link as for a file; only the link is against the rules.
fn link_or(errno: Errno, dir: BorrowedFd<'_>, name: &[u8]) -> Unopened {
    let is_link = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
    if is_link && matches!(errno, Errno::NOTDIR | Errno::LOOP) {
        Unopened::Link
    } else {
        Unopened::Errno(errno)
    }
}

#[cfg(test)]
mod tests;
