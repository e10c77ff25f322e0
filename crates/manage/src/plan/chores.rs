//! What keeps the spool from growing, and what is put aside because it cannot be read.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::{Chore, Snapshot};
use super::{Policy, is_described};
use intraware_core::record::{RecordId, Status};
use intraware_core::spool::{Flaw, Job, ParkKind, Room};

/// Returns what is to be done besides the builds.
pub(super) fn chores(seen: &Snapshot, policy: &Policy, now: Timestamp) -> Vec<Chore> {
    let mut chores: Vec<Chore> =
        seen.leftovers.iter().map(|path| Chore::RemoveLeftover { path: path.clone() }).collect();
    let strays =
        seen.unreadable.iter().filter(|found| found.flaw == Flaw::Damaged && found.room != Room::Parked);
    chores.extend(strays.map(|found| Chore::ParkUnreadable { found: found.clone() }));
    // A job's record that was asked for and not answered does not exist; an incomplete look says nothing.
    let known: BTreeSet<&RecordId> = seen.records.iter().map(|record| &record.id).collect();
    if seen.incomplete.is_none() {
        let orphans = seen
            .jobs
            .iter()
            .filter(|job| job.room != Room::Parked && job.has_payload && !known.contains(&job.id.record));
        chores.extend(orphans.map(|job| Chore::ParkOrphan { job: Box::new(job.clone()) }));
        let forgotten = seen.retries.keys().filter(|record| !known.contains(record));
        chores.extend(forgotten.map(|record| Chore::ForgetRetry { record: record.clone() }));
    }
    let is_over = |job: &&Job| {
        kept_since(job).is_some_and(|since| now.duration_since(since) > policy.keep) && !is_wanted(job, seen)
    };
    chores.extend(seen.jobs.iter().filter(is_over).map(|job| Chore::Discard { job: Box::new(job.clone()) }));
    let with_jobs: BTreeSet<&RecordId> = seen.jobs.iter().map(|job| &job.id.record).collect();
    let idle = seen.lock_files.iter().filter(|id| !with_jobs.contains(id) && !seen.busy.contains_key(id));
    chores.extend(idle.map(|id| Chore::RemoveLock { record: id.clone() }));
    chores
}

/// Returns since when a job is only kept for reference; `None` while it is needed.
fn kept_since(job: &Job) -> Option<Timestamp> {
    let since = match job.room {
        Room::Staged | Room::Upload => None,
        Room::Sent if job.has_payload => None,
        Room::Sent => job.delivered(),
        Room::Parked => job.parked.as_ref().map(|parked| parked.at),
    };
    // What a clock says that was behind: nothing is put away before it is made.
    since.map(|since| since.max(job.manifest.created))
}

/// Returns whether a job that was parked for a hold may still go on: its hold may be lifted, and its payload
/// may be the only one.
fn is_wanted(job: &Job, seen: &Snapshot) -> bool {
    if !is_parked_for_a_hold(job) {
        return false;
    }
    match seen.records.iter().find(|record| record.id == job.id.record) {
        Some(record) => match record.status {
            Status::DoNotRelease => true,
            Status::InProcess => is_described(record, job),
            Status::Empty | Status::Error | Status::Completed | Status::Other(_) => false,
        },
        None => seen.incomplete.is_some(),
    }
}

/// Returns whether a job stands in parked because its record was on Do Not Release.
pub(crate) fn is_parked_for_a_hold(job: &Job) -> bool {
    job.has_payload && job.parked.as_ref().is_some_and(|parked| parked.kind == ParkKind::Held)
}
