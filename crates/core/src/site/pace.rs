//! How long a connection may take, and how slow a transfer may be.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// In how many parts, at least, the time is cut over which a transfer is averaged, and how long a part is at
/// most: that much later than it should a transfer that has begun to drip may end.
const PARTS: u32 = 16;
const PART: Duration = Duration::from_secs(3);

/// The slowest disk that a site may have, in bytes a second; nothing is heard while it hashes from it or
/// writes to it.
const DISK_PACE: u64 = 16 << 20;

/// Returns how long a site may work on the hash of so many bytes, besides the time for any answer.
pub fn hashing(size: u64) -> Duration {
    Duration::from_secs(size / DISK_PACE)
}

/// Returns how long a site may take to have so many bytes on its disk, besides the time for any answer.
pub fn writing(size: u64) -> Duration {
    Duration::from_secs(size / DISK_PACE)
}

/// How long an operation may take.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Until this moment, whatever happens.
    Until(Instant),
    /// Until nothing has come or gone for this long, and not beyond this moment.
    Idle(Duration, Instant),
}

impl Patience {
    /// Returns one that lasts so much longer.
    pub fn and(self, more: Duration) -> Self {
        match self {
            Self::Until(end) => Self::Until(end + more),
            Self::Idle(idle, end) => Self::Idle(idle + more, end + more),
        }
    }

    /// Returns when it ends, if something came or went at `last` and nothing does from then on.
    pub fn end(self, last: Instant) -> Instant {
        match self {
            Self::Until(end) => end,
            Self::Idle(idle, end) => end.min(last + idle),
        }
    }

    /// Returns whether it is at its end although something has just come or gone.
    pub fn is_over(self) -> bool {
        let now = Instant::now();
        now >= self.end(now)
    }

    /// Waits until a socket is ready, but not for longer than `most` at a time; nothing is said of which it
    /// was.
    pub fn wait_a_while(
        self,
        most: Duration,
        socket: &TcpStream,
        flags: PollFlags,
        last: &mut Instant,
    ) -> Result<(), Stalled> {
        let soon = Instant::now() + most;
        if self.end(*last) <= soon {
            return self.wait(socket, flags, last);
        }
        // That the while is over is no failure.
        let _ = Self::Until(soon).wait(socket, flags, last);
        Ok(())
    }

    /// Waits until a socket is ready; `last` is when it was so the last time.
    pub fn wait(self, socket: &TcpStream, flags: PollFlags, last: &mut Instant) -> Result<(), Stalled> {
        self.wait_for_any(&mut [PollFd::new(socket, flags)], last)
    }

    /// Waits until one of some sockets is ready.
    pub fn wait_for_any(self, sockets: &mut [PollFd<'_>], last: &mut Instant) -> Result<(), Stalled> {
        let end = self.end(*last);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(|_| Stalled)?;
            match poll(sockets, Some(&timeout)) {
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
pub struct Stalled;

/// Watches that a transfer gets on: a line that drips is as good as stalled.
///
/// Only waiting for the site counts. What the local side takes, and a pause that is made on purpose, is no
/// fault of the line. Of the waiting the last `idle` counts, in parts, so that what moved fast before makes
/// up for nothing now.
pub struct Pace {
    idle: Duration,
    /// Bytes that have to move in any `idle` of waiting.
    least: u64,
    part: Duration,
    /// How many bytes moved in each of the last parts that are over, the latest last; they make up less than
    /// `idle`.
    parts: VecDeque<u64>,
    /// What moved, and how long the site was waited for, in the part that is not over.
    moved: u64,
    waited: Duration,
    begun: Instant,
}

impl Pace {
    /// Watches a transfer that may rest for `idle` and be as slow as `min_rate`, in bytes a second, on
    /// average over that time.
    pub fn new(idle: Duration, min_rate: u64) -> Self {
        let least = (min_rate as f64 * idle.as_secs_f64()) as u64;
        let part = PART.min(idle / PARTS).max(Duration::from_millis(1));
        let (parts, moved, waited) = (VecDeque::new(), 0, Duration::ZERO);
        Self { idle, least, part, parts, moved, waited, begun: Instant::now() }
    }

    /// Begins to wait for the site, and returns for how long.
    pub fn patience(&mut self) -> Patience {
        self.begun = Instant::now();
        Patience::Idle(self.idle, self.begun + self.left())
    }

    /// Returns how long may be waited if nothing moves meanwhile.
    fn left(&self) -> Duration {
        let mut moved = self.moved + self.parts.iter().sum::<u64>();
        // As much as has not been waited yet, and the parts that may be left behind.
        let mut left = self.idle.saturating_sub(self.part * self.parts.len() as u32 + self.waited);
        for part in &self.parts {
            if moved < self.least {
                break;
            }
            moved -= part;
            left += self.part;
        }
        left
    }

    /// Ends the waiting: so many bytes have come or gone.
    pub fn moved(&mut self, bytes: usize) {
        self.waited += self.begun.elapsed();
        while self.waited >= self.part {
            self.waited -= self.part;
            self.parts.push_back(std::mem::take(&mut self.moved));
            if self.part * self.parts.len() as u32 >= self.idle {
                self.parts.pop_front();
            }
        }
        self.moved += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn left(pace: &mut Pace) -> u64 {
        let Patience::Idle(_, end) = pace.patience() else { panic!("a transfer may rest") };
        (end - pace.begun).as_secs()
    }

    /// Lets so many bytes come after so many seconds of waiting.
    fn wait(pace: &mut Pace, seconds: u64, bytes: usize) {
        pace.patience();
        pace.begun -= Duration::from_secs(seconds);
        pace.moved(bytes);
    }

    #[test]
    fn a_transfer_that_drips_runs_out_of_time() {
        let mut pace = Pace::new(MINUTE, 1024);
        assert_eq!(left(&mut pace), 60);
        wait(&mut pace, 50, 60 * 1024 - 1);
        assert!(left(&mut pace) < 10, "too little to be given more time");
        pace.moved(1);
        assert!((57..60).contains(&left(&mut pace)), "{}", left(&mut pace));
    }

    #[test]
    fn what_moved_fast_before_makes_up_for_nothing_now() {
        let mut pace = Pace::new(MINUTE, 1024);
        for _ in 0..200 {
            wait(&mut pace, 1, 10 << 20);
        }
        let mut dripped = 0;
        while left(&mut pace) > 0 {
            wait(&mut pace, 1, 100);
            dripped += 1;
        }
        assert!((59..=63).contains(&dripped), "{dripped}");
    }

    #[test]
    fn one_that_is_just_fast_enough_is_left_alone() {
        let mut pace = Pace::new(MINUTE, 1024);
        for second in 0..1000 {
            wait(&mut pace, 1, 1100);
            assert!(left(&mut pace) > 0, "after {second} s");
        }
        // In gusts as well.
        for gust in 0..100 {
            wait(&mut pace, 40, 41 * 1100);
            assert!(left(&mut pace) > 0, "at gust {gust}");
        }
    }

    #[test]
    fn what_the_local_side_takes_is_not_counted() {
        let mut pace = Pace::new(MINUTE, 1024);
        pace.moved(1);
        pace.begun -= Duration::from_secs(55);
        assert!(left(&mut pace) >= 59);
    }
}
