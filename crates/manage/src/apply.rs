//! Executes a plan of `manage`, build by build.
//!
//! The order of the effects is the protocol of `docs/design.md`: each is repeatable, and a crash after any of
//! them leaves something that the next plan recognises. Nothing is decided here: when a record or a job has
//! moved since the plan was made, the build is left to the next run.

mod chores;
mod confirm;
mod hand_over;
mod park;
mod passing;
mod prepare;
mod released;
mod trouble;

use self::park::{put_aside, take_lock};
use self::trouble::{Trouble, fault_of};
use super::{BuildPlan, Chore, Plan, Rest, Step};
use intraware_core::archive::Effort;
use intraware_core::build_dir::BuildRoots;
use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::fingerprint::TreePolicy;
use intraware_core::lock::{Lock, LockError};
use intraware_core::outcome::{End, Outcome};
use intraware_core::record::{Change, Record, Status};
use intraware_core::retry;
use intraware_core::run::{RunContext, Stopped};
use intraware_core::sign::SigningKey;
use intraware_core::sites::Contact;
use intraware_core::spool::{NoteKey, Retry, Spool};
use intraware_core::store::{RecordStore, WriteError};
use intraware_core::streak::Streak;
use intraware_core::txlog::{self, Subject, TxLog, chain};

/// The signing key cannot be used; without it no build is archived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign: {reason}")]
pub struct NoKey {
    /// What has to happen.
    pub fault: Fault,
    /// Why, with causes; escaped.
    pub reason: String,
}

impl NoKey {
    /// For a plan that signs nothing: loading the key would only cost time.
    pub fn not_asked_for() -> Self {
        Self {
            fault: Fault::Bug,
            reason: "the key was not loaded, because nothing was to be signed".to_owned(),
        }
    }
}

/// What executing a plan needs.
pub struct Manager<'a, 's> {
    /// The records.
    pub store: &'a mut dyn RecordStore,
    /// The spool.
    pub spool: &'a Spool,
    /// The lock that makes this the only run.
    pub lock: &'a mut Lock,
    /// Where builds lie.
    pub roots: &'a BuildRoots,
    /// What a build may hold.
    pub policy: &'a TreePolicy,
    /// How hard payloads are compressed, on how many cores.
    pub effort: Effort,
    /// The company's key, loaded before any work if the plan needs it.
    pub key: Result<SigningKey, NoKey>,
    /// The sites: all that a plan may name.
    pub contacts: &'a mut [Contact<'s>],
    /// Where each effect is written down.
    pub log: &'a TxLog,
    /// Somebody asked for these builds by name: what fails then makes no pause longer.
    pub is_asked_for: bool,
    /// The run.
    pub context: &'a RunContext,
}

impl Plan {
    /// Returns whether executing this plan signs or verifies something.
    pub fn needs_key(&self) -> bool {
        self.builds.iter().flat_map(|build| &build.steps).any(Step::needs_key)
    }
}

/// Executes a plan and returns what became of each build for which something was to be done.
pub fn apply(manager: Manager<'_, '_>, plan: Plan) -> Applied {
    let mut run = Run { manager, closed: None };
    let mut chore_faults = Vec::new();
    for chore in plan.chores {
        match run.chore(&chore) {
            Err(error) => {
                let error = run.unless_lost(error, None);
                tracing::error!("{chore}: {}", chain(&error));
                chore_faults.extend(fault_of(&error));
                if let Trouble::Lock(error @ LockError::Lost { .. }) = &error {
                    run.closed = Some((error.fault(), chain(error)));
                    break;
                }
            }
            // A build on its way is not delivered after all, and somebody may wait for it.
            Ok(()) if matches!(chore, Chore::ParkOrphan { .. }) => {
                tracing::error!("{chore}");
                chore_faults.push(Fault::Build);
            }
            Ok(()) => {}
        }
    }
    let busy = plan.builds.into_iter().filter(|build| {
        !build.steps.is_empty() || build.rest.as_ref().is_some_and(|rest| rest.failure().is_some())
    });
    Applied { outcomes: busy.map(|build| run.build(build)).collect(), chore_faults }
}

