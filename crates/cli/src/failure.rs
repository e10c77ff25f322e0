//! Why a command ended badly, in the one form in which it is printed.

use std::fmt;

use intraware_core::config::ConfigErrors;
use intraware_core::exit::{self, Fault};
use intraware_core::lock::LockError;
use intraware_core::manage::gather::GatherError;
use intraware_core::secret::SecretError;
use intraware_core::sign::KeyError;
use intraware_core::site::SiteError;
use intraware_core::site::probe::ProbeError;
use intraware_core::spool::SpoolError;
use intraware_core::store::sqlite::ByHandError;
use intraware_core::store::{StoreError, WriteError, WriteRefusal};
use intraware_core::txlog::chain;

/// A command's failure: its exit status and what is said about it.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What has to happen, if it is a fault of this kind.
    pub fault: Option<Fault>,
    /// One or more lines for standard error, escaped, with causes. Empty if all has been said.
    pub message: String,
}

impl Failure {
    /// Makes a failure of a fault and a text.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { status: fault.exit_status(), fault: Some(fault), message: message.into() }
    }

    /// Makes a failure of a wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { status: exit::USAGE, fault: None, message: message.into() }
    }

    /// Makes a failure of which everything was said already.
    pub fn said(status: u8) -> Self {
        Self { status, fault: None, message: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Turns an error that knows its fault into a failure.
macro_rules! from_error {
    ($($error:ty => |$name:ident| $fault:expr),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from($name: $error) -> Self {
                Self::new($fault, chain(&$name))
            }
        }
    )+};
}

from_error! {
    SpoolError => |e| e.fault,
    StoreError => |e| e.fault,
    SiteError => |e| e.kind.fault(),
    ProbeError => |e| e.fault(),
    GatherError => |e| e.fault(),
    SecretError => |e| e.fault(),
    KeyError => |e| e.fault(),
    LockError => |e| e.fault(),
    ByHandError => |e| match &e {
        ByHandError::Refused(_) => Fault::Build,
        ByHandError::Store(e) => e.fault,
    },
    WriteError => |e| match &e {
        WriteError::Store(e) => e.fault,
        WriteError::Refused { refusal: WriteRefusal::Moved | WriteRefusal::Busy(_), .. } => Fault::TryLater,
        WriteError::Refused { .. } => Fault::Build,
    },
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        // It has a line for each problem, so it is not folded into one as other errors are.
        Self::new(errors.fault(), errors.to_string())
    }
}
