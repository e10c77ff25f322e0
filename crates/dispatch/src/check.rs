//! What is wrong with routes although each section is right, or may not be what was meant.

use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_site_sftp::host_key;
use serde::Serialize;

use crate::error::RouteError;
use crate::expression::{Example, Names};
use crate::host::Host;
use crate::route::{Netrcs, machine};
use crate::routes::{Routes, Section};

/// Something that was found.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Finding {
    /// What has to happen; none if it may be as it was meant.
    pub fault: Option<Fault>,
    /// The line in the file of routes, if it is about one.
    pub line: Option<usize>,
    /// What was found, and what to do.
    pub message: String,
}

impl Finding {
    fn of(section: &Section, fault: Option<Fault>, message: String) -> Self {
        let message = format!("[{}] {message}", foreign::escape(&section.name));
        Self { fault, line: Some(section.line), message }
    }
}

/// Looks over routes, the netrc files and the stored keys. Nothing is asked of any machine.
pub fn check(routes: &Routes, netrcs: &mut Netrcs) -> Vec<Finding> {
    let mut findings = expressions(routes);
    for section in &routes.sections {
        findings.extend(logins(routes, section, netrcs));
        findings.extend(keys(section));
    }
    findings.extend(duplicates(routes, netrcs));
    findings
}

/// Compares the expressions with one another.
fn expressions(routes: &Routes) -> Vec<Finding> {
    let mut findings = Vec::new();
    let everything = Names::of("");
    let names: Vec<Option<Names>> =
        routes.sections.iter().map(|section| Names::of(section.expression.as_str())).collect();
    for (i, section) in routes.sections.iter().enumerate() {
        let (Some(these), Some(everything)) = (&names[i], &everything) else {
            let what = "is too large to be compared with others";
            findings.push(Finding::of(section, None, what.into()));
            continue;
        };
        match these.example(everything, true) {
            Example::Name(name) => findings.extend(open_end(section, &name)),
            Example::None => {
                let what = "matches no name that a package can have; correct or remove it";
                findings.push(Finding::of(section, Some(Fault::Configuration), what.into()));
            }
            Example::Unknown => {}
        }
        for (other, those) in routes.sections.iter().zip(&names).take(i) {
            let Some(those) = those else { continue };
            // Of two groups one goes after the other, or both go.
            if other.rollout.group != section.rollout.group {
                continue;
            }
            let Example::Name(name) = these.example(those, true) else { continue };
            let (name, other) = (foreign::escape(name), other.shown());
            let what = match these.example(those, false) {
                Example::None => {
                    format!("is never used: all it matches, such as {name}, is matched by {other} as well")
                }
                Example::Name(_) | Example::Unknown => {
                    format!("matches {name}, as {other} does; a package with such a name is refused")
                }
            };
            findings.push(Finding::of(section, Some(Fault::Configuration), what));
        }
    }
    findings
}

/// Says what else an expression matches that does not say where a name ends.
fn open_end(section: &Section, name: &str) -> Option<Finding> {
    let longer = format!("{name}-other");
    let written = section.expression.as_str();
    let is_meant = written.ends_with(".*") || written.ends_with(".+");
    (!is_meant && section.matches(&longer)).then(|| {
        let longer = foreign::escape(longer);
        let what = format!("matches beginnings, so {longer} as well; end it with $ if it should not");
        Finding::of(section, None, what)
    })
}

/// Says what logging in lacks.
fn logins(routes: &Routes, section: &Section, netrcs: &mut Netrcs) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in &section.hosts {
        let found = machine(routes, section, netrcs, host);
        if let Err(error) = found {
            let told = match &error {
                RouteError::Missing { what, .. } => what.clone(),
                error => intraware_core::txlog::chain(error),
            };
            findings.push(Finding::of(section, Some(error.fault()), told));
        }
    }
    findings
}

/// Says which machines cannot prove who they are.
fn keys(section: &Section) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in section.hosts.iter().filter(|_| section.protocol.uses_ssh()) {
        let file = foreign::path(&section.known_hosts).to_string();
        let what = match host_key::stored(&section.known_hosts, &host.name, host.ssh_port()) {
            Ok(stored) if !stored.is_empty() => continue,
            Ok(_) => {
                let at = Host { name: host.name.clone(), port: Some(host.ssh_port()) };
                format!("{file} has no key for {host}: `upload dispatch pin {at}`")
            }
            Err(error) => format!("{file} cannot be read: {error}"),
        };
        findings.push(Finding::of(section, Some(Fault::Access), what));
    }
    findings
}

/// Says which entries of netrc files never count.
fn duplicates(routes: &Routes, netrcs: &mut Netrcs) -> Vec<Finding> {
    let mut files: Vec<_> = routes.sections.iter().map(|section| &section.netrc).collect();
    files.sort();
    files.dedup();
    let mut findings = Vec::new();
    for file in files {
        // That it cannot be read is told where something is missing for it.
        let Ok(Some(netrc)) = netrcs.get(file) else { continue };
        let at = |line: usize| format!("{}:{line}", foreign::path(file));
        let mut note = |message: String| findings.push(Finding { fault: None, line: None, message });
        for (i, entry) in netrc.entries().iter().enumerate() {
            let Some(machine) = &entry.machine else {
                note(format!(
                    "{}: a default entry is not used: a password belongs to a host",
                    at(entry.line)
                ));
                continue;
            };
            let is_same = |other: &&intraware_core::secret::netrc::Entry| {
                let is_machine = other.machine.as_ref().is_some_and(|m| m.eq_ignore_ascii_case(machine));
                is_machine && (other.login == entry.login || other.login.is_none())
            };
            if let Some(first) = netrc.entries()[..i].iter().find(is_same) {
                let (here, machine) = (at(entry.line), foreign::escape(machine));
                note(format!(
                    "{here}: {machine} has an entry on line {}, which counts; remove one",
                    first.line
                ));
            }
        }
    }
    findings
}
