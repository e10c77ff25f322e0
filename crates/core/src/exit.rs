//! The exit statuses of both programs, and the class of fault each one stands for.
//!
//! They follow `sysexits.h` where it has a fitting number. A status never changes its meaning; the
//! table in `docs/operations.md` lists them for people, and this file is where code takes them from.

/// All that was asked for is done, there was nothing to do, or another instance is doing it.
pub const OK: u8 = 0;
/// Some builds failed; the others were processed.
pub const SOME_FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The record store or the site cannot be reached, and nothing could be done.
pub const UNAVAILABLE: u8 = 69;
/// A bug in the program.
pub const SOFTWARE: u8 = 70;
/// The spool cannot be read or written.
pub const IO: u8 = 74;
/// A passing fault: the next run is expected to succeed.
pub const TRY_LATER: u8 = 75;
/// Authentication, a host key, a signing key, or a permission.
pub const ACCESS: u8 = 77;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;

/// What has to happen before the failed thing can succeed; every error of this library says which.
///
/// Nobody reads an error's text to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The build itself is at fault; its record becomes Error with the reason.
    Build,
    /// Nothing but time: a stall, a full disk at the site, a limit on requests.
    TryLater,
    /// Nobody answers at the store's or the site's address.
    Unreachable,
    /// Credentials, a host key, a signing key or a permission must be put right by a person.
    Access,
    /// The configuration must be put right by a person.
    Configuration,
    /// The spool's file system failed.
    Spool,
    /// An assumption of the program does not hold.
    Bug,
}

/// An error that knows what has to happen before the failed thing can succeed.
pub trait HasFault: std::error::Error {
    /// Returns what has to happen.
    fn fault(&self) -> Fault;

    /// Returns what is said of it, with its causes: in one line, unless it is a list.
    fn told(&self) -> String
    where
        Self: Sized,
    {
        crate::txlog::chain(self)
    }
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Build,
        Self::TryLater,
        Self::Unreachable,
        Self::Access,
        Self::Configuration,
        Self::Spool,
        Self::Bug,
    ];

    /// Returns what it is called where programs read.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::TryLater => "try-later",
            Self::Unreachable => "unreachable",
            Self::Access => "access",
            Self::Configuration => "configuration",
            Self::Spool => "spool",
            Self::Bug => "bug",
        }
    }

    /// Returns whether the next run is expected to succeed without anybody's doing.
    pub fn is_passing(self) -> bool {
        match self {
            Self::TryLater | Self::Unreachable => true,
            Self::Build | Self::Access | Self::Configuration | Self::Spool | Self::Bug => false,
        }
    }

    /// Returns what has to happen when it was expected to pass, and has not for long: a person must find out
    /// what does not fit. Above what passes, so that no passing fault of another build hides it.
    pub fn lasting(self) -> Self {
        if self.is_passing() { Self::Configuration } else { self }
    }

    /// Returns the exit status of a run that this fault ended.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Build => SOME_FAILED,
            Self::TryLater => TRY_LATER,
            Self::Unreachable => UNAVAILABLE,
            Self::Access => ACCESS,
            Self::Configuration => CONFIG,
            Self::Spool => IO,
            Self::Bug => SOFTWARE,
        }
    }
}
