//! Somebody's hold on a connection: made when first needed, made anew when it broke, and given back in the end.

use std::time::Duration;

use super::{Pool, Session, Site, SiteError, SiteErrorKind};

/// A connection of a pool that is made on demand, and goes back to the pool when this is dropped.
pub struct Link<'p, S: ?Sized = dyn Session> {
    pool: &'p Pool<'p, S>,
    session: Option<Box<S>>,
}

impl<'p, S: ?Sized> Link<'p, S> {
    /// Makes a link; nothing is connected yet.
    pub fn new(pool: &'p Pool<'p, S>) -> Self {
        Self { pool, session: None }
    }

    /// Makes a link of a connection that the pool has lent.
    pub(super) fn of(pool: &'p Pool<'p, S>, session: Box<S>) -> Self {
        Self { pool, session: Some(session) }
    }

    /// Returns the site.
    pub fn site(&self) -> &'p dyn Site<S> {
        self.pool.site()
    }

    /// Returns whether the next [`Self::open`] connects.
    pub fn is_closed(&self) -> bool {
        self.session.is_none()
    }

    /// Returns the connection; waits while the pool has lent as many as it may. After the pool has failed to have one
    /// at all, every call fails as that did.
    pub fn open(&mut self) -> Result<&mut S, SiteError> {
        self.open_and_tell(&mut |_| ())
    }

    /// Does the same. If this makes the pool's first connection, `met` hears before the login how long the site takes to
    /// answer, and may have further ones made beside it ([`Pool::add`]).
    pub fn open_and_tell(&mut self, met: &mut dyn FnMut(Duration)) -> Result<&mut S, SiteError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.pool.take(met)?,
        };
        Ok(self.session.insert(session).as_mut())
    }

    /// Hears of a failure; a connection that is of no more use is dropped.
    pub fn heard(&mut self, kind: SiteErrorKind) {
        if kind.is_dead() {
            self.end();
        }
    }

    /// Drops the connection: what it was made for is done, or it is of no more use.
    pub fn end(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.lost(session);
        }
    }
}

impl<S: ?Sized> Drop for Link<'_, S> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.give_back(session);
        }
    }
}
