//! Makes the parts that a configuration describes. Reads secrets, opens files, and connects to nothing.

use std::path::PathBuf;
use std::sync::Arc;

use intraware_config::{Config, SiteConfig, TlsBegin, Verification};
use intraware_core::breaker::{Caution, Guarded};
use intraware_core::deliver::Verify;
use intraware_core::exit::Fault;
use intraware_core::run::{RunContext, SystemClock};
use intraware_core::secret::{Secret, SecretSource, netrc, read_private_file};
use intraware_core::site::{Directory, Known, Limited, Limiter, Link, Pool, Site, SiteErrorKind, SiteUrl};
use intraware_core::sites::{Contact, Destination, Role, Roles, Unusable, Way};
use intraware_core::spool::Spool;
use intraware_site_ftp::{Ftp, FtpSettings, Protection};
use intraware_site_sftp::{Credential, Sftp, SftpSettings};
use intraware_site_tupkg::{Tupkg, TupkgSettings};

use crate::environment::{time_zone, variable};
use crate::failure::Failure;

/// The mode of directories made at a site, before the server's umask.
const REMOTE_DIR_MODE: u32 = 0o755;

/// Whether a command may change something. One that may not does not even refresh a cache.
pub use intraware_core::store::Access as Permission;

/// Opens the spool. To change something is refused to any user but the spool's owner.
pub fn spool(config: &Config, permission: Permission) -> Result<Spool, Failure> {
    let spool = Spool::open(&config.spool.root, config.spool.single_host)?;
    match permission {
        Permission::ReadOnly => {}
        Permission::ReadWrite => spool.check_user()?,
    }
    Ok(spool)
}

/// Returns what the sites are for.
pub fn roles(config: &Config) -> Roles {
    let role = |site: &SiteConfig| Role {
        name: site.name.clone(),
        builds: site.builds.clone(),
        is_required: site.is_required,
        is_desk: is_desk(site),
        must_prove: verify(site) == Verify::Strong,
    };
    Roles(config.sites.iter().map(role).collect())
}

/// Makes all sites, each left alone while it is away, with as many connections as it gives, as far as `upload
/// check` has found that out.
pub fn destinations<'a>(
    config: &Config,
    spool: &'a Spool,
    context: &'a RunContext,
    caution: Caution,
) -> Result<Vec<Destination<'a>>, Failure> {
    let destination = |configured: &SiteConfig| {
        let checked = spool.capabilities(&configured.name);
        let known = spool.known(&configured.name, checked.as_ref(), context.now());
        let given = checked.and_then(|checked| checked.most_connections()).unwrap_or(usize::MAX);
        let connections = configured.connections.min(given);
        let way = match site(configured, &known) {
            Ok(Way::Shelf(site)) => Way::Shelf(Box::new(Guarded::new(site, spool, context, caution))),
            Ok(Way::Desk(site)) => Way::Desk(Box::new(Guarded::new(site, spool, context, caution))),
            // What goes to the others goes on.
            Err(failure) if config.sites.len() > 1 && is_desk(configured) => {
                Way::Desk(Box::new(unusable(configured, failure)))
            }
            Err(failure) if config.sites.len() > 1 => Way::Shelf(Box::new(unusable(configured, failure))),
            Err(failure) => return Err(failure),
        };
        Ok(Destination { way, verify: verify(configured), connections, known })
    };
    config.sites.iter().map(destination).collect()
}

/// Keeps what this run has learned about the sites. That it cannot be kept costs the next run some time, and
/// is said.
pub fn keep_known(destinations: &[Destination<'_>], spool: &Spool, context: &RunContext) {
    for to in destinations {
        if let Err(error) = spool.keep_known(to.name(), &to.known, context) {
            tracing::warn!("{}", intraware_core::txlog::chain(&error));
        }
    }
}

fn unusable(site: &SiteConfig, failure: Failure) -> Unusable {
    let kind = match failure.fault {
        Some(Fault::Access) => SiteErrorKind::Permission,
        _ => SiteErrorKind::Configuration,
    };
    Unusable { name: site.name.clone(), kind, reason: failure.message }
}

/// Returns whether packages are only handed in at a site.
fn is_desk(site: &SiteConfig) -> bool {
    matches!(site.url, SiteUrl::Tupkg { .. })
}

/// Makes a pool of one connection to each site that can be looked at.
pub fn pools<'d>(destinations: &'d [Destination<'_>]) -> Vec<Option<Pool<'d>>> {
    let pool = |to: &'d Destination<'_>| match &to.way {
        Way::Shelf(site) => Some(Pool::new(site.as_ref(), 1)),
        Way::Desk(_) => None,
    };
    destinations.iter().map(pool).collect()
}

/// Makes a contact of each of these sites and its pool.
pub fn contacts<'p>(destinations: &[Destination<'_>], pools: &'p [Option<Pool<'p>>]) -> Vec<Contact<'p>> {
    let contact = |(to, pool): (&Destination<'_>, &'p Option<Pool<'p>>)| match pool {
        Some(pool) => Contact::Shelf { link: Link::new(pool), verify: to.verify },
        None => Contact::Desk { name: to.name().to_owned() },
    };
    destinations.iter().zip(pools).map(contact).collect()
}

