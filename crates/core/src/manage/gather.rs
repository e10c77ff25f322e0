//! Looks at everything a plan depends on, and changes nothing.
//!
//! Records first, then the spool, then the build directories of what is to be prepared, then the sites for what should
//! have been delivered. A site is connected to only if there is something to confirm at it. Where packages are handed in
//! nothing can be looked at: there the receipt counts, and what has none is not there.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::plan::{Whereabouts, is_parked_for_a_hold, whereabouts};
use super::{Snapshot, Source, View};
use crate::build_dir::{BuildDir, BuildError, BuildRoots};
use crate::clock::Doubt;
use crate::deliver::{self, Expected, Inspect, PayloadView, SidecarView, SiteView, Strength};
use crate::exit::Fault;
use crate::fingerprint::TreePolicy;
use crate::fingerprint::survey;
use crate::record::{Record, RecordId, Status};
use crate::run::{RunContext, Stopped};
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::{Link, Place, SiteError, SiteErrorKind};
use crate::sites::{Contact, Names, Roles, no_site};
use crate::spool::{Found, Hold, Job, Note, Release, Retry, Room, Spool, SpoolError};
use crate::store::{RecordStore, StoreError};
use crate::txlog::chain;

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
    #[error("no record has the id or name \"{}\"", crate::foreign::escape(.0))]
    NoSuchBuild(String),
    /// The run was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl GatherError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Store(error) => error.fault,
            Self::Spool(error) => error.fault,
            Self::NoSuchBuild(_) => Fault::Build,
            Self::Stopped(_) => Fault::TryLater,
        }
    }
}

/// Looks at all builds, or at those whose id or name is in `named`; at the others then only as far as they may be in
/// the way.
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
    seen.releases = spool.notes::<Release>()?.into_iter().map(|release| (release.key(), release)).collect();
    seen.lock_files = spool.job_locks()?;
    seen.busy = crate::upload::busy(spool, &seen.lock_files);
    seen.outages = crate::upload::outages(spool, roles);
    Ok(())
}

/// Reads the records that own one of these jobs and are not due themselves: held, completed, or gone.
pub(super) fn read_owners(store: &mut dyn RecordStore, seen: &mut Snapshot, wanted: impl Fn(&Job) -> bool) {
    let is_known = |id: &RecordId| seen.records.iter().any(|record| record.id == *id);
    let jobs = seen.jobs.iter().filter(|job| wanted(job));
    let mut owners: Vec<RecordId> =
        jobs.map(|job| job.id.record.clone()).filter(|id| !is_known(id)).collect();
    owners.sort();
    owners.dedup();
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
fn place_of(roots: &BuildRoots, record: &Record) -> Result<Place, String> {
    let below = roots.below(record.build_path.as_deref().unwrap_or_default()).map_err(|e| chain(&e))?;
    Place::of_build(below).map_err(|e| e.to_string())
}

/// Looks at every site that must have the build.
fn look_at_sites(lookout: &mut Lookout<'_, '_>, record: &Record, job: Option<&Job>) -> View {
    let place = match job {
        Some(job) => job.manifest.place.clone(),
        None => match place_of(lookout.roots, record) {
            Ok(place) => place,
            Err(reason) => return View::Wrong { reason },
        },
    };
    let sidecars = match job.map(|job| lookout.spool.sidecars(job)).transpose() {
        Ok(sidecars) => sidecars,
        Err(error) => return View::Unknown { fault: error.fault, reason: chain(&error) },
    };
    let Some(expected) = expected(record, job, sidecars.as_ref()) else {
        return View::Wrong { reason: "the record has no size or digests to compare with".to_owned() };
    };
    let at = lookout.roles.required(&place);
    if at.is_empty() {
        return View::Unknown { fault: Fault::Configuration, reason: no_site(&place) };
    }
    let mut all = View::Right { place: place.clone(), at: at.clone(), verified_by: Strength::ReadBack };
    for contact in lookout.contacts.iter_mut().filter(|contact| at.iter().any(|name| name == contact.name()))
    {
        let view = look_at_site(contact, &place, &expected, job);
        all = all.and(view, contact.name(), &at);
    }
    all
}

/// Returns how strongly the payload was verified at a site, or what is to be said instead.
fn look_at_site(
    contact: &mut Contact<'_>,
    place: &Place,
    expected: &Expected<'_>,
    job: Option<&Job>,
) -> Result<Strength, View> {
    let link = match contact {
        Contact::Shelf { link, .. } => link,
        Contact::Desk { name } => return look_at_receipt(job, name),
    };
    let look = |link: &mut Link<'_>| -> Result<deliver::SiteView, SiteError> {
        deliver::inspect(link.open()?, place, expected)
    };
    match look(link) {
        Err(error) => {
            link.heard(error.kind);
            if error.kind == SiteErrorKind::Resting {
                return Err(View::Resting { reason: error.message });
            }
            Err(View::Unknown { fault: error.kind.fault(), reason: chain(&error) })
        }
        Ok(view) => match wrong(&view, job.is_some()) {
            None => Ok(strength(&view, job, link.site().name())),
            Some(reason) => Err(View::Wrong { reason }),
        },
    }
}

