//! `manage why`: one page on one build, from what the next run would do and what the spool has.

mod page;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_core::exit::{self, Fault};
use intraware_core::record::{RecordId, Status};
use intraware_core::spool::{Found, Job, NoteKey, Retry, Room, Spool};
use intraware_core::txlog::{self, Event, Filter};
use intraware_manage::hindrance::Hindrance;
use intraware_manage::{BuildPlan, Rest, Step};
use jiff::Timestamp;

use self::page::{InSpool, Page};
use super::run;
use super::run::Pauses;

/// Which build.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Record id or name
    #[arg(value_hint = ValueHint::Other)]
    build: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How many of the last lines of the log are shown.
const LINES: usize = 8;

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    // What the next run of cron will do, not what one for this build alone would.
    let builds = std::slice::from_ref(&arguments.build);
    match run::look(&config, &context, &spool, builds, Pauses::Kept) {
        Ok(plan) => {
            let pages = plan.builds.iter().map(|build| whole(build, &spool, context.now()));
            show(&pages.collect::<Result<Vec<_>, _>>()?, arguments.json)?;
            Ok(exit::OK)
        }
        // There is no such build, or the command line is wrong.
        Err(failure) if matches!(failure.fault, None | Some(Fault::Build)) => Err(failure),
        Err(failure) => {
            show(&half(&arguments.build, &spool, &failure, context.now())?, arguments.json)?;
            Err(failure)
        }
    }
}

fn show(pages: &[Page], as_json: bool) -> Result<(), Failure> {
    match as_json {
        true => output::list("builds", pages),
        false => pages.iter().try_for_each(|page| output::text(page.text())),
    }
}

fn whole(build: &BuildPlan, spool: &Spool, now: Timestamp) -> Result<Page, Failure> {
    let record = &build.record;
    let note: Option<Retry> = spool.note(&NoteKey::from(&record.id))?;
    let jobs = jobs(spool)?;
    Ok(Page {
        record: record.id.clone(),
        name: record.name.clone(),
        status: Some(record.status.clone()),
        detail: record.detail.clone(),
        path: record.build_path.clone(),
        jobs: jobs.iter().filter(|job| job.id.record == record.id).map(|job| InSpool::of(job, now)).collect(),
        hold: spool.hold(&record.id)?.map(|hold| hold.to_string()),
        failed: note.and_then(|note| note.passing_told()),
        next: build.next(),
        unknown: None,
        unblock: advice(build),
        log: logged(&record.id, spool),
    })
}

/// Returns what the spool alone says of the builds with this id or name, because nothing could be planned: a
/// page for each record that has a job.
fn half(word: &str, spool: &Spool, failure: &Failure, now: Timestamp) -> Result<Vec<Page>, Failure> {
    let unread = spool.unread().filter(|unread| unread.lasting().is_some());
    let mut pages: BTreeMap<RecordId, Page> = BTreeMap::new();
    for job in jobs(spool)? {
        let record = &job.id.record;
        if record.as_str() != word && job.manifest.name != word {
            continue;
        }
        let page = match pages.entry(record.clone()) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => place.insert(Page {
                record: record.clone(),
                name: job.manifest.name.clone(),
                status: None,
                detail: None,
                path: Some(job.manifest.build_path.clone()),
                jobs: Vec::new(),
                hold: spool.hold(record)?.map(|hold| hold.to_string()),
                failed: unread.as_ref().map(ToString::to_string),
                next: Vec::new(),
                unknown: Some(failure.message.clone()),
                unblock: "see manage check".to_owned(),
                log: logged(record, spool),
            }),
        };
        page.jobs.push(InSpool::of(&job, now));
    }
    Ok(pages.into_values().collect())
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

/// Returns the last lines of the log about a record.
fn logged(record: &RecordId, spool: &Spool) -> Vec<Event> {
    let filter = Filter { build: Some(record.to_string()), ..Filter::default() };
    let Ok(mut merged) = txlog::read(&spool.log_dir(), &filter) else { return Vec::new() };
    merged.events.split_off(merged.events.len().saturating_sub(LINES))
}

/// What to do when a site has something else than was released.
fn alarm(id: &RecordId) -> String {
    format!("find out who changed the site; how it is put right says `manage verify {id}`")
}

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
            Step::Alarm { .. } => alarm(id),
            _ if build.steps.iter().any(|step| matches!(step, Step::Alarm { .. })) => alarm(id),
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
        Some(Rest::Held(_)) => format!("manage unhold {id}"),
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
