//! Somebody's hold on a connection: made when first needed, made anew when it broke, and given back in the
//! end.
//!
//! A connection may rest for long, while a build is archived or another site has its turn, and servers and
//! firewalls end connections that rest. So one that has rested for some seconds is asked something before it
//! is relied on, and one that does not answer makes way for a new one ([`Resting`]). That costs a round trip
//! where one had rested, and nothing else.

use std::time::{Duration, Instant};

use super::{Desk, Pool, RemotePath, Session, Site, SiteError, SiteErrorKind};

/// After so long without a use a connection has rested.
const RESTED: Duration = Duration::from_secs(3);

/// A connection that may have rested.
pub trait Resting {
    /// Returns whether the connection still is of use.
    fn is_awake(&mut self) -> bool;
}

impl Resting for dyn Session {
    fn is_awake(&mut self) -> bool {
        let mut ask = || self.stat(&RemotePath::base()).map_err(|error| error.kind.is_dead());
        match ask() {
            Ok(_) => true,
            Err(true) => false,
            // A server that says goodbye has answered; it does so once.
            Err(false) => ask() != Err(true),
        }
    }
}

impl Resting for dyn Desk {
    /// Nothing can be asked there before something is announced.
    fn is_awake(&mut self) -> bool {
        false
    }
}

/// A connection that nobody uses for the moment.
pub(super) struct Idle<S: ?Sized> {
    session: Box<S>,
    since: Instant,
}

impl<S: ?Sized + Resting> Idle<S> {
    pub(super) fn new(session: Box<S>) -> Self {
        Self { session, since: Instant::now() }
    }

    /// Returns the connection if it is of use, or else what has to be reported lost.
    pub(super) fn wake(mut self) -> Result<Box<S>, Box<S>> {
        if self.since.elapsed() < RESTED || self.session.is_awake() {
            return Ok(self.session);
        }
        tracing::debug!("a connection that rested is of no more use");
        Err(self.session)
    }
}

/// A connection of a pool that is made on demand, and goes back to the pool when this is dropped.
pub struct Link<'p, S: ?Sized + Resting = dyn Session> {
    pool: &'p Pool<'p, S>,
    /// The connection, since it was asked for last.
    session: Option<Idle<S>>,
}

impl<'p, S: ?Sized + Resting> Link<'p, S> {
    /// Makes a link; nothing is connected yet.
    pub fn new(pool: &'p Pool<'p, S>) -> Self {
        Self { pool, session: None }
    }

    /// Makes a link of a connection that the pool has lent.
    pub(super) fn of(pool: &'p Pool<'p, S>, session: Box<S>) -> Self {
        Self { pool, session: Some(Idle::new(session)) }
    }

    /// Returns the site.
    pub fn site(&self) -> &'p dyn Site<S> {
        self.pool.site()
    }

    /// Returns whether the next [`Self::open`] connects.
    pub fn is_closed(&self) -> bool {
        self.session.is_none()
    }

    /// Returns the connection; waits while the pool has lent as many as it may. After the pool has failed to
    /// have one at all, every call fails as that did.
    pub fn open(&mut self) -> Result<&mut S, SiteError> {
        self.open_and_tell(&mut |_| ())
    }

    /// Does the same. If this makes the pool's first connection, `met` hears before the login how long the
    /// site takes to answer, and may have further ones made beside it ([`Pool::add`]).
    pub fn open_and_tell(&mut self, met: &mut dyn FnMut(Duration)) -> Result<&mut S, SiteError> {
        let session = match self.session.take().map(Idle::wake) {
            Some(Ok(session)) => session,
            Some(Err(session)) => {
                self.pool.lost(session);
                self.pool.take(met)?
            }
            None => self.pool.take(met)?,
        };
        Ok(self.session.insert(Idle::new(session)).session.as_mut())
    }

    /// Hears of a failure; a connection that is of no more use is dropped.
    pub fn heard(&mut self, kind: SiteErrorKind) {
        if kind.is_dead() {
            self.end();
        }
    }

    /// Drops the connection: what it was made for is done, or it is of no more use.
    pub fn end(&mut self) {
        if let Some(Idle { session, .. }) = self.session.take() {
            self.pool.lost(session);
        }
    }
}

impl<S: ?Sized + Resting> Drop for Link<'_, S> {
    fn drop(&mut self) {
        if let Some(idle) = self.session.take() {
            self.pool.give_back(idle);
        }
    }
}
