//! One job's way to its sites (U2 to U5).
//!
//! Each of them has the whole payload under its temporary name, verified, before the first shows it. From
//! then on there is only a rename to be made at each; one that fails is made by the next run, which finds the
//! others made.

use std::cell::RefCell;
use std::fs::File;
use std::thread;
use std::time::Duration;

use super::checks::{go_on, may_commit, ours};
use super::hand_in::DeskOf;
use super::{Lines, Run, Trouble, Uploader, Worker, fault_of, subject};
use intraware_core::deliver::{
    self, DeliverError, Delivered, Delivery, Released, Staged, Stop, Stuck, moved_aside,
};
use intraware_core::exit::Fault;
use intraware_core::lock::Lock;
use intraware_core::retry;
use intraware_core::site::{Pool, RemotePath};
use intraware_core::spool::{Attempts, Job, Receipt};
use intraware_core::txlog::{Step, chain};

/// A site whose files can be looked at.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'r> {
    /// Its place in [`Uploader::destinations`].
    pub(super) site: usize,
    pub(super) pool: &'r Pool<'r>,
}

/// A payload that is verified at one of its sites.
pub(super) struct Ready<'r> {
    shelf: Shelf<'r>,
    pub(super) staged: Staged,
    /// What was known of releases there before.
    pub(super) released: Released,
}

impl<'r> Worker<'r> {
    /// Delivers a job to its sites, writes the receipts and lets the job go. Returns what was done.
    pub(super) fn transfer(
        &mut self,
        job: &Job,
        sites: &[usize],
        lock: &mut Lock,
    ) -> Result<Vec<String>, Trouble> {
        let run = self.run;
        let payload = run.uploader.spool.open_payload(job)?;
        let (mut staged, mut brought) = (Vec::new(), Vec::new());
        for &site in sites {
            let told = |trouble| run.told(site, trouble);
            match &run.lines[site] {
                Lines::Shelf(pool) => {
                    staged.push((site, self.stage(job, Shelf { site, pool }, &payload).map_err(told)?));
                }
                Lines::Desk(pool) => {
                    brought.push((site, self.bring(job, DeskOf { site, pool }, &payload).map_err(told)?));
                }
            }
        }
        let mut receipts = Vec::new();
        // A desk proves the payload only now; what it says there, the others do not show yet.
        for (site, ready) in brought {
            let handed_in = self.hand_in(job, ready, &payload, lock);
            receipts.push(handed_in.map_err(|trouble| run.told(site, trouble))?);
        }
        for (site, ready) in staged {
            receipts.push(self.commit(job, ready, lock).map_err(|trouble| run.told(site, trouble))?);
        }
        let done = receipts.iter().map(|receipt| run.summary(receipt)).collect();
        let Uploader { spool, log, context, .. } = *self.run.uploader;
        log.record(
            subject(job, &job.id.to_string()),
            Step::U5,
            "write the receipt and move the job to sent",
            || spool.deliver(job, receipts, context, lock),
        )?;
        Ok(done)
    }

