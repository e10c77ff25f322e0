//! The routes in force: what [`crate::written`] has read, typed, with defaults, and checked. All that is wrong is said at
//! once.

use std::fmt;
use std::path::{Path, PathBuf};

use intraware_core::foreign;
use intraware_core::secret::{Secret, SecretSource};
use intraware_core::site::Trust;
use regex::Regex;
use serde::Serialize;

use crate::directory::Directory;
use crate::error::{Problem, Problems, RouteError};
use crate::host::Host;
use crate::reader::Reader;
use crate::written::{Section as AsWritten, Written};

/// The port of SSH.
const SSH: u16 = 22;

/// All routes of a file.
#[derive(Debug)]
pub struct Routes {
    /// The file.
    pub file: PathBuf,
    /// Its sections in their order.
    pub sections: Vec<Section>,
}

/// Where the packages go whose names an expression matches.
#[derive(Debug)]
pub struct Section {
    /// The expression as it is written.
    pub name: String,
    /// The line it is on.
    pub line: usize,
    /// The expression. It counts from the beginning of a name, and as far as it goes.
    pub expression: Regex,
    /// The machines.
    pub hosts: Vec<Host>,
    /// Who logs in there.
    pub login: Option<String>,
    /// With which password.
    pub password: Option<Password>,
    /// With which private key, over SSH.
    pub private_key: Option<PathBuf>,
    /// What some FTP servers ask for besides.
    pub account: Option<Secret>,
    /// The port of FTP, where SSH comes first or no other is named.
    pub ftp_port: Option<u16>,
    /// How an FTP server with TLS proves who it is.
    pub trust: Trust,
    /// The directory there.
    pub dest_dir: Directory,
    /// How it gets there.
    pub protocol: Protocol,
    /// Whether a password and a package may be read on the way.
    pub allow_plaintext: bool,
    /// The file that has what the section does not say.
    pub netrc: PathBuf,
    /// The file with the machines' SSH keys.
    pub known_hosts: PathBuf,
}

/// Where a password is.
#[derive(Debug, Clone)]
pub enum Password {
    /// In the file of routes itself, which nobody else can read.
    Written(Secret),
    /// Somewhere else.
    Source(SecretSource),
}

/// How packages get to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Over SSH; if nobody answers there, over FTPS, and over FTP where that is allowed.
    Auto,
    /// Over SSH.
    Sftp,
    /// Over FTP with TLS.
    Ftps,
    /// Over FTP in the clear.
    Ftp,
}

impl Protocol {
    const ALL: [(&str, Self); 4] =
        [("auto", Self::Auto), ("sftp", Self::Sftp), ("ftps", Self::Ftps), ("ftp", Self::Ftp)];

