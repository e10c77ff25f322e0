//! Delivers jobs: lock, look again, copy, verify, rename, receipt, let go (U1 to U5).
//!
//! Several jobs are delivered at the same time, each over a connection of its own; connections that no job needs help
//! with large payloads. The most urgent jobs are begun first.
//!
//! The lock saves two uploaders from sending the same bytes; that they do not harm each other follows from the
//! names at the site, which carry the generation, and from the rename that does not overwrite.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use super::plan::{JobPlan, Plan, Verdict};
use crate::deliver::{self, DeliverError, Delivered, Delivery, Released, Stop, Verify};
use crate::exit::Fault;
use crate::lock::{Lock, LockError};
use crate::outcome::{End, Outcome};
use crate::retry;
use crate::run::{Amount, Progress, RunContext, Stopped};
use crate::site::{Link, Pool, Site, SiteError, SiteErrorKind};
use crate::spool::{Attempts, Found, Job, ParkKind, Parked, Receipt, Room, Spool, SpoolError};
use crate::txlog::{Subject, TxLog};

/// What delivering needs.
pub struct Uploader<'a> {
    /// Where the jobs are.
    pub spool: &'a Spool,
    /// Where they go.
    pub site: &'a dyn Site,
    /// How many connections to it may be open at the same time.
    pub connections: usize,
    /// How strongly a delivery must be verified.
    pub verify: Verify,
    /// Where each effect is written down.
    pub log: &'a TxLog,
    /// The run.
    pub context: &'a RunContext,
}

/// Executes a plan and returns what became of each job that was to be delivered, in the order of the plan.
pub fn apply(uploader: &Uploader<'_>, plan: Plan) -> Vec<Outcome> {
    let due = plan.jobs.into_iter().filter(|job| matches!(job.verdict, Verdict::Deliver));
    let queue: VecDeque<(usize, Job)> = due.map(|JobPlan { job, .. }| job).enumerate().collect();
    let workers = queue.len().min(uploader.connections);
    let tally = Tally::begin(uploader.context, queue.iter().map(|(_, job)| job));
    let run = Run {
        uploader,
        pool: &Pool::new(uploader.site, uploader.connections),
        queue: Mutex::new(queue),
        closed: Mutex::new(None),
        outcomes: Mutex::default(),
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
        Worker { run: &run, link: Link::new(run.pool) }.work();
    });
    uploader.context.progress.end();
    let mut outcomes = run.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// What the workers of a run share.
struct Run<'a> {
    uploader: &'a Uploader<'a>,
    pool: &'a Pool<'a>,
    /// The jobs that nobody has begun.
    queue: Mutex<VecDeque<(usize, Job)>>,
    /// Why no further job is tried, once that is so.
    closed: Mutex<Option<(Fault, String)>>,
    outcomes: Mutex<Vec<(usize, Outcome)>>,
    tally: Tally<'a>,
}

impl Run<'_> {
    /// Delivers jobs over a further connection, once there is one. Whoever has none takes no job, which would wait
    /// with him while others have their turn.
    fn help(&self) {
        while !guard(&self.queue).is_empty() && self.pool.refusal().is_none() {
            match self.pool.spare() {
                Some(link) => return Worker { run: self, link }.work(),
                None => self.pool.wait(),
            }
        }
    }
}

/// Delivers one job after the other.
struct Worker<'r> {
    run: &'r Run<'r>,
    link: Link<'r>,
}

/// How far a run has come with all its payloads together.
struct Tally<'a> {
    progress: &'a dyn Progress,
    done: Mutex<Amount>,
}

impl<'a> Tally<'a> {
    fn begin<'j>(context: &'a RunContext, jobs: impl Iterator<Item = &'j Job> + Clone) -> Self {
        let what = match (jobs.clone().next(), jobs.clone().count()) {
            (Some(job), 1) => job.manifest.place.payload_name().to_owned(),
            (_, count) => format!("{count} payloads"),
        };
        let bytes = jobs.clone().map(|job| job.manifest.digests.size).sum();
        context.progress.begin(&what, Amount { files: jobs.count() as u64, bytes });
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

/// Why a job was not delivered.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("{0}")]
    Moved(String),
}

