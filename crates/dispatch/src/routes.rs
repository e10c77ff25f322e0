//! The routes in force: what [`crate::written`] has read, typed, with defaults, and checked. All that is
//! wrong is said at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intraware_core::foreign;
use intraware_core::secret::Secret;
use intraware_core::site::Trust;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Serialize;

use crate::directory::Directory;
use crate::error::{Problem, Problems, RouteError};
use crate::freeze::{Freeze, Window};
use crate::host::Host;
use crate::reader::{Password, Reader};
use crate::rollout::{PARALLEL, Rollout, Share};
use crate::upgrade::{Commands, Markers};
use crate::written::{Section as AsWritten, Written};

mod order;

/// How long connecting may take, in seconds.
const CONNECT_S: u32 = 20;

/// How long a command may take at a machine, if nothing is said.
const LIMIT: Duration = Duration::from_secs(900);

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
    /// Its name: the expression as it is written, unless that stands in `packages`.
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
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// In which order its machines get a package.
    pub rollout: Rollout,
    /// What is run there.
    pub commands: Commands,
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
        order::check(sections.iter().flatten(), &mut problems);
        // What is wrong in the section for all is found anew in each.
        problems.sort_by(|a, b| (a.line, &a.message).cmp(&(b.line, &b.message)));
        problems.dedup();
        if !problems.is_empty() {
            return Err(Problems::of(file, problems).into());
        }
        Ok(Self { file: file.to_owned(), sections: sections.into_iter().flatten().collect() })
    }

    /// Returns the sections that are for a package: the one of each group, and of the machines that are in
    /// none.
    pub fn sections_for(&self, package: &str) -> Result<Vec<&Section>, RouteError> {
        let found: Vec<&Section> = self.sections.iter().filter(|section| section.matches(package)).collect();
        let file = foreign::path(&self.file).to_string();
        let package = foreign::escape(package);
        if found.is_empty() {
            return Err(RouteError::Nowhere { file, package });
        }
        for (i, section) in found.iter().enumerate() {
            let group = &section.rollout.group;
            let same: Vec<_> = found.iter().filter(|other| other.rollout.group == *group).collect();
            if same.len() > 1 {
                let shown: Vec<String> = same.iter().map(|section| section.shown()).collect();
                return Err(RouteError::Unclear { file, package, sections: shown.join(", ") });
            }
            let shared = |host: &&Host| found[..i].iter().any(|other| other.hosts.contains(host));
            if let Some(host) = section.hosts.iter().find(shared) {
                let (section, machine) = (section.shown(), host.to_string());
                return Err(RouteError::Twice { file, package, section, machine });
            }
            let is_there =
                |group: &&String| found.iter().any(|other| other.rollout.group.as_ref() == Some(group));
            if let Some(group) = section.rollout.after.iter().find(|group| !is_there(group)) {
                let (section, group) = (section.shown(), group.clone());
                return Err(RouteError::NoGroup { file, package, section, group });
            }
        }
        Ok(found)
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
    let expression = from.text("packages").unwrap_or_else(|| name.clone());
    let expression =
        Regex::new(&expression).map_err(|error| from.note(*line, expression_problem(&error))).ok();
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
        connect_timeout: Duration::from_secs(
            from.number("connect_timeout_s", 1..=600).unwrap_or(CONNECT_S).into(),
        ),
        rollout: rollout(&mut from),
        commands: commands(&mut from),
    };
    if read.commands.is_any() && !read.protocol.uses_ssh() {
        from.refuse("protocol", "FTP runs no commands; use sftp or auto, or leave out command and version");
    }
    if read.protocol == Protocol::Ftp && !read.allow_plaintext {
        from.refuse("protocol", "ftp sends the password and the package in the clear: set allow_plaintext");
    }
    from.finish();
    (problems.len() == before).then_some(read)
}

/// Reads what is run at the machines.
fn commands(from: &mut Reader<'_>) -> Commands {
    let commands = Commands {
        upgrade: from.words("command"),
        check: from.words("check"),
        rollback: from.words("rollback"),
        version: from.words("version"),
        limit: from.number("command_timeout_s", 1..=86_400).map_or(LIMIT, |s| Duration::from_secs(s.into())),
        markers: from.parsed("marker_dir", Markers::parse).unwrap_or_default(),
    };
    for (key, found) in [("check", &commands.check), ("rollback", &commands.rollback)] {
        if found.is_some() && from.is_unset("command") {
            from.refuse(key, "needs a command beside it: the upgrade");
        }
    }
    let all = [&commands.upgrade, &commands.check, &commands.rollback];
    if all.into_iter().flatten().any(|words| words.needs("{version}")) && from.is_unset("version") {
        from.refuse("version", "must be set, as {version} stands in a command");
    }
    commands
}

fn port(from: &mut Reader<'_>, key: &'static str) -> Option<u16> {
    from.number(key, 1..=u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
}

/// Reads in which order machines get a package.
fn rollout(from: &mut Reader<'_>) -> Rollout {
    let group = from.parsed("group", group_name);
    let after = from.list("after", group_name);
    let canary = from.number("canary", 0..=1_000_000).unwrap_or(0);
    let batch = from.parsed("batch", Share::parse);
    let pause = from.parsed("pause", |text| {
        const ALLOWED: &str = "must be a time up to a day, such as \"10 min\" or \"1h\"";
        let pause: SignedDuration = text.parse().map_err(|_| ALLOWED)?;
        let is_allowed = !pause.is_negative() && pause <= SignedDuration::from_hours(24);
        if is_allowed { Ok(pause) } else { Err(ALLOWED) }
    });
    // Whoever sends to some machines first does not want the others to fail as they did.
    let default = (canary > 0 || batch.is_some()).then_some(Share::Count(1));
    let stop_at = from.parsed("stop_at", Share::parse);
    let zone = from.parsed("time_zone", |text| {
        TimeZone::get(text).map_err(|_| "must be a time zone that this host knows, such as Europe/Berlin")
    });
    if pause.is_some() && !(canary > 0 || batch.is_some()) {
        from.refuse("pause", "needs batch or canary beside it: without them all machines are one batch");
    }
    Rollout {
        group,
        after,
        parallel: from.number("parallel", 1..=1000).unwrap_or(PARALLEL),
        canary,
        batch,
        pause: pause.unwrap_or_default(),
        stop_at: stop_at.or(default),
        freeze: Freeze { windows: from.lines("freeze", Window::parse), zone },
    }
}

fn group_name(text: &str) -> Result<String, &'static str> {
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let allowed = "must be names of groups, of letters, digits, \"-\", \"_\" and \".\"";
    if is_name && !text.is_empty() { Ok(text.to_owned()) } else { Err(allowed) }
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
