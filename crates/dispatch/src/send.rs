//! Sending a package to a machine, over the connection that the one before it has left.

use std::fs::File;
use std::path::Path;

use intraware_core::deliver::{
    DeliverError, Delivered, Delivery, Ours, Released, Stop, Verify, commit, stage, sweep_superseded,
};
use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::foreign;
use intraware_core::lock::{Lock, LockError};
use intraware_core::retry;
use intraware_core::run::RunContext;
use intraware_core::site::{PathError, Place, Session};
use intraware_core::txlog::{Step, Subject, TxLog, chain};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::contact::{ContactError, Environment, connect, is_away};
use crate::directory::Dated;
use crate::plan::{Action, Item};
use crate::routes::Routes;
use crate::state::{Row, State, StateError, States, digests};
use crate::turns::Wait;
use crate::upgrade::{self, Asked, Upgraded};

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
    /// How far it is now, as far as this run knows.
    pub state: State,
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
    /// What came of its upgrade, if that was asked.
    pub outcome: Option<String>,
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
    #[error(transparent)]
    Upgrade(#[from] upgrade::Trouble),
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
            Self::Upgrade(upgrade::Trouble::Site(error)) => is_away(error.kind),
            Self::Upgrade(upgrade::Trouble::State(_) | upgrade::Trouble::Upgrade(_)) => false,
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
            Self::Upgrade(upgrade::Trouble::State(_)) => Fault::Spool,
            Self::Upgrade(upgrade::Trouble::Site(error)) => error.kind.fault(),
            Self::Upgrade(upgrade::Trouble::Upgrade(upgraded)) => upgraded.fault.unwrap_or(Fault::Build),
            Self::Path(_) | Self::Read { .. } | Self::Foreign(_) | Self::Changed(_) => Fault::Build,
        }
    }
}

