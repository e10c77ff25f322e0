//! Why a command ended badly, in the one form in which it is printed.

use std::fmt;

use intraware_core::exit::{self, Fault, HasFault};

/// A command's failure: its exit status and what is said about it.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What has to happen, if it is a fault of this kind.
    pub fault: Option<Fault>,
    /// One or more lines for standard error, escaped, with causes. Empty if all has been said.
    pub message: String,
    /// The part of it that all programs say of the same cause, if it says more: that is told once.
    pub cause: Option<String>,
}

impl Failure {
    /// Makes a failure of a fault and a text.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { status: fault.exit_status(), fault: Some(fault), message: message.into(), cause: None }
    }

    /// Makes a failure of a wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { status: exit::USAGE, fault: None, message: message.into(), cause: None }
    }

    /// Makes a failure of which everything was said already.
    pub fn said(status: u8) -> Self {
        Self { status, fault: None, message: String::new(), cause: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: HasFault> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.fault(), error.told())
    }
}
