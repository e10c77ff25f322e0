//! Telling a service that watches jobs, without waiting for it.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use intraware_core::activity::{PingUrl, Run, Signal};
use intraware_core::http::{Authorities, Http};
use intraware_core::txlog::chain;

/// How long the service may take each time.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const ANSWER: u64 = 64 << 10;

/// Tells of one run.
pub(super) struct Watcher {
    url: PingUrl,
    ca_file: Option<PathBuf>,
    begun: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Has it told, beside the run, that the run begins.
    pub(super) fn begin(url: PingUrl, ca_file: Option<PathBuf>, run: &str, host: &str) -> Self {
        let (shown, to, ca) = (url.clone(), url.of(run, host, Signal::Start), ca_file.clone());
        // That it ends is told again, and then a person hears of it.
        let tell = move || {
            tell(&to, ca.as_deref())
                .unwrap_or_else(|why| tracing::info!("{shown} was not told of the start: {why}"))
        };
        // Without a thread it hears of the end alone.
        let begun = thread::Builder::new().name("ping".to_owned()).spawn(tell).ok();
        Self { url, ca_file, begun }
    }

    /// Tells how the run has ended, after that it had begun.
    pub(super) fn end(self, run: &Run) {
        // It is bounded; and of one that panics nothing is needed.
        let _ = self.begun.map(JoinHandle::join);
        let signal = match (run.status, &run.locked_by) {
            (0, None) => Signal::Success,
            (0, Some(_)) => Signal::Idle,
            (status, _) => Signal::Failure(status),
        };
        if let Err(why) = tell(&self.url.of(&run.name, &run.host, signal), self.ca_file.as_deref()) {
            tracing::warn!("{} was not told of this run: {why}", self.url);
        }
    }
}

fn tell(to: &str, ca_file: Option<&Path>) -> Result<(), String> {
    let authorities = Authorities::load(ca_file).map_err(|error| chain(&error))?;
    let mut answer = Http::new(PATIENCE, 0, &authorities).get(to, &[]).map_err(|error| chain(&error))?;
    if !(200..300).contains(&answer.status()) {
        return Err(format!("it answers with status {}", answer.status()));
    }
    // What it says is nothing to us; only that it has heard.
    let _ = answer.bytes(ANSWER);
    Ok(())
}
