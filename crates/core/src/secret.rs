//! Secrets: values that are never shown, and the places they come from.
//!
//! A [`Secret`] has no `Display`, no `Serialize`, a `Debug` of three stars, and is wiped when dropped.
//! The configuration names a [`SecretSource`] and never holds the secret itself; the source is read
//! when the secret is needed. A file that others can read keeps no secret and is refused.

mod command;
mod file;
pub mod netrc;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use intraware_shown::Secret;

use crate::exit::{Fault, HasFault};
use crate::foreign;

/// Longest password, passphrase or token that a source may give, in bytes.
const MAX_SECRET: usize = 4096;

/// Longest key file, in bytes; an exported OpenPGP key with many signatures is the longest seen.
const MAX_KEY_FILE: usize = 4 << 20;

/// Takes a secret that was read as a line, without the line break; `None` if nothing is left.
fn from_line(mut bytes: Zeroizing<Vec<u8>>) -> Option<Secret> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    if bytes.ends_with(b"\r") {
        bytes.pop();
    }
    (!bytes.is_empty()).then(|| bytes.into())
}

/// Where a secret comes from. Displays as that, and never as the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A regular file that only its owner can read.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// The first line that a program prints; its path and its arguments.
    Command(Vec<String>),
}

impl fmt::Display for SecretSource {
    /// Arguments of a command are left out: somebody may have put a secret there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", foreign::path(path)),
            Self::Env(name) => write!(f, "environment variable {}", foreign::escape(name)),
            Self::Command(words) => {
                write!(f, "command {}", foreign::escape(words.first().map_or("", String::as_str)))?;
                if words.len() > 1 { f.write_str(" …") } else { Ok(()) }
            }
        }
    }
}

impl SecretSource {
    /// Reads the secret. `environment` looks up a variable; it is the caller's, since the library does
    /// not read the environment.
    pub fn resolve(&self, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        let empty = || SecretError::Empty { origin: self.to_string() };
        match self {
            Self::File(path) => from_line(file::read(path, MAX_SECRET)?).ok_or_else(empty),
            Self::Env(name) => {
                let value =
                    environment(name).ok_or_else(|| SecretError::NoVariable { name: name.clone() })?;
                let value = Zeroizing::new(value.into_vec());
                if value.len() > MAX_SECRET {
                    return Err(SecretError::TooLong { origin: self.to_string(), limit: MAX_SECRET });
                }
                from_line(value).ok_or_else(empty)
            }
            Self::Command(words) => {
                let line = command::first_line(words, command::TIME_LIMIT)
                    .map_err(|failure| SecretError::Command { origin: self.to_string(), failure })?;
                from_line(line).ok_or_else(empty)
            }
        }
    }
}

/// Reads a private key file whole, by the same rules as a secret's file.
pub fn read_private_file(path: &Path) -> Result<Secret, SecretError> {
    let bytes = file::read(path, MAX_KEY_FILE)?;
    if bytes.is_empty() {
        return Err(SecretError::Empty { origin: format!("file {}", foreign::path(path)) });
    }
    Ok(bytes.into())
}

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret file {path}{advice}")]
    File {
        /// Which file.
        path: String,
        /// What to do about it, behind a semicolon; empty if that is not known.
        advice: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is a symbolic link, a directory, a device or the like.
    #[error("the secret file {path} is not a regular file; name the file itself, not a link to it")]
    NotRegular {
        /// Which file.
        path: String,
    },
    /// The file belongs to somebody else, who can read and change it.
    #[error("the secret file {path} cannot be used{advice}")]
    Owner {
        /// Which file.
        path: String,
        /// Whose it is, and what to do about it, behind a semicolon.
        advice: String,
    },
    /// Others can read the file.
    #[error(
        "the secret file {path} has mode {mode:04o}, so others can read it; make it private: `chmod 600 {path}`"
    )]
    Mode {
        /// Which file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// The environment lacks the variable.
    #[error("the environment variable {name}, which should hold a secret, is not set")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// There is nothing in it.
    #[error("{origin} holds no secret: it is empty")]
    Empty {
        /// The source.
        origin: String,
    },
    /// A netrc file cannot be understood.
    #[error("the netrc file {path} makes no sense on line {line}; quote a password that has spaces in it")]
    Netrc {
        /// Which file.
        path: String,
        /// Where.
        line: usize,
    },
    /// A netrc file does not know the host.
    #[error("the netrc file {path} has no entry with login and password for {host}; add one")]
    NetrcEntry {
        /// Which file.
        path: String,
        /// The host.
        host: String,
    },
    /// It is too long for a secret.
    #[error("{origin} holds more than {limit} bytes, too many for a secret")]
    TooLong {
        /// The source.
        origin: String,
        /// Bytes allowed.
        limit: usize,
    },
    /// The program did not give it.
    #[error("{origin}, which should print a secret, {failure}; run it by hand to see why")]
    Command {
        /// The source.
        origin: String,
        /// What happened.
        failure: CommandFailure,
    },
}

/// What kept a program from giving a secret. What it wrote is not told, as it may hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandFailure {
    /// It cannot be started.
    #[error("cannot be started ({0})")]
    Start(String),
    /// It ended badly.
    #[error("ended with {0}")]
    Status(String),
    /// It printed too much on the first line.
    #[error("printed a first line longer than {MAX_SECRET} bytes")]
    TooLong,
    /// It took too long and was killed.
    #[error("took longer than {0} s and was stopped")]
    Timeout(u64),
}

impl HasFault for SecretError {
    fn fault(&self) -> Fault {
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Fault::Configuration
            }
            Self::Command { failure: CommandFailure::Start(_), .. } => Fault::Configuration,
            Self::NoVariable { .. } | Self::Empty { .. } | Self::TooLong { .. } => Fault::Configuration,
            Self::Netrc { .. } | Self::NetrcEntry { .. } => Fault::Configuration,
            Self::File { .. } | Self::NotRegular { .. } | Self::Owner { .. } | Self::Mode { .. } => {
                Fault::Access
            }
            Self::Command { .. } => Fault::Access,
        }
    }
}
