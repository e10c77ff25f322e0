//! How long a connection may take, and how slow a transfer may be.

use std::time::{Duration, Instant};

/// The slowest that a transfer may be: this many bytes in this time. A line that drips is as good as stalled.
const PACE_BYTES: u64 = 300 * 1024;
const PACE_TIME: Duration = Duration::from_secs(300);

/// The slowest disk that a site may hash from, in bytes a second; nothing is heard meanwhile.
const HASH_PACE: u64 = 16 << 20;

/// Returns how long a site may work on the hash of so many bytes, besides the time for any answer.
pub(super) fn hashing(size: u64) -> Duration {
    Duration::from_secs(size / HASH_PACE)
}

/// How long an operation may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Until this moment, whatever happens.
    Until(Instant),
    /// Until nothing has come or gone for this long, and not beyond this moment.
    Idle(Duration, Instant),
}

impl Patience {
    /// Returns when it ends, if something came or went at `last` and nothing does from then on.
    pub(super) fn end(self, last: Instant) -> Instant {
        match self {
            Self::Until(end) => end,
            Self::Idle(idle, end) => end.min(last + idle),
        }
    }

    /// Returns whether it is at its end although something has just come or gone.
    pub(super) fn is_over(self) -> bool {
        let now = Instant::now();
        now >= self.end(now)
    }
}

/// Watches that a transfer gets on.
pub(super) struct Pace {
    idle: Duration,
    end: Instant,
    moved: u64,
}

impl Pace {
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, end: Instant::now() + PACE_TIME, moved: 0 }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience::Idle(self.idle, self.end)
    }

    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        if self.moved >= PACE_BYTES {
            *self = Self::new(self.idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_that_drips_runs_out_of_time() {
        let mut pace = Pace::new(Duration::from_secs(60));
        let begin = pace.end;
        pace.moved(PACE_BYTES as usize - 1);
        assert_eq!(pace.end, begin, "too little to be given more time");
        pace.moved(1);
        assert!(pace.end > begin);
    }
}
