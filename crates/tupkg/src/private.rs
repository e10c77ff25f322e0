//! Files that hold passwords or what they are checked against: read only if nobody else can.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat};
use zeroize::Zeroizing;

use crate::shown;

/// A file that should be private cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// It cannot be read.
    #[error("cannot read {0}")]
    Read(String, #[source] io::Error),
    /// It is a link, a directory or the like.
    #[error("{0} is not a regular file; name the file itself, not a link to it")]
    NotRegular(String),
    /// It belongs to somebody else, who can read and change it.
    #[error(
        "{0} belongs to user {1}; run it as that user: `setpriv --reuid={1} --regid={1} --clear-groups sh -c '…'`"
    )]
    Owner(String, u32),
    /// Others can read it.
    #[error("{0} has mode {1:04o}, so others can read it; make it private: `chmod 600 {0}`")]
    Mode(String, u32),
    /// It is too long.
    #[error("{0} has more than {1} bytes, too many for what should be in it")]
    TooLong(String, usize),
}

/// Reads a file whole, if nobody but its owner, who is this process or root, can read or write it. The file
/// that is checked is the one that is read.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateError> {
    let (file, stat) = open(path, OFlags::NOFOLLOW)?;
    whole(path, file, &stat, 0o077, limit)
}

/// Reads a private key, as [`read`] does. But other programs keep keys in their own ways: the path may be a
/// link, as those that renew certificates make, and a file of root's may be read by a group, which is how a
/// service gets at it.
pub(crate) fn read_key(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateError> {
    let (file, stat) = open(path, OFlags::empty())?;
    let forbidden = if stat.st_uid == 0 { 0o037 } else { 0o077 };
    whole(path, file, &stat, forbidden, limit)
}

fn open(path: &Path, more: OFlags) -> Result<(File, Stat), PrivateError> {
    let name = || shown::path(path);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    let descriptor = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::LOOP) => return Err(PrivateError::NotRegular(name())),
        Err(error) => return Err(PrivateError::Read(name(), error.into())),
    };
    let stat = rustix::fs::fstat(&descriptor).map_err(|error| PrivateError::Read(name(), error.into()))?;
    Ok((File::from(descriptor), stat))
}

/// Reads an open file, if its mode has none of the `forbidden` bits.
fn whole(
    path: &Path,
    file: File,
    stat: &Stat,
    forbidden: u32,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, PrivateError> {
    let name = || shown::path(path);
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(PrivateError::NotRegular(name()));
    }
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(PrivateError::Owner(name(), stat.st_uid));
    }
    if stat.st_mode & forbidden != 0 {
        return Err(PrivateError::Mode(name(), stat.st_mode & 0o7777));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.min(64 << 10) + 1));
    let read = file.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| PrivateError::Read(name(), error))?;
    if bytes.len() > limit { Err(PrivateError::TooLong(name(), limit)) } else { Ok(bytes) }
}