/// Makes a site, which learns more than what is `known` of it.
pub fn site(site: &SiteConfig, known: &Known) -> Result<Way<'static>, Failure> {
    let limiter = (!site.bandwidth_limit.is_off()).then(|| limiter(site));
    if let SiteUrl::Tupkg { user, host, port, is_secure } = &site.url {
        let (user, password) = account(site, host, user.as_deref())?;
        let settings = TupkgSettings {
            name: site.name.clone(),
            host: host.clone(),
            port: *port,
            user,
            password,
            trust: is_secure.then(|| site.trust.clone()),
            allow_plaintext: site.allow_plaintext,
            dialect: site.dialect,
            connect_timeout: site.connect_timeout,
            io_timeout: site.io_timeout,
            min_rate: site.min_rate,
        };
        return Ok(Way::Desk(Box::new(Tupkg::new(settings, limiter))));
    }
    let shelf = shelf(site, known)?;
    Ok(Way::Shelf(match limiter {
        None => shelf,
        Some(limiter) => Box::new(Limited::new(shelf, limiter)),
    }))
}

fn limiter(site: &SiteConfig) -> Limiter {
    Limiter::new(site.bandwidth_limit.clone(), time_zone(), Arc::new(SystemClock))
}

/// Returns a line about a site that has a limit: what is in force now.
pub fn limit(site: &SiteConfig) -> Option<String> {
    let in_force = || format!("bandwidth_limit of site {}: now {}", site.name, limiter(site).in_force());
    (!site.bandwidth_limit.is_off()).then(in_force)
}

fn shelf(site: &SiteConfig, known: &Known) -> Result<Box<dyn Site>, Failure> {
    match &site.url {
        SiteUrl::Tupkg { .. } => {
            let message = format!("site {}: packages are only handed in there", site.name);
            Err(Failure::new(Fault::Bug, message))
        }
        SiteUrl::Directory(base) => Ok(Box::new(Directory {
            name: site.name.clone(),
            base: base.clone(),
            file_mode: site.file_mode,
            dir_mode: REMOTE_DIR_MODE,
            known: known.clone(),
        })),
        SiteUrl::Sftp { user, host, port, base } => Ok(Box::new(Sftp::new(SftpSettings {
            name: site.name.clone(),
            user: user.clone(),
            host: host.clone(),
            port: *port,
            base: base.clone(),
            known_hosts: site.known_hosts.clone(),
            credentials: credentials(site, host, user)?,
            connect_timeout: site.connect_timeout,
            io_timeout: site.io_timeout,
            min_rate: site.min_rate,
            file_mode: site.file_mode,
            dir_mode: REMOTE_DIR_MODE,
            exec_hash: site.exec_hash,
            known: known.clone(),
        }))),
        SiteUrl::Ftp { user, host, port, base, is_secure } => {
            let protection = match (is_secure, site.tls) {
                (true, TlsBegin::Explicit) => Protection::Explicit(site.trust.clone()),
                (true, TlsBegin::Implicit) => Protection::Implicit(site.trust.clone()),
                (false, _) => Protection::None,
            };
            let (user, password) = account(site, host, user.as_deref())?;
            Ok(Box::new(Ftp::new(FtpSettings {
                name: site.name.clone(),
                user,
                password,
                account: None,
                host: host.clone(),
                port: port.unwrap_or(protection.port()),
                base: base.clone(),
                protection,
                connect_timeout: site.connect_timeout,
                io_timeout: site.io_timeout,
                min_rate: site.min_rate,
                file_mode: site.file_mode,
                known: known.clone(),
            })))
        }
    }
}

/// Returns the account and the password of a site that takes nothing else.
fn account(site: &SiteConfig, host: &str, user: Option<&str>) -> Result<(String, Secret), Failure> {
    if let Some(file) = &site.netrc {
        let account = netrc::account(file, host, user)?;
        return Ok((account.login, account.password));
    }
    match (user, secret(site.password.as_ref())?) {
        (Some(user), Some(password)) => Ok((user.to_owned(), password)),
        // The configuration refuses it.
        _ => Err(Failure::new(Fault::Configuration, format!("site {}: no account is configured", site.name))),
    }
}

fn credentials(site: &SiteConfig, host: &str, user: &str) -> Result<Vec<Credential>, Failure> {
    let mut credentials = Vec::new();
    if let Some(file) = &site.private_key {
        // A key that others can read is refused before anybody is connected to.
        let (key, passphrase) = (read_private_file(file)?, secret(site.passphrase.as_ref())?);
        credentials.push(Credential::Key { key, file: file.clone(), passphrase });
    }
    if site.agent {
        let socket = variable("SSH_AUTH_SOCK").map(PathBuf::from).ok_or_else(|| {
            let message = format!("site {}: agent = true, but SSH_AUTH_SOCK is not set", site.name);
            Failure::new(Fault::Configuration, message)
        })?;
        credentials.push(Credential::Agent { socket });
    }
    if let Some(password) = secret(site.password.as_ref())? {
        credentials.push(Credential::Password(password));
    }
    if let Some(file) = &site.netrc {
        credentials.push(Credential::Password(netrc::account(file, host, Some(user))?.password));
    }
    Ok(credentials)
}

/// Returns how strongly a delivery to a site must be verified.
pub fn verify(site: &SiteConfig) -> Verify {
    match site.verify {
        Verification::Size => Verify::Size,
        Verification::Md5 => Verify::Md5,
        Verification::Strong => Verify::Strong,
    }
}

/// Returns a secret from where the configuration says it is.
pub fn secret(source: Option<&SecretSource>) -> Result<Option<Secret>, Failure> {
    Ok(source.map(|source| source.resolve(&variable)).transpose()?)
}
