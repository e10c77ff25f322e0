//! Decides what a run does. Pure: the same snapshot, policy and time give the same plan.
//!
//! A record's jobs are looked for in flow order, staged, upload, sent: a job only moves forward, so whoever
//! looks in that order cannot miss one that moves meanwhile.

mod chores;
mod completed;
mod place;
mod waits;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use self::chores::chores;
pub(super) use self::chores::is_parked_for_a_hold;
use self::place::{Claim, Claims, rivals};
use super::{BuildPlan, Chore, Plan, Rest, Snapshot, Source, Step, View};
use intraware_core::exit::Fault;
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::sites::{Roles, no_site};
use intraware_core::spool::{Flaw, Job, ParkKind, Room, Unreadable};

/// What the configuration and the command line say about planning.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What the sites are for; releases are noted under their names.
    pub roles: Roles,
    /// How long receipts and parked jobs are kept.
    pub keep: SignedDuration,
    /// Pauses after failures are not waited for: somebody asked for these builds now.
    pub skip_pauses: bool,
}

/// Where the payload that a record describes stands.
#[derive(Debug, Clone, Copy)]
pub enum Whereabouts<'a> {
    /// In this job.
    In(&'a Job),
    /// In no job of the spool.
    Nowhere,
}

/// Returns where the payload that `record` describes stands.
pub fn whereabouts<'a>(record: &Record, jobs: &[&'a Job]) -> Whereabouts<'a> {
    // What was spoilt, or whose payload somebody has removed, has none to go on with.
    let is_nothing = |job: &Job| {
        job.room == Room::Parked
            && !job.has_payload
            && job.parked.as_ref().is_none_or(|parked| parked.kind != ParkKind::Conflict)
    };
    let own = jobs.iter().filter(|job| is_described(record, job) && !is_nothing(job));
    own.min_by_key(|job| job.room).map_or(Whereabouts::Nowhere, |job| Whereabouts::In(job))
}

/// Returns whether `record` describes this job: the same bytes from the same build path.
fn is_described(record: &Record, job: &Job) -> bool {
    record.describes(&job.manifest.digests) && record.build_path.as_deref() == Some(&job.manifest.build_path)
}

/// Returns the plan for what was seen at `now`.
pub fn plan(seen: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    let mut jobs: BTreeMap<&RecordId, Vec<&Job>> = BTreeMap::new();
    for job in &seen.jobs {
        jobs.entry(&job.id.record).or_default().push(job);
    }
    let (rivals, claims) = (rivals(seen), Claims::of(seen));
    let mut builds: Vec<BuildPlan> = Vec::new();
    for record in seen.records.iter().filter(|record| seen.is_asked_for(&record.id)) {
        let jobs = jobs.get(&record.id).map_or(&[][..], Vec::as_slice);
        let case = Case { seen, policy, now, record, jobs, claims: &claims, rival: rivals.get(&record.id) };
        let (steps, rest) = case.decide();
        let hindrances = case.away(&steps, rest.as_ref());
        builds.push(BuildPlan { record: record.clone(), steps, rest, hindrances });
    }
    builds.sort_by_key(|build| {
        (is_long(build), build.record.priority.unwrap_or(i64::MAX), build.record.id.clone())
    });
    // What was kept long enough is a matter of clocks, and nothing else of the chores is urgent.
    let has_chores = seen.named.is_none() && seen.doubt.is_none();
    let mut chores = if has_chores { chores(seen, policy, now) } else { Vec::new() };
    // A job that a step takes up again is not removed before it, and what a step puts aside is left to it.
    let steps = || builds.iter().flat_map(|build| &build.steps);
    let used: Vec<&Job> = steps().filter_map(Step::job).collect();
    chores.retain(|chore| match chore {
        Chore::Discard { job } => !used.contains(&&**job),
        Chore::ParkUnreadable { found } => {
            !steps().any(|step| matches!(step, Step::PutAside { found: one, .. } if **one == *found))
        }
        Chore::RemoveLeftover { .. }
        | Chore::ParkOrphan { .. }
        | Chore::RemoveLock { .. }
        | Chore::ForgetRetry { .. } => true,
    });
    Plan { builds, chores, incomplete: seen.incomplete.clone(), doubt: seen.doubt }
}