    /// Returns whether SSH is one of its ways.
    pub fn uses_ssh(self) -> bool {
        match self {
            Self::Auto | Self::Sftp => true,
            Self::Ftps | Self::Ftp => false,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, protocol)| protocol == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Routes {
    /// Reads a file. `home` is what `~` means in paths of this host.
    pub fn read(file: &Path, home: Option<&Path>) -> Result<Self, RouteError> {
        let written = Written::read(file)?;
        let mut problems = Vec::new();
        let sections: Vec<Option<Section>> = written
            .sections
            .iter()
            .map(|section| read(section, &written.defaults, home, &mut problems))
            .collect();
        if written.sections.is_empty() && problems.is_empty() {
            problems.push(Problem::at(1, "has no section; put `[EXPRESSION]` and `host = …` in it"));
        }
        // What is wrong in the section for all is found anew in each.
        problems.sort_by(|a, b| (a.line, &a.message).cmp(&(b.line, &b.message)));
        problems.dedup();
        if !problems.is_empty() {
            return Err(Problems::of(file, problems).into());
        }
        Ok(Self { file: file.to_owned(), sections: sections.into_iter().flatten().collect() })
    }

    /// Returns the one section that is for a package.
    pub fn section_for(&self, package: &str) -> Result<&Section, RouteError> {
        let found: Vec<&Section> = self.sections.iter().filter(|section| section.matches(package)).collect();
        let file = foreign::path(&self.file).to_string();
        let package = foreign::escape(package);
        match found[..] {
            [section] => Ok(section),
            [] => Err(RouteError::Nowhere { file, package }),
            _ => {
                let shown: Vec<String> = found.iter().map(|section| section.shown()).collect();
                Err(RouteError::Unclear { file, package, sections: shown.join(", ") })
            }
        }
    }
}

impl Section {
    /// Returns whether it is for a package of this name.
    pub fn matches(&self, package: &str) -> bool {
        // The leftmost match is the one at the beginning, if there is one there.
        self.expression.find(package).is_some_and(|found| found.start() == 0)
    }

    /// Returns how messages call it.
    pub fn shown(&self) -> String {
        format!("[{}] on line {}", foreign::escape(&self.name), self.line)
    }
}

/// Reads a section, or notes what is wrong with it.
fn read(
    written: &AsWritten,
    defaults: &AsWritten,
    home: Option<&Path>,
    problems: &mut Vec<Problem>,
) -> Option<Section> {
    let before = problems.len();
    let AsWritten { name, line, .. } = written;
    let mut from = Reader::new(written, defaults, home, problems);
    let expression = Regex::new(name).map_err(|error| from.note(*line, expression_problem(&error))).ok();
    let port = port(&mut from, "port");
    let mut hosts = from.list("host", Host::parse);
    if hosts.is_empty() && from.is_unset("host") {
        from.note(*line, "host must be set: the machine, or several of them".to_owned());
    }
    for (i, host) in hosts.clone().iter().enumerate() {
        if hosts[..i].contains(host) {
            from.refuse("host", "names a machine twice");
        }
    }
    hosts.iter_mut().for_each(|host| host.port = host.port.or(port));
    let read = Section {
        name: name.clone(),
        line: *line,
        expression: expression?,
        hosts,
        login: from.text("login"),
        password: from.password("password"),
        private_key: from.path("private_key"),
        account: from.secret("account"),
        ftp_port: self::port(&mut from, "ftp_port"),
        trust: trust(&mut from),
        dest_dir: from.parsed("dest_dir", Directory::parse).unwrap_or_default(),
        protocol: from.choice("protocol", &Protocol::ALL, Protocol::Auto),
        allow_plaintext: from.flag("allow_plaintext"),
        netrc: from.file("netrc", ".netrc"),
        known_hosts: from.file("known_hosts", ".ssh/known_hosts"),
    };
    if read.protocol == Protocol::Ftp && !read.allow_plaintext {
        from.refuse("protocol", "ftp sends the password and the package in the clear: set allow_plaintext");
    }
    from.finish();
    (problems.len() == before).then_some(read)
}

fn port(from: &mut Reader<'_>, key: &'static str) -> Option<u16> {
    from.number(key, 1..=u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
}

/// Reads how a server with TLS proves who it is: by an authority, or by its own certificate.
fn trust(from: &mut Reader<'_>) -> Trust {
    const ALLOWED: &str = "must be the SHA-256 of the server's certificate, as 64 hexadecimal digits";
    let authority = from.path("ca_file");
    let pinned = from.parsed("certificate_sha256", |text| text.replace(':', "").parse().map_err(|_| ALLOWED));
    match pinned {
        Some(_) if authority.is_some() => {
            from.refuse("certificate_sha256", "needs no ca_file beside it; remove one of them");
            Trust::Authorities(authority)
        }
        Some(pinned) => Trust::Certificate(pinned),
        None => Trust::Authorities(authority),
    }
}

/// Says what is wrong with an expression, in one line.
fn expression_problem(error: &regex::Error) -> String {
    let told = error.to_string();
    // The last line of several says it; those before show the expression.
    let told = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("is no regular expression: {}", foreign::escape(told))
}

impl Host {
    /// Returns the port for SSH.
    pub fn ssh_port(&self) -> u16 {
        self.port.unwrap_or(SSH)
    }
}