    /// Copies and verifies (U2, U3).
    pub(super) fn stage(
        &mut self,
        job: &Job,
        shelf: Shelf<'r>,
        payload: &File,
    ) -> Result<Ready<'r>, Trouble> {
        thread::scope(|scope| {
            let size = job.manifest.digests.size;
            let mut met = |distance| deliver::prepare(scope, shelf.pool, size, distance);
            self.stage_with(job, shelf, payload, &mut met)
        })
    }

    fn stage_with(
        &mut self,
        job: &Job,
        shelf: Shelf<'r>,
        payload: &File,
        met: &mut dyn FnMut(Duration),
    ) -> Result<Ready<'r>, Trouble> {
        let run = self.run;
        let Uploader { spool, destinations, log, context, .. } = *run.uploader;
        let Shelf { site, pool } = shelf;
        let to = &destinations[site];
        let id = job.id.to_string();
        let subject = subject(job, &id);
        let link = self.link_to(shelf);
        if link.is_closed() {
            let effect = format!("connect to {}", run.called(site));
            let connected = log.record(subject, Step::U2, &effect, || link.open_and_tell(met).map(|_| ()));
            connected.map_err(Trouble::Connect)?;
        }
        let session = link.open().map_err(Trouble::Connect)?;
        let released = spool.released(to.name(), job)?;
        let (go_on, ours) = (|| go_on(context), || ours(spool, to.name(), job));
        let delivery = Delivery {
            place: &job.manifest.place,
            digests: &job.manifest.digests,
            verify: to.verify,
            released,
            ours: &ours,
            go_on: &go_on,
            pool: Some(pool),
            stuck: stuck_at(job, to.name()),
            may_commit: &|| Ok(()),
        };
        let effect = format!("bring {} to {}", job.manifest.place, run.called(site));
        let mut told = 0;
        let staged = log.record(subject, Step::U2, &effect, || {
            deliver::stage(session, &delivery, payload, &mut |bytes| {
                // A payload that is sent once more begins anew.
                run.tally.add(0, bytes.saturating_sub(told));
                told = told.max(bytes);
            })
        });
        self.arrived = told;
        Ok(Ready { shelf, staged: staged?, released })
    }

    /// Gives it its name (U4).
    pub(super) fn commit(
        &mut self,
        job: &Job,
        ready: Ready<'r>,
        lock: &mut Lock,
    ) -> Result<Receipt, Trouble> {
        let Ready { shelf, staged, released } = ready;
        let run = self.run;
        let Uploader { spool, destinations, log, context, .. } = *run.uploader;
        let to = &destinations[shelf.site];
        let id = job.id.to_string();
        let subject = subject(job, &id);
        let session = self.link_to(shelf).open().map_err(Trouble::Connect)?;
        let held = RefCell::new(&mut *lock);
        let (go_on, ours) = (|| go_on(context), || ours(spool, to.name(), job));
        let delivery = Delivery {
            place: &job.manifest.place,
            digests: &job.manifest.digests,
            verify: to.verify,
            released,
            ours: &ours,
            go_on: &go_on,
            pool: None,
            stuck: None,
            may_commit: &|| {
                may_commit(spool, to.name(), job, released)?;
                log.note(subject, Step::U3, "the whole of it is verified under its .part name");
                held.borrow_mut().confirm().map_err(|e| Stop(chain(&e)))
            },
        };
        let effect = format!("deliver {}", job.manifest.place);
        let delivered =
            log.record(subject, Step::U4, &effect, || deliver::commit(session, &delivery, staged));
        if let Err(DeliverError::Stopped { .. }) = delivered {
            // A lost lock is not somebody's decision: it ends the run.
            lock.confirm()?;
        }
        let delivery = delivered?;
        if let Some(aside) = &delivery.moved_aside {
            log.note(subject, Step::U4, &moved_aside(&job.manifest.place, aside));
        }
        Ok(Receipt {
            format: 1,
            site: to.name().to_owned(),
            delivery,
            peer: session.peer(),
            path: job.manifest.place.payload(),
            delivered: context.now(),
            host: context.identity.host.clone(),
            run: context.identity.run.clone(),
        })
    }

    /// Notes a failed try in the job, so that `status` and `why` can tell, and pauses if trying on does harm.
    /// Returns the trouble with what there is to say about it after all tries so far.
    pub(super) fn count_failure(&self, job: &Job, trouble: Trouble) -> Trouble {
        let Some(fault) = fault_of(&trouble) else { return trouble };
        let Uploader { spool, context, .. } = *self.run.uploader;
        let now = context.now();
        // What a site says of a payload is not asked again and again. One that is slow is tried by the next
        // run; and one that cannot be connected to pauses for all jobs at once, and for a while of its own
        // (`breaker`).
        let pauses = |fault| !matches!(fault, Fault::Unreachable | Fault::TryLater);
        let is_of_site = matches!(trouble.itself(), Trouble::Connect(_));
        let before = job.attempts.as_ref();
        let in_a_row = before.filter(|before| pauses(before.fault) == pauses(fault));
        let count = in_a_row.map_or(0, |before| before.count).saturating_add(1);
        let was_stuck = before.and_then(|before| before.stuck.as_ref());
        let stuck = self.run.stuck(before, &trouble);
        let failures = match stuck.as_ref().and_then(Stuck::pauses) {
            _ if pauses(fault) && !is_of_site => Some(count),
            pauses => pauses,
        };
        let next_try = failures.map_or(now, |failures| retry::next_try(failures, now, &job.id.to_string()));
        // Who asks by name makes no pause longer than it was.
        let known = before.filter(|_| self.run.uploader.is_asked_for);
        let (count, next_try) = known.map_or((count, next_try), |before| (before.count, before.next_try));
        let (error, host) = (chain(&trouble), context.identity.host.clone());
        let has_moved = was_stuck.zip(stuck.as_ref()).is_some_and(|(was, is)| is.is_further_than(was));
        let mut streak =
            before.filter(|_| !has_moved).map(|before| before.streak.clone()).unwrap_or_default();
        // Connecting is counted for the site.
        if !is_of_site && known.is_none() {
            streak.count(fault, &error, now);
        }
        let attempts = Attempts { count, next_try, at: now, host, fault, error, streak, stuck };
        // That this cannot be noted must not hide what happened.
        if let Err(error) = spool.put_attempts(job, &attempts) {
            tracing::error!("{}", chain(&error));
        }
        match attempts.lasting().filter(|_| !is_of_site) {
            Some(lasting) => Trouble::Lasting { lasting, source: Box::new(trouble) },
            None => trouble,
        }
    }
}