impl Worker<'_> {
    fn work(mut self) {
        loop {
            let next = guard(&self.run.queue).pop_front();
            let Some((index, job)) = next else { return };
            let outcome = self.deliver(job);
            self.run.tally.add(1, 0);
            guard(&self.run.outcomes).push((index, outcome));
        }
    }

    fn deliver(&mut self, job: Job) -> Outcome {
        let mut outcome = Outcome {
            record: job.id.record.clone(),
            name: job.manifest.name.clone(),
            done: Vec::new(),
            end: End::Done,
        };
        if let Some((fault, reason)) = guard(&self.run.closed).clone() {
            outcome.end = End::NotTried { fault, reason };
            return outcome;
        }
        outcome.end = match self.under_lock(&job) {
            Ok(done) => {
                outcome.done.push(done);
                End::Done
            }
            Err(trouble) => self.judge(trouble),
        };
        outcome
    }

    /// Takes the job's lock (U1) and delivers what then still is there.
    fn under_lock(&mut self, job: &Job) -> Result<String, Trouble> {
        let Uploader { spool, context, .. } = *self.run.uploader;
        context.stop.check()?;
        let mut lock = match Lock::take(&spool.job_lock(&job.id.record), context) {
            Err(LockError::Busy(holder)) => {
                return Err(Trouble::Moved(format!("{}", LockError::Busy(holder))));
            }
            taken => taken?,
        };
        // Between the plan and the lock another instance may have delivered it.
        let there = spool.list(Room::Upload)?.into_iter().find_map(|found| match found {
            Found::Job(found) if found.id == job.id => Some(*found),
            _ => None,
        });
        let job =
            there.ok_or_else(|| Trouble::Moved("another instance has delivered or parked it".to_owned()))?;
        if let Some(hold) = spool.hold(&job.id.record)? {
            return Err(Trouble::Moved(hold.to_string()));
        }
        match self.transfer(&job, &mut lock) {
            Err(Trouble::Deliver(error)) if park_kind(&error).is_some() => {
                self.park(&job, &error, &mut lock)?;
                Err(error.into())
            }
            Err(trouble) => {
                // That this cannot be noted must not hide what happened.
                if let Err(error) = self.count_failure(&job, &trouble) {
                    tracing::error!("{}", crate::txlog::chain(&error));
                }
                Err(trouble)
            }
            Ok(done) => Ok(done),
        }
    }

    /// Copies, verifies and renames (U2 to U4), then writes the receipt and lets the job go (U5).
    fn transfer(&mut self, job: &Job, lock: &mut Lock) -> Result<String, Trouble> {
        let Run { uploader, pool, tally, .. } = self.run;
        let Uploader { spool, site, verify, log, context, .. } = **uploader;
        let (record, id) = (job.id.record.to_string(), job.id.to_string());
        let subject = Subject { record: &record, job: &id };
        if self.link.is_closed() {
            log.record(subject, "U2", "connect to the site", || self.link.open().map(|_| ()))?;
        }
        let session = self.link.open()?;
        let place = &job.manifest.place;
        let released = spool.released(site.name(), job)?;
        let payload = spool.open_payload(job)?;
        let held = RefCell::new(&mut *lock);
        let delivery = Delivery {
            place,
            digests: &job.manifest.digests,
            verify,
            released,
            go_on: &|| context.stop.check().map_err(|e| Stop(e.to_string())),
            pool: Some(*pool),
            may_commit: &|| {
                uploader.may_commit(job, released)?;
                log.note(subject, "U3", "the whole of it is verified under its .part name");
                held.borrow_mut().confirm().map_err(|e| Stop(crate::txlog::chain(&e)))
            },
        };
        let delivered = log.record(subject, "U4", &format!("deliver {place}"), || {
            let mut told = 0;
            let staged = deliver::stage(session, &delivery, &payload, &mut |bytes| {
                // A payload that is sent once more begins anew.
                tally.add(0, bytes.saturating_sub(told));
                told = told.max(bytes);
            })?;
            deliver::commit(session, &delivery, staged)
        });
        if let Err(DeliverError::Stopped { .. }) = delivered {
            // A lost lock is not somebody's decision: it ends the run.
            lock.confirm()?;
        }
        let delivery = delivered?;
        let receipt = Receipt {
            format: 1,
            site: site.name().to_owned(),
            peer: session.peer(),
            path: place.payload(),
            delivery,
            delivered: context.now(),
            host: context.identity.host.clone(),
            run: context.identity.run.clone(),
        };
        log.record(subject, "U5", "write the receipt and move the job to sent", || {
            spool.deliver(job, &receipt, context, lock)
        })?;
        Ok(summary(place, &receipt.delivery))
    }

    fn park(&self, job: &Job, error: &DeliverError, lock: &mut Lock) -> Result<(), Trouble> {
        let Uploader { spool, log, context, .. } = *self.run.uploader;
        let Some(kind) = park_kind(error) else { return Ok(()) };
        let why = Parked {
            kind,
            reason: crate::txlog::chain(error),
            at: context.now(),
            host: context.identity.host.clone(),
        };
        let (record, id) = (job.id.record.to_string(), job.id.to_string());
        let subject = Subject { record: &record, job: &id };
        Ok(log.record(subject, "U1", "park the job", || spool.park(job, &why, lock))?)
    }

    /// Notes a failed try in the job, so that `status` and `why` can tell, and pauses if trying on does harm.
    fn count_failure(&self, job: &Job, trouble: &Trouble) -> Result<(), SpoolError> {
        let Some(fault) = fault_of(trouble) else { return Ok(()) };
        let Uploader { spool, context, .. } = *self.run.uploader;
        let now = context.now();
        // A site that is away or slow is tried by the next run; whoever is refused again and again gets locked out.
        let pauses = |fault| !matches!(fault, Fault::Unreachable | Fault::TryLater);
        let in_a_row = job.attempts.as_ref().filter(|before| pauses(before.fault) == pauses(fault));
        let count = in_a_row.map_or(0, |before| before.count).saturating_add(1);
        let next_try = if pauses(fault) { retry::next_try(count, now, &job.id.to_string()) } else { now };
        let error = crate::txlog::chain(trouble);
        let host = context.identity.host.clone();
        spool.put_attempts(job, &Attempts { count, next_try, at: now, host, fault, error })
    }

    /// Says how a job ended, and whether the run goes on with the others.
    fn judge(&mut self, trouble: Trouble) -> End {
        let Run { uploader, pool, closed, .. } = self.run;
        if let Some(kind) = site_kind(&trouble) {
            self.link.heard(kind);
        }
        if let Some(refusal) = pool.refusal() {
            *guard(closed) = Some((refusal.kind.fault(), refusal.message));
        }
        if let Err(stopped) = uploader.context.stop.check() {
            let (fault, reason) = (Fault::TryLater, stopped.to_string());
            *guard(closed) = Some((fault, reason.clone()));
            return End::NotTried { fault, reason };
        }
        let fault = fault_of(&trouble);
        if let (Some(fault), Trouble::Lock(LockError::Lost { .. })) = (fault, &trouble) {
            *guard(closed) = Some((fault, crate::txlog::chain(&trouble)));
        }
        match fault {
            Some(fault) => End::failed(fault, &trouble),
            None => End::Yielded { reason: crate::txlog::chain(&trouble) },
        }
    }
}

