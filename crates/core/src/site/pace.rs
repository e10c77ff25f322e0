//! How long a connection may take, and how slow a transfer may be.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How many times the longest time without any progress a transfer is averaged over: five minutes where that is one.
const AVERAGED_OVER: u32 = 5;

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

    /// Waits until a socket is ready; `last` is when it was so the last time.
    pub(super) fn wait(
        self,
        socket: &TcpStream,
        flags: PollFlags,
        last: &mut Instant,
    ) -> Result<(), Stalled> {
        let end = self.end(*last);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(|_| Stalled)?;
            match poll(&mut [PollFd::new(socket, flags)], Some(&timeout)) {
                Ok(0) => return Err(Stalled),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) if !left.is_zero() => {}
                Err(_) => return Err(Stalled),
            }
        }
        let now = Instant::now();
        if now >= end {
            return Err(Stalled);
        }
        *last = now;
        Ok(())
    }
}

/// The time is up.
pub(super) struct Stalled;

/// Watches that a transfer gets on: a line that drips is as good as stalled.
///
/// Only waiting for the site counts. What the local side takes, and a pause that is made on purpose, is no fault of the
/// line.
pub(super) struct Pace {
    idle: Duration,
    /// Bytes that have to move within each [`Pace::time`].
    least: u64,
    time: Duration,
    /// What has moved, and how long the site was waited for, since enough had moved the last time.
    moved: u64,
    waited: Duration,
    begun: Instant,
}

impl Pace {
    /// Watches a transfer that may rest for `idle` and be as slow as `min_rate`, in bytes a second.
    pub(super) fn new(idle: Duration, min_rate: u64) -> Self {
        let time = idle * AVERAGED_OVER;
        let least = (min_rate as f64 * time.as_secs_f64()) as u64;
        Self { idle, least, time, moved: 0, waited: Duration::ZERO, begun: Instant::now() }
    }

    /// Begins to wait for the site, and returns for how long.
    pub(super) fn patience(&mut self) -> Patience {
        self.begun = Instant::now();
        Patience::Idle(self.idle, self.begun + self.time.saturating_sub(self.waited))
    }

    /// Ends the waiting: so many bytes have come or gone.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.waited += self.begun.elapsed();
        self.moved += bytes as u64;
        if self.moved >= self.least {
            (self.moved, self.waited) = (0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(pace: &mut Pace) -> u64 {
        let Patience::Idle(_, end) = pace.patience() else { panic!("a transfer may rest") };
        (end - pace.begun).as_secs()
    }

    #[test]
    fn a_transfer_that_drips_runs_out_of_time() {
        let mut pace = Pace::new(Duration::from_secs(60), 1024);
        assert_eq!(left(&mut pace), 300);
        pace.begun -= Duration::from_secs(290);
        pace.moved(300 * 1024 - 1);
        assert!(left(&mut pace) < 10, "too little to be given more time");
        pace.moved(1);
        assert_eq!(left(&mut pace), 300);
    }

    #[test]
    fn what_the_local_side_takes_is_not_counted() {
        let mut pace = Pace::new(Duration::from_secs(60), 1024);
        pace.moved(1);
        pace.begun -= Duration::from_secs(290);
        assert!(left(&mut pace) >= 299);
    }
}
