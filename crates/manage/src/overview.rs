//! Every build at a glance, from the records and the spool alone: no build directory is read, no site is
//! asked.
//!
//! The two halves fail apart: while the records cannot be read, the spool's half is shown all the same, and
//! the store's fault is told beside it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Snapshot;
use super::gather::{GatherError, read_owners, read_spool};
use intraware_core::exit::Fault;
use intraware_core::lock::{self, Held};
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::sites::{Names, Roles};
use intraware_core::spool::{
    Attempts, Job, JobId, Misfit, Outage, ParkKind, Retry, Room, Spool, Unread, Unreadable,
};
use intraware_core::store::{RecordStore, StoreError, Usage};
use intraware_core::txlog::chain;

/// What `status` shows.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// One for each build that is due or has something in the spool.
    pub builds: Vec<Line>,
    /// Who holds manage.lock, if anybody.
    pub manage_lock: Option<Held>,
    /// What stands in the spool and is no whole job.
    pub unreadable: Vec<Unreadable>,
    /// How much of the store's allowance is used, if it has one.
    pub usage: Option<Usage>,
    /// The sites that could not be connected to.
    pub outages: Vec<Outage>,
    /// The required sites to which nothing can be delivered, as the last check of them has found.
    pub misfits: Vec<Misfit>,
    /// That `manage` could not read records, if that was so too often to pass by itself.
    pub unread: Option<Unread>,
    /// Why records may be missing, if so.
    pub incomplete: Option<String>,
    /// What has to happen before they can all be read.
    #[serde(skip)]
    pub fault: Option<Fault>,
}

/// One build.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The record's id.
    pub record: RecordId,
    /// The build's name; that of the job, if the record could not be read.
    pub name: String,
    /// The record's status; none if there is no such record any more, or if it could not be read.
    pub status: Option<Status>,
    /// Where its most advanced job stands.
    pub room: Option<Room>,
    /// That job.
    pub job: Option<JobId>,
    /// When that job stood whole at the site, if it did.
    pub delivered: Option<Timestamp>,
    /// The last error: of the record, the last delivery, or why the job is parked.
    pub last_error: Option<String>,
    /// Which sites lag with it, if some may and do.
    pub lagging: Names,
    /// Which sites it waits for, because they could not be connected to.
    pub waits_for: Vec<String>,
    /// When it is tried again, if it waits for that.
    pub next_try: Option<Timestamp>,
    /// Why an operator holds it, if one does.
    pub hold: Option<String>,
    /// Who is at work on it, if anybody.
    pub holder: Option<Held>,
}

/// Looks at all builds, at `now`; `store` may be the reason why there is none to be asked.
pub fn overview(
    store: Result<Box<dyn RecordStore>, StoreError>,
    spool: &Spool,
    roles: &Roles,
    now: Timestamp,
) -> Result<Overview, GatherError> {
    let mut seen = Snapshot::default();
    let selected = store.and_then(|mut store| Ok((store.select()?, store)));
    let usage = match selected {
        Ok((selected, mut store)) => {
            seen.records = selected.records;
            seen.incomplete = selected.missing.map(|error| (error.fault, chain(&error)));
            read_spool(spool, roles, &mut seen)?;
            read_owners(store.as_mut(), &mut seen, |_| true);
            store.usage()
        }
        // It is not asked again for each record that the spool names.
        Err(error) => {
            let reason = format!("the record store cannot be asked: {}", chain(&error));
            seen.incomplete = Some((error.fault, reason));
            read_spool(spool, roles, &mut seen)?;
            None
        }
    };
    let mut jobs: BTreeMap<&RecordId, Vec<&Job>> = BTreeMap::new();
    for job in &seen.jobs {
        jobs.entry(&job.id.record).or_default().push(job);
    }
    let mut records: BTreeMap<&RecordId, Option<&Record>> = jobs.keys().map(|id| (*id, None)).collect();
    records.extend(seen.records.iter().map(|record| (&record.id, Some(record))));
    let mut builds: Vec<Line> = records
        .into_iter()
        .map(|(id, record)| line(id, record, jobs.get(id).map_or(&[][..], Vec::as_slice), &seen, roles, now))
        .collect();
    builds.sort_by(|a, b| (&a.name, &a.record).cmp(&(&b.name, &b.record)));
    Ok(Overview {
        builds,
        manage_lock: lock::holder(&spool.manage_lock()).ok().flatten(),
        outages: seen.outages.into_values().filter(|outage| outage.is_believed(now)).collect(),
        misfits: seen.misfits.into_values().filter(|misfit| misfit.is_believed(now)).collect(),
        unread: spool.unread().filter(|unread| unread.lasting().is_some()),
        fault: seen.incomplete.as_ref().map(|(fault, _)| *fault),
        incomplete: seen.incomplete.map(|(_, reason)| reason),
        unreadable: seen.unreadable,
        usage,
    })
}

