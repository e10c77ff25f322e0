//! Carrying out a plan: all machines at the same time, and the packages of each one after the other.
//!
//! One lock a machine keeps two runs from sending there at once; who finds it taken leaves the packages planned. A machine
//! that cannot be connected to is tried once a run.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use intraware_core::deliver::{
    DeliverError, Delivered, Delivery, Ours, Released, Stop, Verify, commit, stage, sweep_superseded,
};
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::lock::{Lock, LockError};
use intraware_core::retry;
use intraware_core::run::RunContext;
use intraware_core::site::{PathError, Place, Session};
use intraware_core::txlog::{Subject, TxLog, chain};
use serde::Serialize;

use crate::contact::{ContactError, Environment, connect};
use crate::directory::Dated;
use crate::plan::{Action, Item, Plan};
use crate::state::{Row, State, StateError, States, digests};

/// So many machines are sent to at the same time.
const MACHINES: usize = 20;

/// What a run works with.
pub struct Sender<'a> {
    /// What is known, and noted.
    pub states: &'a States,
    /// The directory of it, which has the locks too.
    pub dir: &'a Path,
    /// All rows, as they were when it was planned: which contents are ours.
    pub known: &'a [Row],
    /// What was done.
    pub log: &'a TxLog,
    /// The run.
    pub context: &'a RunContext,
    /// The environment, for passwords that are kept there.
    pub environment: &'a Environment<'a>,
}

/// What became of a package at a machine.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// The package's name.
    pub package: String,
    /// The machine.
    pub machine: String,
    /// The directory there.
    pub directory: String,
    /// Its content.
    pub sha256: String,
    /// What was to be done.
    pub action: Action,
    /// Whether it is there now.
    pub is_there: bool,
    /// How its content was proven, if that was in this run.
    pub proof: Option<String>,
    /// How many bytes were sent.
    pub sent: u64,
    /// What has to happen, if it failed.
    pub fault: Option<Fault>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A package did not get to a machine.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Contact(#[from] ContactError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("cannot read the package {path}")]
    Read { path: String, source: std::io::Error },
    #[error(
        "{0} has another content there that was not sent from here; look at it, rename or remove it there if nobody needs it, and dispatch the package again"
    )]
    Foreign(String),
    #[error("{0} is not what it was when it was looked at; dispatch it again when nobody writes to it")]
    Changed(String),
}

impl Trouble {
    fn fault(&self) -> Fault {
        match self {
            Self::Contact(error) => error.fault(),
            Self::Lock(error) => error.fault(),
            Self::State(_) => Fault::Spool,
            Self::Deliver(error) => error.fault(),
            Self::Path(_) | Self::Read { .. } | Self::Foreign(_) | Self::Changed(_) => Fault::Build,
        }
    }
}

