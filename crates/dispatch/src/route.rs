//! From a package's name to the machines that it goes to, and to what logging in there needs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use intraware_core::foreign;
use intraware_core::secret::netrc::{Entry, Netrc};
use intraware_core::secret::{Secret, SecretError};
use intraware_core::site::{PathError, RemotePath};
use jiff::civil::Date;
use serde::Serialize;

use crate::directory::Dated;
use crate::error::RouteError;
use crate::host::Host;
use crate::reader::Password;
use crate::routes::{Routes, Section};

/// The longest name of a package, in bytes: at a machine a longer one stands beside it while it is sent.
const LONGEST: usize = 220;

/// Where a package goes.
#[derive(Debug)]
pub struct Route<'r> {
    /// Its name.
    pub package: String,
    /// The section that is for it.
    pub section: &'r Section,
    /// The machines, in the order of the section.
    pub machines: Vec<Machine>,
    /// The directory at each of them.
    pub directory: Dated,
}

/// A machine, and what logging in there needs.
#[derive(Debug)]
pub struct Machine {
    /// The machine.
    pub host: Host,
    /// Who logs in.
    pub login: String,
    /// Where that was found.
    pub login_from: Origin,
    /// The password; none if there is a key instead.
    pub password: Option<(Password, Origin)>,
    /// What some FTP servers ask for besides.
    pub account: Option<(Secret, Origin)>,
}

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// In the section.
    Section,
    /// In the netrc file, in the entry that begins on this line.
    Netrc(usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section => f.write_str("section"),
            Self::Netrc(line) => write!(f, "netrc, line {line}"),
        }
    }
}

/// The netrc files of all sections, each read once.
#[derive(Debug, Default)]
pub struct Netrcs(BTreeMap<PathBuf, Option<Netrc>>);

impl Netrcs {
    /// Reads a file, unless it was read before. One that is missing is no error before something is missing
    /// for it.
    pub(crate) fn get(&mut self, file: &Path) -> Result<Option<&Netrc>, SecretError> {
        if !self.0.contains_key(file) {
            let read = match Netrc::read(file) {
                Ok(netrc) => Some(netrc),
                Err(SecretError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    None
                }
                Err(error) => return Err(error),
            };
            self.0.insert(file.to_owned(), read);
        }
        Ok(self.0.get(file).and_then(Option::as_ref))
    }
}

/// Returns the name of the package in a file: the last name of its path, as it will be called at the
/// machines.
pub fn package_name(file: &Path) -> Result<String, RouteError> {
    let name = file.file_name().unwrap_or(OsStr::new("")).as_bytes();
    let refuse = |why: &str| {
        let package = foreign::path(file).to_string();
        Err(RouteError::Name { package, why: format!("{why}; rename it") })
    };
    let Ok(text) = std::str::from_utf8(name) else { return refuse("its name is not valid UTF-8") };
    if text.starts_with('.') {
        return refuse("its name begins with a dot, as those of files that are still written do");
    }
    match RemotePath::new(text) {
        Ok(_) if text.len() <= LONGEST => Ok(text.to_owned()),
        Ok(_) | Err(PathError::TooLong(_)) => refuse(&format!("its name is longer than {LONGEST} bytes")),
        Err(PathError::Character(_)) => refuse("its name holds control characters"),
        Err(PathError::Component(_) | PathError::Hidden(_) | PathError::Encoding(_)) => {
            refuse("it has no name of a file")
        }
    }
}

/// Returns where a package goes on a day, by each section that is for it. Nothing is asked of any machine.
pub fn route<'r>(
    routes: &'r Routes,
    netrcs: &mut Netrcs,
    package: &str,
    day: Date,
) -> Result<Vec<Route<'r>>, RouteError> {
    let sections = routes.sections_for(package)?.into_iter();
    let mut of_section = |section: &'r Section| {
        let machine = |host: &Host| machine(routes, section, netrcs, host);
        let machines: Result<_, RouteError> = section.hosts.iter().map(machine).collect();
        let machines = machines.map_err(|error| error.of_package(package))?;
        Ok(Route { package: package.to_owned(), section, machines, directory: section.dest_dir.on(day) })
    };
    sections.map(&mut of_section).collect()
}

/// Returns what logging in at a machine of a section needs.
pub(crate) fn machine(
    routes: &Routes,
    section: &Section,
    netrcs: &mut Netrcs,
    host: &Host,
) -> Result<Machine, RouteError> {
    let Section { login, password, account, private_key, netrc, .. } = section;
    let missing = |what: &str| RouteError::Missing {
        file: foreign::path(&routes.file).to_string(),
        line: section.line,
        section: foreign::escape(&section.name),
        package: None,
        what: format!(
            "there is no {what} for {host}, neither in the section nor in {}; add it to one of them",
            foreign::path(netrc)
        ),
    };
    let is_complete = login.is_some() && password.is_some() && account.is_some();
    let entry: Option<&Entry> = if is_complete {
        None
    } else {
        netrcs.get(netrc)?.and_then(|netrc| netrc.entries_for(&host.name, login.as_deref()).next())
    };
    let from_entry = |entry: &Entry| Origin::Netrc(entry.line);
    let (login, login_from) = match (login, entry.and_then(|entry| Some((entry.login.clone()?, entry)))) {
        (Some(login), _) => (login.clone(), Origin::Section),
        (None, Some((login, entry))) => (login, from_entry(entry)),
        (None, None) => return Err(missing("login")),
    };
    let written = password.clone().map(|password| (password, Origin::Section));
    let password = written.or_else(|| {
        let entry = entry?;
        Some((Password::Written(entry.password.clone()?), from_entry(entry)))
    });
    // FTP knows no keys.
    if password.is_none() && (private_key.is_none() || !section.protocol.uses_ssh()) {
        return Err(missing(if section.protocol.uses_ssh() {
            "password or private_key"
        } else {
            "password"
        }));
    }
    let written = account.clone().map(|account| (account, Origin::Section));
    let account = written.or_else(|| {
        let entry = entry?;
        Some((entry.account.clone()?, from_entry(entry)))
    });
    Ok(Machine { host: host.clone(), login, login_from, password, account })
}
