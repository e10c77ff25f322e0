//! Locks that hold over all hosts of the spool.
//!
//! Order: `manage.lock` first, then at most one job's lock at a time. Nobody waits for a lock.
//!
//! A lock is an flock (through fs2) and then an open-file-description lock on the same descriptor: the NFS
//! server's own processes see only the second kind, other clients see both (measured; Linux maps flock on NFS
//! to a byte-range lock on the server). The kernel decides who holds it; the file's content is for people.
//!
//! A lock saves work, it does not protect data: a host that was cut off loses its lock and goes on later. So
//! each commit first asks [`Lock::confirm`], and what a late process could still do hits only names that
//! carry its own generation. Whatever fails under a lock asks it as well: what another host has moved
//! meanwhile looks like a broken disk.
//!
//! The content is emptied when a lock is let go, so that nobody takes the last holder for the present one.
//! One that was killed leaves its name, and the next one needs a moment to write its own; so the name is read
//! some time after the lock was found taken.
//!
//! Lock files stay, because a file that is unlinked while held lets a second holder in. The one that removes
//! files nobody needs any more, [`Lock::remove`], holds them; whoever opened such a file before looks again.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs2::FileExt as _;
use jiff::{SignedDuration, Timestamp};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::exit::{Fault, HasFault};
use crate::foreign;
use crate::owner;
use crate::run::{Identity, RunContext};

/// A lock that this process holds, until it is dropped or the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    content: Vec<u8>,
    /// It was found out that it is not held any more. The file server says so only once.
    is_lost: bool,
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

impl HasFault for LockError {
    fn fault(&self) -> Fault {
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
            let file = match open(path) {
                Err(e) if is_gone(&e) && path.parent().is_some_and(Path::is_dir) => continue,
                opened => opened.map_err(failed)?,
            };
            match try_both(&file) {
                Ok(()) => {}
                Err(e) if is_contention(&e) => return Err(LockError::Busy(settled_holder(path))),
                Err(e) if is_gone(&e) => continue,
                Err(e) => return Err(failed(e)),
            }
            if !is_at(&file, path).map_err(failed)? {
                continue;
            }
            let holder = Holder { identity: context.identity.clone(), since: context.now() };
            let mut content = serde_json::to_vec(&holder).map_err(|e| failed(e.into()))?;
            content.push(b'\n');
            let mut lock = Self { file, path: path.to_owned(), content, is_lost: false };
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
    /// fsync answers EIO. Without a file server it is lost when a person removes its file.
    pub fn confirm(&mut self) -> Result<(), LockError> {
        let path = foreign::path(&self.path).to_string();
        let held = match self.is_lost {
            true => Err(io::Error::other("it was lost before")),
            false => self.write_holder().and_then(|()| is_at(&self.file, &self.path)),
        };
        let source = match held {
            Ok(true) => return Ok(()),
            Ok(false) => io::Error::other("its file was removed or replaced"),
            Err(e) if is_of_disk(&e) => {
                return Err(LockError::Io { path, advice: String::new(), source: e });
            }
            Err(e) => e,
        };
        self.is_lost = true;
        Err(LockError::Lost { path, source })
    }

    /// Removes the lock file while holding it, for good: its job does not exist any more.
    pub fn remove(mut self) -> io::Result<()> {
        // Nobody reads it any more.
        self.is_lost = true;
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

impl Drop for Lock {
    /// Lets it go, and takes the name out first: what another host reads a moment later must not be this
    /// holder's.
    fn drop(&mut self) {
        if !self.is_lost {
            // At worst the name stays, as that of a process that was killed does.
            let _ = self.file.set_len(0);
        }
        // Closing it would not do: a process that is being started just now has the descriptor too, until it
        // is executed.
        let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_UNLCK)));
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

/// Returns who holds the lock at `path`, without touching it; `None` if it is free.
pub fn holder(path: &Path) -> io::Result<Option<Held>> {
    Ok(is_held(path)?.then(|| Held(settled_holder(path))))
}

/// Returns which of these locks somebody holds, and who, each with what is given with it. A lock that cannot
/// be looked at is found out about when it is taken.
pub fn holders<K>(locks: impl IntoIterator<Item = (K, PathBuf)>) -> Vec<(K, Held)> {
    let held: Vec<_> = locks.into_iter().filter(|(_, path)| is_held(path).unwrap_or(false)).collect();
    if !held.is_empty() {
        std::thread::sleep(SETTLES);
    }
    held.into_iter().map(|(key, path)| (key, Held(read_holder(&path)))).collect()
}

/// Returns whether somebody holds the lock at `path`. Asks the kernel, not the content: a killed holder's
/// name stays there.
fn is_held(path: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(e) if is_gone(&e) => return Ok(false),
        Err(e) => return Err(e),
    };
    let mut probe = whole_file(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut probe))?;
    Ok(libc::c_int::from(probe.l_type) != libc::F_UNLCK)
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

/// How long nothing that is as it should be holds a lock.
const LONG: SignedDuration = SignedDuration::from_hours(6);

impl Held {
    /// Returns whether it is held for so long that somebody should look: a process may hang, or its host may
    /// be gone without the file server having noticed.
    pub fn is_long(&self, now: Timestamp) -> bool {
        self.0.as_ref().is_some_and(|holder| now.duration_since(holder.since) > LONG)
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
    are_same(file.metadata(), std::fs::symlink_metadata(path))
}

fn are_same(held: io::Result<Metadata>, named: io::Result<Metadata>) -> io::Result<bool> {
    match (held, named) {
        (Ok(held), Ok(named)) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        (Err(e), _) | (_, Err(e)) if is_gone(&e) => Ok(false),
        (Err(e), _) | (_, Err(e)) => Err(e),
    }
}

/// Returns whether a file was removed: by this host, or, on NFS, by another one while this one has it open.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESTALE)
}

/// Returns whether a write failed for what says nothing about who holds a lock.
fn is_of_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// Longest content of a lock file that is looked at, in bytes.
const HOLDER_MAX: u64 = 8 * 1024;

/// Longer than a holder takes from getting a lock to writing who it is.
const SETTLES: Duration = Duration::from_millis(100);

/// Returns who holds a lock that was found taken.
fn settled_holder(path: &Path) -> Option<Holder> {
    std::thread::sleep(SETTLES);
    read_holder(path)
}

/// Reads who holds a lock. Opens the file anew: an NFS client looks for what others have written only then.
fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).ok()?;
    file.take(HOLDER_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests;
