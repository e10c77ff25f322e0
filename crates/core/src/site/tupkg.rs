//! A site behind the tupkg protocol, which is a *desk*: packages are handed in there, and a verdict comes
//! back.
//!
//! Nobody can look at what lies behind a desk, read it back, rename or remove it. What a desk keeps instead:
//!
//! - **A package is what was announced**: its name, its size, its MD5, and its SHA-256 where the server knows
//!   that. A partial one is kept under all of them, so that another content is never gone on with.
//! - **It appears whole, and once.** When its last byte is there the server compares the digests itself,
//!   flushes the package, and gives it its name among those that have come in; then it says PASS. What has
//!   other digests it throws away, and says FAIL. So the last byte is what the rename is at other sites:
//!   before it nothing is to be seen.
//! - **May be repeated:** everything. A package that has come in is known for days, also after somebody has
//!   taken it on; announced again it gets PASS at once, and nothing changes.
//! - **Another content under a name that waits there is refused** ([`SiteErrorKind::Exists`]), before any
//!   byte is taken.
//! - **Time is bounded** as at other sites: connecting, with TLS and the login, by `connect_timeout`, each
//!   step by `io_timeout`, and a transfer that is slower than `min_rate` ends. The verdict may take a second
//!   more for each 16 MiB.
//!
//! A connection is for one announcement. The protocol itself, both ends of it, is the crate `tupkg`; what is
//! here is the way to it with the settings, limits and errors of a site.

mod failure;

use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::tupkg::client::{self, Protection, Target};
use ::tupkg::digest::Hex;
use ::tupkg::tls;
use ::tupkg::wire::{Announced, Login, Verdict};

use super::limited::{Limiter, limited};
use super::reach::reach;
use super::{CLOSED_BEFORE, Site, SiteError, SiteErrorKind, Trust};
use crate::digest::{Md5Hex, Sha256Hex};
use crate::foreign;
use crate::secret::Secret;

pub use ::tupkg::wire::Dialect;

/// What is read and sent at once.
const BUFFER: usize = 128 << 10;

/// Where a desk is and how to log in there.
#[derive(Debug, Clone)]
pub struct TupkgSettings {
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
    /// How the server proves who it is; without it there is no TLS.
    pub trust: Option<Trust>,
    /// Whether a server without TLS may be on another host.
    pub allow_plaintext: bool,
    /// What the server speaks.
    pub dialect: Dialect,
    /// The longest time that connecting and logging in may take.
    pub connect_timeout: Duration,
    /// The longest time without any progress.
    pub io_timeout: Duration,
    /// The slowest that a transfer may be on average over that time, in bytes a second.
    pub min_rate: u64,
}

/// A site with a desk.
pub struct Tupkg {
    settings: TupkgSettings,
    limiter: Option<Arc<Limiter>>,
}

/// A connection over which one announcement can be made.
pub struct Desk {
    /// What is called so in messages.
    site: String,
    session: Option<client::Session>,
    peer: String,
    has_sha256: bool,
    limiter: Option<Arc<Limiter>>,
}

/// What is to be handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name there.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its MD5.
    pub md5: Md5Hex,
    /// Its SHA-256.
    pub sha256: Sha256Hex,
}

/// Packages that were announced, and of which the server waits for the rest.
pub struct Handing {
    site: String,
    names: Vec<String>,
    transfer: client::Transfer,
    limiter: Option<Arc<Limiter>>,
}

/// Returns whether a host is this one, as far as its name tells.
pub fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl Tupkg {
    /// Makes a site; nothing is connected yet. With a limiter all connections together are no faster than it
    /// allows.
    pub fn new(settings: TupkgSettings, limiter: Option<Limiter>) -> Self {
        Self { settings, limiter: limiter.map(Arc::new) }
    }

    fn target(&self) -> Target {
        let TupkgSettings { host, port, user, password, dialect, .. } = &self.settings;
        let protection = match &self.settings.trust {
            Some(Trust::Authorities(file)) => Protection::Tls(tls::Trust::Authorities(file.clone())),
            Some(Trust::Certificate(sha256)) => Protection::Tls(tls::Trust::Certificate(Hex(sha256.0))),
            None => Protection::None { allowed: self.settings.allow_plaintext },
        };
        Target {
            login: Login {
                user: user.clone().into_bytes(),
                password: ::tupkg::secret::Secret::new(password.expose()),
            },
            host: host.clone(),
            port: *port,
            protection,
            dialect: *dialect,
            connect_time: self.settings.connect_timeout,
            idle: self.settings.io_timeout,
            min_rate: Some(self.settings.min_rate),
        }
    }
}

