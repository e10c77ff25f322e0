//! Whose a build's place is: a final name is one build's, and stays what it is once it is released.
//!
//! Names are compared without regard to letter case, since a site may not tell cases apart; only what was
//! released is told apart by its letters, where `upload check` has found that the site does. And where one
//! build has a file another cannot have a directory, as `z/p` and `z/p/p.tar.gz` would. What is found here is
//! found before anything is archived.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Case;
use crate::Snapshot;
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::site::Place;
use intraware_core::sites::Names;
use intraware_core::spool::{ParkKind, Room};

/// Somebody's right to a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    record: &'a RecordId,
    place: &'a Place,
    /// Where and when it was released, if it was.
    released: Option<(&'a str, Timestamp)>,
}

/// The claims to places, by what of them could be in somebody's way.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    /// By the final names, in lower case.
    files: BTreeMap<String, Vec<Claim<'a>>>,
    /// By the directories and those above them.
    directories: BTreeMap<String, Vec<Claim<'a>>>,
}

impl<'a> Claims<'a> {
    /// Returns those of jobs that are in the flow and of releases.
    pub(super) fn of(seen: &'a Snapshot) -> Self {
        let jobs = seen.jobs.iter().filter(|job| job.room != Room::Parked && job.has_payload);
        let jobs =
            jobs.map(|job| Claim { record: &job.id.record, place: &job.manifest.place, released: None });
        let released = seen.releases.iter().map(|release| Claim {
            record: &release.record,
            place: &release.place,
            released: Some((&release.site, release.at)),
        });
        let mut claims = Self::default();
        jobs.chain(released).for_each(|claim| claims.add(claim));
        claims
    }

    fn add(&mut self, claim: Claim<'a>) {
        files(claim.place).for_each(|name| self.files.entry(name).or_default().push(claim));
        directories(claim.place).for_each(|name| self.directories.entry(name).or_default().push(claim));
    }

    /// Returns the claims with which a build at this place cannot be.
    fn against(&self, place: &Place) -> impl Iterator<Item = Claim<'a>> {
        let at = |map: &BTreeMap<String, Vec<Claim<'a>>>, name: String| {
            map.get(&name).cloned().unwrap_or_default().into_iter()
        };
        let files = files(place)
            .flat_map(move |name| at(&self.files, name.clone()).chain(at(&self.directories, name)));
        files.chain(directories(place).flat_map(move |name| at(&self.files, name)))
    }
}

fn files(place: &Place) -> impl Iterator<Item = String> {
    place.files().map(|path| path.as_str().to_lowercase())
}

fn directories(place: &Place) -> impl Iterator<Item = String> {
    place.dir().with_parents().map(|path| path.as_str().to_lowercase())
}

/// Returns for each due record whose place one that is more entitled needs, the claim of that record. The
/// more entitled one is the one that is In Process already, then the more urgent one, then the one with the
/// lower id.
pub(super) fn rivals(seen: &Snapshot) -> BTreeMap<RecordId, Claim<'_>> {
    let is_due =
        |record: &&Record| matches!(record.status, Status::Empty | Status::Error | Status::InProcess);
    let mut due: Vec<_> = seen.records.iter().filter(is_due).collect();
    due.sort_by_key(|r| (r.status != Status::InProcess, r.priority.unwrap_or(i64::MAX), r.id.clone()));
    let (mut claims, mut rivals) = (Claims::default(), BTreeMap::new());
    for record in due {
        let Some(place) = seen.places.get(&record.id) else { continue };
        let rival = claims.against(place).next();
        match rival {
            Some(rival) => drop(rivals.insert(record.id.clone(), rival)),
            None => claims.add(Claim { record: &record.id, place, released: None }),
        }
    }
    rivals
}

impl Claim<'_> {
    /// Returns why a build cannot be at `place` beside this claim.
    fn refusal(&self, place: &Place) -> String {
        let Self { record, place: theirs, released } = self;
        let since = match released {
            Some((_, at)) => format!("{theirs} was released for record {record} on {at:.0}"),
            None => format!("record {record} is delivered to {theirs}"),
        };
        if *theirs == place {
            return match released {
                Some(_) => format!("{since}; a released path never changes"),
                None => format!(
                    "record {record} is delivered to the same place; give each build a path of its own"
                ),
            };
        }
        let why = if is_same_file(theirs, place) {
            let site =
                released.map_or_else(|| "a site may".to_owned(), |(site, _)| format!("site {site} may"));
            format!(
                "which differs from {place} in letter case alone, and {site} not tell them apart (see `upload check`)"
            )
        } else {
            format!(
                "and {place} needs a directory where that has a file, or a file where that has a directory"
            )
        };
        format!("{since}, {why}; give each build a path of its own")
    }
}

impl Case<'_> {
    /// Returns why another build has the place, if one does.
    pub(super) fn collision(&self, place: &Place, to: &Names) -> Option<String> {
        let is_in_the_way = |claim: &Claim<'_>| match claim.released {
            _ if *claim.record == self.record.id => false,
            None => true,
            Some((site, _)) => {
                to.iter().any(|name| name == site)
                    && (claim.place == place
                        || !self.seen.tells_cases.contains(site)
                        || !is_same_file(claim.place, place))
            }
        };
        let claim = self.rival.copied().or_else(|| self.claims.against(place).find(is_in_the_way));
        claim.map(|claim| claim.refusal(place))
    }

    /// Returns why the same build was refused before at the place it belongs to: archiving it again would
    /// change nothing. Somebody who asks for it by name, or had its failures forgotten, may have made room
    /// there.
    pub(super) fn known_conflict(&self, fingerprint: &str) -> Option<String> {
        let is_asked_for = self.policy.skip_pauses
            || (self.record.status == Status::Empty && !self.seen.retries.contains_key(&self.record.id));
        let jobs = self.jobs.iter().filter(|job| job.manifest.fingerprint == fingerprint && !is_asked_for);
        let mut parked = jobs.filter_map(|job| job.parked.as_ref());
        parked.find(|parked| parked.kind == ParkKind::Conflict).map(|parked| parked.reason.clone())
    }
}

/// Returns whether two places differ in letter case at most.
fn is_same_file(one: &Place, other: &Place) -> bool {
    one.to_string().to_lowercase() == other.to_string().to_lowercase()
}