impl Uploader<'_> {
    /// Refuses the final rename if the build is held by now, or if something was released under that name since the
    /// transfer began, with `before` being what was known then.
    fn may_commit(&self, job: &Job, before: Released) -> Result<(), Stop> {
        let unsure = |error: SpoolError| Stop(crate::txlog::chain(&error));
        if let Some(hold) = self.spool.hold(&job.id.record).map_err(unsure)? {
            return Err(Stop(hold.to_string()));
        }
        if self.spool.released(self.site.name(), job).map_err(unsure)? != before {
            return Err(Stop("a payload was released under its name meanwhile".to_owned()));
        }
        Ok(())
    }
}

/// Returns what has to happen after a trouble; `None` if nothing is wrong.
fn fault_of(trouble: &Trouble) -> Option<Fault> {
    match trouble {
        Trouble::Stopped(_) | Trouble::Moved(_) => None,
        Trouble::Lock(error) => Some(error.fault()),
        Trouble::Spool(error) => Some(error.fault),
        Trouble::Site(error) => Some(error.kind.fault()),
        Trouble::Deliver(DeliverError::Stopped { .. }) => None,
        Trouble::Deliver(error) => Some(error.fault()),
    }
}

fn site_kind(trouble: &Trouble) -> Option<SiteErrorKind> {
    match trouble {
        Trouble::Site(error) | Trouble::Deliver(DeliverError::Site(error)) => Some(error.kind),
        Trouble::Stopped(_)
        | Trouble::Moved(_)
        | Trouble::Lock(_)
        | Trouble::Spool(_)
        | Trouble::Deliver(_) => None,
    }
}

/// Returns as what a job is parked after this error; `None` if it is tried again as it is.
fn park_kind(error: &DeliverError) -> Option<ParkKind> {
    match error {
        DeliverError::Conflict(_) | DeliverError::NotRegular(_) => Some(ParkKind::Conflict),
        DeliverError::Damaged { .. } => Some(ParkKind::Damaged),
        DeliverError::Corrupt(_)
        | DeliverError::Site(_)
        | DeliverError::NoSpace { .. }
        | DeliverError::Unverifiable(_)
        | DeliverError::Stopped { .. }
        | DeliverError::Local { .. } => None,
    }
}

fn summary(place: &crate::site::Place, delivery: &Delivered) -> String {
    if delivery.adopted {
        return format!("{place} already stood at the site, verified by {}", delivery.verified_by);
    }
    let resumed = match delivery.resumed_from {
        0 => String::new(),
        from => format!(" after {from} that were there"),
    };
    format!("delivered {place}: {} bytes{resumed}, verified by {}", delivery.sent, delivery.verified_by)
}
