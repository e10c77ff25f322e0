//! Why an operation did not succeed, and what kind of failure that is.

use intraware_core::site::SiteErrorKind;
use ssh2::ErrorCode;

use crate::packet::status;

/// libssh2's error codes, as far as they are told apart; `LIBSSH2_ERROR_*` in its header.
pub(super) mod code {
    pub(crate) const BANNER_RECV: i32 = -2;
    pub(crate) const KEX_FAILURE: i32 = -5;
    pub(crate) const SOCKET_SEND: i32 = -7;
    pub(crate) const TIMEOUT: i32 = -9;
    pub(crate) const SOCKET_DISCONNECT: i32 = -13;
    pub(crate) const FILE: i32 = -16;
    pub(crate) const METHOD_NONE: i32 = -17;
    pub(crate) const AUTHENTICATION_FAILED: i32 = -18;
    pub(crate) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(crate) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(crate) const CHANNEL_CLOSED: i32 = -26;
    pub(crate) const CHANNEL_EOF_SENT: i32 = -27;
    pub(crate) const SOCKET_TIMEOUT: i32 = -30;
    pub(crate) const EAGAIN: i32 = -37;
    pub(crate) const SOCKET_RECV: i32 = -43;
    pub(crate) const BAD_SOCKET: i32 = -45;
}

/// Why an operation on a link did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The SFTP server refused, with this status.
    Status(u32),
    /// libssh2 failed with this code.
    Library(ssh2::Error),
    /// The time is up.
    Stalled,
    /// The peer is gone, whatever libssh2 made of that.
    Lost,
    /// The other end of a channel has ended, which is not the end of the connection.
    Ended,
    /// The peer does not speak the protocol.
    Garbled,
    /// The link had failed before.
    Dead,
}

impl From<ssh2::Error> for Failure {
    fn from(err: ssh2::Error) -> Self {
        match err.code() {
            ErrorCode::Session(code::TIMEOUT | code::SOCKET_TIMEOUT) => Self::Stalled,
            ErrorCode::Session(_) | ErrorCode::SFTP(_) => Self::Library(err),
        }
    }
}

impl Failure {
    /// Returns the kind of failure this is, before anybody has looked closer.
    pub(super) fn kind(&self) -> SiteErrorKind {
        match self {
            Self::Stalled => SiteErrorKind::Timeout,
            Self::Lost | Self::Dead => SiteErrorKind::Disconnected,
            Self::Ended | Self::Garbled => SiteErrorKind::Protocol,
            Self::Status(code) => match *code {
                status::NO_SUCH_FILE | status::NO_SUCH_PATH => SiteErrorKind::NotFound,
                status::PERMISSION_DENIED | status::WRITE_PROTECT => SiteErrorKind::Permission,
                status::NO_CONNECTION | status::CONNECTION_LOST => SiteErrorKind::Disconnected,
                status::OP_UNSUPPORTED => SiteErrorKind::Unsupported,
                status::FILE_ALREADY_EXISTS => SiteErrorKind::Exists,
                status::NO_SPACE | status::QUOTA_EXCEEDED => SiteErrorKind::NoSpace,
                status::NOT_A_DIRECTORY | status::LINK_LOOP => SiteErrorKind::NotRegular,
                _ => SiteErrorKind::Protocol,
            },
            Self::Library(err) => match err.code() {
                ErrorCode::Session(
                    code::BANNER_RECV
                    | code::SOCKET_SEND
                    | code::SOCKET_DISCONNECT
                    | code::SOCKET_RECV
                    | code::BAD_SOCKET
                    | code::CHANNEL_CLOSED
                    | code::CHANNEL_EOF_SENT,
                ) => SiteErrorKind::Disconnected,
                ErrorCode::Session(code::KEX_FAILURE | code::METHOD_NONE) => SiteErrorKind::Unsupported,
                ErrorCode::Session(code::AUTHENTICATION_FAILED | code::PUBLICKEY_UNVERIFIED) => {
                    SiteErrorKind::Auth
                }
                ErrorCode::Session(_) | ErrorCode::SFTP(_) => SiteErrorKind::Protocol,
            },
        }
    }

    /// Returns whether the server refused with the status that says nothing, which is most of what servers of
    /// version 3 of the protocol have to say.
    pub(super) fn is_vague(&self) -> bool {
        matches!(self, Self::Status(status::FAILURE))
    }

    /// Returns what it is to have to wait.
    pub(super) fn pending() -> Self {
        Self::Library(ssh2::Error::from_errno(ErrorCode::Session(code::EAGAIN)))
    }

    /// Returns whether the server may not have understood what it was asked for.
    pub(super) fn is_ignorant(&self) -> bool {
        matches!(self, Self::Status(status::FAILURE | status::BAD_MESSAGE | status::OP_UNSUPPORTED))
    }

    /// Returns whether it only has to wait.
    pub(super) fn is_pending(&self) -> bool {
        self.is_of(code::EAGAIN)
    }

    /// Returns whether libssh2 failed with this code.
    pub(super) fn is_of(&self, code: i32) -> bool {
        matches!(self, Self::Library(err) if err.code() == ErrorCode::Session(code))
    }

    pub(super) fn cause(self) -> Option<ssh2::Error> {
        match self {
            Self::Library(err) => Some(err),
            Self::Status(status) => Some(ssh2::Error::from_errno(ErrorCode::SFTP(status.cast_signed()))),
            Self::Stalled | Self::Lost | Self::Ended | Self::Garbled | Self::Dead => None,
        }
    }
}
