//! What a run would do with each package at each machine, and why: from the routes, and from what is known
//! already.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use intraware_core::digest::{Digester, Sha256Hex};
use intraware_core::foreign;
use intraware_core::retry::Pause;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use crate::error::RouteError;
use crate::route::{Machine, Netrcs, Route, package_name, route};
use crate::routes::{Routes, Section};
use crate::state::{Row, State};

/// All that a run does, in its order.
#[derive(Debug)]
pub struct Plan<'r> {
    /// One for each package and machine.
    pub items: Vec<Item<'r>>,
    /// Whether somebody has named the packages: they are planned anew whatever has failed, and no machine is
    /// left alone.
    pub is_named: bool,
}

/// What is done with one package at one machine.
#[derive(Debug)]
pub struct Item<'r> {
    /// The package, and how far it has come.
    pub row: Row,
    /// The section that is for it.
    pub section: &'r Section,
    /// The machine, and what logging in there needs.
    pub machine: Machine,
    /// What is done.
    pub action: Action,
}

/// What is done with a package at a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is sent, and its upgrade is run if it has one.
    Send,
    /// It is there; its upgrade is run.
    Upgrade,
    /// It is found out how its upgrade has ended.
    Settle,
    /// Nothing: it is there, and its upgrade has ended well if it has one.
    Nothing,
    /// Nothing: a person holds it.
    Hold,
    /// Nothing before the pause after a failure is over.
    Wait(Timestamp),
    /// Nothing before a person asks for it.
    Leave,
}

impl Action {
    /// Returns whether something is done at the machine.
    pub fn is_work(self) -> bool {
        match self {
            Self::Send | Self::Upgrade | Self::Settle => true,
            Self::Nothing | Self::Hold | Self::Wait(_) | Self::Leave => false,
        }
    }
}

/// The content of a file that is a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The file, by an absolute path.
    pub file: PathBuf,
    /// What is in it.
    pub sha256: Sha256Hex,
    /// Its length in bytes.
    pub size: u64,
}

/// Something that was planned before has no route any more, or a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The package has no route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The file cannot be read.
    #[error("cannot read the package {path}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The file cannot be copied.
    #[error("cannot copy the package {path} to where it is kept")]
    Copy {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Two files that are named have one name of a package.
    #[error("package {0} is named twice, with different contents; dispatch one after the other")]
    Twice(String),
    /// The routes have the machine no more.
    #[error("{0} was planned, and no section sends it there any more; hold it, or put the section back")]
    Gone(String),
}

impl PlanError {
    /// Returns what has to happen before it can be sent.
    pub fn fault(&self) -> intraware_core::exit::Fault {
        use intraware_core::exit::Fault;
        match self {
            Self::Route(error) => error.fault(),
            Self::Read { .. } | Self::Twice(_) => Fault::Build,
            Self::Copy { .. } => Fault::Spool,
            Self::Gone(_) => Fault::Configuration,
        }
    }
}

/// Plans to send these files, whatever has failed before. If one has no route, nothing is sent.
pub fn plan_files<'r>(
    routes: &'r Routes,
    netrcs: &mut Netrcs,
    known: &[Row],
    files: &[PathBuf],
    (day, now): (Date, Timestamp),
) -> Result<Plan<'r>, Vec<PlanError>> {
    let (mut items, mut errors): (Vec<Item<'r>>, _) = (Vec::new(), Vec::new());
    for file in files {
        match of_file(routes, netrcs, known, file, (day, now)) {
            Ok(more) => items.extend(more),
            Err(error) => errors.push(error),
        }
    }
    items.sort_by(|a, b| (&a.row.package, &a.row.machine).cmp(&(&b.row.package, &b.row.machine)));
    items.dedup_by(|a, b| a.row == b.row);
    let is_twice = |pair: &[Item<'_>]| {
        (&pair[0].row.package, &pair[0].row.machine) == (&pair[1].row.package, &pair[1].row.machine)
    };
    if let Some(pair) = items.windows(2).find(|pair| is_twice(pair)) {
        errors.push(PlanError::Twice(foreign::escape(&pair[0].row.package)));
    }
    if errors.is_empty() { Ok(Plan { items, is_named: true }) } else { Err(errors) }
}

fn of_file<'r>(
    routes: &'r Routes,
    netrcs: &mut Netrcs,
    known: &[Row],
    file: &Path,
    (day, now): (Date, Timestamp),
) -> Result<Vec<Item<'r>>, PlanError> {
    let package = package_name(file)?;
    let found = route(routes, netrcs, &package, day)?;
    Ok(items(&package, found, known, &content(file)?, now))
}

/// Reads a package.
fn content(file: &Path) -> Result<Content, PlanError> {
    let failed = |source| PlanError::Read { path: foreign::path(file).to_string(), source };
    let file = std::path::absolute(file).map_err(failed)?;
    let digests = digest(&file).map_err(failed)?;
    Ok(Content { file, sha256: digests.sha256, size: digests.size })
}

/// Plans to send these files, whatever has failed before, each by itself, and says what of them cannot be
/// sent.
pub fn plan_each<'r>(
    routes: &'r Routes,
    netrcs: &mut Netrcs,
    known: &[Row],
    files: &[PathBuf],
    today: (Date, Timestamp),
) -> (Plan<'r>, Vec<PlanError>) {
    let (mut contents, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        // What has no route is not read.
        let routed = package_name(file).and_then(|name| routes.sections_for(&name).map(drop));
        match routed.map_err(PlanError::from).and_then(|()| content(file)) {
            Ok(content) => contents.push(content),
            Err(error) => errors.push(error),
        }
    }
    let (plan, more) = plan_found(routes, netrcs, known, &contents, today);
    errors.extend(more.into_iter().map(|(_, error)| error));
    // Of several files of one package each is refused, and it is told once.
    let mut twice = BTreeSet::new();
    errors.retain(|error| match error {
        PlanError::Twice(package) => twice.insert(package.clone()),
        _ => true,
    });
    (plan, errors)
}

