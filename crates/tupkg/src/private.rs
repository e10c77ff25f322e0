//! Files that hold passwords or what they are checked against: read only if nobody else can.

use std::io;
use std::path::Path;

use intraware_shown::private::{self, NotPrivate};
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

impl PrivateError {
    fn of(path: &Path, limit: usize, why: NotPrivate) -> Self {
        let name = shown::path(path);
        match why {
            NotPrivate::Read(error) => Self::Read(name, error),
            NotPrivate::NotRegular => Self::NotRegular(name),
            NotPrivate::Owner(owner) => Self::Owner(name, owner),
            NotPrivate::Mode(mode) => Self::Mode(name, mode),
            NotPrivate::TooLong => Self::TooLong(name, limit),
        }
    }
}

/// Reads a file whole, if nobody but its owner can read or write it.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateError> {
    private::read(path, limit).map_err(|why| PrivateError::of(path, limit, why))
}

/// Reads a private key, which may be linked to, and be read by a group if it is root's.
pub(crate) fn read_key(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateError> {
    private::read_key(path, limit).map_err(|why| PrivateError::of(path, limit, why))
}
