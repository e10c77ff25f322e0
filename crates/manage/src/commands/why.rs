//! `manage why`: one page on one build.

use std::collections::BTreeMap;

use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::{output, process};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{escape, tame};
use intraware_core::manage::hindrance::Hindrance;
use intraware_core::manage::{BuildPlan, Rest, Step};
use intraware_core::record::{RecordId, Status};
use intraware_core::spool::{Found, Job, NoteKey, Retry, Room, Spool};
use intraware_core::txlog::{self, Filter};
use jiff::Timestamp;

use super::run::Pauses;
use super::{log, run};

/// Which build.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Record id or name
    #[arg(value_hint = ValueHint::Other)]
    build: String,
}

/// How many of the last lines of the log are shown.
const LINES: usize = 8;

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    // What the next run of cron will do, not what one for this build alone would.
    let builds = std::slice::from_ref(&arguments.build);
    let plan = match run::look(&config, &context, &spool, builds, Pauses::Kept) {
        Ok(plan) => plan,
        // There is no such build, or the command line is wrong.
        Err(failure) if matches!(failure.fault, None | Some(Fault::Build)) => return Err(failure),
        Err(failure) => {
            for page in half_pages(&arguments.build, &spool, &failure, context.now())? {
                output::text(page)?;
            }
            return Err(failure);
        }
    };
    for build in &plan.builds {
        output::text(page(build, &spool, context.now())?)?;
    }
    Ok(exit::OK)
}

fn page(build: &BuildPlan, spool: &Spool, now: Timestamp) -> Result<String, Failure> {
    let record = &build.record;
    let mut lines = vec![
        format!("build     {}", escape(&record.name)),
        format!("record    {}: {}{}", record.id, record.status, detail(record.detail.as_deref())),
        format!("path      {}", escape(record.build_path.as_deref().unwrap_or("none"))),
    ];
    lines.extend(
        jobs(spool)?.iter().filter(|job| job.id.record == record.id).flat_map(|job| in_spool(job, now)),
    );
    let note: Option<Retry> = spool.note(&NoteKey::from(&record.id))?;
    lines.extend(note.and_then(|note| note.passing_told()).map(|told| format!("failed    {}", tame(told))));
    let next = build.next();
    lines.push(format!("next      {}", if next.is_empty() { "nothing".to_owned() } else { next.join("; ") }));
    lines.push(format!("unblock   {}", advice(build)));
    lines.extend(logged(&record.id, spool));
    Ok(once(lines, record.detail.as_deref()).join("\n"))
}

/// Says what a record says only where it says it. Short words stay: they may be part of others.
fn once(mut lines: Vec<String>, detail: Option<&str>) -> Vec<String> {
    let Some(detail) = detail.map(tame).filter(|detail| detail.len() >= 20) else { return lines };
    let begin = lines.iter().position(|line| line.contains(&detail)).map_or(lines.len(), |first| first + 1);
    for line in &mut lines[begin..] {
        *line = line.replace(&detail, "(as above)");
    }
    lines
}

/// Returns what the spool alone says of the builds with this id or name, because nothing could be planned: a page for
/// each record that has a job.
fn half_pages(word: &str, spool: &Spool, failure: &Failure, now: Timestamp) -> Result<Vec<String>, Failure> {
    let mut pages: BTreeMap<RecordId, Vec<String>> = BTreeMap::new();
    for job in jobs(spool)? {
        if job.id.record.as_str() != word && job.manifest.name != word {
            continue;
        }
        let first = || {
            vec![
                format!("build     {}", escape(&job.manifest.name)),
                format!("record    {}: not read", job.id.record),
                format!("path      {}", escape(&job.manifest.build_path)),
            ]
        };
        pages.entry(job.id.record.clone()).or_insert_with(first).extend(in_spool(&job, now));
    }
    let unread = spool.unread().filter(|unread| unread.lasting().is_some());
    for (record, page) in &mut pages {
        page.extend(spool.hold(record)?.map(|hold| format!("hold      {hold}")));
        page.extend(unread.as_ref().map(|unread| format!("failed    {unread}")));
        page.push(format!("next      unknown: {}", tame(&failure.message)));
        page.push("unblock   see manage check".to_owned());
        page.extend(logged(record, spool));
    }
    Ok(pages.into_values().map(|page| page.join("\n")).collect())
}

fn jobs(spool: &Spool) -> Result<Vec<Job>, Failure> {
    let mut jobs = Vec::new();
    for room in Room::ALL {
        jobs.extend(spool.list(room)?.into_iter().filter_map(|found| match found {
            Found::Job(job) => Some(*job),
            Found::Unreadable(_) => None,
        }));
    }
    Ok(jobs)
}

/// Returns where a job is, and what its archive does not keep of the build or keeps in another way.
fn in_spool(job: &Job, now: Timestamp) -> Vec<String> {
    let warned = job.manifest.warnings.iter().map(|warning| format!("warned    {}", tame(warning)));
    [format!("spool     {}", whereabouts(job, now))].into_iter().chain(warned).collect()
}

