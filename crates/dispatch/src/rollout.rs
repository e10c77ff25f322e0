//! In which order the machines of a section get a package: first canaries, then batches with pauses, and how
//! much may fail on the way.

use std::fmt;

use jiff::SignedDuration;

use crate::freeze::Freeze;

/// So many machines are sent to at the same time, unless a section says another number.
pub(crate) const PARALLEL: u32 = 20;

/// What a section says of it.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// The group that the section's machines are in.
    pub group: Option<String>,
    /// The groups that must have a package, all their machines, before these get it.
    pub after: Vec<String>,
    /// So many machines are sent to at the same time.
    pub parallel: u32,
    /// So many machines must have a package before the others get it.
    pub canary: u32,
    /// How many machines come after them at a time; none for all of them.
    pub batch: Option<Share>,
    /// How long to wait between two batches.
    pub pause: SignedDuration,
    /// How many machines may not fail: if so many have, no further one gets the package. None for no end.
    pub stop_at: Option<Share>,
    /// When nothing begins.
    pub freeze: Freeze,
}

impl Rollout {
    /// Returns whether machines take turns, so that no two runs may go on with the section at the same time.
    pub fn takes_turns(&self) -> bool {
        self.canary > 0 || self.batch.is_some()
    }
}

/// A number of machines, or a share of all those of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Share {
    /// Takes a number or a share, or says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const ALLOWED: &str = "must be a number of machines, 1 or more, or a share from 1% to 100%";
        let (digits, share): (&str, fn(u32) -> Self) = match text.strip_suffix('%') {
            Some(digits) => (digits.trim_end(), Self::Percent),
            None => (text, Self::Count),
        };
        let most = if text.ends_with('%') { 100 } else { 1_000_000 };
        let number = digits.parse().ok().filter(|number| (1..=most).contains(number));
        number.map(share).ok_or(ALLOWED)
    }

    /// Returns how many that is of so many: at least one, and not more than was meant.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(number) => number as usize,
            Self::Percent(share) => (all * share as usize / 100).max(1),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(number) => number.fmt(f),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_01_a_batch_is_a_number_of_machines_or_a_share_of_them() {
        let of = |text: &str, all| Share::parse(text).unwrap().of(all);
        assert_eq!((of("3", 40), of("25%", 40), of("25 %", 7), of("1%", 7)), (3, 10, 1, 1));
        for wrong in ["0", "0%", "101%", "", "%", "-1", "1.5", "all"] {
            assert!(Share::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
