//! What can go wrong with a publication, and what has to happen then.

use std::io;
use std::path::Path;

use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::foreign;
use intraware_core::lock::LockError;
use intraware_core::run::Stopped;
use intraware_core::secret::SecretError;
use intraware_core::sign::KeyError;

/// A step of a publication failed. Unless it says otherwise, readers have the tree that they had.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or directory of the tree cannot be used.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The tree is not as the configuration says, and a person must decide.
    #[error("{0}")]
    Configuration(String),
    /// The lock cannot be used, or was lost.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A command or a hook failed.
    #[error("{what}: {told}")]
    Command {
        /// Which one.
        what: String,
        /// What became of it, and what it said.
        told: String,
    },
    /// The new tree is not one that readers could use.
    #[error("suite {suite}: {wrong}")]
    Tree {
        /// The suite.
        suite: String,
        /// What is wrong.
        wrong: String,
    },
    /// An upload is not taken in.
    #[error("refused the upload {upload}: {why}")]
    Refused {
        /// The name of its `.changes`.
        upload: String,
        /// Why.
        why: String,
    },
    /// The key that signs cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key that signs cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The new tree is in place, and readers do not get it yet.
    #[error(
        "suite {suite} is in place, but not for readers of public_url: {wrong}; the next run looks again"
    )]
    Unseen {
        /// The suite.
        suite: String,
        /// What they get.
        wrong: String,
    },
    /// A signal came.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl PublishError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Io { .. } => Fault::Spool,
            Self::Configuration(_) => Fault::Configuration,
            Self::Lock(error) => error.fault(),
            Self::Command { .. } | Self::Tree { .. } | Self::Refused { .. } | Self::Unseen { .. } => {
                Fault::Build
            }
            Self::Secret(error) => error.fault(),
            Self::Key(error) => error.fault(),
            Self::Stopped(_) => Fault::TryLater,
        }
    }

    /// Makes one of a failed system call; for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = foreign::path(path).to_string();
        move |source| Self::Io { doing, path, source }
    }
}
