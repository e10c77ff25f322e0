//! Processes that a killed run has left behind.
//!
//! They are known by the name of their run in their environment, which every process hands on to what it
//! starts, whatever session it makes for itself. It cannot be the environment of another process that has got
//! an old process id.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that holds the name of a run.
pub(crate) const VARIABLE: &str = "INTRAWARE_RUN";

/// How long killed processes may take to be gone; one that waits for a dead disk takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills what the run has left on this host, and returns how many processes that were and whether they are
/// gone.
pub(crate) fn end(run: &str) -> (usize, bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut count = 0;
    loop {
        let found = processes(run);
        count = count.max(found.len());
        if found.is_empty() {
            return (count, true);
        }
        if Instant::now() > deadline {
            return (count, false);
        }
        for pid in found {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn processes(run: &str) -> Vec<Pid> {
    let marker = format!("{VARIABLE}={run}");
    let mut found = Vec::new();
    // Without /proc nothing can be found out; then the time limits of the programs have to do.
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Of other users' processes nobody else can read it, and those that have ended have none.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == std::ffi::OsStr::new(&marker).as_bytes())
        {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}
