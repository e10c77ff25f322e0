//! A delivery site: the trait that every kind implements, and its contract.
//!
//! A [`Site`] knows how to reach a place; a [`Session`] is one open connection to it. One conformance suite
//! runs on every kind against the real thing. A place where packages are only handed in has connections of
//! another kind, with a contract of their own ([`Desk`]). What a session must keep:
//!
//! - **Absence is a statement of the site.** [`Session::stat`] returns `None` only when the site
//!   says that there is no such file; everything else is an error (invariant I3).
//! - **A finished put is whole.** When [`Session::put`] returns, the site has acknowledged every byte
//!   and closed the file; it was flushed to the site's disk where the protocol can ask for that.
//! - **A rename never overwrites** ([`Session::rename_new`]): if the target exists, both names stay as they
//!   are and the error is [`SiteErrorKind::Exists`]. A local directory makes sure of that. Over SFTP it
//!   depends on the server, and we look right before unless `upload check` has seen it refuse; over FTP we
//!   can do no more than look.
//! - **Links are not followed** by `stat`; `put`, `get` and `truncate` are for regular files only and
//!   refuse others with [`SiteErrorKind::NotRegular`], as far as the site can tell.
//! - **Time is bounded.** Connecting takes at most `connect_timeout`, and every other call returns at most
//!   `io_timeout` after the last progress; so does a transfer that was slower than `min_rate` in that time. A
//!   session that has timed out or lost its connection is dead: each further call fails at once, and dropping
//!   it takes no time. Hashing at the site, of which nothing is heard until it is done, may take a second
//!   more for each 16 MiB, and so may the end of a put, before which it is flushed. A local directory is as
//!   fast as its kernel.
//! - **May be repeated:** `stat`, `make_dirs`, `get`, `sha256`, `truncate`, and `put` of the same bytes at
//!   the same place. After a lost answer to `rename_new` or `remove`, look.
//! - **Errors** say what they are by [`SiteErrorKind`]; what the peer said is escaped and cut.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod desk;
mod directory;
mod error;
mod habits;
mod limited;
mod link;
pub mod pace;
mod package;
mod path;
mod pieces;
mod pool;
pub mod probe;
mod reach;
mod trust;
mod url;

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::time::Duration;

pub use desk::{Desk, Dialect, Handing, Package};
pub use directory::Directory;
pub use error::{CLOSED_BEFORE, SiteError, SiteErrorKind};
pub use habits::{Habits, Known};
pub use limited::{Limited, Limiter, limited};
pub use link::{Link, Resting};
pub use package::{PackageName, PackageNameError};
pub use path::{PathError, Place, RemotePath};
pub use pieces::Pieces;
pub use pool::Pool;
pub use reach::{is_here, reach};
pub use trust::Trust;
pub use url::{BasePath, SiteUrl, UrlError};

use crate::digest::Sha256Hex;

/// A place where payloads are delivered. Cheap to make; connects when asked. What its connections can do is
/// `S`: most places let us look at files and rename them ([`Session`]); a few only take them over ([`Desk`]).
pub trait Site<S: ?Sized = dyn Session>: Send + Sync {
    /// Returns the name from the configuration.
    fn name(&self) -> &str;

    /// Opens a connection, checks who the peer is, and logs in.
    fn connect(&self) -> Result<Box<S>, SiteError>;

    /// Does the same, and tells `arrival` how far it is, at a site that takes one file over several
    /// connections.
    fn connect_and_tell(&self, _arrival: &mut dyn Arrival) -> Result<Box<S>, SiteError> {
        self.connect()
    }
}

/// Hears how far a connection is on its way.
pub trait Arrival {
    /// The peer has proven who it is; it takes so long to answer. The login comes next, when this returns,
    /// and is not tried after an error.
    fn met(&mut self, distance: Duration) -> Result<(), SiteError>;

    /// The login is accepted.
    fn is_in(&mut self);
}

/// Nobody needs to know.
impl Arrival for () {
    fn met(&mut self, _distance: Duration) -> Result<(), SiteError> {
        Ok(())
    }

    fn is_in(&mut self) {}
}

/// One open connection to a site. Paths are relative to the site's base.
pub trait Session: Send {
    /// Returns what is at `path`, without following a link, or `None` if the site says nothing is.
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError>;

