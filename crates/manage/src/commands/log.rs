//! `manage log`: the transaction log of all hosts.

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::output;
use intraware_cli::parts::{self, Permission};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{escape, tame};
use intraware_core::txlog::{Event, Filter, Phase, read};
use jiff::Timestamp;

/// What to show of it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only lines about this record, by id
    #[arg(long, value_name = "ID")]
    record: Option<String>,

    /// Only lines of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Only lines of this host
    #[arg(long)]
    host: Option<String>,

    /// Only lines not older than this, for example 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Only what failed
    #[arg(long)]
    failed: bool,

    /// Only the last N lines
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,

    /// Print JSON lines, as they are in the log
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    let filter = Filter {
        record: arguments.record.clone(),
        run: arguments.run.clone(),
        host: arguments.host.clone(),
        since: arguments.since,
        failed: arguments.failed,
    };
    let merged = read(&spool.log_dir(), &filter)
        .map_err(|e| Failure::new(Fault::Spool, format!("cannot read the transaction log: {e}")))?;
    for place in &merged.unreadable {
        tracing::warn!("cannot be read: {place}");
    }
    let skip = arguments.last.map_or(0, |last| merged.events.len().saturating_sub(last));
    let events = &merged.events[skip..];
    if arguments.json {
        output::json_lines(events)?;
    } else {
        output::text(events.iter().map(|event| line(event) + "\n").collect::<String>())?;
    }
    Ok(exit::OK)
}

/// Returns a line of the log as people read it.
pub(crate) fn line(event: &Event) -> String {
    let about = if event.job.is_empty() { &event.record } else { &event.job };
    let ending = match (event.phase, event.duration_ms) {
        (Phase::Begin, _) => "begins".to_owned(),
        (Phase::Done, None) => "done".to_owned(),
        (Phase::Done, Some(ms)) => format!("done in {ms} ms"),
        (Phase::Failed, _) => format!("FAILED: {}", tame(&event.result)),
    };
    format!(
        "{:.3} {} {}[{}] {} {}: {}: {ending}",
        event.ts,
        escape(&event.host),
        escape(&event.program),
        event.pid,
        escape(about),
        escape(&event.step),
        tame(&event.effect),
    )
}
