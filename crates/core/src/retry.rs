//! How long to wait before something that failed is tried again.
//!
//! What waits is told by a note in the spool, which another host has written by another clock. So no note is
//! believed further than it can be true: a pause that lasts longer than [`next_try`] makes any, or that has
//! begun in the future, is over. A host whose clock was ahead for one run then costs nobody more than one try
//! too many.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// The pause after the second failure; it doubles with each further one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// No pause is longer, before jitter.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// How far the clocks of two hosts may be apart without anybody minding.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// The time after a failure in which nothing is tried again, as a note tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When the failure was.
    pub begun: Timestamp,
    /// When the next try may be made.
    pub until: Timestamp,
}

impl Pause {
    /// Returns whether it lasts at `now`, as far as it can be believed.
    pub fn is_on(self, now: Timestamp) -> bool {
        let longest = LONGEST_PAUSE + LONGEST_PAUSE / 10;
        now < self.until && self.until.duration_since(now) <= longest && !is_ahead(self.begun, now)
    }

    /// Returns from when on a try may be made: a time that is over, if that is now.
    pub fn end(self, now: Timestamp) -> Timestamp {
        if self.is_on(now) { self.until } else { self.until.min(now) }
    }
}

/// Returns whether a time that somebody has noted is one that cannot have been yet.
pub fn is_ahead(noted: Timestamp, now: Timestamp) -> bool {
    noted.duration_since(now) > CLOCKS_DIFFER
}

/// Returns when to try again after `failures` failures in a row, the last one at `now`.
///
/// The first failure costs no pause: the next run of cron tries again. From the second one on the pause
/// doubles from half an hour to six hours. `subject` spreads the tries of many builds over a tenth of the
/// pause.
pub fn next_try(failures: u32, now: Timestamp, subject: &str) -> Timestamp {
    if failures <= 1 {
        return now;
    }
    let doublings = (failures - 2).min(8);
    let pause =
        FIRST_PAUSE.checked_mul(1 << doublings).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE));
    let digest = Sha256::digest(format!("{subject}\0{failures}"));
    let jitter = pause.as_millis() as i64 / 10 * i64::from(digest[0]) / 255;
    now.saturating_add(pause + SignedDuration::from_millis(jitter)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s0_29_the_next_run_tries_again_and_then_pauses_grow_to_six_hours() {
        let start = Timestamp::UNIX_EPOCH;
        let minutes = |failures| next_try(failures, start, "a").duration_since(start).as_mins();
        assert_eq!(minutes(1), 0);
        assert!((30..=33).contains(&minutes(2)), "{}", minutes(2));
        assert!((60..=66).contains(&minutes(3)));
        assert!((360..=396).contains(&minutes(7)));
        assert!((360..=396).contains(&minutes(u32::MAX)));
    }

    #[test]
    fn f_05_no_pause_outlasts_the_longest_and_none_begins_in_the_future() {
        let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        let at = |minutes| now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        let is_on = |begun, until| Pause { begun: at(begun), until: at(until) }.is_on(now);
        assert!(is_on(-1, 1) && is_on(-10_000, 395));
        assert!(is_on(4, 390), "clocks differ a little");
        assert!(!is_on(-60, 0));
        assert!(!is_on(-1, 397), "longer than any");
        assert!(!is_on(60, 120), "from the future");
        assert!((0..9).all(|failures| {
            let until = next_try(failures, now, "p7");
            Pause { begun: now, until }.is_on(now) == (failures > 1)
        }));
        assert!(!Pause { begun: Timestamp::MIN, until: Timestamp::MAX }.is_on(now));
        assert!(!Pause { begun: Timestamp::MAX, until: Timestamp::MAX }.is_on(Timestamp::MIN));
    }
}