    /// Returns the names in a directory, without `.` and `..`, in no particular order.
    fn list(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError>;

    /// Makes `dir` and the directories above it where they are missing; returns how many it made.
    fn make_dirs(&mut self, dir: &RemotePath) -> Result<usize, SiteError>;

    /// Writes all of `source` to `path` from byte `from` on, and returns how many bytes that was.
    ///
    /// The file is made if it is missing and never truncated; only over FTP what stands behind the end of a
    /// put may be cut off. A site that takes no file from the middle says [`SiteErrorKind::Unsupported`].
    /// `progress` hears how many bytes of this call are acknowledged so far; over FTP, where nothing is
    /// acknowledged before the end, how many are on their way. An error of `source` is
    /// [`SiteErrorKind::Source`].
    fn put(
        &mut self,
        path: &RemotePath,
        from: u64,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError>;

    /// Does the same for a file that is not there yet, from its beginning on; if something is there already,
    /// it stays as it is, and the error is [`SiteErrorKind::Exists`]. Whoever expects to be right saves a
    /// look.
    fn put_new(
        &mut self,
        path: &RemotePath,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        if self.stat(path)?.is_some() {
            let text = format!("making {path}: {}", SiteErrorKind::Exists.advice());
            return Err(SiteError::new(SiteErrorKind::Exists, text));
        }
        self.put(path, 0, source, progress)
    }

    /// Writes pieces to `path` as [`Session::put`] does. They have to follow one another, unless this site
    /// writes anywhere.
    fn put_pieces(
        &mut self,
        path: &RemotePath,
        pieces: &mut dyn Pieces,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        pieces::put(self, path, pieces, progress)
    }

    /// Prepares for sending more at a time than usual, where pieces are put far away over few connections.
    fn widen(&mut self) -> Result<(), SiteError> {
        Ok(())
    }

    /// Looks into the small file at `path` beside the file that is put next, if that costs no time of its
    /// own.
    fn begin_peek(&mut self, _path: &RemotePath) {}

    /// Returns what was seen by that: what the file begins with, or `None`, which says nothing.
    fn end_peek(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Asks whether `to` is free beside what is asked next, where a rename to it would ask that by itself: it
    /// follows in a moment.
    fn expect_rename(&mut self, _to: &RemotePath) -> Result<(), SiteError> {
        Ok(())
    }

    /// Begins to have the site hash the file at `path` as it grows, as far as the pieces that are put next
    /// over this session say that it is complete, if it can.
    fn begin_hash(&mut self, _path: &RemotePath) -> Result<(), SiteError> {
        Ok(())
    }

    /// Returns the SHA-256 of the file whose hashing was begun, if it is `size` bytes long now; `None` if
    /// there is none.
    fn end_hash(&mut self, _size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        Ok(None)
    }

    /// Sees to it that the file at `path`, which was put before and is `size` bytes long, has what a put
    /// gives a file besides its content. Its content is proven and stays as it is; where that may take long
    /// it is not flushed once more.
    fn settle(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        self.put(path, size, &mut io::empty(), &mut |_| ()).map(drop)
    }

    /// Copies the file at `path` from byte `from` to its end into `sink`; returns how many bytes that was.
    fn get(&mut self, path: &RemotePath, from: u64, sink: &mut dyn Write) -> Result<u64, SiteError>;

    /// Cuts the file at `path` to `size` bytes, or says that this site cannot
    /// ([`SiteErrorKind::Unsupported`]).
    fn truncate(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError>;

    /// Renames `from` to `to`, which must not exist.
    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError>;

    /// Renames `from` to `to` without a look at `to` before: if that is taken, what becomes of the two is the
    /// site's doing. To find out what that is; everybody else uses [`Session::rename_new`].
    fn rename_blindly(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError>;

    /// Removes the file at `path`; that it is not there is an error ([`SiteErrorKind::NotFound`]).
    fn remove(&mut self, path: &RemotePath) -> Result<(), SiteError>;

    /// Returns the SHA-256 of the file at `path`, whose length is `size`, computed by the site itself, or
    /// `None` if this site cannot. It is as much as the site's word; a wrong length is an error.
    fn sha256(&mut self, path: &RemotePath, size: u64) -> Result<Option<Sha256Hex>, SiteError>;

    /// Returns the SHA-256 of each block of `block` bytes of the file at `path`, whose length is `size`,
    /// computed by the site itself; the last block may be shorter. `None` if this site cannot.
    fn sha256_of_blocks(
        &mut self,
        path: &RemotePath,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, SiteError>;

    /// Returns whether a put may begin anywhere in a file or behind its end, and changes nothing else of it,
    /// so that several connections can write to one file at the same time.
    fn writes_anywhere(&self) -> bool;

    /// Returns whether what a process has written may reach a file after another process has gone on with it
    /// and has renamed it, as from an NFS client that was cut off. What another one has begun is then not
    /// gone on with.
    fn writes_late(&self) -> bool {
        false
    }

    /// Returns whether a file can be gone on with at its end, as far as that is known.
    fn appends(&self) -> Option<bool> {
        None
    }

    /// Returns whether names may begin with a dot, if it is known or nothing else can be learned.
    fn takes_dot_names(&self) -> Option<bool> {
        Some(true)
    }

    /// Hears that a name was refused for its dot.
    fn refuses_dot_names(&mut self) {}

    /// Hears that nothing came of going on with a file, while all of it could be sent from its beginning on.
    fn cannot_append(&mut self) {}

    /// Hears that a file arrived with other bytes when several connections wrote to it, and right over one.
    fn spoils_pieces(&mut self) {}

    /// Returns the bytes that can still be stored below `dir`, or `None` if the site does not say.
    fn free_space(&mut self, dir: &RemotePath) -> Result<Option<u64>, SiteError>;

    /// Has a POSIX shell of the account's run a script there, in the directory that a login begins in; it has
    /// no input besides. `hear` is given all that it says, errors among it, and is asked at least once a
    /// second. A script that says nothing for `io_timeout` counts as lost, and so does one whose connection
    /// broke: it may go on there. `None` if `hear` did not want to hear the end, after which the session is
    /// dead.
    fn run(
        &mut self,
        _script: &str,
        _hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Ran>, SiteError> {
        let text = "running a script: this kind of site runs none";
        Err(SiteError::new(SiteErrorKind::Unsupported, text))
    }

    /// Returns whether the site has said of the last file that was put or cut that it is on its disk.
    fn is_flushed(&self) -> bool;

    /// Returns one line about the peer for `check` and the receipt: protocol, software, host key.
    fn peer(&self) -> String;
}

/// How a script has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status, if no signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it, as the site calls it.
    pub signal: Option<String>,
}

/// What a site says about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes; meaningful for files.
    pub size: u64,
}

/// The kinds of things that may stand at a remote name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a device, or anything else that must not be written through.
    Other,
}
