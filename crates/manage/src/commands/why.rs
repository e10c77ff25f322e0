//! `manage why`: one page on one build.

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, parts, process};
use intraware_core::exit;
use intraware_core::foreign::{escape, tame};
use intraware_core::manage::{BuildPlan, Rest, Step};
use intraware_core::record::Status;
use intraware_core::spool::{Found, Job, Room, Spool};
use intraware_core::txlog::{self, Filter};

use super::run::Pauses;
use super::{log, run};

/// Which build.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Record id or name
    build: String,
}

/// How many of the last lines of the log are shown.
const LINES: usize = 8;

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config)?;
    // What the next run of cron will do, not what one for this build alone would.
    let builds = std::slice::from_ref(&arguments.build);
    let plan = run::look(&config, &context, &spool, builds, Pauses::Kept)?;
    for build in &plan.builds {
        output::text(page(build, &spool)?)?;
    }
    Ok(exit::OK)
}

fn page(build: &BuildPlan, spool: &Spool) -> Result<String, Failure> {
    let record = &build.record;
    let mut lines = vec![
        format!("build     {}", escape(&record.name)),
        format!("record    {}: {}{}", record.id, record.status, detail(record.detail.as_deref())),
        format!("path      {}", escape(record.build_path.as_deref().unwrap_or("none"))),
    ];
    for room in Room::ALL {
        for found in spool.list(room)? {
            match found {
                Found::Job(job) if job.id.record == record.id => {
                    lines.push(format!("spool     {}", whereabouts(&job)))
                }
                _ => {}
            }
        }
    }
    let doing: Vec<String> = build.steps.iter().map(Step::to_string).collect();
    let next = if doing.is_empty() { build.rest.iter().map(Rest::to_string).collect() } else { doing };
    lines.push(format!("next      {}", if next.is_empty() { "nothing".to_owned() } else { next.join("; ") }));
    lines.push(format!("unblock   {}", advice(build)));
    let filter = Filter { record: Some(record.id.to_string()), ..Filter::default() };
    if let Ok(merged) = txlog::read(&spool.log_dir(), &filter) {
        let skip = merged.events.len().saturating_sub(LINES);
        lines.extend(merged.events[skip..].iter().map(|event| format!("log       {}", log::line(event))));
    }
    Ok(lines.join("\n"))
}

fn detail(detail: Option<&str>) -> String {
    detail.map(|detail| format!(" ({})", tame(detail))).unwrap_or_default()
}

fn whereabouts(job: &Job) -> String {
    let mut text = format!("job {} in {}", job.id, job.room);
    for receipt in &job.receipts {
        let (by, at) = (receipt.delivery.verified_by, receipt.delivered);
        let to =
            if job.receipts.len() > 1 { format!(" to {}", escape(&receipt.site)) } else { String::new() };
        text.push_str(&format!(", delivered{to} {at:.0}, verified by {by}"));
    }
    if let Some(attempts) = &job.attempts {
        let (count, next) = (attempts.count, attempts.next_try);
        text.push_str(&format!(
            ", {count} failed deliveries ({}), next not before {next:.0}",
            tame(&attempts.error)
        ));
    }
    for (site, failed) in &job.lags {
        let (count, next) = (failed.count, failed.next_try);
        let (site, error) = (escape(site), tame(&failed.error));
        text.push_str(&format!(", {count} failed deliveries to {site} ({error}), next not before {next:.0}"));
    }
    if let Some(parked) = &job.parked {
        text.push_str(&format!(", parked {:.0}: {}", parked.at, tame(&parked.reason)));
    }
    text
}

/// Says what a person can do, as the exact command where there is one.
fn advice(build: &BuildPlan) -> String {
    let id = &build.record.id;
    if let Some(step) = build.steps.first() {
        return match step {
            Step::Fail { .. } => format!("put right what the error names, then: manage run --build {id}"),
            _ => format!("nothing does; the next run goes on, or now: manage run --build {id}"),
        };
    }
    match &build.rest {
        Some(Rest::Held(_)) => format!("manage release {id}"),
        Some(Rest::DoNotRelease) => "a person clears Do Not Release in the record store".to_owned(),
        Some(Rest::UnknownStatus) => {
            "set the status to a known one, or configure this one in records.values".to_owned()
        }
        Some(Rest::NotDue { .. }) => format!("manage retry {id}"),
        Some(Rest::Waiting { job, .. }) => format!("upload run --job {job}"),
        Some(Rest::Lagging { .. }) => format!("nothing does; upload goes on, or now: upload run --job {id}"),
        Some(Rest::SiteRests { .. }) => "upload check, once the site is well again".to_owned(),
        Some(Rest::InUse { .. }) => "wait for that process, or end it".to_owned(),
        Some(Rest::CannotLook { .. }) => "see manage check".to_owned(),
        Some(Rest::NotSelected) => {
            "correct the record, or records.values.build_type and records.filter".to_owned()
        }
        Some(Rest::NewerFormat { .. }) => "install the newer version on this host".to_owned(),
        Some(Rest::Completed) | None if build.record.status == Status::Completed => {
            "nothing is to be done".to_owned()
        }
        Some(Rest::Completed) | None => format!("manage run --build {id}"),
    }
}
