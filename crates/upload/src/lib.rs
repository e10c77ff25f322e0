//! What `upload` does: takes one waiting job after the other, delivers it, and lets it go.
//!
//! Any number of instances run at once, on any host. They need no login to the record store and get none.
//! With nothing to upload, no connection is opened.

pub mod apply;
pub mod plan;

use std::collections::BTreeMap;

use intraware_core::lock::Held;
use intraware_core::record::RecordId;
use intraware_core::sites::Roles;
use intraware_core::spool::{Found, Hold, Job, Outage, Room, Spool, SpoolError};

/// Everything an upload's plan depends on.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The jobs in the upload area.
    pub jobs: Vec<Job>,
    /// The jobs that were sent, and that sites which may lag do not have.
    pub lagging: Vec<Job>,
    /// What operators hold.
    pub holds: BTreeMap<RecordId, Hold>,
    /// The job locks that somebody holds.
    pub busy: BTreeMap<RecordId, Held>,
    /// The sites that could not be connected to, by name.
    pub outages: BTreeMap<String, Outage>,
}

impl Snapshot {
    /// Returns whether nothing waits for an upload.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.lagging.is_empty()
    }

    /// Looks into the spool. What is no whole job there is `manage`'s to put aside.
    pub fn take(spool: &Spool, roles: &Roles) -> Result<Self, SpoolError> {
        let mut jobs = Vec::new();
        for found in spool.list(Room::Upload)? {
            match found {
                Found::Job(job) => jobs.push(*job),
                Found::Unreadable(what) => {
                    tracing::warn!(
                        "upload/{} is left alone: {}",
                        intraware_core::foreign::escape(&what.dir_name),
                        what.reason
                    );
                }
            }
        }
        let mut lagging = Vec::new();
        if roles.has_optional() {
            lagging.extend(spool.list(Room::Sent)?.into_iter().filter_map(|found| match found {
                Found::Job(job) if job.has_payload && !roles.lagging(&job).is_empty() => Some(*job),
                Found::Job(_) | Found::Unreadable(_) => None,
            }));
        }
        if jobs.is_empty() && lagging.is_empty() {
            return Ok(Self::default());
        }
        let holds = spool.notes::<Hold>()?.into_iter().map(|hold| (hold.record.clone(), hold)).collect();
        let records: Vec<RecordId> = jobs.iter().chain(&lagging).map(|job| job.id.record.clone()).collect();
        Ok(Self { lagging, busy: spool.busy(&records), jobs, holds, outages: roles.outages(spool) })
    }
}
