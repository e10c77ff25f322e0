//! Reads a file that must not change: exactly as long as it was, and the same when it was read as when it was
//! looked up.
//!
//! A tar header gives a length before the content; one byte more or less would shift everything that follows
//! it. The name may also be another file by now, or a FIFO that would block for ever: it is opened without
//! waiting, read only from places in it, which a FIFO has not, and what was opened is compared with what was
//! looked up after each read, before anything is made of the bytes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::build_dir::{BuildDir, BuildError};
use crate::tree::Meta;

/// An open file of a build, which several threads may read at the same time.
pub(super) struct Content<'d> {
    build: &'d BuildDir,
    path: Box<[u8]>,
    file: OwnedFd,
    expected: Meta,
}

impl<'d> Content<'d> {
    /// Opens `name` in `dir`, which was looked up as the file `expected`; `path` is its path below the build.
    pub(super) fn open(
        build: &'d BuildDir,
        path: &[u8],
        dir: BorrowedFd<'_>,
        expected: &Meta,
    ) -> Result<Self, BuildError> {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, how, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => BuildError::Changed { path: build.shown(path), what: "it was removed" },
            Errno::LOOP | Errno::NXIO => BuildError::Changed { path: build.shown(path), what: REPLACED },
            errno => BuildError::reading(build.shown(path), errno),
        })?;
        Ok(Self { build, path: path.into(), file, expected: *expected })
    }

    /// Appends the `len` bytes from byte `from` on to `out`, and makes sure that the file is what was looked
    /// up.
    pub(super) fn read(&self, from: u64, len: usize, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let start = out.len();
        out.reserve(len);
        while out.len() - start < len {
            let at = from + (out.len() - start) as u64;
            match rustix::io::pread(&self.file, spare_capacity(out), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::SPIPE | Errno::ISDIR) => return Err(self.changed(REPLACED)),
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        let is_short = out.len() - start < len;
        // The buffer may have had room for what follows these bytes.
        out.truncate(start + len);
        self.check(is_short)
    }

    fn check(&self, is_short: bool) -> Result<(), BuildError> {
        let meta = self.meta()?;
        if (meta.dev, meta.ino) != (self.expected.dev, self.expected.ino) {
            return Err(self.changed(REPLACED));
        }
        if is_short || meta.size < self.expected.size {
            return Err(self.changed("it became shorter"));
        }
        // Where it has got another name, or another owner, contents are compared once more in the end.
        if meta.has_substance_of(&self.expected) { Ok(()) } else { Err(self.changed("it was written to")) }
    }

    fn meta(&self) -> Result<Meta, BuildError> {
        Ok(Meta::of(&rustix::fs::fstat(self.file.as_fd()).map_err(|errno| self.failed(errno))?))
    }

    fn changed(&self, what: &'static str) -> BuildError {
        BuildError::Changed { path: self.build.shown(&self.path), what }
    }

    fn failed(&self, errno: Errno) -> BuildError {
        BuildError::reading(self.build.shown(&self.path), errno)
    }
}

pub(super) const REPLACED: &str = "it was replaced or written to";
