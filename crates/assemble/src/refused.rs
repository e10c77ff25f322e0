//! Why a fragment is refused, or cannot be read.

use std::io;

use intraware_core::run::Stopped;

/// Why a fragment or its list cannot be used; escaped, and what is to be done is always the same: make it
/// again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl From<&str> for Refused {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// Why reading a fragment ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// It is wrong.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be read, though it may be right.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// What it holds cannot be written.
    #[error("cannot write what it holds")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Unread {
    /// Takes an error of the stream apart: the disk's, our own refusal on its way through a reader, or the
    /// decoder's.
    pub(crate) fn from_stream(error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            return Self::Read(error);
        }
        match error.downcast::<Refused>() {
            Ok(refused) => Self::Refused(refused),
            Err(error) => Self::Refused(Refused(format!(
                "the gzip stream is damaged, or something follows it: {error}"
            ))),
        }
    }
}