/// Parts what became of a package from what has failed and is not noted yet.
pub(crate) fn part(item: &Item<'_>, ended: Result<Outcome, Trouble>) -> (Outcome, Option<(Fault, String)>) {
    match ended {
        Ok(ended) => (ended, None),
        Err(Trouble::Upgrade(upgrade::Trouble::Upgrade(upgraded))) => {
            (Outcome::Upgraded(None, upgraded), None)
        }
        Err(trouble) => (Outcome::Nothing(item.row.state), Some((trouble.fault(), chain(&trouble)))),
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

    /// Does what there is to do of one package, as it is now: since it was planned another run, or a person,
    /// may have done something.
    pub(crate) fn send_one<'p>(
        &self,
        item: &'p Item<'_>,
        line: &mut Line<'p>,
        hold: &mut Lock,
    ) -> Result<Outcome, Trouble> {
        let Some(row) = self.states.now(&item.row)?.filter(|row| !row.is_held) else {
            return Ok(Outcome::Nothing(item.row.state));
        };
        match row.state {
            State::Planned | State::Sent => {
                let delivered = self.send_package(item, &row, line, hold)?;
                if !row.is_upgraded {
                    return Ok(Outcome::Sent(delivered));
                }
                let row = Row { state: State::Verified, ..row };
                Ok(match self.upgrade(item, &row, line)? {
                    Some(upgraded) => Outcome::Upgraded(Some(delivered), upgraded),
                    None => Outcome::Sent(delivered),
                })
            }
            State::Verified | State::Running | State::Unknown if row.is_upgraded => {
                let upgraded = self.upgrade(item, &row, line)?;
                Ok(upgraded.map_or(Outcome::Nothing(row.state), |upgraded| Outcome::Upgraded(None, upgraded)))
            }
            state @ (State::Verified
            | State::Running
            | State::Done
            | State::Failed
            | State::Unknown
            | State::Superseded) => Ok(Outcome::Nothing(state)),
        }
    }

    /// Runs the upgrade of a package that is there, or finds out how it has ended.
    fn upgrade<'p>(
        &self,
        item: &'p Item<'_>,
        row: &Row,
        line: &mut Line<'p>,
    ) -> Result<Option<Upgraded>, Trouble> {
        let mut session = self.session(item, row, line)?;
        let Self { states, log, context, .. } = self;
        let asked = Asked { states, log, context, row, section: item.section };
        let upgraded = asked.settle(session.as_mut())?;
        line.session = Some(session);
        Ok(upgraded)
    }

    /// Returns the connection to a machine, or makes one.
    fn session<'p>(
        &self,
        item: &'p Item<'_>,
        row: &Row,
        line: &mut Line<'p>,
    ) -> Result<Box<dyn Session>, Trouble> {
        let directory = Dated::noted(&row.directory);
        let kind = Some((&item.section.name, directory.is_home()));
        if line.section != kind {
            *line = Line { section: kind, session: None, refused: line.refused.take() };
        }
        if let Some((fault, told)) = &line.refused {
            return Err(again(*fault, told).into());
        }
        match line.session.take() {
            Some(session) => Ok(session),
            None => {
                let connected = connect(item.section, &item.machine, &directory.base(), self.environment);
                Ok(connected.inspect_err(|error| line.refused = Some((error.fault(), chain(error))))?)
            }
        }
    }

    /// Sends one package.
    fn send_package<'p>(
        &self,
        item: &'p Item<'_>,
        row: &Row,
        line: &mut Line<'p>,
        hold: &mut Lock,
    ) -> Result<Delivered, Trouble> {
        let path = foreign::path(&row.file).to_string();
        let file = File::open(&row.file).map_err(|source| Trouble::Read { path: path.clone(), source })?;
        let directory = Dated::noted(&row.directory);
        let place = Place::of_package(directory.below()?, &row.package)?;
        let digests = digests(row);
        let others = self.known.iter().filter(|other| {
            (&other.package, &other.machine) == (&row.package, &row.machine) && other.sha256 != row.sha256
        });
        let others: Vec<_> = others.map(crate::state::digests).collect();
        let mut session = self.session(item, row, line)?;
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
        delivered.map_err(|trouble| match trouble {
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
        let staged = self.log.record(subject, Step::D1, &effect, || {
            stage(session, delivery, file, &mut |_| ()).map_err(Trouble::from)
        })?;
        self.states.advance(row, State::Sent, None, self.context.now())?;
        hold.confirm()?;
        let effect = format!("name {}{}", row.directory, foreign::escape(&row.package));
        let delivered = self.log.record(subject, Step::D2, &effect, || {
            commit(session, delivery, staged).map_err(Trouble::from)
        })?;
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

/// What became of a package.
pub(crate) enum Outcome {
    /// Nothing was done, or not to an end; it is as it was.
    Nothing(State),
    /// It is there.
    Sent(Delivered),
    /// It is there, perhaps since now, and something is known of its upgrade.
    Upgraded(Option<Delivered>, Upgraded),
}

pub(crate) fn sent(item: &Item<'_>, ended: Outcome, failed: Option<(Fault, String)>) -> Sent {
    let Item { row, action, .. } = item;
    let (state, delivered, upgraded) = match ended {
        Outcome::Nothing(state) => (state, None, None),
        Outcome::Sent(delivered) => (State::Verified, Some(delivered), None),
        Outcome::Upgraded(delivered, upgraded) => (upgraded.state, delivered, Some(upgraded)),
    };
    let is_there = match state {
        State::Verified | State::Running | State::Done | State::Unknown => true,
        State::Failed => upgraded.is_some(),
        State::Planned | State::Sent | State::Superseded => false,
    };
    let (fault, error) = match (failed, &upgraded) {
        (Some((fault, error)), _) => (Some(fault), Some(error)),
        (None, Some(Upgraded { fault: Some(fault), outcome, .. })) => {
            let what = match state {
                State::Failed => "its upgrade has failed",
                State::Unknown => "it is not known how its upgrade has ended",
                _ => "its upgrade was not begun",
            };
            (Some(*fault), Some(format!("{what}: {outcome}")))
        }
        (None, _) => (None, None),
    };
    Sent {
        package: row.package.clone(),
        machine: row.machine.clone(),
        directory: row.directory.clone(),
        sha256: row.sha256.to_string(),
        action: *action,
        state,
        is_there,
        proof: delivered.as_ref().map(|delivered| delivered.verified_by.to_string()),
        sent: delivered.as_ref().map_or(0, |delivered| delivered.sent),
        waits: None,
        fault,
        error,
        outcome: upgraded.map(|upgraded| upgraded.outcome),
    }
}
