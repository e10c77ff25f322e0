//! One run's connections to a site: made when they are needed, kept for whoever comes next, never more than
//! allowed.
//!
//! Until one login is accepted nobody tries a second, and when the first cannot be had nobody tries again: a
//! run costs a site that is away one attempt, not one for each build, and one that refuses the login is not
//! asked again. Further connections that are sure to be needed may come as far as the login beside the first,
//! and wait there. A site that refuses a further connection is not asked for more than it has given; the run
//! goes on with those.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::{Idle, Resting};
use super::{Arrival, Link, Session, Site, SiteError, SiteErrorKind};

/// How long is waited for a connection before whoever waits looks whether it is still needed.
const TICK: Duration = Duration::from_millis(100);

/// Connections to one site, for several threads.
pub struct Pool<'s, S: ?Sized + Resting = dyn Session> {
    site: &'s dyn Site<S>,
    state: Mutex<State<S>>,
    /// Something was given back, or is known now.
    changed: Condvar,
}

struct State<S: ?Sized> {
    idle: Vec<Idle<S>>,
    /// How many there are: idle, lent, and being made.
    open: usize,
    /// How many there may be.
    most: usize,
    /// Whether a login was accepted.
    is_in: bool,
    refusal: Option<(SiteErrorKind, String)>,
}

impl<'s, S: ?Sized + Resting> Pool<'s, S> {
    /// Makes a pool of at most `most` connections, at least one; nothing is connected yet.
    pub fn new(site: &'s dyn Site<S>, most: usize) -> Self {
        let most = most.max(1);
        let state = State { idle: Vec::new(), open: 0, most, is_in: false, refusal: None };
        Self { site, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Returns the site.
    pub fn site(&self) -> &'s dyn Site<S> {
        self.site
    }

    /// Returns how many connections there may be at the same time, as far as is known.
    pub fn most(&self) -> usize {
        self.state().most
    }

    /// Returns why the site would not have a connection in this run, if so.
    pub fn refusal(&self) -> Option<SiteError> {
        self.state().refused()
    }

    /// Lends a connection, which has to be given back or reported lost; waits while as many as there may be
    /// are lent. For `met` see [`Link::open_and_tell`].
    pub(super) fn take(&self, met: &mut dyn FnMut(Duration)) -> Result<Box<S>, SiteError> {
        let mut state = self.state();
        loop {
            if let Some(refused) = state.refused() {
                return Err(refused);
            }
            if let Some(idle) = state.idle.pop() {
                drop(state);
                match idle.wake() {
                    Ok(session) => return Ok(session),
                    Err(session) => self.lost(session),
                }
                state = self.state();
                continue;
            }
            if state.open > 0 && !state.may_connect() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let connected = self.connect(state, met);
            state = self.state();
            if connected.is_ok() || state.refusal.is_some() {
                return connected;
            }
        }
    }

    /// Lends a connection that nobody needs otherwise, or returns `None` if there is none.
    pub fn spare(&self) -> Option<Link<'_, S>> {
        let mut state = self.state();
        let session = match state.idle.pop() {
            None if state.may_connect() => self.connect(state, &mut |_| ()).ok(),
            None => None,
            Some(idle) => {
                drop(state);
                idle.wake().map_err(|session| self.lost(session)).ok()
            }
        };
        session.map(|session| Link::of(self, session))
    }

    /// Makes a further connection that will be needed, if there may be one and there are not `enough`. It
    /// logs in when the first has. Nobody should ask for it before the site is met ([`Arrival::met`]).
    pub fn add(&self, enough: usize) {
        let state = self.state();
        if state.has_room()
            && state.open < enough
            && let Ok(session) = self.connect(state, &mut |_| ())
        {
            self.give_back(Idle::new(session));
        }
    }

    /// Waits a moment, or until a connection was made, given back or lost.
    pub fn wait(&self) {
        drop(self.changed.wait_timeout(self.state(), TICK));
    }

    /// Takes a connection back.
    pub(super) fn give_back(&self, idle: Idle<S>) {
        self.state().idle.push(idle);
        self.changed.notify_all();
    }

    /// Takes note that a connection is of no more use.
    pub(super) fn lost(&self, session: Box<S>) {
        drop(session);
        self.state().open -= 1;
        self.changed.notify_all();
    }

    /// Makes a connection that is counted while it is being made. What a failure means is known before
    /// anybody else looks: the site would not have the only one, or gives no more than it has given.
    fn connect(
        &self,
        mut state: MutexGuard<'_, State<S>>,
        met: &mut dyn FnMut(Duration),
    ) -> Result<Box<S>, SiteError> {
        let is_first = state.open == 0;
        state.open += 1;
        drop(state);
        let begin = Instant::now();
        let connected = self.site.connect_and_tell(&mut Coming { pool: self, is_first, met });
        tracing::debug!(
            site = self.site.name(),
            ms = begin.elapsed().as_millis(),
            ok = connected.is_ok(),
            "connecting"
        );
        let mut state = self.state();
        match &connected {
            Ok(_) => state.is_in = true,
            Err(error) => {
                state.open -= 1;
                if state.refusal.is_some() {
                    // This one was only waiting for the first.
                } else if state.open == 0 || (is_first && !state.is_in) {
                    state.refusal = Some((error.kind, crate::txlog::chain(error)));
                } else {
                    state.most = state.open;
                    tracing::debug!(site = self.site.name(), most = state.most, %error, "no further connection");
                }
            }
        }
        self.changed.notify_all();
        connected
    }

    /// Waits until the first login is accepted.
    fn wait_for_the_first(&self) -> Result<(), SiteError> {
        let mut state = self.state();
        while !state.is_in {
            if let Some(refused) = state.refused() {
                return Err(refused);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: ?Sized> State<S> {
    fn refused(&self) -> Option<SiteError> {
        self.refusal.as_ref().map(|(kind, reason)| SiteError::new(*kind, reason.clone()))
    }

    fn may_connect(&self) -> bool {
        self.is_in && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.refusal.is_none() && self.open < self.most
    }
}

/// A connection that is being made.
struct Coming<'c, 's, S: ?Sized + Resting> {
    pool: &'c Pool<'s, S>,
    is_first: bool,
    met: &'c mut dyn FnMut(Duration),
}

impl<S: ?Sized + Resting> Arrival for Coming<'_, '_, S> {
    fn met(&mut self, distance: Duration) -> Result<(), SiteError> {
        if !self.is_first {
            return self.pool.wait_for_the_first();
        }
        (self.met)(distance);
        Ok(())
    }

    fn is_in(&mut self) {
        self.pool.state().is_in = true;
        self.pool.changed.notify_all();
    }
}
