//! Reads a file that must not change: exactly as long as it was, and the same before and after.
//!
//! A tar header gives a length before the content; one byte more or less would shift everything that
//! follows it. The name may also be another file by now, or a FIFO that would block for ever.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::build_dir::{BuildDir, BuildError};
use crate::tree::{Entry, EntryKind, Meta};

/// An open file of a build, read from its start to the end it had when it was looked up.
pub(super) struct Content<'a> {
    dir: &'a BuildDir,
    path: &'a [u8],
    file: File,
    expected: Meta,
    left: u64,
}

impl<'a> Content<'a> {
    /// Opens the file that `entry` was looked up as.
    pub(super) fn open(dir: &'a BuildDir, entry: &Entry<'a>) -> Result<Self, BuildError> {
        let EntryKind::File { dir: parent, name } = entry.kind else {
            return Err(BuildError::Special { path: dir.shown(entry.path), kind: "thing without content" });
        };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, how, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => BuildError::Changed { path: dir.shown(entry.path), what: "it was removed" },
            Errno::LOOP | Errno::NXIO => BuildError::Changed { path: dir.shown(entry.path), what: REPLACED },
            errno => BuildError::reading(dir.shown(entry.path), errno),
        })?;
        let content =
            Self { dir, path: entry.path, file: fd.into(), expected: entry.meta, left: entry.meta.size };
        content.check(REPLACED)?;
        Ok(content)
    }

    /// Reads some more into `buffer` and returns how much; `None` at the end, when the file is still what it was.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BuildError> {
        if self.left == 0 {
            self.check("it was written to")?;
            return Ok(None);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = loop {
            match self.file.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| self.failed(&error))?,
            }
        };
        if read == 0 {
            return Err(self.changed("it became shorter"));
        }
        self.left -= read as u64;
        Ok(Some(read))
    }

    fn check(&self, what: &'static str) -> Result<(), BuildError> {
        let stat =
            rustix::fs::fstat(&self.file).map_err(|e| BuildError::reading(self.dir.shown(self.path), e))?;
        if Meta::of(&stat) == self.expected { Ok(()) } else { Err(self.changed(what)) }
    }

    fn changed(&self, what: &'static str) -> BuildError {
        BuildError::Changed { path: self.dir.shown(self.path), what }
    }

    fn failed(&self, error: &io::Error) -> BuildError {
        BuildError::reading(self.dir.shown(self.path), Errno::from_io_error(error).unwrap_or(Errno::IO))
    }
}

pub(super) const REPLACED: &str = "it was replaced or written to";