/// Plans to send these contents, each as if it had been named, and says what of them cannot be sent: one that
/// has no route, and several of one package.
pub fn plan_found<'r>(
    routes: &'r Routes,
    netrcs: &mut Netrcs,
    known: &[Row],
    found: &[Content],
    (day, now): (Date, Timestamp),
) -> (Plan<'r>, Vec<(PathBuf, PlanError)>) {
    let (mut planned, mut errors) = (Vec::new(), Vec::new());
    for content in found {
        let file = &content.file;
        let routed = package_name(file).and_then(|name| Ok((route(routes, netrcs, &name, day)?, name)));
        match routed {
            Ok((found, name)) => planned.push((content, name, found)),
            Err(error) => errors.push((file.clone(), error.into())),
        }
    }
    let mut contents: BTreeMap<String, BTreeSet<Sha256Hex>> = BTreeMap::new();
    for (content, package, _) in &planned {
        contents.entry(package.clone()).or_default().insert(content.sha256);
    }
    let (mut plan, mut done) = (Plan { items: Vec::new(), is_named: true }, BTreeSet::new());
    for (content, package, found) in planned {
        if contents.get(&package).is_some_and(|contents| contents.len() > 1) {
            errors.push((content.file.clone(), PlanError::Twice(foreign::escape(&package))));
        } else if done.insert(package.clone()) {
            plan.items.extend(items(&package, found, known, content, now));
        }
    }
    (plan, errors)
}

/// Plans to send a content where it is routed.
fn items<'r>(
    package: &str,
    found: Vec<Route<'r>>,
    known: &[Row],
    content: &Content,
    now: Timestamp,
) -> Vec<Item<'r>> {
    let is_current = |row: &&Row| {
        (&*row.package, &row.sha256) == (package, &content.sha256) && row.state != State::Superseded
    };
    let known: Vec<&Row> = known.iter().filter(is_current).collect();
    let item = |section: &'r Section, directory: &str, machine: Machine| {
        let new = Row {
            package: package.to_owned(),
            sha256: content.sha256,
            size: content.size,
            machine: machine.host.to_string(),
            directory: directory.to_owned(),
            file: content.file.clone(),
            state: State::Planned,
            since: now,
            is_held: false,
            failures: 0,
            again: None,
            error: None,
            proof: None,
            is_upgraded: section.commands.upgrade.is_some(),
            attempt: 1,
            outcome: None,
        };
        let row = match known.iter().find(|row| row.machine == new.machine) {
            Some(row) => Row { file: new.file, is_upgraded: new.is_upgraded, ..Row::clone(row) },
            None => new,
        };
        let action = match row.state {
            State::Done => Action::Nothing,
            State::Verified if !row.is_upgraded => Action::Nothing,
            _ if row.is_held => Action::Hold,
            State::Verified => Action::Upgrade,
            State::Running | State::Unknown => Action::Settle,
            State::Failed if row.outcome.is_some() => Action::Leave,
            State::Planned | State::Sent | State::Failed | State::Superseded => Action::Send,
        };
        let row = match action {
            // What has failed before does not count any more.
            Action::Send | Action::Upgrade => Row { failures: 0, again: None, ..row },
            Action::Settle | Action::Nothing | Action::Hold | Action::Wait(_) | Action::Leave => row,
        };
        Item { row, section, machine, action }
    };
    let machines = found.into_iter().flat_map(|Route { section, machines, directory, .. }| {
        let directory = directory.to_string();
        machines.into_iter().map(move |machine| (section, directory.clone(), machine))
    });
    machines.map(|(section, directory, machine)| item(section, &directory, machine)).collect()
}

/// Plans to go on with what is known and not finished.
pub fn plan_rest<'r>(
    routes: &'r Routes,
    netrcs: &mut Netrcs,
    known: Vec<Row>,
    (day, now): (Date, Timestamp),
) -> (Plan<'r>, Vec<PlanError>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    for row in known {
        let pause = row.again.filter(|until| (Pause { begun: row.since, until: *until }).is_on(now));
        let action = match (row.state, pause) {
            (State::Done | State::Superseded, _) => continue,
            (State::Verified, _) if !row.is_upgraded => continue,
            _ if row.is_held => Action::Hold,
            (State::Failed, _) => Action::Leave,
            (State::Unknown, _) if row.again.is_none() => Action::Leave,
            (_, Some(until)) => Action::Wait(until),
            (State::Planned | State::Sent, None) => Action::Send,
            (State::Verified, None) => Action::Upgrade,
            (State::Running | State::Unknown, None) => Action::Settle,
        };
        let found = route(routes, netrcs, &row.package, day);
        match found {
            Ok(found) => {
                let machines = found.into_iter().flat_map(|Route { section, machines, .. }| {
                    machines.into_iter().map(move |machine| (section, machine))
                });
                match machines.into_iter().find(|(_, machine)| machine.host.to_string() == row.machine) {
                    Some((section, machine)) => items.push(Item { row, section, machine, action }),
                    None => errors.push(PlanError::Gone(row.label())),
                }
            }
            Err(error) => errors.push(error.into()),
        }
    }
    (Plan { items, is_named: false }, errors)
}

fn digest(path: &Path) -> io::Result<intraware_core::digest::Digests> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut digester = Digester::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            n => digester.update(&buffer[..n]),
        }
    }
}
