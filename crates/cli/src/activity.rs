//! What a run notes of itself while it goes on, and leaves in the spool when it ends, for `manage activity`.
//!
//! Nothing depends on it: a run that cannot be noted says so, and ends as it would have ended.

use std::collections::BTreeMap;
use std::path::Path;

use intraware_core::activity::Run;
use intraware_core::config::SpoolConfig;
use intraware_core::lock::Held;
use intraware_core::outcome::{End, Outcome};
use intraware_core::run::RunContext;
use intraware_core::spool::Spool;
use intraware_core::txlog::chain;
use jiff::Timestamp;

use crate::failure::Failure;

/// The notes of a run under way.
pub struct Diary {
    name: &'static str,
    started: Timestamp,
    is_partial: bool,
    locked_by: Option<String>,
    counts: BTreeMap<String, u64>,
}

impl Diary {
    /// Begins the notes of a run; it is partial if it is for what somebody named, and not for all there is.
    pub fn begin(name: &'static str, is_partial: bool, context: &RunContext) -> Self {
        Self { name, started: context.now(), is_partial, locked_by: None, counts: BTreeMap::new() }
    }

    /// Notes that nothing is done, because somebody else has the lock.
    pub fn locked(&mut self, by: &Held) {
        self.locked_by = Some(by.to_string());
    }

    /// Notes how much there was of something; that there was none goes without saying.
    pub fn count(&mut self, what: &str, how_many: usize) {
        if how_many > 0 {
            *self.counts.entry(what.to_owned()).or_default() += how_many as u64;
        }
    }

    /// Notes what became of builds.
    pub fn builds(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let what = match outcome.end {
                End::Done => "done",
                End::Yielded { .. } => "left",
                End::Lags { .. } => "lagging",
                End::Failed { .. } => "failed",
                End::NotTried { .. } => "not tried",
            };
            self.count(what, 1);
        }
    }

    /// Leaves the notes in the spool.
    pub fn keep(self, ended: &Result<u8, Failure>, spool: &Spool, keep_days: u32, context: &RunContext) {
        let run = Run {
            name: self.name.to_owned(),
            host: context.identity.host.clone(),
            run: context.identity.run.clone(),
            started: self.started,
            ended: context.now(),
            status: ended.as_ref().map_or_else(|failure| failure.status, |status| *status),
            is_partial: self.is_partial,
            locked_by: self.locked_by,
            counts: self.counts,
        };
        if let Err(error) = spool.note_run(&run, keep_days) {
            tracing::warn!("`manage activity` will not know of this run: {}", chain(&error));
        }
    }

    /// Leaves the notes in the spool, on a host that has one which this user writes to: others need none to do this.
    pub fn keep_where_spooled(self, ended: &Result<u8, Failure>, config: &Path, context: &RunContext) {
        let Ok(config) = SpoolConfig::load(config) else { return };
        match Spool::open(&config.root, config.single_host) {
            Ok(spool) if spool.check_user().is_ok() => {
                self.keep(ended, &spool.written_by(&context.identity), config.keep_days, context);
            }
            Ok(_) => tracing::debug!("the run is not noted: the spool is another user's"),
            Err(error) => tracing::debug!("the run is not noted: {}", chain(&error)),
        }
    }
}
