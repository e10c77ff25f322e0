//! A site behind SFTP, reached with libssh2.
//!
//! One connection is one [`ssh2::Session`], driven without blocking: libssh2's own timeouts count from the
//! start of a call, have a resolution of a second, and begin anew in every destructor after a stall. Here
//! every wait is ours ([`link`]): a call ends `io_timeout` after the last sign of life, and the socket of a
//! lost connection is shut down first, so that nothing waits for it again.
//!
//! The peer's key is checked before anything is sent that a stranger must not have ([`login`]). Of what SFTP
//! asks for ([`packet`]) as much as possible is under way at the same time ([`subsystem`]), since far away a
//! round trip is what everything costs. A payload is hashed by the server itself where it lets us have a
//! shell ([`hash`]).

mod commands;
mod failure;
mod file;
mod hash;
pub mod host_key;
mod known_hosts;
mod link;
mod login;
mod offers;
mod open;
mod packet;
mod peek;
mod run;
#[cfg(any(test, feature = "servers"))]
pub mod servers;
mod session;
mod shell;
mod subsystem;
#[cfg(test)]
mod tests;
mod transfer;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use intraware_core::secret::Secret;
use intraware_core::site::{Arrival, BasePath, Known, Session, Site, SiteError};

/// Where an SFTP site is and how to log in there.
#[derive(Debug, Clone)]
pub struct SftpSettings {
    /// The name from the configuration.
    pub name: String,
    /// A host name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The account.
    pub user: String,
    /// The directory below which everything is delivered; it must exist.
    pub base: BasePath,
    /// The file that holds the server's keys, in OpenSSH's format. No other key is ever accepted.
    pub known_hosts: PathBuf,
    /// What to log in with, in the order in which it is tried.
    pub credentials: Vec<Credential>,
    /// The longest time that connecting and logging in may take.
    pub connect_timeout: Duration,
    /// The longest time without any progress.
    pub io_timeout: Duration,
    /// The slowest that a transfer may be on average over that time, in bytes a second.
    pub min_rate: u64,
    /// The mode of delivered files.
    pub file_mode: u32,
    /// The mode of made directories, before the server's umask.
    pub dir_mode: u32,
    /// Whether to have the server hash files by running a command there.
    pub exec_hash: bool,
    /// What is known of the server's habits.
    pub known: Known,
}

/// Something to log in with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A private key.
    Key {
        /// What the file holds.
        key: Secret,
        /// The file, for messages.
        file: PathBuf,
        /// What the file is protected with.
        passphrase: Option<Secret>,
    },
    /// The keys in an agent.
    Agent {
        /// The agent's socket.
        socket: PathBuf,
    },
    /// A password.
    Password(Secret),
}

/// An SFTP site.
#[derive(Debug, Clone)]
pub struct Sftp {
    settings: SftpSettings,
}

impl Sftp {
    /// Makes a site; nothing is connected yet.
    pub fn new(settings: SftpSettings) -> Self {
        Self { settings }
    }
}

impl Site for Sftp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn connect(&self) -> Result<Box<dyn Session>, SiteError> {
        self.connect_and_tell(&mut ())
    }

    fn connect_and_tell(&self, arrival: &mut dyn Arrival) -> Result<Box<dyn Session>, SiteError> {
        let link = login::log_in(&self.settings, arrival)?;
        Ok(Box::new(open::Open::begin(link, &self.settings)?))
    }
}
