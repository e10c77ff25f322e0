//! Reads a file that keeps a secret, and says what to do about one that is not used.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use intraware_shown::private::{self, NotPrivate};
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
    private::read(path, limit).map_err(|why| {
        let path_shown = foreign::path(path).to_string();
        match why {
            NotPrivate::Read(source) => {
                SecretError::File { path: path_shown, advice: advice(path, &source), source }
            }
            NotPrivate::NotRegular => SecretError::NotRegular { path: path_shown },
            NotPrivate::Owner(owner) => {
                SecretError::Owner { path: path_shown, advice: owner::of_secret(path, User(owner)) }
            }
            NotPrivate::Mode(mode) => SecretError::Mode { path: path_shown, mode },
            NotPrivate::TooLong => SecretError::TooLong { origin: format!("file {path_shown}"), limit },
        }
    })
}
