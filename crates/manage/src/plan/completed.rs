//! What is done for a record that is Completed: its payload goes from the spool, and what else there is of it
//! is put away.
//!
//! A job that is delivered or waits beside such a record is out of the ordinary: the spool may be older than
//! the record. So the site is looked at before it is put away, and if that has something else than the record
//! describes, this is said loudly; the record stays as it is.

use jiff::{SignedDuration, Timestamp};

use super::{Case, Decision, is_described, rest};
use crate::{Rest, Step, View};
use intraware_core::spool::{Attempts, Job, ParkKind, Room};

impl Case<'_> {
    pub(super) fn decide_completed(&self) -> Decision {
        let others = self.live().filter(|job| job.room != Room::Sent || !is_described(self.record, job));
        let mut steps = self.park(others, ParkKind::Stale, "the record is Completed");
        match self.seen.views.get(&self.record.id) {
            None | Some(View::Right { .. }) => self.let_go(steps),
            Some(View::Wrong { reason }) => {
                // What the spool still has may be what is to be put back.
                steps.push(Step::Alarm { reason: reason.clone() });
                (steps, None)
            }
            Some(View::Unknown { fault, reason }) if !steps.is_empty() => {
                rest(Rest::CannotLook { fault: *fault, reason: reason.clone() })
            }
            Some(View::Resting { site, reason }) if !steps.is_empty() => {
                rest(self.resting(site, reason.clone()))
            }
            Some(View::Unknown { reason, .. } | View::Resting { reason, .. }) => {
                let (steps, rest) = self.let_go(steps);
                let unseen = || Rest::Unseen { reason: reason.clone() };
                (steps, rest.map(|rest| if matches!(rest, Rest::Completed) { unseen() } else { rest }))
            }
        }
    }

    /// Lets the payload go, unless sites that may lag still want it.
    fn let_go(&self, mut steps: Vec<Step>) -> Decision {
        let own = self.jobs.iter().find(|job| job.room == Room::Sent && is_described(self.record, job));
        let Some(job) = own.filter(|job| job.has_payload) else { return (steps, Some(Rest::Completed)) };
        let sites = self.policy.roles.lagging(job);
        let until = kept_until(job, self.policy.keep);
        if !sites.is_empty() && (self.now < until || self.seen.doubt.is_some()) {
            let why = |(site, failed): (&String, &Attempts)| format!("{site}: {}", failed.told());
            let reasons = job.lags.iter().map(why).collect();
            return (steps, Some(Rest::Lagging { sites, until, reasons }));
        }
        steps.push(Step::Retire { job: Box::new((*job).clone()), without: sites });
        (steps, Some(Rest::Completed))
    }
}

/// Returns until when a payload is kept for sites that may lag.
fn kept_until(job: &Job, keep: SignedDuration) -> Timestamp {
    let first = job.receipts.iter().map(|receipt| receipt.delivered).min().unwrap_or(Timestamp::UNIX_EPOCH);
    // What a clock says that was behind: nothing is delivered before it is made.
    first.max(job.manifest.created).saturating_add(keep).unwrap_or(Timestamp::MAX)
}