impl Run<'_> {
    /// Says of which site a trouble is, if there are several.
    pub(super) fn told(&self, site: usize, trouble: Trouble) -> Trouble {
        match self.uploader.destinations {
            [_] => trouble,
            all => Trouble::At { site: all[site].name().to_owned(), source: Box::new(trouble) },
        }
    }

    /// Returns what is known after a trouble of tries that came to nothing at one byte.
    pub(super) fn stuck(&self, before: Option<&Attempts>, trouble: &Trouble) -> Option<Stuck> {
        let before = before.and_then(|before| before.stuck.as_ref());
        let (site, of) = match (trouble, self.uploader.destinations) {
            (Trouble::At { site, source }, _) => (site.as_str(), source.itself()),
            (of, [only]) => (only.name(), of),
            (of, _) => ("", of),
        };
        match of {
            Trouble::Deliver(error) => Stuck::after(before, site, error),
            _ => before.cloned(),
        }
    }

    /// Returns what a site is called in the log.
    pub(super) fn called(&self, site: usize) -> String {
        match self.uploader.destinations {
            [_] => "the site".to_owned(),
            all => all[site].name().to_owned(),
        }
    }

    pub(super) fn summary(&self, receipt: &Receipt) -> String {
        let text = summary(&receipt.path, &receipt.delivery);
        match self.uploader.destinations {
            [_] => text,
            _ => format!("{}: {text}", receipt.site),
        }
    }
}

/// Returns the tries to bring a job to a site that came to nothing at one byte.
fn stuck_at<'j>(job: &'j Job, site: &str) -> Option<&'j Stuck> {
    let of_all = job.attempts.as_ref().and_then(|attempts| attempts.stuck.as_ref());
    let of_one = job.lags.get(site).and_then(|lags| lags.stuck.as_ref());
    of_one.or(of_all).filter(|stuck| stuck.site == site)
}

fn summary(place: &RemotePath, delivery: &Delivered) -> String {
    if delivery.adopted {
        return format!("{place} already stood at the site, verified by {}", delivery.verified_by);
    }
    let resumed = match delivery.resumed_from {
        0 => String::new(),
        from => format!(" after {from} that were there"),
    };
    format!("delivered {place}: {} bytes{resumed}, verified by {}", delivery.sent, delivery.verified_by)
}
