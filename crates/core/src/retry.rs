//! How long to wait before something that failed is tried again.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// The pause after the second failure; it doubles with each further one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// No pause is longer, before jitter.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// Returns when to try again after `failures` failures in a row, the last one at `now`.
///
/// The first failure costs no pause: the next run of cron tries again. From the second one on the pause doubles from
/// half an hour to six hours. `subject` spreads the tries of many builds over a tenth of the pause.
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
}
