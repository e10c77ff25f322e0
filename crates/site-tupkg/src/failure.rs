//! What went wrong at a desk, in the words and kinds of sites.

use std::io::{self, ErrorKind};

use ::tupkg::client::Failure;
use ::tupkg::wire::frame::FrameError;
use ::tupkg::wire::{Reason, Refusal};

use intraware_core::foreign;
use intraware_core::site::{SiteError, SiteErrorKind};

/// Says why there is no connection.
pub(super) fn of_login(site: &str, user: &str, failure: Failure) -> SiteError {
    match failure {
        Failure::Login => {
            let user = foreign::escape(user);
            let text = format!(
                "logging in to site {site} as {user}: the server says FAIL; correct user and password, or wait if there \
                 were many wrong ones"
            );
            SiteError::new(SiteErrorKind::Auth, text)
        }
        Failure::Unreachable(_, error) if error.kind() == ErrorKind::PermissionDenied => {
            let text = format!(
                "connecting to site {site}: it is on another host, and the password would go there in the clear; use tupkgs:// \
                 or set allow_plaintext = true"
            );
            SiteError::new(SiteErrorKind::Configuration, text)
        }
        Failure::Handshake(_, error) if error.kind() == ErrorKind::InvalidData => {
            let text = format!(
                "checking the certificate of site {site}: it is not trusted; no login was tried. If the server's operator \
                 confirms it, name its authority as ca_file or itself as certificate_sha256"
            );
            SiteError::caused(SiteErrorKind::HostKey, text, foreign::escape(error.to_string()))
        }
        Failure::Handshake(_, error) => {
            let text = format!("setting up TLS with site {site}; look whether that is a tupkgs server");
            SiteError::caused(kind_of(&error), text, error)
        }
        Failure::Name(_) => {
            let text =
                format!("connecting to site {site}: no certificate can name its host; correct its url");
            SiteError::new(SiteErrorKind::Configuration, text)
        }
        Failure::Tls(error) => {
            SiteError::caused(SiteErrorKind::Configuration, format!("preparing TLS for site {site}"), error)
        }
        failure => of_step(&format!("logging in to site {site}"), &[], failure),
    }
}

/// Says why these packages are not handed in.
pub(super) fn of_handing(site: &str, names: &[String], failure: Failure) -> SiteError {
    of_step(&format!("handing in {} at site {site}", names.join(", ")), names, failure)
}

fn of_step(doing: &str, names: &[String], failure: Failure) -> SiteError {
    match failure {
        Failure::Refused(Refusal { reason, package }) => {
            let about = package.and_then(|package| names.get(package));
            let about = about.map(|name| format!("{name}: ")).unwrap_or_default();
            SiteError::new(kind_of_refusal(reason), format!("{doing}: {about}{reason}"))
        }
        Failure::Broken(_, FrameError::Io(error)) => {
            let kind = kind_of(&error);
            SiteError::caused(kind, format!("{doing}: {}", kind.advice()), error)
        }
        Failure::Broken(_, error) => {
            let kind = SiteErrorKind::Disconnected;
            SiteError::caused(kind, format!("{doing}: {}", kind.advice()), error)
        }
        Failure::Protocol(_, error) => {
            let text = format!(
                "{doing}: the server says what makes no sense; look whether it is a tupkg server, with TLS or without as the \
                 url says, and whether dialect is right"
            );
            SiteError::caused(SiteErrorKind::Protocol, text, error)
        }
        failure => SiteError::caused(SiteErrorKind::Protocol, doing.to_owned(), failure),
    }
}

fn kind_of(error: &io::Error) -> SiteErrorKind {
    match error.kind() {
        ErrorKind::TimedOut => SiteErrorKind::Timeout,
        _ => SiteErrorKind::Disconnected,
    }
}

fn kind_of_refusal(reason: Reason) -> SiteErrorKind {
    match reason {
        Reason::Busy | Reason::Locked => SiteErrorKind::Busy,
        Reason::Quota | Reason::Space => SiteErrorKind::NoSpace,
        Reason::Exists => SiteErrorKind::Exists,
        Reason::Name | Reason::Size | Reason::Packages => SiteErrorKind::Configuration,
        Reason::NotSaid | Reason::Malformed | Reason::Server => SiteErrorKind::Protocol,
    }
}
