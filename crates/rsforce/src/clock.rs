//! What the client needs of its surroundings: the time, pauses, and random numbers.
//!
//! They come in through one small trait, so that retries, expiry and jitter can be tested without
//! waiting. [`SystemClock`] is the real one, and the only place of this crate that asks the system.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

/// The time, pauses and random numbers.
pub trait Clock: Debug + Send + Sync {
    /// Returns the time now.
    fn now(&self) -> Timestamp;

    /// Returns after `time` has passed.
    fn pause(&self, time: Duration);

    /// Returns 64 random bits, for jitter and the names of temporary files.
    fn random(&self) -> u64;
}

/// The system's clock and random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without random numbers there is no jitter; the system that cannot give any has no TLS either.
        if SystemRandom::new().fill(&mut bytes).is_err() {
            return 0;
        }
        u64::from_le_bytes(bytes)
    }
}
