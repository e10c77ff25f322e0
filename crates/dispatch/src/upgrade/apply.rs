//! One upgrade, from the note that it is begun next to the note of how it has ended.
//!
//! That it may have been begun is on the disk here before the machine is asked for anything; from then on
//! only what the machine's marker says counts. A connection that is lost before the machine has said that it
//! began leaves the row `running`: the next run begins it if there is no marker. One that is lost later makes
//! it `unknown`, and nothing ever begins it again.

use std::ops::ControlFlow;

use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::retry;
use intraware_core::run::RunContext;
use intraware_core::site::{Ran, Session, SiteError, SiteErrorKind};
use intraware_core::txlog::{Step, Subject, TxLog, chain};
use jiff::Timestamp;

use super::job::{Job, Mode};
use super::report::{Answer, Report};
use crate::routes::Section;
use crate::state::{End, Row, State, StateError, States};

/// The step of the transaction log.
const STEP: Step = Step::D3;

/// How many lines of what the commands have said the transaction log gets.
const LINES: usize = 20;

/// What an upgrade needs besides a session.
pub(crate) struct Asked<'a> {
    pub(crate) states: &'a States,
    pub(crate) log: &'a TxLog,
    pub(crate) context: &'a RunContext,
    pub(crate) row: &'a Row,
    pub(crate) section: &'a Section,
}

/// An upgrade that has ended, or was asked about; it is noted.
#[derive(Debug)]
pub(crate) struct Upgraded {
    /// How it is now.
    pub(crate) state: State,
    /// What has come of it, for people.
    pub(crate) outcome: String,
    /// What has to happen, unless it is done.
    pub(crate) fault: Option<Fault>,
    /// Whether this run has waited for one of its commands until its time was over.
    pub(crate) is_late: bool,
}

/// What an answer means.
enum Verdict {
    /// It has ended, and well or not.
    Ended(bool, String),
    /// Nobody knows how it has ended.
    Unknown(String),
    /// It was not begun; nothing but time has to pass, or a person must mend something.
    NotBegun(Fault, String),
}

