//! The connections of a run, one kind for each way in which things get to a site.

use super::Worker;
use super::hand_in::DeskOf;
use super::transfer::Shelf;
use crate::site::{Desk, Link, Pool, SiteError, SiteErrorKind};
use crate::sites::{Destination, Way};

/// The connections to one destination.
pub(super) enum Lines<'a> {
    Shelf(Pool<'a>),
    Desk(Pool<'a, Desk>),
}

/// A connection to one destination.
pub(super) enum Line<'r> {
    Shelf(Link<'r>),
    Desk(Link<'r, Desk>),
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

    /// Lends a connection that nobody needs otherwise, if there is one.
    pub(super) fn spare(&self) -> Option<Line<'_>> {
        match self {
            Self::Shelf(pool) => pool.spare().map(Line::Shelf),
            Self::Desk(pool) => pool.spare().map(Line::Desk),
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

impl Line<'_> {
    /// Hears of a failure; a connection that is of no more use is dropped.
    pub(super) fn heard(&mut self, kind: SiteErrorKind) {
        match self {
            Self::Shelf(link) => link.heard(kind),
            // One that was used is of no more use whatever came of it.
            Self::Desk(link) => link.end(),
        }
    }
}

impl Line<'_> {
    /// Gives a connection back. A desk waits a moment only for somebody who has logged in, so its connection ends.
    fn let_go<T>(line: Option<(usize, Self)>) -> Option<T> {
        if let Some((_, Self::Desk(mut link))) = line {
            link.end();
        }
        None
    }
}

impl<'r> Worker<'r> {
    /// Returns the connection to a site whose files can be looked at, after giving back one to another.
    pub(super) fn link_to(&mut self, Shelf { site, pool }: Shelf<'r>) -> &mut Link<'r> {
        let kept = match self.line.take() {
            Some((of, Line::Shelf(link))) if of == site => Some(link),
            other => Line::let_go(other),
        };
        let link = kept.unwrap_or_else(|| Link::new(pool));
        match &mut self.line.insert((site, Line::Shelf(link))).1 {
            Line::Shelf(link) => link,
            Line::Desk(_) => unreachable!("this is what was put there"),
        }
    }

    /// Returns the connection to a desk, after giving back one to another site.
    pub(super) fn desk_at(&mut self, DeskOf { site, pool }: DeskOf<'r>) -> &mut Link<'r, Desk> {
        let kept = match self.line.take() {
            Some((of, Line::Desk(link))) if of == site => Some(link),
            other => Line::let_go(other),
        };
        let link = kept.unwrap_or_else(|| Link::new(pool));
        match &mut self.line.insert((site, Line::Desk(link))).1 {
            Line::Desk(link) => link,
            Line::Shelf(_) => unreachable!("this is what was put there"),
        }
    }
}
