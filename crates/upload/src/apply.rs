//! Delivers jobs: lock, look again, copy, verify, rename, receipt, let go (U1 to U5).
//!
//! Several jobs are delivered at the same time, each over a connection of its own; connections that no job
//! needs help with large payloads. The most urgent jobs are begun first.
//!
//! A job goes to its sites one after the other, twice: first it is copied and verified at all of them, then
//! it gets its name at each ([`transfer`]); where packages are handed in, it is first brought but for its
//! last byte, and then that is sent, before any other site shows the payload ([`hand_in`]). A worker holds
//! one connection, and gives it back before it takes one to another site: so two workers cannot wait for each
//! other. When a site fails, what the others have got under
//! temporary names stays there, and the next run only proves it.
//!
//! The lock saves two uploaders from sending the same bytes; that they do not harm each other follows from
//! the names at the site, which carry the generation, and from the rename that does not overwrite.

mod catch_up;
mod checks;
mod hand_in;
mod transfer;
mod trouble;
mod ways;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use super::plan::{JobPlan, Plan, Verdict};
use intraware_core::exit::Fault;
use intraware_core::lock::{Lock, LockError};
use intraware_core::outcome::{End, Outcome};
use intraware_core::run::{Amount, Progress, RunContext, how_far};
use intraware_core::site::SiteErrorKind;
use intraware_core::sites::{Destination, Names, Way};
use intraware_core::spool::{Found, Job, ParkKind, Parked, Room, Spool};
use intraware_core::txlog::{Step, Subject, TxLog};
use trouble::{Trouble, fault_of, park_kind, site_kind};
use ways::{Held, Lines};

/// What delivering needs.
pub struct Uploader<'a> {
    /// Where the jobs are.
    pub spool: &'a Spool,
    /// Where they go: all that a plan may name.
    pub destinations: &'a [Destination<'a>],
    /// Where each effect is written down.
    pub log: &'a TxLog,
    /// Somebody asked for these jobs by name: what fails then makes no pause longer.
    pub is_asked_for: bool,
    /// The run.
    pub context: &'a RunContext,
}

/// Executes a plan and returns what became of each job that was to be delivered, in the order of the plan.
pub fn apply(uploader: &Uploader<'_>, plan: Plan) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut queue = VecDeque::new();
    for (index, JobPlan { job, verdict, away: _ }) in plan.jobs.into_iter().enumerate() {
        match verdict {
            Verdict::Deliver { to, then } => {
                let (sites, then) = (uploader.indices(&to), uploader.indices(&then));
                queue.push_back(Task { index, job, sites, then });
            }
            Verdict::CatchUp { to } => {
                queue.push_back(Task { index, job, sites: uploader.indices(&to), then: Vec::new() });
            }
            Verdict::NoSite { reason } => {
                outcomes.push((index, outcome(&job, End::Failed { fault: Fault::Configuration, reason })));
            }
            Verdict::Lags { .. }
            | Verdict::Held(_)
            | Verdict::NotDue { .. }
            | Verdict::SiteRests(_)
            | Verdict::InUse { .. } => {}
        }
    }
    let connections = uploader.destinations.iter().map(|destination| destination.connections).sum();
    let workers = queue.len().min(connections);
    let tally = Tally::begin(uploader.context, &queue);
    let run = Run {
        uploader,
        lines: uploader.destinations.iter().map(Lines::to).collect(),
        queue: Mutex::new(queue),
        closed: Mutex::new(None),
        outcomes: Mutex::new(outcomes),
        tally,
    };
    thread::scope(|scope| {
        for worker in 1..workers {
            let help = || run.help();
            if let Err(error) = Builder::new().name(format!("upload {worker}")).spawn_scoped(scope, help) {
                tracing::warn!(%error, "cannot start another thread; delivering with fewer");
                break;
            }
        }
        Worker { run: &run, held: Held::default(), arrived: 0 }.work();
    });
    uploader.context.progress.end();
    let mut outcomes = run.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// A job to be delivered.
struct Task {
    /// Its place in the plan.
    index: usize,
    /// What is to be delivered; one that was sent is to be delivered to more sites.
    job: Job,
    /// Where it goes, by places in [`Uploader::destinations`].
    sites: Vec<usize>,
    /// Where it goes when it is there.
    then: Vec<usize>,
}

/// What the workers of a run share.
struct Run<'a> {
    uploader: &'a Uploader<'a>,
    /// The connections to each destination.
    lines: Vec<Lines<'a>>,
    /// The jobs that nobody has begun.
    queue: Mutex<VecDeque<Task>>,
    /// Why no further job is tried, once that is so.
    closed: Mutex<Option<(Fault, String)>>,
    outcomes: Mutex<Vec<(usize, Outcome)>>,
    tally: Tally<'a>,
}