impl Asked<'_> {
    /// Runs the upgrade, or finds out how it has ended if it may have been begun; `None` if a person holds
    /// the package by now, or another content has taken its place. What has failed with the connection is
    /// noted as far as it concerns the upgrade.
    pub(crate) fn settle(&self, session: &mut dyn Session) -> Result<Option<Upgraded>, Trouble> {
        let row = self.row;
        let is_begun = match row.state {
            State::Running | State::Verified => self.states.begin(row, self.context.now())?,
            State::Unknown => true,
            State::Planned | State::Sent | State::Done | State::Failed | State::Superseded => false,
        };
        if !is_begun {
            return Ok(None);
        }
        if row.state != State::Unknown && self.section.commands.upgrade.is_none() {
            let told = format!("section {} has no command any more", self.section.shown());
            return Ok(Some(self.not_begun(Fault::Configuration, told)?));
        }
        let mode = if row.state == State::Unknown { Mode::Ask } else { Mode::Begin };
        let mut report = self.ask(session, mode)?;
        let is_open = matches!(report.answer, Some(Answer::Lost | Answer::Absent));
        if is_open && report.step("upgrade").is_none_or(|status| status == "0") && self.has_check() {
            report = self.ask(session, Mode::Settle)?;
        }
        let upgraded = self.note(&report)?;
        Ok(Some(Upgraded { is_late: report.is_late(), ..upgraded }))
    }

    fn has_check(&self) -> bool {
        self.section.commands.check.is_some()
    }

    /// Has the machine do something, and tells the log what came of it.
    fn ask(&self, session: &mut dyn Session, mode: Mode) -> Result<Report, Trouble> {
        let row = self.row;
        let path = match row.directory.strip_prefix("~/") {
            Some(below) => format!("{below}{}", row.package),
            None => format!("{}{}", row.directory, row.package),
        };
        let identity = &self.context.identity;
        let job = Job {
            mode,
            commands: &self.section.commands,
            job: &format!("{} {}", row.sha256, row.package),
            attempt: row.attempt,
            section: &foreign::escape(&self.section.name),
            machine: &row.machine,
            path: &path,
            owner: &format!("{}:{} {}", identity.host, identity.pid, identity.run),
        };
        let (label, mut report) = (row.label(), Report::default());
        let subject = Subject { record: "", job: &label };
        let effect = match mode {
            Mode::Begin => format!("run the upgrade, try {}", row.attempt),
            Mode::Ask | Mode::Version => "ask how the upgrade has ended".to_owned(),
            Mode::Settle => "have the check say how the upgrade has ended".to_owned(),
        };
        let ended = self.log.record(subject, STEP, &effect, || {
            let ran = session.run(&job.script(), &mut |bytes| {
                report.hear(bytes);
                match self.context.stop.check() {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            ran.and_then(|ran| ran.ok_or_else(stopped))
        });
        for line in report.lines().into_iter().rev().take(LINES).rev() {
            self.log.note(subject, STEP, &format!("it said: {line}"));
        }
        let is_answered = report.answer.is_some();
        match ended {
            Ok(Ran { signal: Some(signal), .. }) if !is_answered && !report.is_begun => {
                let told = format!("what keeps the marker there was ended by {signal}; try again later");
                Err(SiteError::new(SiteErrorKind::Disconnected, told).into())
            }
            Ok(_) if is_answered || !report.is_begun => Ok(report),
            Ok(_) => {
                let told = "what waited for it there was ended".to_owned();
                Err(Trouble::Upgrade(self.unknown(told, true)?))
            }
            Err(error) if report.is_begun => {
                let told = format!("the connection was lost while it ran: {}", chain(&error));
                Err(Trouble::Upgrade(self.unknown(told, true)?))
            }
            Err(error) if error.kind == SiteErrorKind::Unsupported => {
                Err(Trouble::Upgrade(self.not_begun(Fault::Configuration, chain(&error))?))
            }
            Err(error) => Err(Trouble::Site(error)),
        }
    }

    /// Judges what the machine has said, and notes it.
    fn note(&self, report: &Report) -> Result<Upgraded, StateError> {
        match self.judge(report) {
            Verdict::Ended(is_done, outcome) => {
                let state = if is_done { State::Done } else { State::Failed };
                let attempt = report.marker("attempt").and_then(|attempt| attempt.parse().ok());
                let attempt = attempt.unwrap_or(self.row.attempt).max(self.row.attempt);
                self.end(state, attempt, None, outcome, (!is_done).then_some(Fault::Build))
            }
            Verdict::Unknown(outcome) => self.unknown(outcome, self.has_check()),
            Verdict::NotBegun(fault, told) => self.not_begun(fault, told),
        }
    }

    fn judge(&self, report: &Report) -> Verdict {
        let outcome = told(report);
        match (&report.answer, report.step("ended"), report.step("upgrade")) {
            (Some(Answer::Ended), Some("done"), _) => match &report.after {
                // A package that is asked for anew would bring back what it was followed by.
                Some(after) if !report.is_begun && self.row.state == State::Verified => {
                    let (_, after) = after.split_once(' ').unwrap_or(("", after));
                    let after = foreign::escape(after);
                    Verdict::Ended(
                        false,
                        format!("it was done there before, and after it {after}: {outcome}"),
                    )
                }
                Some(_) | None => Verdict::Ended(true, outcome),
            },
            (Some(Answer::Ended), _, _) => Verdict::Ended(false, outcome),
            (Some(Answer::Lost), _, Some(status)) if status != "0" => {
                Verdict::Ended(false, format!("{outcome}; what ran it there is gone"))
            }
            (Some(Answer::Lost), _, _) => Verdict::Unknown(format!(
                "what ran it there is gone, and has not said how it ended: {outcome}"
            )),
            (Some(Answer::Absent), _, _) => {
                Verdict::Unknown("the machine has no marker of it any more".to_owned())
            }
            (Some(Answer::Busy(other)), _, _) => {
                let other = other.split_once(' ').map_or("another package", |(_, other)| other);
                Verdict::NotBegun(
                    Fault::TryLater,
                    format!("the upgrade of {} runs there", foreign::escape(other)),
                )
            }
            (Some(Answer::Missing(path)), _, _) => Verdict::NotBegun(
                Fault::Configuration,
                format!(
                    "{} is not what its shell finds there: commands and files see different directories",
                    foreign::escape(path)
                ),
            ),
            (None, _, _) => {
                let noise = report.noise();
                let text = format!("the machine has not run what keeps the marker; it said: {noise}");
                Verdict::NotBegun(Fault::Configuration, text)
            }
        }
    }

    /// Notes that nobody knows how it has ended; it may be asked again by itself, or by a person.
    fn unknown(&self, outcome: String, by_itself: bool) -> Result<Upgraded, StateError> {
        let row = self.row;
        let again = by_itself.then(|| retry::next_try(row.failures + 1, self.context.now(), &row.label()));
        let fault = if by_itself { Fault::TryLater } else { Fault::Build };
        self.end(State::Unknown, row.attempt, again, outcome, Some(fault))
    }

    /// Notes that it was not begun now; one that may have been begun before is as it was.
    fn not_begun(&self, fault: Fault, told: String) -> Result<Upgraded, StateError> {
        let (row, now) = (self.row, self.context.now());
        let again = fault.is_passing().then(|| retry::next_try(row.failures + 1, now, &row.label()));
        let (state, again) = match row.state {
            State::Unknown => (State::Unknown, again),
            _ if again.is_some() => (State::Verified, again),
            State::Running => (State::Unknown, None),
            _ => (State::Failed, None),
        };
        let end =
            End { state, again, error: Some(&told), attempt: row.attempt, outcome: row.outcome.as_deref() };
        self.states.end(row, &end, now)?;
        Ok(Upgraded { state, outcome: told, fault: Some(fault), is_late: false })
    }

    fn end(
        &self,
        state: State,
        attempt: u32,
        again: Option<Timestamp>,
        outcome: String,
        fault: Option<Fault>,
    ) -> Result<Upgraded, StateError> {
        let end = End { state, again, error: None, attempt, outcome: Some(&outcome) };
        self.states.end(self.row, &end, self.context.now())?;
        let label = self.row.label();
        let subject = Subject { record: "", job: &label };
        self.log.note(subject, STEP, &format!("the upgrade is {state}: {outcome}"));
        Ok(Upgraded { state, outcome, fault, is_late: false })
    }
}

/// An upgrade was not settled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It cannot be noted.
    #[error(transparent)]
    State(#[from] StateError),
    /// The machine cannot be asked.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// It is noted already.
    #[error("{}", .0.outcome)]
    Upgrade(Upgraded),
}

fn stopped() -> SiteError {
    SiteError::new(SiteErrorKind::Busy, "the run was asked to stop; the next one asks for it")
}

/// Says what came of each step.
fn told(report: &Report) -> String {
    let mut parts = Vec::new();
    for (step, value) in &report.steps {
        let (step, value) = (foreign::escape(step), foreign::escape(value));
        match (&step[..], value.split_once(' ').unwrap_or((&value, ""))) {
            ("ended", _) => {}
            ("version", _) if value.is_empty() => {}
            ("version", _) => parts.push(format!("before it: {value}")),
            ("rollback", ("nowhere", _)) => {
                parts.push("no rollback, since nothing that was done before is known there".to_owned());
            }
            (_, (status, "late")) => {
                parts.push(format!("{step} was ended when its time was over ({status})"))
            }
            (_, (status, _)) => match status.parse::<u32>() {
                Ok(status @ 129..) => {
                    parts.push(format!("{step} ended with {status}, as by signal {}", status - 128))
                }
                _ => parts.push(format!("{step} ended with {status}")),
            },
        }
    }
    let said = report.said();
    if !said.is_empty() {
        parts.push(format!("it said: {said}"));
    }
    if parts.is_empty() { "nothing is known of it".to_owned() } else { parts.join(", ") }
}
