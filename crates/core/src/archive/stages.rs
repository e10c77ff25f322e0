//! What each stage of the archiver costs, so that people see which one to do something about.
//!
//! Stages run at the same time, so their figures do not add up to the time that the whole takes. The
//! processor's time says what a stage computes; its time at work also counts what it waits for disks and for
//! its turn.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// One stage, counted by the threads that are part of it.
#[derive(Debug)]
pub(super) struct Stage {
    name: &'static str,
    threads: AtomicUsize,
    processor_ns: AtomicU64,
    busy_ns: AtomicU64,
}

/// What a stage has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTimes {
    /// What it does.
    pub name: &'static str,
    /// How many threads did it.
    pub threads: usize,
    /// Processor time of all its threads.
    pub processor: Duration,
    /// Time from taking work to having done it, of all its threads.
    pub busy: Duration,
}

impl fmt::Display for StageTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, processor, busy, .. } = self;
        write!(f, "{name} {:.1}/{:.1} s", processor.as_secs_f64(), busy.as_secs_f64())
    }
}

/// Counts the processor time of the thread it was made in, until it is dropped there.
pub(super) struct Counted<'s> {
    stage: &'s Stage,
    start_ns: u64,
}

impl Stage {
    pub(super) fn new(name: &'static str) -> Self {
        let zero = AtomicU64::default;
        Self { name, threads: AtomicUsize::default(), processor_ns: zero(), busy_ns: zero() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Counts this thread as one of the stage's.
    pub(super) fn thread(&self) -> Counted<'_> {
        self.threads.fetch_add(1, Ordering::Relaxed);
        Counted { stage: self, start_ns: processor_ns() }
    }

    /// Does some of the stage's work.
    pub(super) fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.busy_ns.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }

    pub(super) fn times(&self) -> StageTimes {
        let duration = |ns: &AtomicU64| Duration::from_nanos(ns.load(Ordering::Relaxed));
        StageTimes {
            name: self.name,
            threads: self.threads.load(Ordering::Relaxed),
            processor: duration(&self.processor_ns),
            busy: duration(&self.busy_ns),
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.stage.processor_ns.fetch_add(processor_ns() - self.start_ns, Ordering::Relaxed);
    }
}

fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
