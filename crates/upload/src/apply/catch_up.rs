//! What was sent, to the sites that may lag.
//!
//! It is done after all that is required, and nothing that goes wrong here concerns anything else: it is
//! noted in the job, with pauses that grow, and said as a warning. Each site is on its own. The sidecars go
//! there right before the payload is shown, as `manage` puts them to required sites.

use std::fs::File;

use super::checks::ours;
use super::hand_in::DeskOf;
use super::transfer::Shelf;
use super::{
    End, Lines, Outcome, Task, Trouble, Uploader, Worker, fault_of, guard, outcome, subject, unless_lost,
};
use intraware_core::deliver::{self, DeliverError, Final, Released, Stuck, moved_aside};
use intraware_core::lock::{Lock, LockError};
use intraware_core::retry;
use intraware_core::spool::{Attempts, Found, Job, Receipt, Room};
use intraware_core::txlog::{Step, chain};

impl<'r> Worker<'r> {
    /// Delivers a job that was sent to more sites; returns what there is to say about each.
    pub(super) fn catch_up(&mut self, task: &Task) -> Vec<(usize, Outcome)> {
        let told = |end| (task.index, outcome(&task.job, end));
        if let Some((fault, reason)) = guard(&self.run.closed).clone() {
            return vec![told(End::NotTried { fault, reason })];
        }
        match self.catch_up_under_lock(task) {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| (task.index, outcome)).collect(),
            Err(trouble) => vec![told(self.judge(&trouble))],
        }
    }

    fn catch_up_under_lock(&mut self, task: &Task) -> Result<Vec<Outcome>, Trouble> {
        let Uploader { spool, context, .. } = *self.run.uploader;
        context.stop.check()?;
        let mut lock = match Lock::take(&spool.job_lock(&task.job.id.record), context) {
            Err(busy @ LockError::Busy(_)) => return Err(Trouble::Moved(busy.to_string())),
            taken => taken?,
        };
        let mut job = match spool.find(Room::Sent, &task.job.id.to_string())? {
            Some(Found::Job(job)) if job.has_payload => *job,
            Some(Found::Job(_) | Found::Unreadable(_)) | None => {
                return Err(Trouble::Moved("it is not kept any more".to_owned()));
            }
        };
        if let Some(hold) = spool.hold(&job.id.record)? {
            return Err(Trouble::Moved(hold.to_string()));
        }
        let payload = spool.open_payload(&job)?;
        let mut outcomes = Vec::new();
        for &site in &task.sites {
            // A site that could not be connected to before in this run is not waited for; that was said.
            if self.run.lines[site].refusal().is_some() {
                continue;
            }
            let delivered = self.catch_up_at(site, &mut job, &payload, &mut lock);
            outcomes.push(match delivered {
                Ok(done) => Outcome { done: vec![done], ..outcome(&job, End::Done) },
                Err(trouble) => {
                    let trouble = unless_lost(trouble, &mut lock);
                    if let Trouble::Lock(LockError::Lost { .. }) = trouble {
                        return Err(trouble);
                    }
                    let end = self.lags(site, &mut job, trouble)?;
                    outcome(&job, end)
                }
            });
        }
        Ok(outcomes)
    }

    fn catch_up_at(
        &mut self,
        site: usize,
        job: &mut Job,
        payload: &File,
        lock: &mut Lock,
    ) -> Result<String, Trouble> {
        let run = self.run;
        let spool = run.uploader.spool;
        let receipt = match &run.lines[site] {
            Lines::Shelf(pool) => self.lay_down(Shelf { site, pool }, job, payload, lock),
            Lines::Desk(pool) => {
                let brought = self.bring(job, DeskOf { site, pool }, payload);
                brought.and_then(|ready| self.hand_in(job, ready, payload, lock))
            }
        };
        let receipt = receipt.map_err(|trouble| run.told(site, trouble))?;
        let done = run.summary(&receipt);
        if job.lags.remove(&receipt.site).is_some() {
            spool.put_lags(job)?;
        }
        spool.add_receipt(job, receipt)?;
        Ok(done)
    }

    fn lay_down(
        &mut self,
        shelf: Shelf<'r>,
        job: &Job,
        payload: &File,
        lock: &mut Lock,
    ) -> Result<Receipt, Trouble> {
        let ready = self.stage(job, shelf, payload)?;
        // What customers have stays as it is.
        if !(ready.staged.is_final() && ready.released != Released::NotKnown) {
            self.make_way(job, shelf, ready.released)?;
            let sidecars = self.run.uploader.spool.sidecars(job)?;
            let session = self.link_to(shelf).open().map_err(Trouble::Connect)?;
            deliver::put_sidecars(session, &job.manifest.place, job.id.generation, &sidecars)?;
        }
        self.commit(job, ready, lock)
    }

    /// Makes sure that the sidecars of what stands at the final name may be replaced, and moves it aside.
    fn make_way(&mut self, job: &Job, shelf: Shelf<'r>, released: Released) -> Result<(), Trouble> {
        let Uploader { spool, destinations, log, .. } = *self.run.uploader;
        let (to, place) = (&destinations[shelf.site], &job.manifest.place);
        let session = self.link_to(shelf).open().map_err(Trouble::Connect)?;
        let ours = || ours(spool, to.name(), job);
        match deliver::clear_final(session, place, &job.manifest.digests, released, to.verify, &ours)? {
            Final::Free | Final::Same(_) => {}
            Final::MovedAside(aside) => {
                log.note(subject(job, &job.id.to_string()), Step::U4, &moved_aside(place, &aside));
            }
            Final::Conflict => return Err(DeliverError::Conflict(place.payload()).into()),
            Final::Foreign => return Err(DeliverError::Foreign(place.payload()).into()),
        }
        Ok(())
    }

    /// Notes that a site still lags, and returns what is to be said. What is not the site's own trouble ends
    /// it all.
    fn lags(&mut self, site: usize, job: &mut Job, trouble: Trouble) -> Result<End, Trouble> {
        let Uploader { spool, destinations, context, .. } = *self.run.uploader;
        let is_of_site = matches!(trouble.itself(), Trouble::Connect(_));
        let (Trouble::Site(_) | Trouble::Deliver(_) | Trouble::Connect(_)) = trouble.itself() else {
            return Err(trouble);
        };
        let Some(fault) = fault_of(&trouble) else { return Err(trouble) };
        self.judge(&trouble);
        let (now, name) = (context.now(), destinations[site].name().to_owned());
        let before = job.lags.get(&name);
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        // A site that cannot be connected to pauses for all jobs at once (`breaker`).
        let next_try =
            if is_of_site { now } else { retry::next_try(count, now, &format!("{} {name}", job.id)) };
        let known = before.filter(|_| self.run.uploader.is_asked_for);
        let (count, next_try) = known.map_or((count, next_try), |before| (before.count, before.next_try));
        let stuck = match trouble.itself() {
            Trouble::Deliver(error) => {
                Stuck::after(job.lags.get(&name).and_then(|lags| lags.stuck.as_ref()), &name, error)
            }
            _ => None,
        };
        let (error, host) = (chain(&trouble), context.identity.host.clone());
        let mut streak = before.map(|before| before.streak.clone()).unwrap_or_default();
        if !is_of_site && known.is_none() {
            streak.count(fault, &error, now);
        }
        let attempts = Attempts { count, next_try, at: now, host, fault, error, streak, stuck };
        let reason = format!("site {name} lags, all others have it: {}", attempts.told());
        job.lags.insert(name, attempts);
        spool.put_lags(job)?;
        Ok(End::Lags { reason })
    }
}
