//! One execution of a program: who it is, what time it is, and whether it was asked to stop.
//!
//! The library takes all of this from its caller. Tests give a clock that stands still; the
//! binaries give [`SystemClock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;
}

/// The host's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the host for the time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Says who runs, for lock files, work directories and the transaction log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `manage` or `upload`.
    pub program: String,
    /// The host's name; two hosts that share a spool must not share it.
    pub host: String,
    /// The process id on that host.
    pub pid: u32,
    /// Names this execution; unique over hosts and time.
    pub run: String,
    /// The command line, escaped, without the program's directory.
    pub command: String,
}

/// What every function that does something needs to know about the run it is part of.
#[derive(Clone)]
pub struct RunContext {
    /// Who runs.
    pub identity: Identity,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether to come to an end.
    pub stop: Stop,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
}

impl RunContext {
    /// Returns the present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A request to stop, made by a signal and heard between steps and while bytes are moved.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

/// Returns how much of a payload or a build was dealt with when its run was asked to stop, for people.
pub fn how_far(done: u64, of: u64) -> String {
    match of >> 20 {
        0..10 => format!("{done} of {of} bytes"),
        mib => format!("{} of {mib} MiB", done >> 20),
    }
}

/// A run was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped by a signal; the next run goes on from here")]
pub struct Stopped;

impl Stop {
    /// Returns the flag that a signal handler sets.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Fails if the run was asked to stop.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// Shows people how far a long step has come. Nothing depends on it.
pub trait Progress: Send + Sync {
    /// A step over so much begins: of so many `things` that are not bytes, as files.
    fn begin(&self, what: &str, things: &str, total: Amount);
    /// That much of the step is done.
    fn advance(&self, done: Amount);
    /// The step has ended, well or badly.
    fn end(&self);
}

/// How much there is to do, or has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Regular files, by their names, or what else is counted.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _what: &str, _things: &str, _total: Amount) {}
    fn advance(&self, _done: Amount) {}
    fn end(&self) {}
}

/// Returns whether no process of this host has that number.
pub(crate) fn has_ended(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return true };
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}
