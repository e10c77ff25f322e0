//! Sending a package to a machine, over the connection that the one before it has left.

use std::fs::File;
use std::path::Path;

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
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::contact::{ContactError, Environment, connect, is_away};
use crate::directory::Dated;
use crate::plan::{Action, Item};
use crate::routes::Routes;
use crate::state::{Row, State, StateError, States, digests};
use crate::turns::Wait;

/// What a run works with.
pub struct Sender<'a> {
    /// Which packages go where.
    pub routes: &'a Routes,
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
    /// The time zone of windows that name none.
    pub zone: &'a TimeZone,
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
    /// What it waits for, if this run has not come to it.
    pub waits: Option<Wait>,
    /// What has to happen, if it failed.
    pub fault: Option<Fault>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A package did not get to a machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
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
    /// Returns whether nobody has answered, or not any more.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Contact(error) => error.is_away(),
            Self::Deliver(DeliverError::Site(source) | DeliverError::Unsent { source, .. }) => {
                is_away(source.kind)
            }
            Self::Deliver(_)
            | Self::Lock(_)
            | Self::State(_)
            | Self::Path(_)
            | Self::Read { .. }
            | Self::Foreign(_)
            | Self::Changed(_) => false,
        }
    }

    pub(crate) fn fault(&self) -> Fault {
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
    /// Notes a failure. What passes is tried again, sooner or later; a run that was stopped has not failed.
    pub(crate) fn note_failure(&self, row: &Row, fault: Fault, told: &str) -> Result<(), StateError> {
        let now = self.context.now();
        if self.context.stop.check().is_err() {
            return Ok(());
        }
        let again = fault.is_passing().then(|| retry::next_try(row.failures + 1, now, &row.label()));
        self.states.fail(row, again, told, now)
    }

    /// Sends one package; `None` if a person holds it by now.
    pub(crate) fn send_one<'p>(
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
#[derive(Default)]
pub(crate) struct Line<'p> {
    section: Option<(&'p String, bool)>,
    session: Option<Box<dyn Session>>,
    /// Why nobody is let in, or answers.
    refused: Option<(Fault, String)>,
}

impl Line<'_> {
    /// Returns whether a connection stands.
    pub(crate) fn stands(&self) -> bool {
        self.session.is_some()
    }
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

pub(crate) fn sent(
    item: &Item<'_>,
    delivered: Option<&Delivered>,
    ended: Result<(), (Fault, String)>,
) -> Sent {
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
        waits: None,
        fault,
        error,
    }
}
