//! The content of a file that must not change between the list and the archive.

use std::fs::File;
use std::io::{self, Read};

use intraware_core::build_dir::{BuildDir, BuildError};
use intraware_core::digest::{Hex, Md5Hex};
use intraware_core::run::RunContext;
use intraware_core::tree::Meta;
use md5::{Digest as _, Md5};
use rustix::fs::{Mode, OFlags};

use super::FragmentError;

/// How much of a file is in memory at once.
const CHUNK: usize = 64 << 10;

/// A file of the build, which must stay what it was when it was looked up.
pub(super) struct Content<'b> {
    build: &'b BuildDir,
    path: Box<[u8]>,
    file: File,
    expected: Meta,
    left: u64,
}

impl<'b> Content<'b> {
    /// Opens `path`, a file in `dir` that was looked up as `expected`.
    pub(super) fn open(
        build: &'b BuildDir,
        path: &[u8],
        dir: rustix::fd::BorrowedFd<'_>,
        expected: &Meta,
    ) -> Result<Self, FragmentError> {
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, how, Mode::empty())
            .map_err(|errno| BuildError::reading(build.shown(path), errno))?;
        let content =
            Self { build, path: path.into(), file: file.into(), expected: *expected, left: expected.size() };
        content.check()?;
        Ok(content)
    }

    fn check(&self) -> Result<(), BuildError> {
        let seen = rustix::fs::fstat(&self.file)
            .map_err(|e| BuildError::reading(self.build.shown(&self.path), e))?;
        if Meta::of(&seen) == self.expected { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> BuildError {
        BuildError::Changed { path: self.build.shown(&self.path), what: "it was replaced or written to" }
    }

    /// Reads it to its end.
    pub(super) fn digest(&mut self, context: &RunContext) -> Result<Md5Hex, FragmentError> {
        let mut digest = Md5::new();
        // Most files are small, and to clear more would cost more than to read them.
        let mut buffer = vec![0; usize::try_from(self.left).unwrap_or(CHUNK).clamp(1, CHUNK)];
        loop {
            context.stop.check()?;
            let read = self.next(&mut buffer)?;
            if read == 0 {
                return Ok(Hex(digest.finalize().into()));
            }
            digest.update(&buffer[..read]);
        }
    }

    /// Reads as many bytes as the file had, and makes sure at their end that it still is what it was.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            self.check()?;
            return Ok(0);
        }
        let read = loop {
            match rustix::io::read(&self.file, &mut buffer[..most]) {
                Err(rustix::io::Errno::INTR) => {}
                read => break read.map_err(|e| BuildError::reading(self.build.shown(&self.path), e))?,
            }
        };
        if read == 0 {
            return Err(self.changed());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A file's content on its way into the archive; keeps its own error, which the archive cannot carry.
pub(super) struct Checked<'a> {
    content: Content<'a>,
    digest: Md5,
    context: &'a RunContext,
    error: Option<FragmentError>,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stopped = self.context.stop.check().map_err(FragmentError::from);
        match stopped.and_then(|()| Ok(self.content.next(buffer)?)) {
            Ok(read) => {
                self.digest.update(&buffer[..read]);
                Ok(read)
            }
            Err(error) => {
                self.error = Some(error);
                Err(io::Error::other("see the error beside it"))
            }
        }
    }
}

impl<'a> Checked<'a> {
    pub(super) fn new(content: Content<'a>, context: &'a RunContext) -> Self {
        Self { content, digest: Md5::new(), context, error: None }
    }

    /// Fails if the content was not all there, or is not what was listed.
    pub(super) fn finish(self, listed: Option<Md5Hex>) -> Result<(), FragmentError> {
        match self.error {
            Some(error) => Err(error),
            None if Some(Hex(self.digest.finalize().into())) == listed => Ok(()),
            None => Err(self.content.changed().into()),
        }
    }
}
