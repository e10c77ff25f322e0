//! What the sites hold of what should have been delivered, or was released.

use super::{Lookout, place_of};
use crate::View;
use crate::plan::{Whereabouts, whereabouts};
use intraware_core::deliver::{self, Expected, Inspect, PayloadView, SidecarView, SiteView, Strength};
use intraware_core::exit::Fault;
use intraware_core::record::Record;
use intraware_core::sidecar::{SidecarKind, Sidecars};
use intraware_core::site::{Link, Place, SiteError, SiteErrorKind};
use intraware_core::sites::{Contact, Names, no_site};
use intraware_core::spool::{Job, Room};
use intraware_core::txlog::chain;

/// Looks at the sites for a record that is Completed, if somebody asks for it, or if there is a job beside it
/// that waits or was delivered. Where packages are handed in nothing can be looked at.
pub(super) fn look_at_completed(
    lookout: &mut Lookout<'_, '_>,
    record: &Record,
    jobs: &[&Job],
    is_named: bool,
) -> Option<View> {
    let described = match whereabouts(record, jobs) {
        Whereabouts::In(job) => Some(job),
        Whereabouts::Nowhere => None,
    };
    let is_beside = |job: &&&Job| described.is_none_or(|described| described.id != job.id);
    let is_live = |job: &&&Job| job.room != Room::Parked && job.has_payload;
    let is_misplaced = described.is_some_and(|job| is_live(&&job) && job.room != Room::Sent);
    if !is_named && !is_misplaced && !jobs.iter().filter(is_beside).any(|job| is_live(&job)) {
        return None;
    }
    let place = match described {
        Some(job) => job.manifest.place.clone(),
        None => place_of(lookout.roots, record).ok()?,
    };
    let at = lookout.roles.required(&place).shelves();
    let expected = Expected {
        sha256: described.map(|job| job.manifest.digests.sha256),
        // Where another was prepared it may be what stands there, of the same size.
        depth: if jobs.iter().any(|job| is_beside(&job)) {
            Inspect::ReadBack
        } else {
            Inspect::SizeAndServerHash
        },
        ..expected(record, None, None)?
    };
    (!at.is_empty()).then(|| look_at(lookout, &place, &at, &expected, None))
}

/// Looks at every site that must have the build.
pub(super) fn look_at_sites(lookout: &mut Lookout<'_, '_>, record: &Record, job: Option<&Job>) -> View {
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
    look_at(lookout, &place, &at, &expected, job)
}

/// Looks at each of these sites.
fn look_at(
    lookout: &mut Lookout<'_, '_>,
    place: &Place,
    at: &Names,
    expected: &Expected<'_>,
    job: Option<&Job>,
) -> View {
    let mut all = View::Right { place: place.clone(), at: at.clone(), verified_by: Strength::ReadBack };
    for contact in lookout.contacts.iter_mut().filter(|contact| at.iter().any(|name| name == contact.name()))
    {
        let view = look_at_site(contact, place, expected, job);
        all = all.and(view, contact.name(), at);
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
                let site = link.site().name().to_owned();
                return Err(View::Resting { site, reason: error.message });
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
    /// Adds what was seen at one more site. What is wrong at one counts more than that another does not tell;
    /// and all together are known as well as the one that is known least.
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
            (_, Err(Self::Resting { site, reason })) => Self::Resting { site, reason },
            (all, Err(Self::Right { .. })) => all,
        }
    }
}

/// Returns what must be at the site: what the job says, or else what the record does. With a job, the
/// uploader has verified the bytes already; without one, they are read back if the site does not hash them.
pub(crate) fn expected<'a>(
    record: &Record,
    job: Option<&Job>,
    sidecars: Option<&'a Sidecars>,
) -> Option<Expected<'a>> {
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

/// Returns the first thing that is wrong at the site, if any is. A delivery of which the spool knows nothing
/// may be one of the programs before these, which put no `.SHA256`.
pub(crate) fn wrong(view: &SiteView, is_ours: bool) -> Option<String> {
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
pub(crate) fn strength(view: &SiteView, job: Option<&Job>, site: &str) -> Strength {
    let by_uploader = job.and_then(|job| job.receipt(site)).map(|receipt| receipt.delivery.verified_by);
    match view.payload {
        PayloadView::Right(Strength::Size) => by_uploader.unwrap_or(Strength::Size),
        PayloadView::Right(strength) => strength,
        _ => Strength::Size,
    }
}