/// Archiving takes long; what is quick comes first, so that no large build delays a release.
fn is_long(build: &BuildPlan) -> bool {
    build.steps.iter().any(|step| matches!(step, Step::Prepare { .. }))
}

/// What is to be said of a record that is not selected and was not asked for.
const LEFT_OUT: &str = "its build type, its path, or a field of records.filter";

type Decision = (Vec<Step>, Option<Rest>);

/// One record and all that bears on it.
struct Case<'a> {
    seen: &'a Snapshot,
    policy: &'a Policy,
    now: Timestamp,
    record: &'a Record,
    jobs: &'a [&'a Job],
    claims: &'a Claims<'a>,
    rival: Option<&'a Claim<'a>>,
}

impl Case<'_> {
    fn decide(&self) -> Decision {
        if let Some(hold) = self.seen.holds.get(&self.record.id) {
            return rest(Rest::Held(hold.clone()));
        }
        let is_due = matches!(self.record.status, Status::Empty | Status::Error | Status::InProcess);
        if let Some(found) = self.unreadable() {
            return self.decide_unreadable(found);
        }
        if is_due && !self.seen.selected.contains(&self.record.id) {
            return rest(match &self.seen.incomplete {
                Some((fault, reason)) => Rest::CannotLook { fault: *fault, reason: reason.clone() },
                None => {
                    let reason = self.seen.left_out.get(&self.record.id).cloned();
                    Rest::NotSelected { reason: reason.unwrap_or_else(|| LEFT_OUT.to_owned()) }
                }
            });
        }
        let (steps, rest) = match &self.record.status {
            Status::Empty | Status::Error => self.decide_due(),
            Status::InProcess => self.decide_in_process(),
            Status::Completed => self.decide_completed(),
            Status::DoNotRelease => {
                let reason = "the record is on Do Not Release";
                (self.park(self.live(), ParkKind::Held, reason), Some(Rest::DoNotRelease))
            }
            Status::Other(_) => (Vec::new(), Some(Rest::UnknownStatus)),
        };
        if self.seen.doubt.is_some() && steps.iter().any(Step::needs_key) {
            return self::rest(Rest::ClockInDoubt);
        }
        self.unless_busy(steps, rest)
    }

    /// Returns a decision, unless it moves jobs that another process has: they are moved under their lock
    /// only.
    fn unless_busy(&self, steps: Vec<Step>, rest: Option<Rest>) -> Decision {
        match self.seen.busy.get(&self.record.id) {
            Some(holder) if steps.iter().any(Step::moves_a_job) => {
                self::rest(Rest::InUse { holder: holder.clone() })
            }
            _ => (steps, rest),
        }
    }

    /// Returns something that may be one of the record's jobs and cannot be read.
    fn unreadable(&self) -> Option<&Unreadable> {
        let own = |found: &&Unreadable| {
            found.room != Room::Parked && found.id.as_ref().is_some_and(|id| id.record == self.record.id)
        };
        self.seen.unreadable.iter().find(own)
    }

    /// Nothing can be said about the record's jobs: none of them is missing, and no record is changed, as
    /// long as one of them may be read later. What is damaged is put aside, and the build fails where it
    /// would be prepared anew: it could be so each time. Of a build In Process the site tells more.
    fn decide_unreadable(&self, found: &Unreadable) -> Decision {
        let reason = found.to_string();
        let is_prepared_anew = matches!(self.record.status, Status::Empty | Status::Error)
            && self.seen.selected.contains(&self.record.id);
        match found.flaw {
            Flaw::Newer => rest(Rest::NewerFormat { reason }),
            Flaw::Damaged if is_prepared_anew => {
                let seen = match self.seen.sources.get(&self.record.id) {
                    Some(Source::Found { survey, .. }) => survey.fingerprint.to_string(),
                    Some(Source::Faulty { .. } | Source::Unknown { .. }) | None => String::new(),
                };
                self.unless_busy(vec![Step::PutAside { found: Box::new(found.clone()), seen }], None)
            }
            Flaw::Unread | Flaw::Damaged => rest(Rest::CannotLook { fault: Fault::Spool, reason }),
        }
    }

    /// Empty or Error: prepare the build, or adopt a job that was made of the same directory.
    fn decide_due(&self) -> Decision {
        let (place, survey) = match self.seen.sources.get(&self.record.id) {
            Some(Source::Found { place, survey }) => (place, survey),
            Some(Source::Faulty { reason }) => {
                return self.unless_pausing(reason, || self.fail(reason.clone(), reason.clone()));
            }
            Some(Source::Unknown { fault, reason }) => {
                return rest(Rest::CannotLook { fault: *fault, reason: reason.clone() });
            }
            None => return (Vec::new(), None),
        };
        let fingerprint = survey.fingerprint.to_string();
        let to = self.policy.roles.required(place);
        let nowhere = to.is_empty().then(|| no_site(place)).or_else(|| self.policy.roles.unnameable(place));
        let trouble = nowhere.or_else(|| self.collision(place, &to));
        if let Some(reason) = trouble {
            return self.unless_pausing(&reason, || self.fail(reason.clone(), reason.clone()));
        }
        if let Some(reason) = self.known_conflict(&fingerprint) {
            return if self.is_told(&reason) {
                rest(Rest::Refused { reason })
            } else {
                self.fail(reason, fingerprint)
            };
        }
        if let Some(wait) = self.misfit(&to) {
            return rest(wait);
        }
        self.unless_pausing(&fingerprint, || {
            let same = |job: &&&Job| {
                job.manifest.fingerprint == fingerprint
                    && self.record.build_path.as_deref() == Some(&job.manifest.build_path)
            };
            let adopted =
                self.live().filter(|job| job.has_payload).filter(|job| same(&job)).min_by_key(|job| job.room);
            let others = self.live().filter(|job| adopted.is_none_or(|adopted| adopted.id != job.id));
            let mut steps = self.park(
                others,
                ParkKind::Stale,
                "the record was reset, or the build directory has changed",
            );
            steps.push(match adopted {
                Some(job) => Step::Adopt { job: Box::new(job.clone()), to },
                None => Step::Prepare {
                    place: place.clone(),
                    to,
                    files: survey.entries,
                    bytes: survey.bytes,
                    survey: Box::new(survey.clone()),
                },
            });
            (steps, None)
        })
    }

    /// In Process: wherever the payload is, take it one step further.
    fn decide_in_process(&self) -> Decision {
        let others = self.live().filter(|job| !is_described(self.record, job));
        let mut steps = self.park(others, ParkKind::Stale, "the record describes another generation");
        let (more, rest) = match whereabouts(self.record, self.jobs) {
            Whereabouts::In(job) => match job.room {
                Room::Staged => self.hand_over(job),
                Room::Upload => match &job.attempts {
                    // The uploader cannot write to the record; what it found out about the build is told
                    // here.
                    Some(attempts) if attempts.fault == Fault::Build => {
                        self.fail(attempts.error.clone(), job.manifest.fingerprint.clone())
                    }
                    attempts => {
                        let last_error = attempts.as_ref().map(|attempts| attempts.error.clone());
                        rest(Rest::Waiting { job: job.id.clone(), last_error })
                    }
                },
                Room::Sent => self.decide_by_site(Some(job)),
                Room::Parked => self.decide_parked(job),
            },
            Whereabouts::Nowhere => self.decide_by_site(None),
        };
        steps.extend(more);
        (steps, rest)
    }

    fn hand_over(&self, job: &Job) -> Decision {
        let place = &job.manifest.place;
        let to = self.policy.roles.required(place);
        if to.is_empty() {
            // The build was right when it was prepared: it is the configuration that has changed.
            return rest(Rest::CannotLook { fault: Fault::Configuration, reason: no_site(place) });
        }
        if let Some(wait) = self.misfit(&to).or_else(|| self.outage(&to)) {
            return rest(wait);
        }
        (vec![Step::HandOver { job: Box::new(job.clone()), to }], None)
    }

    fn decide_by_site(&self, job: Option<&Job>) -> Decision {
        match self.seen.views.get(&self.record.id) {
            Some(View::Right { place, at, verified_by }) => {
                let roles = &self.policy.roles;
                let (also, at, verified_by) = (roles.optional(place), at.clone(), *verified_by);
                let lagging = job.map(|job| roles.lagging(job)).unwrap_or_default();
                let (job, place) = (job.map(|job| Box::new(job.clone())), place.clone());
                (vec![Step::Confirm { job, place, at, also, lagging, verified_by }], None)
            }
            Some(View::Wrong { reason }) => {
                let reason = match job {
                    Some(_) => format!("at the site: {reason}"),
                    None => {
                        format!("payload lost: it is neither in the spool nor whole at the site ({reason})")
                    }
                };
                // It may be parked because its payload was spoilt.
                let prepared = job.or(self.jobs.iter().copied().find(|job| is_described(self.record, job)));
                self.fail(reason, prepared.map_or_else(String::new, |job| job.manifest.fingerprint.clone()))
            }
            Some(View::Resting { site, reason }) => rest(self.resting(site, reason.clone())),
            Some(View::Unknown { fault, reason }) => {
                rest(Rest::CannotLook { fault: *fault, reason: reason.clone() })
            }
            None => (Vec::new(), None),
        }
    }

    /// The record is In Process and its job was taken out of the flow.
    fn decide_parked(&self, job: &Job) -> Decision {
        let parked = job.parked.as_ref();
        match parked.map_or(ParkKind::Stale, |parked| parked.kind) {
            // The reason to park it has gone: the record describes it again.
            ParkKind::Held | ParkKind::Stale => self.hand_over(job),
            ParkKind::Conflict | ParkKind::Damaged => {
                let reason = parked.map_or_else(String::new, |parked| parked.reason.clone());
                self.fail(reason, job.manifest.fingerprint.clone())
            }
        }
    }

    /// Returns the jobs that still have a payload to deliver or to keep.
    fn live(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().copied().filter(|job| job.room != Room::Parked && job.has_payload)
    }

    fn park<'j>(&self, jobs: impl Iterator<Item = &'j Job>, kind: ParkKind, reason: &str) -> Vec<Step> {
        jobs.map(|job| Step::Park { job: Box::new(job.clone()), kind, reason: reason.to_owned() }).collect()
    }

    fn fail(&self, reason: String, seen: String) -> Decision {
        (vec![Step::Fail { reason, seen }], None)
    }

    /// Returns whether the record says already why the build has failed.
    fn is_told(&self, reason: &str) -> bool {
        let retry = self.seen.retries.get(&self.record.id);
        self.record.status == Status::Error && retry.is_some_and(|retry| retry.reason == reason)
    }

    /// Takes `decision`, unless the same build failed before and the pause is not over.
    fn unless_pausing(&self, seen: &str, decision: impl FnOnce() -> Decision) -> Decision {
        let retry = self.seen.retries.get(&self.record.id).filter(|retry| {
            !self.policy.skip_pauses
                && self.record.status == Status::Error
                && (retry.seen == seen || retry.seen.is_empty())
                && retry.pause().is_on(self.now)
        });
        match retry {
            Some(retry) => rest(Rest::NotDue { next_try: retry.next_try, reason: retry.reason.clone() }),
            None => decision(),
        }
    }
}

fn rest(rest: Rest) -> Decision {
    (Vec::new(), Some(rest))
}

impl Snapshot {
    /// Returns whether a record is to be planned for.
    pub(super) fn is_asked_for(&self, record: &RecordId) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(record))
    }
}

#[cfg(test)]
mod tests;
