//! A site that is away costs one attempt a pause, over all runs on all hosts.
//!
//! A connection that cannot be made says something of the site and nothing of the build. So it is counted for
//! the site, in a note in the spool ([`Outage`]), and the pause that grows with the count is one for all:
//! while it lasts no run on any host connects. That is as well for a login that is refused, which three hosts
//! would otherwise repeat until the account is locked. When the pause is over one run on one host tries,
//! under a lock; the others leave the site alone meanwhile. A connection that stands ends it all.
//!
//! It is a [`Site`] around another one: the pool and whoever connects know nothing of it. Only the first
//! connection of a run counts: that a site refuses a further one, or drops one, is the pool's business, and
//! the next run finds out more.
//!
//! The first failure costs no pause, and what fails within some minutes of a failure that was counted is not
//! counted again: the runs that cron starts on several hosts at the same time meet one and the same fault,
//! and a server that is restarted must not cost an hour. A refused login does count each time.
//!
//! After ten equal failures the site is not away for a while but lost until a person acts
//! ([`crate::streak`]), and runs that leave it alone say so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::lock::{Lock, LockError};
use crate::retry;
use crate::run::RunContext;
use crate::site::{Arrival, Session, Site, SiteError, SiteErrorKind};
use crate::spool::{Outage, Spool};
use crate::streak::{Concern, Lasting};
use crate::txlog::chain;

/// How long after a failure that was counted a further one is taken for the same.
const SAME: SignedDuration = SignedDuration::from_mins(5);

/// How a run treats a site that was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caution {
    /// Somebody asked for something by name: the pause is not waited for.
    pub skips_pause: bool,
    /// It only looks: nothing is written down.
    pub only_looks: bool,
}

/// A site that is left alone while it is away.
pub struct Guarded<'a, S: ?Sized = dyn Session> {
    site: Box<dyn Site<S>>,
    spool: &'a Spool,
    context: &'a RunContext,
    caution: Caution,
    /// Whether it has shown itself in this run: connections after that say nothing new.
    is_there: AtomicBool,
}

impl<'a, S: ?Sized> Guarded<'a, S> {
    /// Guards a site.
    pub fn new(site: Box<dyn Site<S>>, spool: &'a Spool, context: &'a RunContext, caution: Caution) -> Self {
        Self { site, spool, context, caution, is_there: AtomicBool::new(false) }
    }

    /// Tries, and counts a failure for the site.
    fn attempt(&self, outage: Option<Outage>, arrival: &mut dyn Arrival) -> Result<Box<S>, SiteError> {
        let begun = self.context.now();
        let connected = self.site.connect_and_tell(&mut Seen { is_there: &self.is_there, arrival });
        self.is_there.store(connected.is_ok(), Ordering::Relaxed);
        match &connected {
            Ok(_) => {
                if let Some(outage) = outage.filter(|_| !self.caution.only_looks) {
                    self.end(&outage);
                }
            }
            Err(error) if !self.caution.only_looks => {
                if let Some(lasting) = self.count(error, begun) {
                    let kind = if error.kind.fault().is_passing() {
                        SiteErrorKind::Configuration
                    } else {
                        error.kind
                    };
                    return Err(SiteError::new(kind, Lasting::tell(Some(lasting), &chain(error))));
                }
            }
            Err(_) => {}
        }
        connected
    }

    fn end(&self, outage: &Outage) {
        tracing::info!("site {} is there again, after {} failures", self.name(), outage.count);
        if let Err(error) = self.spool.end_outage(self.name()) {
            tracing::warn!("{}", chain(&error));
        }
    }

    /// Counts a failed attempt, and returns what is to be said if it has failed too often in that way to pass
    /// by itself.
    fn count(&self, error: &SiteError, begun: Timestamp) -> Option<Lasting> {
        let now = self.context.now();
        let before = self.spool.outage(self.name());
        let counts = |before: &Outage| {
            let is_refused = error.kind == SiteErrorKind::Auth && !self.caution.skips_pause;
            let since = begun.duration_since(before.at);
            // Not even then if another host was refused while this one was trying. What is noted as of a time
            // that has not come was noted by a wrong clock, and is corrected.
            since >= SAME || (is_refused && since > SignedDuration::ZERO) || retry::is_ahead(before.at, now)
        };
        let mut streak = before.as_ref().map(|before| before.streak.clone()).unwrap_or_default();
        streak.count(error.kind.fault(), &chain(error), now);
        let lasting = streak.lasting(Concern::Site);
        let outage = match before {
            Some(before) if !counts(&before) => Outage { streak, ..before },
            before => {
                let count = before.map_or(0, |before| before.count).saturating_add(1);
                Outage {
                    format: Outage::FORMAT,
                    site: self.name().to_owned(),
                    count,
                    next_try: retry::next_try(count, now, self.name()),
                    at: now,
                    host: self.context.identity.host.clone(),
                    error: chain(error),
                    streak,
                }
            }
        };
        if let Err(error) = self.spool.put_outage(&outage) {
            tracing::warn!("{}", chain(&error));
        }
        lasting
    }

    /// Tries a site that was away, if nobody else does.
    fn attempt_alone(&self, seen: Outage, arrival: &mut dyn Arrival) -> Result<Box<S>, SiteError> {
        if self.caution.only_looks {
            return self.attempt(Some(seen), arrival);
        }
        let _lock = match Lock::take(&self.spool.site_lock(self.name()), self.context) {
            Ok(lock) => Some(lock),
            Err(busy @ LockError::Busy(_)) if !self.caution.skips_pause => {
                let text = format!("site {} was away, and is being tried: {busy}", self.name());
                return Err(SiteError::new(SiteErrorKind::Resting, text));
            }
            // Better an attempt too many than none.
            Err(error) => {
                tracing::debug!("{}", chain(&error));
                None
            }
        };
        // Under the lock: whoever had it before may have tried.
        match self.spool.outage(self.name()) {
            Some(outage) if self.is_resting(&outage) => Err(resting(&outage)),
            outage => self.attempt(outage, arrival),
        }
    }

    fn is_resting(&self, outage: &Outage) -> bool {
        !self.caution.skips_pause && outage.pause().is_on(self.context.now())
    }
}

impl<S: ?Sized> Site<S> for Guarded<'_, S> {
    fn name(&self) -> &str {
        self.site.name()
    }

    fn connect(&self) -> Result<Box<S>, SiteError> {
        self.connect_and_tell(&mut ())
    }

    fn connect_and_tell(&self, arrival: &mut dyn Arrival) -> Result<Box<S>, SiteError> {
        if self.is_there.load(Ordering::Relaxed) {
            return self.site.connect_and_tell(arrival);
        }
        match self.spool.outage(self.name()) {
            None => self.attempt(None, arrival),
            Some(outage) if self.is_resting(&outage) => Err(resting(&outage)),
            Some(outage) => self.attempt_alone(outage, arrival),
        }
    }
}

/// A connection on whose way the site shows itself.
struct Seen<'c> {
    is_there: &'c AtomicBool,
    arrival: &'c mut dyn Arrival,
}

impl Arrival for Seen<'_> {
    fn met(&mut self, distance: Duration) -> Result<(), SiteError> {
        self.is_there.store(true, Ordering::Relaxed);
        self.arrival.met(distance)
    }

    fn is_in(&mut self) {
        self.arrival.is_in();
    }
}

fn resting(outage: &Outage) -> SiteError {
    SiteError::new(SiteErrorKind::Resting, outage.to_string())
}
