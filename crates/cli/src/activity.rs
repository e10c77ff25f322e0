//! What a run notes of itself while it goes on, and leaves in the spool when it ends, for `manage activity`;
//! and whom it tells: node_exporter by a file, a service that watches jobs by HTTP.
//!
//! Nothing depends on it: a run that cannot be noted or told says so, and ends as it would have ended. That a
//! run has begun is told while it goes on; that it has ended takes [`PATIENCE`] at most. Of a run for what
//! somebody named nobody is told, since it does not stand for cron's.

mod ping;

use std::collections::BTreeMap;
use std::path::Path;

use intraware_config::{ActivityConfig, SpoolConfig};
use intraware_core::activity::Run;
use intraware_core::exit::Fault;
use intraware_core::lock::Held;
use intraware_core::outcome::{End, Outcome};
use intraware_core::run::RunContext;
use intraware_core::spool::Spool;
use intraware_core::txlog::chain;
use jiff::Timestamp;

pub use self::ping::PATIENCE;
use self::ping::Watcher;
use crate::failure::Failure;

/// The notes of a run under way.
pub struct Diary {
    name: &'static str,
    started: Timestamp,
    is_partial: bool,
    locked_by: Option<String>,
    counts: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    config: ActivityConfig,
    watcher: Option<Watcher>,
}

impl Diary {
    /// Begins the notes of a run; it is partial if it is for what somebody named, and not for all there is.
    pub fn begin(
        name: &'static str,
        is_partial: bool,
        config: &ActivityConfig,
        context: &RunContext,
    ) -> Self {
        let url = config.ping.as_ref().filter(|_| !is_partial);
        Self {
            name,
            started: context.now(),
            is_partial,
            locked_by: None,
            counts: BTreeMap::new(),
            errors: BTreeMap::new(),
            config: config.clone(),
            watcher: url
                .map(|url| Watcher::begin(url.clone(), config.ca_file.clone(), name, &context.identity.host)),
        }
    }

    /// Begins the notes of a run that needs no configuration: of one that cannot be read nobody is told.
    pub fn begin_by(name: &'static str, is_partial: bool, config: &Path, context: &RunContext) -> Self {
        let config = ActivityConfig::load(config).unwrap_or_default();
        Self::begin(name, is_partial, &config, context)
    }

    /// Notes that nothing is done, because somebody else has the lock.
    pub fn locked(&mut self, by: &Held) {
        self.locked_by = Some(by.to_string());
    }

    /// Notes how much there was of something; that there was none goes without saying.
    pub fn count(&mut self, what: &str, how_many: u64) {
        if how_many > 0 {
            *self.counts.entry(what.to_owned()).or_default() += how_many;
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
            self.faults(outcome.end.fault().as_slice());
        }
    }

    /// Notes what went wrong.
    pub fn faults(&mut self, faults: &[Fault]) {
        for fault in faults {
            *self.errors.entry(fault.kind().to_owned()).or_default() += 1;
        }
    }

    /// Leaves the notes in the spool, and tells those who want to know.
    pub fn keep(mut self, ended: &Result<u8, Failure>, spool: &Spool, keep_days: u32, context: &RunContext) {
        let watcher = self.watcher.take();
        let config = std::mem::take(&mut self.config);
        let run = self.run(ended, context);
        if let Err(error) = spool.note_run(&run, keep_days) {
            tracing::warn!("`manage activity` will not know of this run: {}", chain(&error));
        }
        if let Some(textfile) = &config.textfile
            && let Err(error) = spool.write_metrics(&run.host, textfile)
        {
            tracing::warn!("the metrics do not tell of this run: {}", chain(&error));
        }
        watcher.into_iter().for_each(|watcher| watcher.end(&run));
    }

    /// Leaves the notes in the spool, on a host that has one which this user writes to: others need none to
    /// do this.
    pub fn keep_where_spooled(mut self, ended: &Result<u8, Failure>, config: &Path, context: &RunContext) {
        let opened =
            SpoolConfig::load(config).map(|config| (Spool::open(&config.root, config.single_host), config));
        match opened {
            Ok((Ok(spool), config)) if spool.check_user().is_ok() => {
                return self.keep(ended, &spool.written_by(&context.identity), config.keep_days, context);
            }
            Ok((Ok(_), _)) => tracing::debug!("the run is not noted: the spool is another user's"),
            Ok((Err(error), _)) => tracing::debug!("the run is not noted: {}", chain(&error)),
            Err(_) => {}
        }
        let watcher = self.watcher.take();
        let run = self.run(ended, context);
        watcher.into_iter().for_each(|watcher| watcher.end(&run));
    }

    fn run(mut self, ended: &Result<u8, Failure>, context: &RunContext) -> Run {
        self.faults(ended.as_ref().err().and_then(|failure| failure.fault).as_slice());
        Run {
            name: self.name.to_owned(),
            host: context.identity.host.clone(),
            run: context.identity.run.clone(),
            started: self.started,
            ended: context.now(),
            status: ended.as_ref().map_or_else(|failure| failure.status, |status| *status),
            is_partial: self.is_partial,
            locked_by: self.locked_by,
            counts: self.counts,
            errors: self.errors,
        }
    }
}
