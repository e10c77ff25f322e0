//! What runs at the machines: what was done there last, as the marker knows, and what the section's version
//! command says.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::thread;

use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::run::RunContext;
use intraware_core::site::BasePath;
use intraware_core::txlog::chain;
use serde::Serialize;

use super::job::{Job, Mode};
use super::report::Report;
use crate::contact::{Environment, connect};
use crate::host::Host;
use crate::route::{Netrcs, machine};
use crate::routes::{Routes, Section};

/// So many machines are asked at the same time.
const MACHINES: usize = 20;

/// What a machine of a section runs.
#[derive(Debug, Serialize)]
pub struct Version {
    /// The section.
    pub section: String,
    /// The machine.
    pub machine: String,
    /// The package that was done there last, if one was.
    pub package: Option<String>,
    /// Its content.
    pub sha256: Option<String>,
    /// What the version command says.
    pub version: Option<String>,
    /// Whether it differs from what most machines of the section have.
    pub differs: bool,
    /// What has to happen, if it could not be asked.
    pub fault: Option<Fault>,
    /// Why it could not be asked.
    pub error: Option<String>,
}

/// Asks every machine of each section that has commands, in the order of the routes.
pub fn versions(
    routes: &Routes,
    netrcs: &mut Netrcs,
    environment: &Environment<'_>,
    context: &RunContext,
) -> Vec<Version> {
    let sections = routes.sections.iter().filter(|section| section.commands.is_any());
    let mut waiting = VecDeque::new();
    for (section, host) in sections.flat_map(|section| section.hosts.iter().map(move |host| (section, host)))
    {
        let found = machine(routes, section, netrcs, host);
        waiting.push_back((
            waiting.len(),
            section,
            host,
            found.map_err(|error| (error.fault(), chain(&error))),
        ));
    }
    let (waiting, done) = (Mutex::new(waiting), Mutex::new(BTreeMap::new()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..MACHINES {
            scope.spawn(|| {
                while let Some((index, section, host, found)) = next() {
                    let heard = found.and_then(|machine| {
                        let base = BasePath::Home(String::new());
                        let connected = connect(section, &machine, &base, environment);
                        let mut session = connected.map_err(|error| (error.fault(), chain(&error)))?;
                        let job = job(section, host);
                        let mut report = Report::default();
                        let ran = session.run(&job, &mut |bytes| {
                            report.hear(bytes);
                            context
                                .stop
                                .check()
                                .map_or_else(|_| ControlFlow::Break(()), ControlFlow::Continue)
                        });
                        ran.map_err(|error| (error.kind.fault(), chain(&error)))?;
                        match report.output {
                            Some(_) => Ok(report),
                            None => Err((Fault::Configuration, format!("it said: {}", report.noise()))),
                        }
                    });
                    let version = version(section, host, heard);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(index, version);
                }
            });
        }
    });
    let mut all: Vec<Version> =
        done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect();
    for index in 0..all.len() {
        all[index].differs = differs(&all, index);
    }
    all
}

/// Returns the script that asks a machine.
fn job(section: &Section, host: &Host) -> String {
    let job = Job {
        mode: Mode::Version,
        commands: &section.commands,
        job: "",
        attempt: 1,
        section: &foreign::escape(&section.name),
        machine: &host.to_string(),
        path: "",
        owner: "",
    };
    job.script()
}

fn version(section: &Section, host: &Host, heard: Result<Report, (Fault, String)>) -> Version {
    let (heard, failed) = match heard {
        Ok(report) => (Some(report), None),
        Err(failed) => (None, Some(failed)),
    };
    let (fault, error) = failed.unzip();
    let job = heard.as_ref().and_then(|report| report.marker("job")?.split_once(' '));
    let said = heard.as_ref().map(Report::said).filter(|said| !said.is_empty());
    Version {
        section: section.name.clone(),
        machine: host.to_string(),
        package: job.map(|(_, package)| package.to_owned()),
        sha256: job.map(|(sha256, _)| sha256.to_owned()),
        version: said,
        differs: false,
        fault,
        error,
    }
}

/// Returns whether a machine has something else than most of its section, or one that is as frequent and
/// comes before.
fn differs(all: &[Version], index: usize) -> bool {
    let what = |of: &Version| (of.sha256.clone(), of.version.clone());
    let peers = || all.iter().filter(|peer| peer.section == all[index].section && peer.error.is_none());
    let count = |wanted: &Version| peers().filter(|peer| what(peer) == what(wanted)).count();
    let most = peers().map(count).max().unwrap_or(0);
    let usual = peers().find(|peer| count(peer) == most);
    all[index].error.is_none() && usual.is_some_and(|usual| what(usual) != what(&all[index]))
}
