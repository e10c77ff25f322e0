//! A site behind the tupkg protocol, which is a desk ([`intraware_core::site::Desk`]).
//!
//! The protocol itself, both ends of it, is the crate `tupkg`; what is here is the way to it with the
//! settings, limits and errors of a site. Nobody can look at what lies behind it: what has come in is known
//! to the server for days, and taken on by somebody.

mod failure;

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use intraware_core::foreign;
use intraware_core::secret::Secret;
use intraware_core::site::{
    CLOSED_BEFORE, Desk, Dialect, Handing, Limiter, Package, Site, SiteError, SiteErrorKind, Trust, limited,
    reach,
};
use tupkg::client::{self, Protection, Target};
use tupkg::digest::Hex;
use tupkg::tls;
use tupkg::wire::{Announced, Login, Verdict};

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
struct Open {
    /// What is called so in messages.
    site: String,
    session: Option<client::Session>,
    peer: String,
    has_sha256: bool,
    limiter: Option<Arc<Limiter>>,
}

/// Packages that were announced, and of which the server waits for the rest.
struct Announcement {
    site: String,
    names: Vec<String>,
    transfer: client::Transfer,
    limiter: Option<Arc<Limiter>>,
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
                password: tupkg::secret::Secret::new(password.expose()),
            },
            host: host.clone(),
            port: *port,
            protection,
            dialect: match dialect {
                Dialect::Readme => tupkg::wire::Dialect::Readme,
                Dialect::Y2004 => tupkg::wire::Dialect::Y2004,
            },
            connect_time: self.settings.connect_timeout,
            idle: self.settings.io_timeout,
            min_rate: Some(self.settings.min_rate),
        }
    }
}

impl Site<dyn Desk> for Tupkg {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn connect(&self) -> Result<Box<dyn Desk>, SiteError> {
        let TupkgSettings { name, host, port, user, connect_timeout, .. } = &self.settings;
        let deadline = Instant::now() + *connect_timeout;
        let site = format!("{name} ({}:{port})", foreign::escape(host));
        let failed = |failure| failure::of_login(&site, user, failure);
        let server = client::Server::prepare(&self.target()).map_err(failed)?;
        let tcp = reach(host, *port, &site, deadline)?;
        let session = server.log_in(tcp, Some(deadline)).map_err(failed)?;
        let (peer, has_sha256) = (session.peer(), session.has_sha256());
        Ok(Box::new(Open { site, session: Some(session), peer, has_sha256, limiter: self.limiter.clone() }))
    }
}

impl Desk for Open {
    fn peer(&self) -> &str {
        &self.peer
    }

    fn has_sha256(&self) -> bool {
        self.has_sha256
    }

    fn is_used(&self) -> bool {
        self.session.is_none()
    }

    fn announce(&mut self, packages: &[Package]) -> Result<Box<dyn Handing>, SiteError> {
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
        Ok(Box::new(Announcement { site: self.site.clone(), names, transfer, limiter: self.limiter.clone() }))
    }
}

impl Handing for Announcement {
    fn held(&self) -> &[u64] {
        self.transfer.held()
    }

    fn send(&mut self, source: &mut dyn Read, progress: &mut dyn FnMut(u64)) -> Result<u64, SiteError> {
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

    fn verdicts(self: Box<Self>) -> Result<Vec<bool>, SiteError> {
        let verdicts = self.transfer.verdicts();
        let verdicts = verdicts.map_err(|failure| failure::of_handing(&self.site, &self.names, failure))?;
        Ok(verdicts.into_iter().map(|verdict| verdict == Verdict::Pass).collect())
    }

    fn leave(self: Box<Self>) -> Result<(), SiteError> {
        let left = self.transfer.leave();
        left.map_err(|failure| failure::of_handing(&self.site, &self.names, failure))
    }
}
