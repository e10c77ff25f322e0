//! When a request is repeated, and after which pause.
//!
//! Only what provably had no effect is repeated: a read, or a request that was refused or never
//! sent. Pauses double, with jitter, so that several hosts do not come back together.

use std::time::Duration;

use crate::error::{Error, Kind};

/// How often a request is tried in all.
pub(crate) const TRIES: u32 = 3;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause a server may ask for; if it wants more, the next run is the better time.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// Returns the pause before trying again after the failed try number `tried` (from 1), or `None`
/// if the request must not be repeated.
pub(crate) fn pause(error: &Error, tried: u32, random: u64) -> Option<Duration> {
    if tried >= TRIES || !is_worth_repeating(error.kind()) {
        return None;
    }
    let full = FIRST * 2u32.pow(tried - 1);
    let jittered = full / 2 + (full / 2).mul_f64((random % 1024) as f64 / 1024.0);
    match error.retry_after() {
        Some(asked) if asked > LONGEST_ASKED => None,
        Some(asked) => Some(jittered.max(asked)),
        None => Some(jittered),
    }
}

fn is_worth_repeating(kind: Kind) -> bool {
    matches!(kind, Kind::Unreachable | Kind::Interrupted | Kind::Unavailable | Kind::RowLocked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: Kind) -> Error {
        Error::new(kind, "test", "it failed")
    }

    #[test]
    fn pauses_double_with_jitter_and_end() {
        let error = failed(Kind::Unavailable);
        assert_eq!(pause(&error, 1, 0), Some(Duration::from_millis(250)));
        assert!(pause(&error, 1, 1023).unwrap() < Duration::from_millis(500));
        assert_eq!(pause(&error, 2, 0), Some(Duration::from_millis(500)));
        assert_eq!(pause(&error, 3, 0), None);
    }

    #[test]
    fn the_server_s_wish_is_honoured_up_to_a_bound() {
        let error = failed(Kind::Unavailable).with_pause(Some(Duration::from_secs(7)));
        assert_eq!(pause(&error, 1, 0), Some(Duration::from_secs(7)));
        let error = error.with_pause(Some(Duration::from_secs(3600)));
        assert_eq!(pause(&error, 1, 0), None);
    }

    #[test]
    fn limits_and_unknown_outcomes_are_not_repeated() {
        for kind in [Kind::RequestLimit, Kind::UnknownOutcome, Kind::EntityLocked, Kind::Timeout] {
            assert_eq!(pause(&failed(kind), 1, 0), None, "{kind:?}");
        }
    }
}
