//! `manage activity`: the runs of all hosts, and whether those that are expected were made.

use crate::parts::{self, Permission};
use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, table};
use intraware_core::activity::{Expected, Run, judge};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::escape;
use intraware_core::spool::Activity;
use jiff::Timestamp;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Say which of the runs in [activity.expect] are silent, failing, or always find the lock taken, and
    /// since when; exit status 1 if there is one
    #[arg(long, conflicts_with = "last")]
    check: bool,

    /// Only the last N runs; on a terminal 50 unless said otherwise, 0 for all
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// So many runs are shown to a person who did not say how many.
const GLANCE: usize = 50;

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    if arguments.check && config.activity.expected.is_empty() {
        let message = "no run is expected; say which in [activity.expect] of the configuration";
        return Err(Failure::new(Fault::Configuration, message));
    }
    let Activity { runs, unreadable } = spool.runs()?;
    for place in unreadable {
        tracing::warn!("cannot be read: {place}");
    }
    if arguments.check {
        return check(
            &config.activity.expected,
            &runs,
            process::context("manage", common).now(),
            arguments.json,
        );
    }
    let is_for_a_glance = output::is_terminal() && !arguments.json;
    let last = arguments.last.or(is_for_a_glance.then_some(GLANCE)).filter(|last| *last > 0);
    let runs = &runs[last.map_or(0, |last| runs.len().saturating_sub(last))..];
    match (arguments.json, runs.is_empty()) {
        (true, _) => output::list("runs", runs)?,
        (false, true) => output::text("no run is known")?,
        (false, false) => output::text(show(runs))?,
    }
    Ok(exit::OK)
}

fn check(expected: &[Expected], runs: &[Run], now: Timestamp, as_json: bool) -> Result<u8, Failure> {
    let findings = judge(expected, runs, now);
    if as_json {
        output::list("findings", &findings)?;
    } else if findings.is_empty() {
        output::confirm("all runs that are expected were made")?;
    } else {
        findings.iter().try_for_each(output::text)?;
    }
    Ok(if findings.is_empty() { exit::OK } else { Fault::Build.exit_status() })
}

fn show(runs: &[Run]) -> String {
    let rows = runs.iter().map(row).collect();
    table::sparing(&["RUN", "HOST", "EXIT", "ENDED", "TOOK", "NOTE"], rows, &["TOOK"])
}

fn row(run: &Run) -> Vec<String> {
    let mut what: Vec<String> = run.counts.iter().map(|(what, n)| format!("{n} {}", escape(what))).collect();
    what.extend(run.locked_by.iter().map(|holder| format!("found the lock taken by {}", escape(holder))));
    what.extend(run.is_partial.then(|| "only what was named".to_owned()));
    vec![
        escape(&run.name),
        escape(&run.host),
        run.status.to_string(),
        format!("{:.0}", run.ended),
        format!("{:.1} s", run.ended.duration_since(run.started).as_secs_f64()),
        table::or_dash((!what.is_empty()).then(|| what.join(", "))),
    ]
}