/// What became of a plan.
#[derive(Debug)]
pub struct Applied {
    /// One for each build for which something was to be done, or that could not be looked at.
    pub outcomes: Vec<Outcome>,
    /// What went wrong with chores; each was reported.
    pub chore_faults: Vec<Fault>,
}

struct Run<'a, 's> {
    manager: Manager<'a, 's>,
    /// Why nothing more is tried in this run, once that is so.
    closed: Option<(Fault, String)>,
}

/// A build on which a run works.
struct Work {
    /// The record as it is now.
    record: Record,
    done: Vec<String>,
    /// The lock of the record's jobs, while they are moved.
    lock: Option<Lock>,
}

impl Work {
    fn lock(&mut self) -> Result<&mut Lock, Trouble> {
        self.lock.as_mut().ok_or_else(|| Trouble::Moved("its lock was let go".to_owned()))
    }
}

impl Run<'_, '_> {
    fn build(&mut self, plan: BuildPlan) -> Outcome {
        let mut work = Work { record: plan.record, done: Vec::new(), lock: None };
        let mut end = End::Done;
        for step in plan.steps {
            if let Some((fault, reason)) = &self.closed {
                end = End::NotTried { fault: *fault, reason: reason.clone() };
                break;
            }
            if let Err(trouble) = self.begin(&step, &mut work).and_then(|()| self.step(step, &mut work)) {
                let trouble = self.unless_lost(trouble, work.lock.as_mut());
                end = self.judge(trouble, &mut work);
                break;
            }
        }
        if end == End::Done {
            if !work.done.is_empty() {
                self.end_passing(&work.record.id);
            }
            if let Some((fault, reason)) = plan.rest.as_ref().and_then(Rest::failure) {
                end = self.unseen(&work.record.id, fault, reason);
            }
        }
        let Work { record, done, .. } = work;
        Outcome { record: record.id, name: record.name, done, end }
    }

    /// Returns a trouble; if a lock was lost meanwhile, only that, since all else may follow from it.
    fn unless_lost(&mut self, trouble: Trouble, of_job: Option<&mut Lock>) -> Trouble {
        for lock in [Some(&mut *self.manager.lock), of_job].into_iter().flatten() {
            if let Err(lost @ LockError::Lost { .. }) = lock.confirm() {
                return lost.into();
            }
        }
        trouble
    }

    /// Looks whether the run may go on, and takes the lock of the record's jobs if the step moves one.
    fn begin(&mut self, step: &Step, work: &mut Work) -> Result<(), Trouble> {
        let Manager { spool, context, .. } = self.manager;
        context.stop.check()?;
        self.manager.lock.confirm()?;
        if let Some(hold) = spool.hold(&work.record.id)? {
            return Err(Trouble::Moved(hold.to_string()));
        }
        if step.moves_a_job() && work.lock.is_none() {
            work.lock = Some(take_lock(spool, &work.record.id, context)?);
        }
        Ok(())
    }

    fn step(&mut self, step: Step, work: &mut Work) -> Result<(), Trouble> {
        match step {
            Step::Prepare { place, to, survey, .. } => {
                let job = self.prepare(&place, &survey, work)?;
                self.refuse_released(&job, &to, work).map_err(|trouble| trouble.of_build(&job))?;
                self.own(&job, work)?;
                self.hand_over(&job, &to, work).map_err(|trouble| trouble.of_build(&job))
            }
            Step::Adopt { job, to } => {
                let job = self.bring_to_staged(&job, work)?;
                self.verify_signature(&job, work)?;
                self.refuse_released(&job, &to, work).map_err(|trouble| trouble.of_build(&job))?;
                self.own(&job, work)?;
                self.hand_over(&job, &to, work).map_err(|trouble| trouble.of_build(&job))
            }
            Step::HandOver { job, to } => {
                let job = self.bring_to_staged(&job, work)?;
                self.verify_signature(&job, work)?;
                self.hand_over(&job, &to, work).map_err(|trouble| trouble.of_build(&job))
            }
            Step::Confirm { job, place, at, also, lagging, .. } => {
                self.confirm(job.as_deref(), &place, &at, &also, work)?;
                match job.filter(|job| job.has_payload && lagging.is_empty()) {
                    Some(job) => self.retire(&job, work),
                    None => Ok(()),
                }
            }
            Step::Retire { job, without } => {
                self.retire(&job, work)?;
                if without.is_empty() { Ok(()) } else { Err(Trouble::GivenUp(without)) }
            }
            Step::Fail { reason, seen } => Err(Trouble::Build { reason, seen }),
            Step::PutAside { found, seen } => match put_aside(&self.manager, &found, work.lock()?)? {
                true => Err(Trouble::Damaged { reason: found.to_string(), seen }),
                false => Err(Trouble::Moved(format!("{found}, and is not there any more"))),
            },
            Step::Park { job, kind, reason } => self.park(&job, kind, &reason, work),
            Step::Alarm { reason } => Err(Trouble::Alarm(reason)),
        }
    }

