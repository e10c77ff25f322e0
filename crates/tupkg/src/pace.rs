//! How slow a connection may be: one that drips is as good as dead.
//!
//! Only waiting for the other end counts; what this end takes, or leaves out on purpose, is no fault of the
//! line. Of the waiting the last while counts, in parts, so that what moved fast before makes up for nothing
//! now.

use std::time::Duration;

/// In how many parts the time is cut over which a rate is measured; a drip is noticed at most one part late.
const PARTS: usize = 16;

/// Watches that bytes move fast enough.
pub(crate) struct Pace {
    /// Bytes that have to move in so much waiting.
    least: u64,
    part: Duration,
    /// What moved in each of the last parts, and how many of them are over.
    parts: [u64; PARTS],
    over: usize,
    moved: u64,
    waited: Duration,
}

impl Pace {
    /// Watches for `rate` bytes a second, on average over so much waiting.
    pub(crate) fn new(rate: u64, over: Duration) -> Self {
        let least = (rate as f64 * over.as_secs_f64()) as u64;
        let part = (over / PARTS as u32).max(Duration::from_millis(1));
        Self { least, part, parts: [0; PARTS], over: 0, moved: 0, waited: Duration::ZERO }
    }

    /// Takes note that so many bytes have moved after so much waiting; returns whether that is fast enough.
    pub(crate) fn moved(&mut self, bytes: usize, waited: Duration) -> bool {
        self.waited += waited;
        while self.waited >= self.part {
            self.waited -= self.part;
            self.parts[self.over % PARTS] = std::mem::take(&mut self.moved);
            self.over += 1;
        }
        self.moved += bytes as u64;
        self.over < PARTS || self.moved + self.parts.iter().sum::<u64>() >= self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_moved_fast_before_makes_up_for_nothing_now() {
        let mut pace = Pace::new(1024, SECOND * 60);
        for _ in 0..200 {
            assert!(pace.moved(10 << 20, SECOND));
        }
        let dripped = (1..200).find(|_| !pace.moved(100, SECOND)).unwrap();
        assert!((56..=68).contains(&dripped), "{dripped}");
    }

    #[test]
    fn one_that_is_just_fast_enough_is_left_alone() {
        let mut pace = Pace::new(1024, SECOND * 60);
        assert!((0..1000).all(|_| pace.moved(1100, SECOND)));
        // In gusts as well, and whatever is done in between.
        assert!((0..100).all(|_| pace.moved(41 * 1100, SECOND * 40)));
        assert!((0..1000).all(|_| pace.moved(1, Duration::ZERO)));
    }
}
