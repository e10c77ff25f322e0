//! What became of a package, and why.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::digest::Md5Sum;
use crate::tls::TlsError;
use crate::wire::frame::FrameError;
use crate::wire::{MessageError, Reason, Refusal};

/// What became of one package.
#[derive(Debug)]
pub struct Outcome {
    /// Its file.
    pub path: PathBuf,
    /// Its name at the server.
    pub name: Vec<u8>,
    /// Its size in bytes; 0 if it could not be read.
    pub size: u64,
    /// Its MD5, if it could be read.
    pub md5: Option<Md5Sum>,
    /// How many bytes the server had when the last session began.
    pub resumed_from: u64,
    /// How many bytes were sent, over all sessions.
    pub sent: u64,
    /// In how many sessions it was announced.
    pub sessions: u32,
    /// How long the last of these took, from connecting to its end.
    pub session: Duration,
    /// Good or bad.
    pub end: End,
}

/// Good or bad.
#[derive(Debug)]
pub enum End {
    /// The server has it whole.
    Pass,
    /// It has not.
    Fail(Arc<Failure>),
}

/// Why a package is not at the server.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// The file is none that could be sent.
    #[error("it is {0}")]
    NoPackage(String),
    /// The file was changed while it was sent.
    #[error("it has changed since it was checked; send it again when it is finished")]
    Changed,
    /// The server has found another digest, more than once.
    #[error("the server says FAIL: what has arrived there has another digest")]
    Digest,
    /// The server would not take it.
    #[error("the server refuses it: {0}")]
    Refused(Refusal),
    /// The server would not let us in.
    #[error(
        "the server says FAIL to the login; look at username and password, or wait if there were many wrong ones"
    )]
    Login,
    /// The server's name has no address, or nobody answers there.
    #[error("cannot reach {0}")]
    Unreachable(String, #[source] io::Error),
    /// TLS cannot be set up: the server's certificate, or no TLS there.
    #[error("cannot set up TLS with {0}; if it speaks none, set tls = no")]
    Handshake(String, #[source] io::Error),
    /// What is needed for TLS cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No certificate can name the host.
    #[error("no certificate can name the host {0}")]
    Name(String),
    /// The connection broke.
    #[error("the connection to {0} broke")]
    Broken(String, #[source] FrameError),
    /// The server says what has no meaning.
    #[error("{0} says what makes no sense; is it a tupkg server, with TLS or without as set?")]
    Protocol(String, #[source] MessageError),
    /// We were asked to stop.
    #[error("stopped by a signal; send it again, and it goes on from here")]
    Stopped,
}

impl Failure {
    /// Returns whether the same may succeed a little later.
    pub fn passes(&self) -> bool {
        match self {
            Self::Broken(..) => true,
            Self::Unreachable(_, error) => error.kind() != io::ErrorKind::PermissionDenied,
            // A certificate that is refused stays so; a connection that broke meanwhile does not.
            Self::Handshake(_, error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Refused(refusal) => refusal.reason.passes(),
            Self::Read(_)
            | Self::NoPackage(_)
            | Self::Changed
            | Self::Digest
            | Self::Login
            | Self::Tls(_)
            | Self::Name(_)
            | Self::Protocol(..)
            | Self::Stopped => false,
        }
    }

    /// Returns whether the server takes no such announcement, but perhaps a smaller one.
    pub(super) fn is_too_many(&self) -> bool {
        matches!(self, Self::Refused(Refusal { reason: Reason::Packages, .. }))
    }
}
