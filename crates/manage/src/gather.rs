//! Looks at everything a plan depends on, and changes nothing.
//!
//! Records first, then the spool, then the build directories of what is to be prepared, then the sites for
//! what should have been delivered. A site is connected to only if there is something to confirm at it. Where
//! packages are handed in nothing can be looked at: there the receipt counts, and what has none is not there.

pub(super) mod sites;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use self::sites::{look_at_completed, look_at_sites};
use super::plan::{Whereabouts, is_parked_for_a_hold, whereabouts};
use super::{Snapshot, Source};
use intraware_core::build_dir::{BuildDir, BuildError, BuildRoots};
use intraware_core::clock::Doubt;
use intraware_core::exit::{Fault, HasFault};
use intraware_core::fingerprint::TreePolicy;
use intraware_core::fingerprint::survey;
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::run::{RunContext, Stopped};
use intraware_core::site::Place;
use intraware_core::sites::{Contact, Roles};
use intraware_core::spool::{Found, Hold, Job, Release, Retry, Room, Spool, SpoolError};
use intraware_core::store::{RecordStore, StoreError};
use intraware_core::txlog::chain;

/// Where to look.
pub struct Lookout<'a, 's> {
    /// The records.
    pub store: &'a mut dyn RecordStore,
    /// The spool.
    pub spool: &'a Spool,
    /// Where builds lie.
    pub roots: &'a BuildRoots,
    /// What a build may hold.
    pub policy: &'a TreePolicy,
    /// What the sites are for.
    pub roles: &'a Roles,
    /// The sites, each of which a role names.
    pub contacts: &'a mut [Contact<'s>],
    /// How far this host's clock is ahead of the spool's, if that was compared.
    pub ahead_of_spool: Option<SignedDuration>,
    /// The run.
    pub context: &'a RunContext,
}

/// Nothing can be planned.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The spool cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A build was asked for that has no record.
    #[error("no record has the id or name \"{}\"", intraware_core::foreign::escape(.0))]
    NoSuchBuild(String),
    /// The run was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl HasFault for GatherError {
    fn fault(&self) -> Fault {
        match self {
            Self::Store(error) => error.fault,
            Self::Spool(error) => error.fault,
            Self::NoSuchBuild(_) => Fault::Build,
            Self::Stopped(_) => Fault::TryLater,
        }
    }
}

/// Looks at all builds, or at those whose id or name is in `named`; at the others then only as far as they
/// may be in the way.
pub fn gather(lookout: &mut Lookout<'_, '_>, named: &[String]) -> Result<Snapshot, GatherError> {
    let mut seen = Snapshot::default();
    read_records(lookout.store, named, &mut seen)?;
    read_spool(lookout.spool, lookout.roles, &mut seen)?;
    if seen.named.is_none() {
        // A job that is kept for reference only has no more business with its record.
        read_owners(lookout.store, &mut seen, |job| {
            is_parked_for_a_hold(job) || (job.room != Room::Parked && job.has_payload)
        });
        seen.leftovers = lookout.spool.leftovers(lookout.context)?;
    }
    let mut jobs: BTreeMap<RecordId, Vec<Job>> = BTreeMap::new();
    for job in &seen.jobs {
        jobs.entry(job.id.record.clone()).or_default().push(job.clone());
    }
    for record in &seen.records {
        if let Ok(place) = place_of(lookout.roots, record) {
            seen.places.insert(record.id.clone(), place);
        }
    }
    for record in &seen.records {
        lookout.context.stop.check()?;
        if record.status == Status::Completed && seen.is_asked_for(&record.id) {
            let own: Vec<&Job> = jobs.get(&record.id).into_iter().flatten().collect();
            let view = look_at_completed(lookout, record, &own, seen.named.is_some());
            seen.views.extend(view.map(|view| (record.id.clone(), view)));
        }
        let is_due = seen.is_asked_for(&record.id) && seen.selected.contains(&record.id);
        if !is_due || seen.holds.contains_key(&record.id) {
            continue;
        }
        match record.status {
            Status::Empty | Status::Error => {
                seen.sources.insert(record.id.clone(), look_at_source(lookout, record));
            }
            Status::InProcess => {
                let own: Vec<&Job> = jobs.get(&record.id).into_iter().flatten().collect();
                let job = match whereabouts(record, &own) {
                    Whereabouts::In(job) if job.room == Room::Sent => Some(job),
                    Whereabouts::In(_) => continue,
                    Whereabouts::Nowhere => None,
                };
                seen.views.insert(record.id.clone(), look_at_sites(lookout, record, job));
            }
            Status::Completed | Status::DoNotRelease | Status::Other(_) => {}
        }
    }
    seen.doubt = Doubt::of(lookout.ahead_of_spool, lookout.store.clock_ahead());
    Ok(seen)
}