    /// Makes the record Error, unless it already is for the same reason, and notes when to try again.
    fn set_error(&mut self, reason: &str, seen: &str, work: &mut Work) -> Result<(), Trouble> {
        let Manager { spool, log, context, .. } = self.manager;
        let key = NoteKey::from(&work.record.id);
        let before: Option<Retry> = spool.note(&key)?;
        let known = work.record.status == Status::Error
            && before.as_ref().is_some_and(|before| before.reason == reason);
        if !known {
            let change = Change::Failed { reason: reason.to_owned() };
            let subject = Subject { record: work.record.id.as_str(), job: "" };
            let store = &mut *self.manager.store;
            let revision =
                log.record(subject, txlog::Step::Error, &format!("set Error: {reason}"), || {
                    store.write(&work.record, &change)
                })?;
            work.record.revision = revision;
            work.record.status = Status::Error;
        }
        let (now, id) = (context.now(), work.record.id.clone());
        let failed = before.as_ref().filter(|before| before.attempts > 0);
        let (attempts, next_try) = match failed {
            Some(before) if self.manager.is_asked_for => (before.attempts, before.next_try),
            failed => {
                let attempts = failed.map_or(0, |before| before.attempts).saturating_add(1);
                (attempts, retry::next_try(attempts, now, id.as_str()))
            }
        };
        let note = Retry {
            record: id,
            attempts,
            next_try,
            reason: reason.to_owned(),
            at: now,
            seen: seen.to_owned(),
            passing: None,
            streak: Streak::default(),
        };
        Ok(spool.put_note(&note)?)
    }

    /// Says how a build ended, after writing the build's own fault to its record, and whether the run goes
    /// on.
    fn judge(&mut self, trouble: Trouble, work: &mut Work) -> End {
        let own_fault = match trouble.itself() {
            Trouble::Build { reason, seen } => Some((reason.clone(), seen.clone())),
            damaged @ Trouble::Damaged { seen, .. } => Some((chain(damaged), seen.clone())),
            Trouble::Archive(error) if error.fault() == Fault::Build => Some((chain(error), chain(error))),
            _ => None,
        };
        if let Some((reason, seen)) = own_fault
            && let Err(failed) = self.set_error(&reason, &seen, work)
        {
            return self.judge_rest(failed);
        }
        let trouble = self.count(&work.record.id, trouble);
        self.judge_rest(trouble)
    }

    fn judge_rest(&mut self, trouble: Trouble) -> End {
        let Some(fault) = fault_of(&trouble) else {
            return match trouble {
                Trouble::Stopped(stopped) => {
                    self.closed = Some((Fault::TryLater, stopped.to_string()));
                    End::NotTried { fault: Fault::TryLater, reason: stopped.to_string() }
                }
                Trouble::StoppedAfter(_) => {
                    self.closed = Some((Fault::TryLater, Stopped.to_string()));
                    End::failed(Fault::TryLater, &trouble)
                }
                trouble => End::Yielded { reason: chain(&trouble) },
            };
        };
        let ends_the_run = match trouble.itself() {
            Trouble::Lock(LockError::Lost { .. }) => true,
            Trouble::Store(_) | Trouble::Write(WriteError::Store(_)) => fault != Fault::Build,
            _ => false,
        };
        if ends_the_run {
            self.closed = Some((fault, chain(&trouble)));
        }
        End::failed(fault, &trouble)
    }
}
