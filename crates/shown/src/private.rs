//! Files that hold secrets, read only if nobody else can read or change them.
//!
//! The file that is checked is the one that is read: both through one descriptor, which was opened without
//! waiting for the other end of a pipe.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use zeroize::Zeroizing;

/// Why a file that should be private is not used. Who reads it knows its name, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is a link, a directory, a device or the like.
    #[error("it is not a regular file")]
    NotRegular,
    /// It belongs to this user, who is neither root nor that of this process.
    #[error("it belongs to user {0}")]
    Owner(u32),
    /// Others can read or change it, by these permissions.
    #[error("it has mode {0:04o}")]
    Mode(u32),
    /// It is longer than it may be.
    #[error("it is too long")]
    TooLong,
}

/// Reads a file whole, if it has at most `limit` bytes, and nobody but its owner, who is this process or
/// root, can read or write it. A link is not followed.
pub fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, NotPrivate> {
    open_and_read(path, OFlags::NOFOLLOW, |_| 0o077, limit)
}

/// Reads a private key, as [`read`] does. But other programs keep keys in their own ways: the path may be a
/// link, as those that renew certificates make, and a file of root's may be read by a group, which is how a
/// service gets at it.
pub fn read_key(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, NotPrivate> {
    open_and_read(path, OFlags::empty(), |owner| if owner == 0 { 0o037 } else { 0o077 }, limit)
}

/// Reads a file whose permissions have none of those that are `forbidden` to a file of this owner.
fn open_and_read(
    path: &Path,
    more: OFlags,
    forbidden: impl Fn(u32) -> u32,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, NotPrivate> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    let descriptor = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::LOOP) => return Err(NotPrivate::NotRegular),
        Err(error) => return Err(NotPrivate::Read(error.into())),
    };
    let stat = rustix::fs::fstat(&descriptor).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(NotPrivate::NotRegular);
    }
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(NotPrivate::Owner(stat.st_uid));
    }
    if stat.st_mode & forbidden(stat.st_uid) != 0 {
        return Err(NotPrivate::Mode(stat.st_mode & 0o7777));
    }
    let size = usize::try_from(stat.st_size).ok().filter(|size| *size <= limit).ok_or(NotPrivate::TooLong)?;
    // Room for all of it from the start: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    File::from(descriptor).take(size as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > size {
        return Err(NotPrivate::Read(io::Error::other("it changed while it was read")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_a_regular_file_that_nobody_else_can_read_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "12345").unwrap();
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path, 5) {
                Ok(bytes) => assert!(is_read && *bytes == b"12345"),
                Err(error) => assert!(!is_read && matches!(error, NotPrivate::Mode(found) if found == mode)),
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read(&path, 4), Err(NotPrivate::TooLong)));
        assert!(matches!(read(dir.path(), 5), Err(NotPrivate::NotRegular)));
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(read(&link, 5), Err(NotPrivate::NotRegular)));
        assert_eq!(**read_key(&link, 5).unwrap(), *b"12345");
        assert!(matches!(read(&dir.path().join("none"), 5), Err(NotPrivate::Read(_))));
    }
}