impl Sender<'_> {
    /// Sends what the plan says, and returns what became of each package at each machine, in the plan's order. Nothing is
    /// sent before all of it is noted.
    pub fn send(&self, plan: &Plan<'_>) -> Result<Vec<Sent>, StateError> {
        let sends = |item: &&Item<'_>| item.action == Action::Send;
        let rows: Vec<Row> = plan.items.iter().filter(sends).map(|item| item.row.clone()).collect();
        self.states.plan(&rows, self.context.now())?;
        let mut machines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, item) in plan.items.iter().enumerate().filter(|(_, item)| sends(item)) {
            machines.entry(&item.row.machine).or_default().push(index);
        }
        let waiting: Mutex<VecDeque<Vec<usize>>> = Mutex::new(machines.into_values().collect());
        let done: Mutex<BTreeMap<usize, Sent>> = Mutex::default();
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        thread::scope(|scope| {
            for _ in 0..MACHINES {
                scope.spawn(|| {
                    while let Some(indices) = next() {
                        let ended = self.send_to_one(plan, &indices);
                        done.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rest = plan.items.iter().enumerate().map(|(index, item)| match done.remove(&index) {
            Some(sent) => sent,
            None => sent(item, None, Ok(())),
        });
        Ok(rest.collect())
    }

    /// Sends all packages that go to one machine.
    fn send_to_one(&self, plan: &Plan<'_>, indices: &[usize]) -> Vec<(usize, Sent)> {
        let items = indices.iter().map(|&index| (index, &plan.items[index]));
        let lock = match indices.first().map(|&index| &plan.items[index].row.machine) {
            Some(machine) => {
                Lock::take(&self.dir.join("locks").join(format!("{machine}.lock")), self.context)
            }
            None => return Vec::new(),
        };
        let mut hold = match lock {
            Ok(lock) => lock,
            // Another run's packages come first; these stay as they are.
            Err(error) => {
                let (fault, told) = (error.fault(), format!("another run sends there: {}", chain(&error)));
                return items
                    .map(|(index, item)| (index, sent(item, None, Err((fault, told.clone())))))
                    .collect();
            }
        };
        let mut line = Line { section: None, session: None, refused: None };
        let mut all = Vec::new();
        for (index, item) in items {
            let ended = self.send_one(item, &mut line, &mut hold);
            let failed = ended.as_ref().err().map(|trouble| (trouble.fault(), chain(trouble)));
            let noted = match &failed {
                Some((fault, told)) => self.note_failure(&item.row, *fault, told),
                None => Ok(()),
            };
            // That it cannot be noted is graver than what it was.
            let failed = match noted {
                Ok(()) => failed.map_or(Ok(()), Err),
                Err(error) => Err((Fault::Spool, chain(&error))),
            };
            all.push((index, sent(item, ended.ok().flatten().as_ref(), failed)));
        }
        all
    }

    /// Notes a failure. What passes is tried again, sooner or later; a run that was stopped has not failed.
    fn note_failure(&self, row: &Row, fault: Fault, told: &str) -> Result<(), StateError> {
        let now = self.context.now();
        if self.context.stop.check().is_err() {
            return Ok(());
        }
        let again = fault.is_passing().then(|| retry::next_try(row.failures + 1, now, &row.label()));
        self.states.fail(row, again, told, now)
    }

    /// Sends one package; `None` if a person holds it by now.
    fn send_one<'p>(
        &self,
        item: &'p Item<'_>,
        line: &mut Line<'p>,
        hold: &mut Lock,
    ) -> Result<Option<Delivered>, Trouble> {
        let Item { row, section, machine, .. } = item;
        if self.states.is_held(row)? {
            return Ok(None);
        }
        let path = foreign::path(&row.file).to_string();
        let file = File::open(&row.file).map_err(|source| Trouble::Read { path: path.clone(), source })?;
        let directory = Dated::noted(&row.directory);
        let place = Place::of_package(directory.below()?, &row.package)?;
        let digests = digests(row);
        let others = self.known.iter().filter(|other| {
            (&other.package, &other.machine) == (&row.package, &row.machine) && other.sha256 != row.sha256
        });
        let others: Vec<_> = others.map(crate::state::digests).collect();
        let base = directory.base();
        if line.section.is_none_or(|(name, at_home)| (name, at_home) != (&section.name, directory.is_home()))
        {
            *line = Line {
                section: Some((&section.name, directory.is_home())),
                session: None,
                refused: line.refused.take(),
            };
        }
        if let Some((fault, told)) = &line.refused {
            return Err(again(*fault, told).into());
        }
        let mut session = match line.session.take() {
            Some(session) => session,
            None => connect(section, machine, &base, self.environment).inspect_err(|error| {
                line.refused = Some((error.fault(), chain(error)));
            })?,
        };
        let go_on = || self.context.stop.check().map_err(|stopped| Stop(stopped.to_string()));
        let delivery = Delivery {
            place: &place,
            digests: &digests,
            verify: Verify::Strong,
            released: Released::NotKnown,
            ours: &|| Ok(Ours { others: others.clone(), was_there: false }),
            go_on: &go_on,
            pool: None,
            stuck: None,
            may_commit: &go_on,
        };
        let delivered = self.deliver(row, session.as_mut(), &delivery, &file, hold);
        // What failed at the machine may have ended the connection; a new one is made if it is needed.
        let is_sound = match &delivered {
            Ok(Delivered { moved_aside: Some(_), .. }) => {
                sweep_superseded(session.as_mut(), &place, digests.generation()).is_ok()
            }
            Ok(_) => true,
            Err(_) => false,
        };
        if is_sound {
            line.session = Some(session);
        }
        delivered.map(Some).map_err(|trouble| match trouble {
            Trouble::Deliver(DeliverError::Foreign(path)) => Trouble::Foreign(path.to_string()),
            Trouble::Deliver(DeliverError::Damaged { .. }) => Trouble::Changed(path),
            Trouble::Deliver(DeliverError::Local { source, .. }) => Trouble::Read { path, source },
            other => other,
        })
    }

    fn deliver(
        &self,
        row: &Row,
        session: &mut dyn Session,
        delivery: &Delivery<'_>,
        file: &File,
        hold: &mut Lock,
    ) -> Result<Delivered, Trouble> {
        let label = row.label();
        let subject = Subject { record: "", job: &label };
        let effect = format!(
            "send {} to {}{}",
            foreign::path(&row.file),
            row.directory,
            foreign::escape(&row.package)
        );
        let staged = self.log.record(subject, "D1", &effect, || {
            stage(session, delivery, file, &mut |_| ()).map_err(Trouble::from)
        })?;
        self.states.advance(row, State::Sent, None, self.context.now())?;
        hold.confirm()?;
        let effect = format!("name {}{}", row.directory, foreign::escape(&row.package));
        let delivered = self
            .log
            .record(subject, "D2", &effect, || commit(session, delivery, staged).map_err(Trouble::from))?;
        let proof = delivered.verified_by.to_string();
        self.states.advance(row, State::Verified, Some(&proof), self.context.now())?;
        Ok(delivered)
    }
}

/// The connection to a machine, for the packages of one section.
struct Line<'p> {
    section: Option<(&'p String, bool)>,
    session: Option<Box<dyn Session>>,
    /// Why nobody is let in, or answers.
    refused: Option<(Fault, String)>,
}

/// Says the same of a further package.
fn again(fault: Fault, told: &str) -> ContactError {
    use intraware_core::site::{SiteError, SiteErrorKind};
    let kind = match fault {
        Fault::Unreachable => SiteErrorKind::Unreachable,
        Fault::TryLater | Fault::Spool | Fault::Bug => SiteErrorKind::Timeout,
        Fault::Access => SiteErrorKind::Permission,
        Fault::Configuration | Fault::Build => SiteErrorKind::Configuration,
    };
    SiteError::new(kind, told).into()
}

fn sent(item: &Item<'_>, delivered: Option<&Delivered>, ended: Result<(), (Fault, String)>) -> Sent {
    let Item { row, action, .. } = item;
    let (fault, error) = match ended {
        Ok(()) => (None, None),
        Err((fault, error)) => (Some(fault), Some(error)),
    };
    Sent {
        package: row.package.clone(),
        machine: row.machine.clone(),
        directory: row.directory.clone(),
        sha256: row.sha256.to_string(),
        action: *action,
        is_there: delivered.is_some() || *action == Action::Nothing,
        proof: delivered.map(|delivered| delivered.verified_by.to_string()),
        sent: delivered.map_or(0, |delivered| delivered.sent),
        fault,
        error,
    }
}