/// Reads the records that are due, and those asked for by name. The owners of jobs come in [`read_owners`].
fn read_records(
    store: &mut dyn RecordStore,
    named: &[String],
    seen: &mut Snapshot,
) -> Result<(), GatherError> {
    let selected = store.select()?;
    seen.selected = selected.records.iter().map(|record| record.id.clone()).collect();
    seen.records = selected.records;
    seen.incomplete = selected.missing.map(|error| (error.fault, chain(&error)));
    for word in named {
        let found = store.find(word)?;
        if found.is_empty() {
            return Err(GatherError::NoSuchBuild(word.clone()));
        }
        for record in found {
            seen.named.get_or_insert_default().insert(record.id.clone());
            let is_due = matches!(record.status, Status::Empty | Status::Error | Status::InProcess);
            if is_due && !seen.selected.contains(&record.id) && seen.incomplete.is_none() {
                seen.left_out.insert(record.id.clone(), store.why_left_out(&record)?);
            }
            if seen.records.iter().all(|known| known.id != record.id) {
                seen.records.push(record);
            }
        }
    }
    Ok(())
}

/// Reads the whole spool.
pub(super) fn read_spool(spool: &Spool, roles: &Roles, seen: &mut Snapshot) -> Result<(), GatherError> {
    // In flow order: a job that an uploader moves meanwhile is seen once or twice, but never missed.
    for room in Room::ALL {
        for found in spool.list(room)? {
            match found {
                Found::Job(job) => seen.jobs.push(*job),
                Found::Unreadable(unreadable) => seen.unreadable.push(unreadable),
            }
        }
    }
    seen.holds = by_record(spool.notes::<Hold>()?, |hold| hold.record.clone());
    seen.retries = by_record(spool.notes::<Retry>()?, |retry| retry.record.clone());
    seen.releases = spool.notes::<Release>()?;
    let names = roles.0.iter().map(|role| role.name.clone());
    seen.tells_cases = names.filter(|site| spool.tells_cases(site)).collect();
    seen.lock_files = spool.job_locks()?;
    seen.busy = spool.busy(&seen.lock_files);
    seen.outages = roles.outages(spool);
    let required = roles.0.iter().filter(|role| role.is_required && !role.is_desk);
    let misfits = required.filter_map(|role| spool.misfit(&role.name, role.must_prove));
    seen.misfits = misfits.map(|misfit| (misfit.site.clone(), misfit)).collect();
    Ok(())
}

/// Reads the records that own one of these jobs and are not due themselves: held, completed, or gone.
pub(super) fn read_owners(store: &mut dyn RecordStore, seen: &mut Snapshot, wanted: impl Fn(&Job) -> bool) {
    let known: BTreeSet<&RecordId> = seen.records.iter().map(|record| &record.id).collect();
    let owners = seen.jobs.iter().filter(|job| wanted(job)).map(|job| &job.id.record);
    let owners: BTreeSet<&RecordId> = owners.filter(|id| !known.contains(id)).collect();
    let owners: Vec<RecordId> = owners.into_iter().cloned().collect();
    if owners.is_empty() {
        return;
    }
    match store.get(&owners) {
        Ok(records) => seen.records.extend(records),
        Err(error) => {
            seen.incomplete.get_or_insert((error.fault, chain(&error)));
        }
    }
}

fn by_record<N>(notes: Vec<N>, record: impl Fn(&N) -> RecordId) -> BTreeMap<RecordId, N> {
    notes.into_iter().map(|note| (record(&note), note)).collect()
}

fn look_at_source(lookout: &Lookout<'_, '_>, record: &Record) -> Source {
    let look = || -> Result<Source, BuildError> {
        let dir = resolve(lookout.roots, record)?;
        let survey = survey(&dir, lookout.policy)?;
        let place = match Place::of_build(dir.below()) {
            Ok(place) => place,
            Err(error) => return Ok(Source::Faulty { reason: error.to_string() }),
        };
        Ok(Source::Found { place, survey })
    };
    look().unwrap_or_else(|error| match error.fault() {
        Fault::Build => Source::Faulty { reason: chain(&error) },
        fault => Source::Unknown { fault, reason: chain(&error) },
    })
}

/// Opens a record's build directory.
pub(super) fn resolve(roots: &BuildRoots, record: &Record) -> Result<BuildDir, BuildError> {
    roots.resolve(record.build_path.as_deref().unwrap_or_default())
}

/// Returns where a record's payload belongs, also when its build directory is not there any more.
pub(super) fn place_of(roots: &BuildRoots, record: &Record) -> Result<Place, String> {
    let below = roots.below(record.build_path.as_deref().unwrap_or_default()).map_err(|e| chain(&e))?;
    Place::of_build(below).map_err(|e| e.to_string())
}