impl Run<'_> {
    /// Delivers jobs over a further connection, once there is one. A worker without a connection takes no
    /// job: the job would wait although another worker is free.
    fn help(&self) {
        loop {
            let next = guard(&self.queue).front().and_then(|task| task.sites.first().copied());
            let Some(site) = next else { return };
            let lines = &self.lines[site];
            match lines.spare(site) {
                Some(held) => return Worker { run: self, held, arrived: 0 }.work(),
                // Nothing is to be had there: the job is only told so, and must not keep those behind it
                // waiting.
                None if lines.refusal().is_some() => {
                    return Worker { run: self, held: Held::default(), arrived: 0 }.work();
                }
                None => lines.wait(),
            }
        }
    }
}

/// Delivers one job after the other.
struct Worker<'r> {
    run: &'r Run<'r>,
    /// The only connection it may have, and to which destination.
    held: Held<'r>,
    /// How much of the current payload the last site that it was brought to has.
    arrived: u64,
}

/// How far a run has come with all its payloads together.
struct Tally<'a> {
    progress: &'a dyn Progress,
    done: Mutex<Amount>,
}

impl<'a> Tally<'a> {
    fn begin(context: &'a RunContext, tasks: &VecDeque<Task>) -> Self {
        let what = match tasks.front() {
            Some(task) if tasks.len() == 1 => task.job.manifest.place.payload_name().to_owned(),
            _ => "upload".to_owned(),
        };
        let bytes = tasks.iter().map(|task| task.job.manifest.digests.size * task.sites.len() as u64).sum();
        context.progress.begin(&what, "payloads", Amount { files: tasks.len() as u64, bytes });
        Self { progress: context.progress.as_ref(), done: Mutex::default() }
    }

    fn add(&self, files: u64, bytes: u64) {
        let mut done = guard(&self.done);
        done.files += files;
        done.bytes += bytes;
        self.progress.advance(*done);
    }
}

fn guard<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what became of a job, before anything is said to be done.
fn outcome(job: &Job, end: End) -> Outcome {
    Outcome { record: job.id.record.clone(), name: job.manifest.name.clone(), done: Vec::new(), end }
}

