//! The connections of a run, one kind for each way in which things get to a site.

use super::Worker;
use super::hand_in::DeskOf;
use super::transfer::Shelf;
use intraware_core::site::{Desk, Link, Pool, Resting, SiteError, SiteErrorKind};
use intraware_core::sites::{Destination, Way};

/// The connections to one destination.
pub(super) enum Lines<'a> {
    Shelf(Pool<'a>),
    Desk(Pool<'a, dyn Desk>),
}

/// What a worker holds: one connection at most, and to which destination.
#[derive(Default)]
pub(super) struct Held<'r> {
    shelf: Option<(usize, Link<'r>)>,
    desk: Option<(usize, Link<'r, dyn Desk>)>,
}

impl<'a> Lines<'a> {
    pub(super) fn to(destination: &'a Destination<'_>) -> Self {
        match &destination.way {
            Way::Shelf(site) => Self::Shelf(Pool::new(site.as_ref(), destination.connections)),
            Way::Desk(site) => Self::Desk(Pool::new(site.as_ref(), destination.connections)),
        }
    }

    /// Returns why the site would not have a connection in this run, if so.
    pub(super) fn refusal(&self) -> Option<SiteError> {
        match self {
            Self::Shelf(pool) => pool.refusal(),
            Self::Desk(pool) => pool.refusal(),
        }
    }

    /// Lends a connection to this destination, which is `site`, that nobody needs otherwise, if there is one.
    pub(super) fn spare(&self, site: usize) -> Option<Held<'_>> {
        match self {
            Self::Shelf(pool) => pool.spare().map(|link| Held { shelf: Some((site, link)), desk: None }),
            Self::Desk(pool) => pool.spare().map(|link| Held { shelf: None, desk: Some((site, link)) }),
        }
    }

    /// Waits a moment, or until a connection was made, given back or lost.
    pub(super) fn wait(&self) {
        match self {
            Self::Shelf(pool) => pool.wait(),
            Self::Desk(pool) => pool.wait(),
        }
    }
}

impl Held<'_> {
    /// Hears of a failure; a connection that is of no more use is dropped.
    pub(super) fn heard(&mut self, kind: SiteErrorKind) {
        if let Some((_, link)) = &mut self.shelf {
            link.heard(kind);
        }
        // One that was used is of no more use whatever came of it.
        self.end_desk();
    }

    /// Ends a connection to a desk, which waits a moment only for somebody who has logged in.
    fn end_desk(&mut self) {
        if let Some((_, link)) = &mut self.desk {
            link.end();
        }
    }
}

impl<'r> Worker<'r> {
    /// Returns the connection to a site whose files can be looked at, after giving back one to another.
    pub(super) fn link_to(&mut self, Shelf { site, pool }: Shelf<'r>) -> &mut Link<'r> {
        self.held.end_desk();
        self.held.desk = None;
        link_of(&mut self.held.shelf, site, pool)
    }

    /// Returns the connection to a desk, after giving back one to another site.
    pub(super) fn desk_at(&mut self, DeskOf { site, pool }: DeskOf<'r>) -> &mut Link<'r, dyn Desk> {
        self.held.shelf = None;
        if self.held.desk.as_ref().is_some_and(|(of, _)| *of != site) {
            self.held.end_desk();
        }
        link_of(&mut self.held.desk, site, pool)
    }
}

/// Returns what is held if it leads to this site, or else something that will.
fn link_of<'h, 'r, S: ?Sized + Resting>(
    held: &'h mut Option<(usize, Link<'r, S>)>,
    site: usize,
    pool: &'r Pool<'r, S>,
) -> &'h mut Link<'r, S> {
    if held.as_ref().is_some_and(|(of, _)| *of != site) {
        *held = None;
    }
    let (_, link) = held.get_or_insert_with(|| (site, Link::new(pool)));
    link
}