/// Returns the last lines of the log about a record.
fn logged(record: &RecordId, spool: &Spool) -> Vec<String> {
    let filter = Filter { build: Some(record.to_string()), ..Filter::default() };
    let Ok(merged) = txlog::read(&spool.log_dir(), &filter) else { return Vec::new() };
    let skip = merged.events.len().saturating_sub(LINES);
    merged.events[skip..].iter().map(|event| format!("log       {}", log::line(event))).collect()
}

fn detail(detail: Option<&str>) -> String {
    detail.map(|detail| format!(" ({})", tame(detail))).unwrap_or_default()
}

fn whereabouts(job: &Job, now: Timestamp) -> String {
    let mut text = format!("job {} in {}", job.id, job.room);
    for receipt in &job.receipts {
        let (by, at) = (receipt.delivery.verified_by, receipt.delivered);
        let to =
            if job.receipts.len() > 1 { format!(" to {}", escape(&receipt.site)) } else { String::new() };
        text.push_str(&format!(", delivered{to} {at:.0}, verified by {by}"));
    }
    // What failed before a delivery went well is over.
    if let Some(attempts) = job.attempts.as_ref().filter(|_| job.room == Room::Upload) {
        let (count, next) = (attempts.count, attempts.next_try);
        text.push_str(&format!(
            ", {} ({}), next not before {next:.0}",
            failed_deliveries(count),
            tame(attempts.told())
        ));
    }
    for (site, failed) in &job.lags {
        let (count, next) = (failed.count, failed.pause().end(now));
        let (site, error) = (escape(site), tame(failed.told()));
        let failed = failed_deliveries(count);
        text.push_str(&format!(", {failed} to {site} ({error}), next not before {next:.0}"));
    }
    if let Some(parked) = &job.parked {
        text.push_str(&format!(", parked {:.0}: {}", parked.at, tame(&parked.reason)));
    }
    text
}

fn failed_deliveries(count: u32) -> String {
    if count == 1 { "1 failed delivery".to_owned() } else { format!("{count} failed deliveries") }
}

/// What to do when a site has something else than was released.
const ALARM: &str = "find out who changed the site, and have what the record describes put back there";

/// What to do about a site that is away.
const PUT_RIGHT_AT_SITE: &str = "put right what that says, then: upload check";

fn put_right(hindrance: &Hindrance) -> String {
    format!("put right what that says, then: {}", hindrance.check())
}

/// Says what a person can do, as the exact command where there is one.
fn advice(build: &BuildPlan) -> String {
    let id = &build.record.id;
    if let Some(step) = build.steps.first() {
        return match step {
            Step::Fail { .. } => format!("put right what the error names, then: manage run --build {id}"),
            Step::PutAside { .. } => {
                "look at the spool's disk, and who removes or changes files there; the next run goes on"
                    .to_owned()
            }
            Step::Alarm { .. } => ALARM.to_owned(),
            _ if build.steps.iter().any(|step| matches!(step, Step::Alarm { .. })) => ALARM.to_owned(),
            _ => match build.hindrances.first() {
                Some(hindrance) => put_right(hindrance),
                None => {
                    format!(
                        "nothing needed; the next run goes on by itself. At once: manage run --build {id}"
                    )
                }
            },
        };
    }
    match &build.rest {
        // Trying is as good as checking, and delivers it as well.
        Some(Rest::Waiting { job, .. }) if !build.hindrances.is_empty() => {
            format!("put right what that says, then: upload run --job {job}")
        }
        Some(Rest::Held(_)) => format!("manage release {id}"),
        Some(Rest::DoNotRelease) => "a person clears Do Not Release in the record store".to_owned(),
        Some(Rest::UnknownStatus) => {
            "set the status to a known one, or configure this one in records.values".to_owned()
        }
        Some(Rest::Refused { .. }) => format!("do what the error says, then: manage retry {id}"),
        Some(Rest::NotDue { .. }) => format!("manage retry {id}"),
        Some(Rest::Waiting { job, .. }) => format!("upload run --job {job}"),
        Some(Rest::Lagging { .. }) => {
            format!("nothing needed; upload goes on by itself. At once: upload run --job {id}")
        }
        Some(Rest::Unseen { .. }) => {
            "nothing is to be done, unless the site has lost it: upload check".to_owned()
        }
        Some(Rest::Unfit(_)) => {
            format!("upload check, once the site is mended; to try all the same: manage run --build {id}")
        }
        Some(Rest::SiteRests { .. }) => PUT_RIGHT_AT_SITE.to_owned(),
        Some(Rest::InUse { .. }) => "wait for that process, or end it".to_owned(),
        Some(Rest::CannotLook { .. }) => "put right what that says, then: manage check".to_owned(),
        Some(Rest::ClockInDoubt) => "set this host's clock; see manage check".to_owned(),
        Some(Rest::NotSelected { .. }) => {
            "correct the record, or records.values.build_type and records.filter".to_owned()
        }
        Some(Rest::NewerFormat { .. }) => "install the newer version on this host".to_owned(),
        Some(Rest::Completed) | None if build.record.status == Status::Completed => {
            "nothing is to be done".to_owned()
        }
        Some(Rest::Completed) | None => format!("manage run --build {id}"),
    }
}
