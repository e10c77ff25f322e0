//! One job's way to a site where packages are handed in (U2 to U4 there).
//!
//! A connection is for one session, and a payload of some size takes two: one brings it, the other hands it
//! in. What the server has found to be wrong it has thrown away; then both are done once more, if the local
//! payload is as it was.

use std::cell::RefCell;
use std::fs::File;

use super::checks::{go_on, may_commit};
use super::{Trouble, Uploader, Worker, subject};
use intraware_core::deliver::{self, Ask, AtDesk, Brought, DeliverError, Delivered, Stop};
use intraware_core::lock::Lock;
use intraware_core::sidecar::{SidecarKind, Sidecars};
use intraware_core::site::{Desk, PackageName, Pool};
use intraware_core::spool::{Job, Receipt};
use intraware_core::txlog::{Step, chain};

/// How often a payload is brought that turns out to be another.
const TRIES: usize = 2;

/// A desk among the sites of a run.
#[derive(Clone, Copy)]
pub(super) struct DeskOf<'r> {
    /// Its place in [`Uploader::destinations`].
    pub(super) site: usize,
    pub(super) pool: &'r Pool<'r, dyn Desk>,
}

/// A payload that is at a desk but for its last byte.
pub(super) struct ReadyAtDesk<'r> {
    desk: DeskOf<'r>,
    what: AtDesk,
    brought: Brought,
}

impl<'r> Worker<'r> {
    /// Brings a job's payload to a desk, but for its last byte (U2).
    pub(super) fn bring(
        &mut self,
        job: &Job,
        desk: DeskOf<'r>,
        payload: &File,
    ) -> Result<ReadyAtDesk<'r>, Trouble> {
        let Uploader { spool, destinations, .. } = *self.run.uploader;
        let to = &destinations[desk.site];
        let name = PackageName::of(&job.manifest.place).map_err(DeliverError::from)?;
        // They say the name that the payload has there.
        let signature = spool.sidecars(job)?.get(SidecarKind::Signature).to_vec();
        let sidecars = Sidecars::new(name.as_str(), &job.manifest.digests, signature);
        let (digests, released) = (job.manifest.digests, spool.released(to.name(), job)?);
        let what = AtDesk { name, digests, sidecars, verify: to.verify, released };
        for _ in 0..TRIES {
            if let Some(brought) = self.bring_once(job, desk, &what, payload)? {
                return Ok(ReadyAtDesk { desk, what, brought });
            }
            deliver::check_local(&what, payload)?;
        }
        Err(DeliverError::Corrupt(what.path()).into())
    }

    /// Hands a job's payload in (U3, U4).
    pub(super) fn hand_in(
        &mut self,
        job: &Job,
        mut ready: ReadyAtDesk<'r>,
        payload: &File,
        lock: &mut Lock,
    ) -> Result<Receipt, Trouble> {
        let Uploader { destinations, context, .. } = *self.run.uploader;
        for _ in 0..TRIES {
            if let Some((delivery, peer)) = self.hand_in_once(job, &ready, payload, lock)? {
                return Ok(Receipt {
                    format: 1,
                    site: destinations[ready.desk.site].name().to_owned(),
                    delivery,
                    peer,
                    path: ready.what.path(),
                    delivered: context.now(),
                    host: context.identity.host.clone(),
                    run: context.identity.run.clone(),
                });
            }
            tracing::warn!("{}: the site has found other bytes, and thrown them away", ready.what.path());
            deliver::check_local(&ready.what, payload)?;
            ready = self.bring(job, ready.desk, payload)?;
        }
        Err(DeliverError::Corrupt(ready.what.path()).into())
    }

    fn bring_once(
        &mut self,
        job: &Job,
        desk: DeskOf<'r>,
        what: &AtDesk,
        payload: &File,
    ) -> Result<Option<Brought>, Trouble> {
        let run = self.run;
        let Uploader { log, context, .. } = *run.uploader;
        let id = job.id.to_string();
        let effect = format!("bring {} to {}", what.path(), run.called(desk.site));
        let ask = Ask { go_on: &|| go_on(context), may_commit: &|| Ok(()) };
        let mut told = 0;
        let mut progress = |bytes: u64| {
            // What is brought once more begins anew.
            run.tally.add(0, bytes.saturating_sub(told));
            told = told.max(bytes);
        };
        let brought = self.in_session(job, desk, |session| {
            log.record(subject(job, &id), Step::U2, &effect, || {
                deliver::bring(session, what, payload, &ask, &mut progress)
            })
        });
        self.arrived = told;
        brought
    }

    fn hand_in_once(
        &mut self,
        job: &Job,
        ready: &ReadyAtDesk<'r>,
        payload: &File,
        lock: &mut Lock,
    ) -> Result<Option<(Delivered, String)>, Trouble> {
        let run = self.run;
        let Uploader { spool, destinations, log, context, .. } = *run.uploader;
        let ReadyAtDesk { desk, what, brought } = ready;
        let id = job.id.to_string();
        let effect = format!("hand {} in at {}", what.path(), run.called(desk.site));
        let held = RefCell::new(&mut *lock);
        let may_commit = || {
            may_commit(spool, destinations[desk.site].name(), job, what.released)?;
            held.borrow_mut().confirm().map_err(|error| Stop(chain(&error)))
        };
        let ask = Ask { go_on: &|| go_on(context), may_commit: &may_commit };
        let mut told = brought.there();
        let mut progress = |bytes: u64| {
            run.tally.add(0, bytes.saturating_sub(told));
            told = told.max(bytes);
        };
        let handed_in = self.in_session(job, *desk, |session| {
            let peer = session.peer().to_owned();
            let delivered = log.record(subject(job, &id), Step::U4, &effect, || {
                deliver::hand_in(session, what, *brought, payload, &ask, &mut progress)
            })?;
            Ok(delivered.map(|delivered| (delivered, peer)))
        });
        if let Err(Trouble::Deliver(DeliverError::Stopped { .. })) = handed_in {
            // A lost lock is not somebody's decision: it ends the run.
            lock.confirm()?;
        }
        handed_in
    }

    /// Does something in a session, which is over then if anything was announced in it.
    fn in_session<T>(
        &mut self,
        job: &Job,
        desk: DeskOf<'r>,
        act: impl FnOnce(&mut dyn Desk) -> Result<T, DeliverError>,
    ) -> Result<T, Trouble> {
        let run = self.run;
        let id = job.id.to_string();
        let link = self.desk_at(desk);
        if link.is_closed() {
            let effect = format!("connect to {}", run.called(desk.site));
            let connected =
                run.uploader.log.record(subject(job, &id), Step::U2, &effect, || link.open().map(|_| ()));
            connected.map_err(Trouble::Connect)?;
        }
        let session = link.open().map_err(Trouble::Connect)?;
        let done = act(session);
        if session.is_used() {
            link.end();
        }
        Ok(done?)
    }
}
