//! Reading a file that somebody may be writing to.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use intraware_core::digest::{Digester, Sha256Hex};
use intraware_core::run::{RunContext, Stopped};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::walk::Stamp;

/// So much of a file is read at once, in bytes.
const PIECE: usize = 1 << 18;

/// What reading a file has come to.
pub(super) enum Reading {
    Content(Sha256Hex),
    /// Somebody has written to it meanwhile.
    Changed,
    /// It is not there any more.
    Vanished,
    Failed(io::Error),
}

/// Reads a file that looked like this, and does so before and behind.
pub(super) fn read(path: &Path, stamp: Stamp, context: &RunContext) -> Result<Reading, Stopped> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Reading::Vanished);
        }
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Ok(Reading::Changed);
        }
        Err(error) => return Ok(Reading::Failed(error)),
    };
    let looks_like_this = |file: &File| rustix::fs::fstat(file).is_ok_and(|stat| Stamp::of(&stat) == stamp);
    if !looks_like_this(&file) {
        return Ok(Reading::Changed);
    }
    let mut digester = Digester::default();
    let mut buffer = vec![0; PIECE];
    loop {
        context.stop.check()?;
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => digester.update(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Ok(Reading::Failed(error)),
        }
    }
    match looks_like_this(&file) {
        true => Ok(Reading::Content(digester.finish().sha256)),
        false => Ok(Reading::Changed),
    }
}
