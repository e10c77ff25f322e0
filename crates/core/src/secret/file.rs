//! Reads a file that keeps a secret.
//!
//! The file that is checked is the one that is read: both through one descriptor, which was opened
//! without following a link and without waiting for the other end of a pipe.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use zeroize::Zeroizing;

use super::SecretError;
use crate::foreign;
use crate::owner::{self, User};

/// Returns what to do about a file that cannot be read.
fn advice(path: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "; put it there, readable by the user that runs this alone".to_owned(),
        ErrorKind::PermissionDenied => match std::fs::symlink_metadata(path) {
            Ok(seen) => owner::of_secret(path, User(seen.uid())),
            // The directory hides it.
            Err(_) => owner::advice(path, error),
        },
        _ => String::new(),
    }
}

/// Reads a file whole, if nobody but its owner can read or write it and it has at most `limit` bytes.
pub(super) fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let shown = || foreign::path(path).to_string();
    let failed =
        |source: std::io::Error| SecretError::File { path: shown(), advice: advice(path, &source), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let descriptor = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::LOOP) => return Err(SecretError::NotRegular { path: shown() }),
        Err(error) => return Err(failed(error.into())),
    };
    let stat = rustix::fs::fstat(&descriptor).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(SecretError::NotRegular { path: shown() });
    }
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        let advice = owner::of_secret(path, User(stat.st_uid));
        return Err(SecretError::Owner { path: shown(), advice });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Mode { path: shown(), mode });
    }
    let too_long = || SecretError::TooLong { origin: format!("file {}", shown()), limit };
    let size = usize::try_from(stat.st_size).ok().filter(|size| *size <= limit).ok_or_else(too_long)?;
    // Room for all of it from the start: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    File::from(descriptor).take(size as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > size {
        Err(failed(std::io::Error::other("it changed while it was read")))
    } else {
        Ok(bytes)
    }
}