impl Worker<'_> {
    fn work(mut self) {
        loop {
            let next = guard(&self.run.queue).pop_front();
            let Some(task) = next else { return };
            if task.job.room == Room::Sent {
                let outcomes = self.catch_up(&task);
                guard(&self.run.outcomes).extend(outcomes);
                continue;
            }
            let outcome = self.deliver(&task);
            if outcome.end == End::Done && !task.then.is_empty() {
                // After all that is required.
                let job = Job { room: Room::Sent, ..task.job.clone() };
                let later = Task { index: task.index, job, sites: task.then.clone(), then: Vec::new() };
                guard(&self.run.queue).push_back(later);
            }
            self.run.tally.add(1, 0);
            guard(&self.run.outcomes).push((task.index, outcome));
        }
    }

    fn deliver(&mut self, task: &Task) -> Outcome {
        let Task { job, sites, .. } = task;
        if let Some((fault, reason)) = guard(&self.run.closed).clone() {
            return outcome(job, End::NotTried { fault, reason });
        }
        // What is known to be away is not waited for, and nothing is sent elsewhere that must wait for it.
        let refusal = |site: &usize| Some((*site, self.run.lines[*site].refusal()?));
        if let Some((site, refusal)) = sites.iter().find_map(refusal) {
            let end = match refusal.kind {
                SiteErrorKind::Resting => End::Yielded { reason: refusal.message },
                // In the words of the job that was refused.
                kind => {
                    let trouble = self.run.told(site, Trouble::Connect(refusal));
                    End::NotTried { fault: kind.fault(), reason: intraware_core::txlog::chain(&trouble) }
                }
            };
            return outcome(job, end);
        }
        self.arrived = 0;
        match self.under_lock(task) {
            Ok(done) => Outcome { done, ..outcome(job, End::Done) },
            Err(trouble) => {
                let end = self.judge(&trouble);
                outcome(job, self.told_how_far(job, end))
            }
        }
    }

    /// Says of a payload that was under way when the run was asked to stop how much of it has arrived.
    fn told_how_far(&self, job: &Job, end: End) -> End {
        let size = job.manifest.digests.size;
        match end {
            End::NotTried { fault, .. }
                if self.arrived > 0 && self.run.uploader.context.stop.check().is_err() =>
            {
                let how_far = how_far(self.arrived, size);
                let reason = format!("stopped by a signal after {how_far}; the next run goes on from there");
                End::Failed { fault, reason }
            }
            end => end,
        }
    }

    /// Takes the job's lock (U1) and delivers what then still is there.
    fn under_lock(&mut self, task: &Task) -> Result<Vec<String>, Trouble> {
        let Uploader { spool, context, .. } = *self.run.uploader;
        let job = &task.job;
        context.stop.check()?;
        let mut lock = match Lock::take(&spool.job_lock(&job.id.record), context) {
            Err(LockError::Busy(holder)) => {
                return Err(Trouble::Moved(format!("{}", LockError::Busy(holder))));
            }
            taken => taken?,
        };
        // Between the plan and the lock another instance may have delivered it.
        let Some(Found::Job(job)) = spool.find(Room::Upload, &job.id.to_string())? else {
            return Err(Trouble::Moved("another instance has delivered or parked it".to_owned()));
        };
        if let Some(hold) = spool.hold(&job.id.record)? {
            return Err(Trouble::Moved(hold.to_string()));
        }
        let trouble = match self.transfer(&job, &task.sites, &mut lock) {
            Ok(done) => return Ok(done),
            Err(trouble) => unless_lost(trouble, &mut lock),
        };
        if let Trouble::Lock(LockError::Lost { .. }) = trouble {
            // Another host may have the job by now: nothing of it is ours to note or to park.
            return Err(trouble);
        }
        if let Some(kind) = park_kind(&trouble) {
            self.park(&job, kind, &trouble, &mut lock)?;
            return Err(trouble);
        }
        Err(self.count_failure(&job, trouble))
    }

    fn park(&self, job: &Job, kind: ParkKind, trouble: &Trouble, lock: &mut Lock) -> Result<(), Trouble> {
        let Uploader { spool, log, context, .. } = *self.run.uploader;
        let why = Parked {
            kind,
            reason: intraware_core::txlog::chain(trouble),
            at: context.now(),
            host: context.identity.host.clone(),
        };
        let (record, id) = (job.id.record.to_string(), job.id.to_string());
        let subject = Subject { record: &record, job: &id };
        Ok(log.record(subject, Step::U1, "park the job", || spool.park(job, &why, context, lock))?)
    }

    /// Says how a job ended, and whether the run goes on with the others.
    fn judge(&mut self, trouble: &Trouble) -> End {
        let Run { uploader, closed, .. } = self.run;
        if let Some(kind) = site_kind(trouble) {
            self.held.heard(kind);
        }
        if let Err(stopped) = uploader.context.stop.check() {
            let (fault, reason) = (Fault::TryLater, stopped.to_string());
            *guard(closed) = Some((fault, reason.clone()));
            return End::NotTried { fault, reason };
        }
        let fault = fault_of(trouble);
        if let (Some(fault), Trouble::Lock(LockError::Lost { .. })) = (fault, trouble.itself()) {
            let mut closed = guard(closed);
            // It was said already: whoever is cut off loses all locks.
            if let Some((fault, reason)) = closed.clone() {
                return End::NotTried { fault, reason };
            }
            *closed = Some((fault, intraware_core::txlog::chain(trouble)));
        }
        match fault {
            Some(fault) => End::failed(fault, trouble),
            None => End::Yielded { reason: intraware_core::txlog::chain(trouble) },
        }
    }
}

impl Uploader<'_> {
    /// Returns the places of sites in [`Self::destinations`], those where packages are handed in last: there,
    /// nothing is under way while others have their turn.
    fn indices(&self, names: &Names) -> Vec<usize> {
        let place = |name| self.destinations.iter().position(|to| to.name() == name);
        let mut sites: Vec<usize> = names.iter().filter_map(place).collect();
        sites.sort_by_key(|site| matches!(self.destinations[*site].way, Way::Desk(_)));
        sites
    }
}

/// Returns a trouble that was met under a lock; if the lock was lost meanwhile, only that, since all else may
/// follow from it.
fn unless_lost(trouble: Trouble, lock: &mut Lock) -> Trouble {
    match lock.confirm() {
        Err(lost @ LockError::Lost { .. }) => lost.into(),
        Err(LockError::Io { .. } | LockError::Busy(_)) | Ok(()) => trouble,
    }
}

/// Returns what the log says of the job that a step is of.
fn subject<'s>(job: &'s Job, id: &'s str) -> Subject<'s> {
    Subject { record: job.id.record.as_str(), job: id }
}
