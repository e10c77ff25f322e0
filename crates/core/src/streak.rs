//! How often the same has failed, so that nobody is told "later" for ever.
//!
//! A passing fault is left to the next run, and rightly so: most pass. One that does not would be left to the
//! next run for ever. So what fails is counted, where the failure is noted anyway: with a job's failed
//! deliveries, a build's failures in `manage`, a site that cannot be connected to, and the record store.
//! After [`LASTING`] equal failures it is said to be lasting, with what to do ([`Lasting`]), and counts as
//! what a person must put right ([`Fault::lasting`]).
//!
//! Two failures are equal if they are of one fault and one wording, where a word with a digit in it (a time,
//! a size, a port, an offset, a path) stands for any other such word. Others may come in between: a server
//! that fails in two ways by turns is no better. A success ends it all, and so does progress.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exit::Fault;

/// After so many equal failures nobody believes any more that it passes.
pub const LASTING: u32 = 10;

/// So many kinds of failure are counted apart; then the one that has not come for longest is forgotten.
const KINDS: usize = 8;

/// So many characters of a wording are compared.
const WORDING: usize = 300;

/// The failures of one thing since its last success.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Streak(Vec<Kind>);

/// Equal failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kind {
    fault: Fault,
    /// What was said, without what is different each time.
    wording: String,
    count: u32,
    /// When the first of them came.
    since: Timestamp,
}

impl Streak {
    /// Counts a failure.
    pub fn count(&mut self, fault: Fault, reason: &str, now: Timestamp) {
        let wording = wording(reason);
        let before = self.0.iter().position(|kind| kind.fault == fault && kind.wording == wording);
        let (count, since) = before.map_or((0, now), |at| {
            let kind = self.0.remove(at);
            (kind.count, kind.since)
        });
        if self.0.len() >= KINDS {
            self.0.remove(0);
        }
        self.0.push(Kind { fault, wording, count: count.saturating_add(1), since });
    }

    /// Returns what is to be said if the last failure has come too often to pass by itself.
    pub fn lasting(&self, concern: Concern) -> Option<Lasting> {
        let Kind { fault, count, since, .. } = self.0.last()?;
        (*count >= LASTING).then_some(Lasting {
            fault: fault.lasting(),
            count: *count,
            since: *since,
            concern,
        })
    }

    /// Returns when the first of the failures came that are remembered.
    pub fn since(&self) -> Option<Timestamp> {
        self.0.iter().map(|kind| kind.since).min()
    }

    /// Returns whether nothing has failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn wording(reason: &str) -> String {
    let is_number = |word: &str| word.chars().any(|c| c.is_ascii_digit());
    let words = reason.split_whitespace().map(|word| if is_number(word) { "#" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(WORDING).collect()
}

/// What it is that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Delivering a job.
    Delivery,
    /// Preparing, handing over or confirming a build.
    Build,
    /// Connecting to a site.
    Site,
    /// Reading records.
    Store,
}

impl Concern {
    /// Returns what a person can do.
    fn advice(self) -> &'static str {
        match self {
            Self::Delivery => "run `upload check`, and show the site's people what is said here",
            Self::Build => {
                "run `manage check` and `upload check`, and show the people of what fails what is said here"
            }
            Self::Site => "run `upload check`, and call the site's people",
            Self::Store => "run `manage check`, and show the record store's people what is said here",
        }
    }
}

/// A failure that has come too often to pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasting {
    /// What has to happen.
    pub fault: Fault,
    count: u32,
    since: Timestamp,
    concern: Concern,
}

impl Lasting {
    /// Returns a reason with this before it, where it is not cut off.
    pub fn tell(lasting: Option<Self>, reason: &str) -> String {
        lasting.map_or_else(|| reason.to_owned(), |lasting| format!("{lasting}: {reason}"))
    }
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, since, concern, .. } = self;
        write!(
            f,
            "the same has happened {count} times since {since:.0}, so it does not pass by itself, and needs a person: {}",
            concern.advice()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T03:00:00Z".parse().unwrap()
    }

    fn after(reasons: impl IntoIterator<Item = String>) -> Option<String> {
        let mut streak = Streak::default();
        reasons.into_iter().for_each(|reason| streak.count(Fault::TryLater, &reason, now()));
        streak.lasting(Concern::Delivery).map(|lasting| lasting.to_string())
    }

    #[test]
    fn f_00_same_failure_is_one_of_the_same_words_whatever_the_numbers_are() {
        let broke =
            |n: u32| format!("writing {n} of 9{n} bytes to a/p7.part at 10.0.0.1:{n}: the connection broke");
        assert_eq!(after((0..9).map(broke)), None);
        let told = after((0..10).map(broke)).unwrap();
        assert!(
            told.starts_with("the same has happened 10 times since 2026-11-21T03:00:00Z, so it does"),
            "{told}"
        );
        let other = "nothing was heard in 30 s".to_owned();
        assert_eq!(after((0..9).map(broke).chain([other])), None);
    }

    #[test]
    fn f_00_same_failure_by_turns_with_another_is_lasting_all_the_same() {
        let by_turns =
            |n: u32| if n.is_multiple_of(2) { "the connection broke" } else { "no common cipher" }.to_owned();
        assert_eq!(after((0..18).map(by_turns)), None);
        assert!(after((0..19).map(by_turns)).is_some());
    }

    #[test]
    fn f_00_same_failure_stays_small_and_needs_a_person_in_the_end() {
        let mut streak = Streak::default();
        for n in 0..100 {
            streak.count(Fault::TryLater, &"x".repeat(n), now());
        }
        assert_eq!(streak.0.len(), KINDS);
        for (passing, lasting) in [
            (Fault::TryLater, Fault::Configuration),
            (Fault::Unreachable, Fault::Configuration),
            (Fault::Access, Fault::Access),
            (Fault::Spool, Fault::Spool),
        ] {
            (0..LASTING).for_each(|_| streak.count(passing, "no", now()));
            assert_eq!(streak.lasting(Concern::Store).unwrap().fault, lasting);
        }
    }
}
