//! Compares what sites have with what was released there: once a record is Completed, nobody else looks
//! again.
//!
//! What was released is told by the notes of releases, and by the records, which have to be Completed. What
//! is only handed in cannot be looked at, and a site that lags is no site that differs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::gather::sites::{expected, wrong};
use super::gather::{GatherError, Lookout, place_of};
use super::plan::{Whereabouts, whereabouts};
use intraware_core::deliver::{self, Expected, Inspect, PayloadView, SiteView, Strength};
use intraware_core::digest::Sha256Hex;
use intraware_core::exit::Fault;
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::site::{Link, Place, SiteError};
use intraware_core::sites::Contact;
use intraware_core::spool::{Found, Job, Release, Room};
use intraware_core::txlog::chain;

/// One payload at one site.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// The build's record.
    pub record: RecordId,
    /// The build's name.
    pub name: String,
    /// The site's name.
    pub site: String,
    /// Where the payload belongs there.
    pub place: Place,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How what a site has compares with what was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Finding {
    /// It is the same.
    Right {
        /// As far as this was compared, now or when it was delivered.
        verified_by: Strength,
    },
    /// Something is missing or not what it was.
    Differs {
        /// What.
        reason: String,
        /// What a person can do.
        remedy: &'static str,
    },
    /// The site did not tell.
    Unseen {
        /// What has to happen.
        fault: Fault,
        /// Why.
        reason: String,
    },
}

/// The way back of what is missing.
const AGAIN: &str =
    "if the build is unchanged, set the record's status to empty: the same bytes go out again in one cycle";

/// The way back of what is another file now: nothing of ours takes its place.
const RENAME: &str = "find out who changed it, and rename it at the site; then, if the build is unchanged, set the record's status to empty: \
                      the same bytes go out again in one cycle";

/// Compares every build that is known to be released, or those whose id or name is in `named`, if they are
/// Completed.
pub fn verify(
    lookout: &mut Lookout<'_, '_>,
    named: &[String],
    depth: Inspect,
) -> Result<Vec<Verified>, GatherError> {
    let mut jobs: BTreeMap<RecordId, Vec<Job>> = BTreeMap::new();
    for found in lookout.spool.list(Room::Sent)? {
        if let Found::Job(job) = found {
            jobs.entry(job.id.record.clone()).or_default().push(*job);
        }
    }
    let mut releases: BTreeMap<RecordId, Vec<Release>> = BTreeMap::new();
    for release in lookout.spool.notes::<Release>()? {
        releases.entry(release.record.clone()).or_default().push(release);
    }
    let ids: BTreeSet<&RecordId> = jobs.keys().chain(releases.keys()).collect();
    let ids: Vec<RecordId> = ids.into_iter().cloned().collect();
    let mut records = read(lookout, named, &ids)?;
    records.retain(|record| record.status == Status::Completed);
    records.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let mut all = Vec::new();
    for record in records {
        let jobs: Vec<&Job> = jobs.get(&record.id).into_iter().flatten().collect();
        let job = match whereabouts(&record, &jobs) {
            Whereabouts::In(job) => Some(job),
            Whereabouts::Nowhere => None,
        };
        let releases = releases.get(&record.id).map_or(&[][..], Vec::as_slice);
        for target in targets(lookout, &record, job, releases) {
            lookout.context.stop.check()?;
            all.extend(compare(lookout, &record, job, target, depth));
        }
    }
    Ok(all)
}

/// Reads the records of these ids, or those that are asked for.
fn read(
    lookout: &mut Lookout<'_, '_>,
    named: &[String],
    ids: &[RecordId],
) -> Result<Vec<Record>, GatherError> {
    if named.is_empty() {
        return Ok(if ids.is_empty() { Vec::new() } else { lookout.store.get(ids)? });
    }
    let mut records: Vec<Record> = Vec::new();
    for word in named {
        let found = lookout.store.find(word)?;
        if found.is_empty() {
            return Err(GatherError::NoSuchBuild(word.clone()));
        }
        records.extend(found);
    }
    let mut seen = BTreeSet::new();
    records.retain(|record| seen.insert(record.id.clone()));
    Ok(records)
}

/// Where a payload should stand.
struct Target {
    site: String,
    place: Place,
    sha256: Option<Sha256Hex>,
}

/// Returns where a build was released: by the notes, or else where it goes by the configuration.
fn targets(
    lookout: &Lookout<'_, '_>,
    record: &Record,
    job: Option<&Job>,
    releases: &[Release],
) -> Vec<Target> {
    let of_job = job.map(|job| job.manifest.digests.sha256);
    let noted = releases.iter().map(|release| Target {
        site: release.site.clone(),
        place: release.place.clone(),
        sha256: of_job.or(release.sha256),
    });
    let lags = |target: &Target| {
        let lagging = job.filter(|job| job.has_payload).map(|job| lookout.roles.lagging(job));
        lagging.is_some_and(|lagging| lagging.iter().any(|name| name == target.site))
    };
    let noted: Vec<Target> = noted.filter(|target| !lags(target)).collect();
    if !releases.is_empty() {
        return noted;
    }
    let Ok(place) = place_of(lookout.roots, record) else { return Vec::new() };
    let sites = lookout.roles.required(&place);
    sites.iter().map(|site| Target { site: site.to_owned(), place: place.clone(), sha256: of_job }).collect()
}

/// Compares one payload at one site; nothing comes of a site where nothing can be looked at, or that is none
/// any more.
fn compare(
    lookout: &mut Lookout<'_, '_>,
    record: &Record,
    job: Option<&Job>,
    target: Target,
    depth: Inspect,
) -> Option<Verified> {
    let Target { site, place, sha256 } = target;
    let link = lookout.contacts.iter_mut().find_map(|contact| match contact {
        Contact::Shelf { link, .. } if link.site().name() == site => Some(link),
        Contact::Shelf { .. } | Contact::Desk { .. } => None,
    })?;
    let finding = match expected(record, None, None) {
        Some(known) => {
            let looked = look(link, &place, &Expected { sha256, depth, ..known });
            looked.map_or_else(unseen, |view| judge(&view, job, &site))
        }
        None => {
            let reason = "the record has no size or digests to compare with".to_owned();
            Finding::Differs { reason, remedy: "find out who changed the record" }
        }
    };
    Some(Verified { record: record.id.clone(), name: record.name.clone(), site, place, finding })
}

fn look(link: &mut Link<'_>, place: &Place, expected: &Expected<'_>) -> Result<SiteView, SiteError> {
    let looked = link.open().and_then(|session| deliver::inspect(session, place, expected));
    looked.inspect_err(|error| link.heard(error.kind))
}

fn unseen(error: SiteError) -> Finding {
    Finding::Unseen { fault: error.kind.fault(), reason: chain(&error) }
}

fn judge(view: &SiteView, job: Option<&Job>, site: &str) -> Finding {
    match wrong(view, job.is_some()) {
        None => Finding::Right { verified_by: super::gather::sites::strength(view, job, site) },
        Some(reason) => {
            let remedy = match view.payload {
                PayloadView::Absent | PayloadView::Right(_) => AGAIN,
                PayloadView::WrongSize { .. } | PayloadView::WrongContent | PayloadView::NotRegular => RENAME,
            };
            Finding::Differs { reason, remedy }
        }
    }
}
