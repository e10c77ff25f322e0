//! How a run tells what became of it.
//!
//! To standard output: a summary if a person looks at it, JSON if asked for, and nothing otherwise. To standard error:
//! what failed, so that mail from cron means something.

use std::collections::{BTreeMap, BTreeSet};

use intraware_core::exit::{self, Fault};
use intraware_core::foreign::escape;
use intraware_core::lock::Held;
use intraware_core::outcome::{End, Outcome};
use intraware_core::txlog::TxLog;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::{output, said, table};

/// How many builds are named of those that were not tried for one reason.
const SHOWN: usize = 8;

/// Prints what became of each build.
pub fn print(outcomes: &[Outcome], json: bool) -> Result<(), Failure> {
    let mut not_tried: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for outcome in outcomes {
        let name = escape(&outcome.name);
        match &outcome.end {
            End::Done => tracing::info!("{name} ({}): {}", outcome.record, outcome.done.join("; ")),
            End::Yielded { reason } => {
                tracing::info!("{name} ({}): left to the next run: {reason}", outcome.record);
            }
            End::Lags { reason } => {
                said::of(outcome, || tracing::warn!("{name} ({}): {reason}", outcome.record));
            }
            End::Failed { reason, .. } => {
                said::of(outcome, || tracing::error!("{name} ({}): {reason}", outcome.record));
                said.insert(reason.as_str());
            }
            End::NotTried { reason, .. } => {
                not_tried.entry(reason).or_default().push(format!("{name} ({})", outcome.record));
            }
        }
    }
    // One reason for all of them, so one line, and not even that again.
    for (reason, builds) in not_tried {
        let more = builds.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let reason = if said.contains(reason) { "for the reason above" } else { reason };
        tracing::warn!("{}{more}: not tried: {reason}", builds[..builds.len().min(SHOWN)].join(", "));
    }
    if json {
        return output::json(&outcomes);
    }
    if !output::is_terminal() {
        return Ok(());
    }
    if outcomes.is_empty() {
        return output::text("nothing to do");
    }
    let row = |outcome: &Outcome| {
        let (result, detail) = match &outcome.end {
            End::Done => ("ok", outcome.done.join("; ")),
            End::Yielded { reason } => ("next run", reason.clone()),
            End::Lags { reason } => ("a site lags", reason.clone()),
            End::Failed { reason, .. } => ("failed", reason.clone()),
            End::NotTried { reason, .. } => ("not tried", reason.clone()),
        };
        vec![escape(&outcome.name), outcome.record.to_string(), result.to_owned(), detail]
    };
    output::text(table::columns(&["BUILD", "RECORD", "RESULT", "DETAIL"], outcomes.iter().map(row).collect()))
}

/// Warns of a lock that is held for hours.
pub fn long_lock(what: &str, held: &Held, now: Timestamp) {
    if held.is_long(now) {
        tracing::warn!(
            "{what} is held by {held}, for more than six hours: look at that process; if its host is gone, its lock must be \
             freed at the file server (docs/operations.md, \"A lock is held for hours\")"
        );
    }
}

/// Closes the transaction log; returns the fault if it could not be written.
pub fn close(log: TxLog) -> Option<Fault> {
    let error = log.finish().err()?;
    tracing::error!("the transaction log could not be written: {error}");
    Some(Fault::Spool)
}

/// Closes the transaction log of a command that did what it was asked for, and returns the exit status.
pub fn finish(log: TxLog) -> u8 {
    close(log).map_or(exit::OK, Fault::exit_status)
}