/// Returns how strongly the server of a desk has verified a payload, by its receipt.
fn look_at_receipt(job: Option<&Job>, site: &str) -> Result<Strength, View> {
    let receipt = job.and_then(|job| job.receipt(site)).map(|receipt| receipt.delivery.verified_by);
    receipt.ok_or_else(|| View::Wrong {
        reason: "there is no receipt of it, and nothing there can be looked at".to_owned(),
    })
}

impl View {
    /// Adds what was seen at one more site. What is wrong at one counts more than that another does not tell; and all
    /// together are known as well as the one that is known least.
    fn and(self, seen: Result<Strength, Self>, site: &str, at: &Names) -> Self {
        let told =
            |reason: String| if at.must_be_told() { format!("{reason} (site {site})") } else { reason };
        match (self, seen) {
            (Self::Right { place, at, verified_by }, Ok(strength)) => {
                Self::Right { place, at, verified_by: verified_by.min(strength) }
            }
            (all, Ok(_)) => all,
            (all @ Self::Wrong { .. }, Err(_)) => all,
            (_, Err(Self::Wrong { reason })) => Self::Wrong { reason: told(reason) },
            (all @ Self::Unknown { .. }, Err(_)) => all,
            (_, Err(Self::Unknown { fault, reason })) => Self::Unknown { fault, reason: told(reason) },
            (_, Err(Self::Resting { reason })) => Self::Resting { reason },
            (all, Err(Self::Right { .. })) => all,
        }
    }
}

/// Returns what must be at the site: what the job says, or else what the record does. With a job, the uploader has
/// verified the bytes already; without one, they are read back if the site does not hash them.
fn expected<'a>(record: &Record, job: Option<&Job>, sidecars: Option<&'a Sidecars>) -> Option<Expected<'a>> {
    Some(match job.map(|job| job.manifest.digests) {
        Some(digests) => Expected {
            size: digests.size,
            md5: Some(digests.md5),
            sha1: Some(digests.sha1),
            sha256: Some(digests.sha256),
            sidecars,
            depth: Inspect::SizeAndServerHash,
        },
        None => Expected {
            size: record.size?,
            md5: Some(record.md5?),
            sha1: Some(record.sha1?),
            sha256: None,
            sidecars: None,
            depth: Inspect::ReadBack,
        },
    })
}

/// Returns the first thing that is wrong at the site, if any is. A delivery of which the spool knows nothing may be one
/// of the programs before these, which put no `.SHA256`.
fn wrong(view: &SiteView, is_ours: bool) -> Option<String> {
    let payload = match view.payload {
        PayloadView::Right(_) => None,
        PayloadView::Absent => Some("the payload is missing".to_owned()),
        PayloadView::WrongSize { found } => {
            Some(format!("the payload has {found} bytes, which is not its size"))
        }
        PayloadView::WrongContent => Some("the payload has the right size and other content".to_owned()),
        PayloadView::NotRegular => Some("the payload's name is not that of a regular file".to_owned()),
    };
    payload.or_else(|| {
        view.sidecars.iter().find_map(|(kind, view)| match view {
            SidecarView::Present => None,
            SidecarView::Absent if *kind == SidecarKind::Sha256 && !is_ours => None,
            SidecarView::Absent => Some(format!("the {} file is missing", kind.suffix())),
            SidecarView::Wrong => Some(format!("the {} file is wrong", kind.suffix())),
        })
    })
}

/// Returns how strongly the payload was verified: by this look, or by the uploader if that was stronger.
fn strength(view: &SiteView, job: Option<&Job>, site: &str) -> Strength {
    let by_uploader = job.and_then(|job| job.receipt(site)).map(|receipt| receipt.delivery.verified_by);
    match view.payload {
        PayloadView::Right(Strength::Size) => by_uploader.unwrap_or(Strength::Size),
        PayloadView::Right(strength) => strength,
        _ => Strength::Size,
    }
}