impl Site<Desk> for Tupkg {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn connect(&self) -> Result<Box<Desk>, SiteError> {
        let TupkgSettings { name, host, port, user, connect_timeout, .. } = &self.settings;
        let deadline = Instant::now() + *connect_timeout;
        let site = format!("{name} ({}:{port})", foreign::escape(host));
        let failed = |failure| failure::of_login(&site, user, failure);
        let server = client::Server::prepare(&self.target()).map_err(failed)?;
        let tcp = reach(host, *port, &site, deadline)?;
        let session = server.log_in(tcp, Some(deadline)).map_err(failed)?;
        let (peer, has_sha256) = (session.peer(), session.has_sha256());
        Ok(Box::new(Desk { site, session: Some(session), peer, has_sha256, limiter: self.limiter.clone() }))
    }
}

impl Desk {
    /// Returns one line about the peer for `check` and the receipt: protocol, protection, digests.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Returns whether the server compares the SHA-256 of what comes, besides its MD5.
    pub fn has_sha256(&self) -> bool {
        self.has_sha256
    }

    /// Returns whether an announcement was made, so that the connection is of no more use.
    pub fn is_used(&self) -> bool {
        self.session.is_none()
    }

    /// Announces packages. Those that have come in before, or are there whole, are not sent any more.
    pub fn announce(&mut self, packages: &[Package]) -> Result<Handing, SiteError> {
        let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
        let Some(session) = self.session.take() else {
            let text = format!("handing in {} at site {}: {CLOSED_BEFORE}", names.join(", "), self.site);
            return Err(SiteError::new(SiteErrorKind::Disconnected, text));
        };
        let announced = packages.iter().map(|package| Announced {
            name: package.name.clone().into_bytes(),
            size: package.size,
            md5: Hex(package.md5.0),
            sha256: Some(Hex(package.sha256.0)),
        });
        let transfer = session.announce(announced);
        let transfer = transfer.map_err(|failure| failure::of_handing(&self.site, &names, failure))?;
        Ok(Handing { site: self.site.clone(), names, transfer, limiter: self.limiter.clone() })
    }
}

impl Handing {
    /// Returns how many bytes the server has of each package, in the order in which they were announced.
    pub fn held(&self) -> &[u64] {
        self.transfer.held()
    }

    /// Sends all of `source`: of each package what the server lacks, one after the other, or the beginning of
    /// that. `progress` hears how many bytes of this call are on their way. An error of `source` is
    /// [`SiteErrorKind::Source`].
    pub fn send(&mut self, source: &mut dyn Read, progress: &mut dyn FnMut(u64)) -> Result<u64, SiteError> {
        let limiter = self.limiter.clone();
        let mut source = limited(source, limiter.as_deref());
        let (mut buffer, mut sent) = (vec![0; BUFFER], 0);
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => return Ok(sent),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    let text = format!("reading what is to be handed in at site {}", self.site);
                    return Err(SiteError::caused(SiteErrorKind::Source, text, error));
                }
            };
            self.transfer
                .send(&buffer[..count])
                .map_err(|f| failure::of_handing(&self.site, &self.names, f))?;
            sent += count as u64;
            progress(sent);
        }
    }

    /// Hears, when all was sent, for each package whether the server has it: what it has not, it has thrown
    /// away.
    pub fn verdicts(self) -> Result<Vec<bool>, SiteError> {
        let verdicts = self.transfer.verdicts();
        let verdicts = verdicts.map_err(|failure| failure::of_handing(&self.site, &self.names, failure))?;
        Ok(verdicts.into_iter().map(|verdict| verdict == Verdict::Pass).collect())
    }

    /// Leaves before all was sent. What was sent is kept, and the next connection can go on behind it at
    /// once.
    pub fn leave(self) -> Result<(), SiteError> {
        let left = self.transfer.leave();
        left.map_err(|failure| failure::of_handing(&self.site, &self.names, failure))
    }
}
