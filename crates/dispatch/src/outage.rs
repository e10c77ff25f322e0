//! Machines that are away, over runs: a connection that nobody answers is counted for the machine, for no
//! package, and from the second one on the machine is left alone for a pause that grows, as that of a site
//! ([`intraware_core::breaker`]).

use intraware_core::retry::{self, Pause};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How long after a failure that was counted a further one is taken for the same.
const SAME: SignedDuration = SignedDuration::from_mins(5);

/// A machine does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// The machine, as the routes name it.
    pub machine: String,
    /// How many attempts have failed in a row.
    pub failures: u32,
    /// Since when it is away.
    pub since: Timestamp,
    /// When an attempt was counted the last time.
    pub at: Timestamp,
    /// When it is tried again.
    pub again: Timestamp,
    /// Why the last attempt has failed.
    pub error: String,
}

impl Outage {
    /// Returns it after one more attempt has failed.
    pub(crate) fn after(before: Option<&Self>, machine: &str, error: &str, now: Timestamp) -> Self {
        let (failures, since) = before.map_or((0, now), |before| (before.failures, before.since));
        let is_same = |before: &&Self| {
            let age = now.duration_since(before.at);
            age >= SignedDuration::ZERO && age < SAME
        };
        let (machine, error) = (machine.to_owned(), error.to_owned());
        match before.filter(is_same) {
            Some(before) => Self { error, ..before.clone() },
            None => {
                let failures = failures.saturating_add(1);
                let again = retry::next_try(failures, now, &machine);
                Self { machine, failures, since: since.min(now), at: now, again, error }
            }
        }
    }

    /// Returns whether the machine is left alone.
    pub fn is_on(&self, now: Timestamp) -> bool {
        Pause { begun: self.at, until: self.again }.is_on(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_12_a_machine_that_is_away_is_tried_after_pauses_that_grow() {
        let start: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let mut outage: Option<Outage> = None;
        let mut tries = 0;
        // A run each minute, for two days.
        for minute in 0..2 * 24 * 60 {
            let now = start + SignedDuration::from_mins(minute);
            if outage.as_ref().is_none_or(|outage| !outage.is_on(now)) {
                outage = Some(Outage::after(outage.as_ref(), "m", "nobody answered", now));
                tries += 1;
            }
        }
        let outage = outage.unwrap();
        assert_eq!(outage.since, start);
        assert!((10..=20).contains(&tries), "{tries}");
        assert!(outage.failures > 8, "{outage:?}");
    }
}
