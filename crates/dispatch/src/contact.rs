//! A connection to a machine, over the protocol that its section allows.
//!
//! With `auto` SSH is tried first. Only that nobody answers leads to FTPS, and only that the FTP server there
//! has no TLS leads to FTP, if that is allowed. A host key, a certificate or a login that is refused never
//! does: whoever is in between would get the password by refusing what protects it.

use intraware_core::exit::HasFault as _;
use std::ffi::OsString;
use std::time::Duration;

use intraware_core::secret::{Secret, SecretError, read_private_file};
use intraware_core::site::{Arrival, BasePath, Known, Session, Site, SiteError, SiteErrorKind};
use intraware_site_ftp::{Ftp, FtpSettings, Protection};
use intraware_site_sftp::{Credential, Sftp, SftpSettings};

use crate::reader::Password;
use crate::route::Machine;
use crate::routes::{Protocol, Section};

/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(60);

/// The slowest that sending may be, in bytes a second.
const SLOWEST: u64 = 1024;

/// The modes of files and directories that are made there.
const FILE: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// Looks up a variable of the environment.
pub type Environment<'a> = dyn Fn(&str) -> Option<OsString> + Sync + 'a;

/// A machine cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// What logging in needs cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The machine is away, or refuses.
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl ContactError {
    /// Returns whether nobody has answered; the machine may be up again any time.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Secret(_) => false,
            Self::Site(error) => is_away(error.kind),
        }
    }

    /// Returns what has to happen before it can be connected to.
    pub fn fault(&self) -> intraware_core::exit::Fault {
        match self {
            Self::Secret(error) => error.fault(),
            Self::Site(error) => error.kind.fault(),
        }
    }
}

/// Connects to a machine; what is put there is below `base`.
pub(crate) fn connect(
    section: &Section,
    machine: &Machine,
    base: &BasePath,
    environment: &Environment<'_>,
) -> Result<Box<dyn Session>, ContactError> {
    let password = match &machine.password {
        None => None,
        Some((Password::Written(secret), _)) => Some(secret.clone()),
        Some((Password::Source(source), _)) => Some(source.resolve(&|name| environment(name))?),
    };
    let way = Way { section, machine, base, password };
    match section.protocol {
        Protocol::Sftp => Ok(way.sftp()?.connect()?),
        Protocol::Ftps => Ok(way.ftp(way.tls())?.connect()?),
        Protocol::Ftp => Ok(way.ftp(Protection::None)?.connect()?),
        Protocol::Auto => way.any(),
    }
}

struct Way<'a> {
    section: &'a Section,
    machine: &'a Machine,
    base: &'a BasePath,
    password: Option<Secret>,
}

impl Way<'_> {
    /// Tries one protocol after the other, as long as nothing was refused.
    fn any(&self) -> Result<Box<dyn Session>, ContactError> {
        let mut arrival = Met(false);
        let away = match self.sftp()?.connect_and_tell(&mut arrival) {
            Err(error) if !arrival.0 && is_silent(error.kind) => error,
            tried => return Ok(tried?),
        };
        // FTP knows no keys, and runs nothing.
        if self.password.is_none() || self.section.commands.is_any() {
            return Err(away.into());
        }
        let error = match self.ftp(self.tls())?.connect() {
            // What was tried first is what is told.
            Err(error) if is_silent(error.kind) => return Err(away.into()),
            Err(error) if error.kind == SiteErrorKind::Unsupported => error,
            tried => return Ok(tried?),
        };
        match self.section.allow_plaintext {
            true => Ok(self.ftp(Protection::None)?.connect()?),
            false => Err(error.into()),
        }
    }

    fn sftp(&self) -> Result<Sftp, ContactError> {
        let Self { section, machine, base, .. } = self;
        let mut credentials = Vec::new();
        if let Some(file) = &section.private_key {
            // A key that others can read is refused before anybody is connected to.
            let key = read_private_file(file)?;
            credentials.push(Credential::Key { key, file: file.clone(), passphrase: None });
        }
        credentials.extend(self.password.clone().map(Credential::Password));
        Ok(Sftp::new(SftpSettings {
            name: machine.host.to_string(),
            host: machine.host.name.clone(),
            port: machine.host.ssh_port(),
            user: machine.login.clone(),
            base: (*base).clone(),
            known_hosts: section.known_hosts.clone(),
            credentials,
            connect_timeout: section.connect_timeout,
            io_timeout: IDLE,
            min_rate: SLOWEST,
            file_mode: FILE,
            dir_mode: DIRECTORY,
            exec_hash: true,
            known: Known::default(),
        }))
    }

    fn tls(&self) -> Protection {
        Protection::Explicit(self.section.trust.clone())
    }

    fn ftp(&self, protection: Protection) -> Result<Ftp, ContactError> {
        let Self { section, machine, base, password } = self;
        let password = password.clone().ok_or_else(|| {
            let text = format!("machine {}: FTP takes a password, and there is none", machine.host);
            SiteError::new(SiteErrorKind::Configuration, text)
        })?;
        let port = match section.protocol {
            Protocol::Auto | Protocol::Sftp => section.ftp_port,
            Protocol::Ftps | Protocol::Ftp => machine.host.port.or(section.ftp_port),
        };
        Ok(Ftp::new(FtpSettings {
            name: machine.host.to_string(),
            host: machine.host.name.clone(),
            port: port.unwrap_or(protection.port()),
            user: machine.login.clone(),
            password,
            account: machine.account.as_ref().map(|(account, _)| account.clone()),
            base: (*base).clone(),
            protection,
            connect_timeout: section.connect_timeout,
            io_timeout: IDLE,
            min_rate: SLOWEST,
            file_mode: FILE,
            known: Known::default(),
        }))
    }
}

/// Returns whether nobody has answered.
fn is_silent(kind: SiteErrorKind) -> bool {
    matches!(kind, SiteErrorKind::Unreachable | SiteErrorKind::Timeout)
}

/// Returns whether nobody has answered, or not any more.
pub(crate) fn is_away(kind: SiteErrorKind) -> bool {
    is_silent(kind) || kind == SiteErrorKind::Disconnected
}

/// Whether a server has proven who it is.
struct Met(bool);

impl Arrival for Met {
    fn met(&mut self, _distance: Duration) -> Result<(), SiteError> {
        self.0 = true;
        Ok(())
    }

    fn is_in(&mut self) {}
}
