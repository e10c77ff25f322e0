//! Locks that hold over all hosts of the spool.
//!
//! Order: `manage.lock` first, then at most one job's lock at a time. Nobody waits for a lock.
//!
//! A lock is an flock (through fs2) and then an open-file-description lock on the same descriptor: the
//! NFS server's own processes see only the second kind, other clients see both (measured; Linux maps flock on
//! NFS to a byte-range lock on the server). The kernel decides who holds it; the file's content is for people.
//!
//! A lock saves work, it does not protect data: a host that was cut off loses its lock and goes on later. So each
//! commit first asks [`Lock::confirm`], and what a late process could still do hits only names that carry its own
//! generation.
//!
//! Lock files stay, because a file that is unlinked while held lets a second holder in. The one that removes files
//! nobody needs any more, [`Lock::remove`], holds them; whoever opened such a file before looks again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fs2::FileExt as _;
use jiff::Timestamp;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::exit::Fault;
use crate::foreign;
use crate::owner;
use crate::run::{Identity, RunContext};

/// A lock that this process holds, until it is dropped or the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    content: Vec<u8>,
}

/// Who holds a lock, as written into its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The program, host, process and command.
    #[serde(flatten)]
    pub identity: Identity,
    /// When the lock was taken.
    pub since: Timestamp,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Identity { host, pid, command, .. } = &self.identity;
        let (host, command) = (foreign::escape(host), foreign::escape(command));
        write!(f, "{host}, process {pid}, since {:.0}, running \"{command}\"", self.since)
    }
}

/// A lock could not be taken, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("held by {}", .0.as_ref().map_or("a process that has not yet said who it is".into(), Holder::to_string))]
    Busy(Option<Holder>),
    /// This process held it, and the file server gave it away.
    #[error("lost the lock {path}, the file server has given it away; nothing more is done in this run")]
    Lost {
        /// The lock file.
        path: String,
        /// What the file server answered.
        source: io::Error,
    },
    /// The lock file cannot be opened, locked or written.
    #[error("cannot use the lock file {path}{advice}")]
    Io {
        /// The lock file.
        path: String,
        /// What to do if it is another user's; empty otherwise.
        advice: String,
        /// Why.
        source: io::Error,
    },
}

impl LockError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Busy(_) | Self::Lost { .. } => Fault::TryLater,
            Self::Io { .. } => Fault::Spool,
        }
    }
}

/// How often a lock file that vanished between opening and locking is opened anew.
const ATTEMPTS: u32 = 5;

impl Lock {
    /// Takes the lock at `path` without waiting, and writes who holds it into the file.
    pub fn take(path: &Path, context: &RunContext) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: foreign::path(path).to_string(),
            advice: owner::advice(path, &source),
            source,
        };
        for _ in 0..ATTEMPTS {
            let file = open(path).map_err(failed)?;
            match try_both(&file) {
                Ok(()) => {}
                Err(e) if is_contention(&e) => return Err(LockError::Busy(read_holder(&file))),
                Err(e) => return Err(failed(e)),
            }
            if !is_at(&file, path).map_err(failed)? {
                continue;
            }
            let holder = Holder { identity: context.identity.clone(), since: context.now() };
            let mut content = serde_json::to_vec(&holder).map_err(|e| failed(e.into()))?;
            content.push(b'\n');
            let mut lock = Self { file, path: path.to_owned(), content };
            // What a former holder wrote may be longer.
            lock.file.set_len(0).map_err(failed)?;
            lock.write_holder().map_err(failed)?;
            return Ok(lock);
        }
        Err(failed(io::Error::other("it was removed again and again while it was being locked")))
    }

    /// Fails if the lock is not held any more. Called before each step that cannot be undone.
    ///
    /// An NFS client learns that it lost a lock when it writes through it: the write is accepted, and
    /// fsync answers EIO.
    pub fn confirm(&mut self) -> Result<(), LockError> {
        self.write_holder()
            .map_err(|source| LockError::Lost { path: foreign::path(&self.path).to_string(), source })
    }

    /// Removes the lock file while holding it, for good: its job does not exist any more.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Goes on without the lock, as a host does that was cut off: nothing can be written through it any more.
    #[cfg(test)]
    pub(crate) fn lose(&mut self) {
        self.file = File::open(&self.path).expect("the lock file stays");
    }

    fn write_holder(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(&self.content)?;
        self.file.sync_data()
    }
}

/// Returns who holds the lock at `path`, without touching it; `None` if it is free.
///
/// Asks the kernel, not the content: a crashed holder's name stays in the file.
pub fn holder(path: &Path) -> io::Result<Option<Held>> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut probe = whole_file(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut probe))?;
    Ok((libc::c_int::from(probe.l_type) != libc::F_UNLCK).then(|| Held(read_holder(&file))))
}

/// A lock that somebody holds, and who, if its content says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Held(pub Option<Holder>);

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(holder) => holder.fmt(f),
            None => f.write_str("a process that has not yet said who it is"),
        }
    }
}

/// Opens for writing, because NFS grants an exclusive lock only then; std sets O_CLOEXEC.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}

fn try_both(file: &File) -> io::Result<()> {
    file.try_lock_exclusive()?;
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK)))?;
    Ok(())
}

fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn is_contention(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EWOULDBLOCK | libc::EACCES))
}

/// Returns whether the locked file is still the one that `path` names.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Longest content of a lock file that is looked at, in bytes.
const HOLDER_MAX: u64 = 8 * 1024;

fn read_holder(file: &File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(HOLDER_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests;