fn line(
    id: &RecordId,
    record: Option<&Record>,
    jobs: &[&Job],
    seen: &Snapshot,
    roles: &Roles,
    now: Timestamp,
) -> Line {
    // Of several, the one that is in the flow; of those, the one that came furthest.
    let job = jobs.iter().max_by_key(|job| (job.room != Room::Parked, job.room)).copied();
    let retry = seen.retries.get(id);
    // What failed before a delivery went well is over.
    let waiting = job.filter(|job| job.room == Room::Upload);
    let attempts = waiting.and_then(|job| job.attempts.as_ref());
    let parked = job.and_then(|job| job.parked.as_ref()).filter(|parked| parked.kind != ParkKind::Stale);
    let in_error = record.filter(|record| record.status == Status::Error);
    let own = in_error.and(retry).filter(|retry| retry.attempts > 0);
    let passing = retry.and_then(Retry::passing_told);
    let is_lasting = retry.is_some_and(|retry| retry.lasting().is_some());
    let errors = [
        passing.clone().filter(|_| is_lasting),
        in_error.and_then(|record| record.detail.clone()),
        own.map(|retry| retry.reason.clone()),
        attempts.map(Attempts::told),
        parked.map(|parked| parked.reason.clone()),
        passing,
    ];
    let name = record.map(|record| &record.name).or(job.map(|job| &job.manifest.name));
    Line {
        record: id.clone(),
        name: name.cloned().unwrap_or_default(),
        status: record.map(|record| record.status.clone()),
        room: job.map(|job| job.room),
        job: job.map(|job| job.id.clone()),
        delivered: job.and_then(Job::delivered),
        last_error: errors.into_iter().flatten().next(),
        lagging: match job {
            Some(job) if job.room == Room::Sent && job.has_payload => roles.lagging(job),
            _ => Names::default(),
        },
        waits_for: job.map_or_else(Vec::new, |job| waits_for(job, record, seen, roles, now)),
        next_try: own.map(Retry::pause).or(attempts.map(Attempts::pause)).map(|pause| pause.end(now)),
        hold: seen.holds.get(id).map(|hold| hold.reason.clone()),
        holder: seen.busy.get(id).cloned(),
    }
}

/// Returns the sites that a job waits for, because they could not be connected to.
fn waits_for(
    job: &Job,
    record: Option<&Record>,
    seen: &Snapshot,
    roles: &Roles,
    now: Timestamp,
) -> Vec<String> {
    let is_due = match record.map(|record| &record.status) {
        Some(Status::Empty | Status::Error | Status::InProcess) => true,
        // The record could not be read.
        None => true,
        Some(Status::Completed | Status::DoNotRelease | Status::Other(_)) => false,
    };
    if !is_due || !job.has_payload || job.room == Room::Parked {
        return Vec::new();
    }
    let is_away = |site: &&str| seen.outages.get(*site).is_some_and(|outage| outage.is_believed(now));
    roles.required(&job.manifest.place).iter().filter(is_away).map(str::to_owned).collect()
}
