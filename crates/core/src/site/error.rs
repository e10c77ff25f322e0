//! What can go wrong at a site, and what has to happen then.

use crate::exit::{Fault, HasFault};

/// Something failed at or on the way to a site.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SiteError {
    /// What kind of failure it is.
    pub kind: SiteErrorKind,
    /// What was being done, to what, and what to do now; escaped, without secrets.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl HasFault for SiteError {
    fn fault(&self) -> Fault {
        self.kind.fault()
    }
}

/// The failures of a site that somebody does something different about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteErrorKind {
    /// Connection refused, no route, no such host.
    Unreachable,
    /// No progress within the time allowed.
    Timeout,
    /// The connection broke.
    Disconnected,
    /// The peer is not who the configuration says; no login was tried.
    HostKey,
    /// The peer would not let us in.
    Auth,
    /// The peer does not allow this operation on this path.
    Permission,
    /// The site's disk or quota is full.
    NoSpace,
    /// The target of a rename exists.
    Exists,
    /// There is no such file.
    NotFound,
    /// Something else than a regular file stands where one is needed.
    NotRegular,
    /// The site cannot do this at all.
    Unsupported,
    /// The peer broke its protocol, or failed without saying more.
    Protocol,
    /// The local side of a transfer could not be read or written.
    Source,
    /// The configuration of the site does not fit.
    Configuration,
    /// Nothing was tried: connecting failed before, and the pause is not over.
    Resting,
    /// The peer has something else to do just now.
    Busy,
}

/// What a session says that is of no more use since something else failed.
pub const CLOSED_BEFORE: &str = "the connection was lost before; connect again";

impl SiteErrorKind {
    /// Returns what has to happen before it can succeed.
    pub fn fault(self) -> Fault {
        match self {
            Self::Unreachable => Fault::Unreachable,
            Self::Timeout
            | Self::Disconnected
            | Self::NoSpace
            | Self::Protocol
            | Self::NotFound
            | Self::Resting
            | Self::Busy => Fault::TryLater,
            Self::HostKey | Self::Auth | Self::Permission => Fault::Access,
            Self::Exists | Self::NotRegular => Fault::Build,
            Self::Unsupported | Self::Configuration => Fault::Configuration,
            Self::Source => Fault::Spool,
        }
    }

    /// Returns what happened at a server, in short, and what a person can do about it, where its protocol has
    /// nothing better to say.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Disconnected => "the connection broke; try again later",
            Self::Timeout => "nothing was heard, or too little, in the time allowed; try again later",
            Self::Permission => "the account may not do that; have it allowed there",
            Self::NoSpace => "the disk or quota is full; have room made there",
            Self::Exists => "the name is taken; look at what stands there",
            Self::NotFound => "there is no such file or directory; look whether somebody removed it",
            Self::NotRegular => "a link, directory or device is in the way; look at what it is, and whose",
            Self::Unsupported => "the server cannot do that; it does not fit as a site",
            Self::Configuration => "the site's configuration does not fit; correct it",
            Self::Busy => "the server has something else to do just now; try again later",
            Self::Unreachable
            | Self::HostKey
            | Self::Auth
            | Self::Protocol
            | Self::Source
            | Self::Resting => "the server failed without saying why; look at its log, disk and quota",
        }
    }

    /// Returns whether the session is of no more use.
    pub fn is_dead(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::Disconnected | Self::HostKey | Self::Auth => true,
            Self::Permission
            | Self::NoSpace
            | Self::Exists
            | Self::NotFound
            | Self::NotRegular
            | Self::Unsupported
            | Self::Protocol
            | Self::Source
            | Self::Configuration
            | Self::Resting
            | Self::Busy => false,
        }
    }
}

impl SiteError {
    /// Makes an error without a cause.
    pub fn new(kind: SiteErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Makes an error with its cause.
    pub fn caused(
        kind: SiteErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }
}
