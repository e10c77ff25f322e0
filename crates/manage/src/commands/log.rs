//! `manage log`: the transaction log of all hosts.

use std::collections::BTreeSet;

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{escape, tame};
use intraware_core::record::RecordId;
use intraware_core::txlog::{Event, Filter, Phase, Step, read};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::find;

/// What to show of it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only lines about this build (record id or name)
    #[arg(long, alias = "record", value_name = "ID|NAME", value_hint = ValueHint::Other)]
    build: Option<String>,

    /// Only lines of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Only lines of this host
    #[arg(long)]
    host: Option<String>,

    /// Only lines not older than this, for example 1h, 2d, or 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = Since::parse)]
    since: Option<Since>,

    /// Only what failed
    #[arg(long)]
    failed: bool,

    /// Only the last N lines; on a terminal 50 unless said otherwise, 0 for all
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,

    /// Print JSON lines, as they are in the log
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    let now = process::context("manage", common).now();
    let records = match &arguments.build {
        Some(word) => find::in_spool(&spool, word)?.iter().map(RecordId::to_string).collect(),
        None => BTreeSet::new(),
    };
    let filter = Filter {
        build: arguments.build.clone(),
        records,
        run: arguments.run.clone(),
        host: arguments.host.clone(),
        since: arguments.since.map(|since| since.before(now)),
        failed: arguments.failed,
        // For those who measure.
        times: common.verbose > 0 || arguments.json,
    };
    let merged = read(&spool.log_dir(), &filter)
        .map_err(|e| Failure::new(Fault::Spool, format!("cannot read the transaction log: {e}")))?;
    for place in &merged.unreadable {
        tracing::warn!("cannot be read: {place}");
    }
    let is_for_a_glance = output::is_terminal() && !arguments.json;
    let last = arguments.last.or(is_for_a_glance.then_some(GLANCE)).filter(|last| *last > 0);
    let skip = last.map_or(0, |last| merged.events.len().saturating_sub(last));
    let events = &merged.events[skip..];
    if arguments.json {
        output::json_lines(events)?;
    } else {
        output::text(events.iter().map(|event| line(event) + "\n").collect::<String>())?;
    }
    Ok(exit::OK)
}

/// So many lines are shown to a person who did not say how many.
const GLANCE: usize = 50;

/// From when on.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// From then on.
    Time(Timestamp),
    /// For so long.
    Ago(SignedDuration),
}

impl Since {
    fn parse(text: &str) -> Result<Self, String> {
        let ago = || {
            let span: Span = text.parse().ok()?;
            span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
        };
        let time = text.parse().ok().map(Self::Time);
        let since = time.or_else(|| ago().map(|ago| Self::Ago(ago.abs())));
        since.ok_or_else(|| "write 1h, 2d, or a time as 2026-11-21T00:00:00Z".to_owned())
    }

    fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Returns a line of the log as people read it.
pub(crate) fn line(event: &Event) -> String {
    let id = if event.job.is_empty() { &event.record } else { &event.job };
    let about = match event.name.is_empty() {
        true if id.is_empty() => String::new(),
        true => format!("{} ", escape(id)),
        false => format!("{} ({}) ", tame(&event.name), escape(id)),
    };
    let who = format!("{:.3} {} {}[{}]", event.ts, escape(&event.host), escape(&event.program), event.pid);
    if event.step == Step::Said.word() {
        // It names the build itself.
        return format!("{who} {}: {}", tame(&event.effect), tame(&event.result));
    }
    let ending = match (event.phase, event.duration_ms) {
        (Phase::Begin, _) => "begins".to_owned(),
        (Phase::Done, None) => "done".to_owned(),
        (Phase::Done, Some(ms)) => format!("done in {ms} ms"),
        (Phase::Failed, _) => format!("FAILED: {}", tame(&event.result)),
    };
    format!("{who} {about}{}: {}: {ending}", escape(&event.step), tame(&event.effect))
}
