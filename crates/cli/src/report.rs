//! How a run tells what became of it.
//!
//! To standard output: a summary if a person looks at it, JSON if asked for, and nothing otherwise. To
//! standard error: what failed, so that mail from cron means something.

use std::time::Duration;

use intraware_core::exit::Fault;
use intraware_core::foreign::escape;
use intraware_core::lock::Held;
use intraware_core::outcome::{End, Outcome};
use jiff::Timestamp;

use crate::common::OPERATIONS;
use crate::failure::Failure;
use crate::{output, process, said, table, told};

/// How many builds are named of those that wait for one thing.
const SHOWN: usize = 8;

/// Prints what became of each build.
pub fn print(outcomes: &[Outcome], json: bool) -> Result<(), Failure> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
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
            // What is a build's own fault is said of it alone.
            End::Failed { fault: Fault::Build, reason } => {
                said::of(outcome, || tracing::error!("{name} ({}): {reason}", outcome.record));
            }
            End::Failed { reason, .. } => Cause::add(&mut causes, reason, outcome, true),
            End::NotTried { reason, .. } => Cause::add(&mut causes, reason, outcome, false),
        }
    }
    causes.iter().for_each(Cause::say);
    if json {
        return output::list("builds", outcomes);
    }
    if !output::is_terminal() {
        return Ok(());
    }
    if outcomes.is_empty() {
        return output::text("nothing to do");
    }
    // What was said above is not said again.
    let once = |reason: &str| if output::is_heard() { "see above".to_owned() } else { reason.to_owned() };
    let row = |outcome: &Outcome| {
        let (result, detail) = match &outcome.end {
            End::Done => ("ok", outcome.done.join("; ")),
            End::Yielded { reason } => ("next run", reason.clone()),
            End::Lags { reason } => ("a site lags", once(reason)),
            End::Failed { reason, .. } => ("failed", once(reason)),
            End::NotTried { reason, .. } => ("not tried", once(reason)),
        };
        vec![escape(&outcome.name), outcome.record.to_string(), result.to_owned(), detail]
    };
    let header = ["BUILD", "RECORD", "RESULT", "NOTE"];
    let table = table::sparing(&header, outcomes.iter().map(row).collect(), &["RECORD"]);
    output::text(table + &total(outcomes, process::age()))
}

/// Returns the last line of the summary.
fn total(outcomes: &[Outcome], time: Duration) -> String {
    let is_ok = |outcome: &&Outcome| match outcome.end {
        End::Done | End::Lags { .. } => true,
        End::Yielded { .. } | End::Failed { .. } | End::NotTried { .. } => false,
    };
    let (all, ok) = (outcomes.len(), outcomes.iter().filter(is_ok).count());
    let builds = if all == 1 { "build" } else { "builds" };
    let rest = if ok == all { String::new() } else { format!(", {} not", all - ok) };
    format!("{all} {builds} in {:.1} s: {ok} ok{rest}", time.as_secs_f64())
}

/// One reason, and the builds that it stops.
struct Cause<'o> {
    reason: &'o str,
    outcomes: Vec<&'o Outcome>,
    /// It was met, and not only heard of.
    is_met: bool,
}

impl<'o> Cause<'o> {
    fn add(causes: &mut Vec<Self>, reason: &'o str, outcome: &'o Outcome, is_met: bool) {
        match causes.iter_mut().find(|cause| cause.reason == reason) {
            Some(cause) => {
                cause.outcomes.push(outcome);
                cause.is_met |= is_met;
            }
            None => causes.push(Self { reason, outcomes: vec![outcome], is_met }),
        }
    }

    /// Says it in one line.
    fn say(&self) {
        let Self { reason, outcomes, is_met } = self;
        let named = |outcome: &&Outcome| format!("{} ({})", escape(&outcome.name), outcome.record);
        let names: Vec<String> = outcomes.iter().take(SHOWN).map(named).collect();
        let more = outcomes.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = names.join(", ") + &more;
        told::of(reason, || match outcomes[..] {
            [only] if *is_met => said::of(only, || tracing::error!("{names}: {reason}")),
            [only] => said::of(only, || tracing::warn!("{names}: not tried: {reason}")),
            _ if *is_met => tracing::error!("{reason}; {} builds wait: {names}", outcomes.len()),
            _ => tracing::warn!("{names}: not tried: {reason}"),
        });
    }
}

/// Warns of a lock that is held for hours.
pub fn long_lock(what: &str, held: &Held, now: Timestamp) {
    if held.is_long(now) {
        tracing::warn!(
            "{what} is held by {held}, for more than six hours: look at that process; if its host is gone, its lock must be \
             freed at the file server ({OPERATIONS}, \"A lock is held for hours\")"
        );
    }
}
