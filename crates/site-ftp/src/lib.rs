//! A site behind FTP, over TLS or, if it must be, in the clear.
//!
//! The client is our own. What the contract of a site asks for goes through every layer: a time for each wait
//! on two connections ([`wire`], [`control`]), a TLS session that uploads must keep alive by reading what
//! nobody sends them ([`wire::Wire::finish`]), an answer "done" that is worth nothing before the size is
//! looked at ([`session`]), and absence only where the server says so and not where it says nothing
//! ([`look`]).
//!
//! What FTP cannot do, it cannot do here: files are not cut, a rename overwrites on most servers, so that we
//! look before it and have to rely on nobody else doing the same in between, and a put may cut a file where
//! it ends.

mod control;
mod data;
mod directory;
mod file;
mod hash;
mod listing;
mod login;
mod look;
mod open;
mod reply;
#[cfg(any(test, feature = "servers"))]
pub mod servers;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

use std::time::Duration;

use intraware_core::secret::Secret;
use intraware_core::site::{BasePath, Known, Session, Site, SiteError, Trust};

/// Where an FTP site is and how to log in there.
#[derive(Debug, Clone)]
pub struct FtpSettings {
    /// The name from the configuration.
    pub name: String,
    /// A host name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// What it asks for besides, if it asks for more.
    pub account: Option<Secret>,
    /// The directory below which everything is delivered; it must exist.
    pub base: BasePath,
    /// How connections are protected.
    pub protection: Protection,
    /// The longest time that connecting and logging in may take.
    pub connect_timeout: Duration,
    /// The longest time without any progress.
    pub io_timeout: Duration,
    /// The slowest that a transfer may be on average over that time, in bytes a second.
    pub min_rate: u64,
    /// The mode of delivered files.
    pub file_mode: u32,
    /// What is known of the server's habits.
    pub known: Known,
}

/// How the connections to an FTP server are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// By TLS, which begins after `AUTH TLS`.
    Explicit(Trust),
    /// By TLS from the first byte on.
    Implicit(Trust),
    /// Not at all: everybody on the way can read the password and change the payload.
    None,
}

impl Protection {
    /// Returns the port that such servers have.
    pub fn port(&self) -> u16 {
        match self {
            Self::Explicit(_) | Self::None => 21,
            Self::Implicit(_) => 990,
        }
    }
}

/// An FTP site.
#[derive(Debug, Clone)]
pub struct Ftp {
    settings: FtpSettings,
}

impl Ftp {
    /// Makes a site; nothing is connected yet.
    pub fn new(settings: FtpSettings) -> Self {
        Self { settings }
    }
}

impl Site for Ftp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn connect(&self) -> Result<Box<dyn Session>, SiteError> {
        let login = login::log_in(&self.settings)?;
        Ok(Box::new(open::Open::begin(login, &self.settings)?))
    }
}
