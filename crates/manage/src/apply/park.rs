//! Taking jobs out of the flow.

use super::{Manager, Run, Trouble, Work};
use intraware_core::foreign::escape;
use intraware_core::lock::{Lock, LockError};
use intraware_core::record::{RecordId, Status};
use intraware_core::run::RunContext;
use intraware_core::spool::{Found, Job, ParkKind, Parked, Spool, Unreadable};
use intraware_core::txlog::{Step, Subject};

impl Run<'_, '_> {
    /// Parks a job. That one was delivered beside a record that is Completed with another is said.
    pub(super) fn park(
        &mut self,
        job: &Job,
        kind: ParkKind,
        reason: &str,
        work: &mut Work,
    ) -> Result<(), Trouble> {
        let Manager { spool, log, context, .. } = self.manager;
        let why = parked(kind, reason, context);
        let id = job.id.to_string();
        let lock = work.lock.as_mut().ok_or_else(|| Trouble::Moved("its lock was let go".to_owned()))?;
        let subject = Subject { record: work.record.id.as_str(), job: &id };
        log.record(subject, Step::Park, &format!("park the job from {}: {reason}", job.room), || {
            spool.park(job, &why, context, lock)
        })?;
        if let (Status::Completed, Some(at)) = (&work.record.status, job.delivered()) {
            let name = escape(&work.record.name);
            tracing::warn!(
                "{name}: parked job {id}, which was delivered {at:.0}, although {reason} with another"
            );
        }
        work.done.push(format!("parked job {id}: {reason}"));
        Ok(())
    }
}

/// Takes something that is no whole job out of the flow, if it is so under the lock as well.
pub(super) fn put_aside(
    manager: &Manager<'_, '_>,
    found: &Unreadable,
    lock: &mut Lock,
) -> Result<bool, Trouble> {
    let Manager { spool, log, context, .. } = *manager;
    // It may turn out to have been moved, or to be whole after all.
    if spool.find(found.room, &found.dir_name)? != Some(Found::Unreadable(found.clone())) {
        return Ok(false);
    }
    let why = parked(ParkKind::Damaged, &found.reason, context);
    let effect = format!("park {}/{}: {}", found.room, escape(&found.dir_name), found.reason);
    log.record(Subject::default(), Step::Park, &effect, || {
        spool.park_unreadable(found, &why, context, lock)
    })?;
    Ok(true)
}

/// Returns what is written down of a job that is parked now.
pub(super) fn parked(kind: ParkKind, reason: &str, context: &RunContext) -> Parked {
    Parked { kind, reason: reason.to_owned(), at: context.now(), host: context.identity.host.clone() }
}

/// Takes the lock of a record's jobs.
pub(super) fn take_lock(spool: &Spool, record: &RecordId, context: &RunContext) -> Result<Lock, Trouble> {
    match Lock::take(&spool.job_lock(record), context) {
        Err(busy @ LockError::Busy(_)) => Err(Trouble::Moved(format!("its jobs are {busy}"))),
        taken => Ok(taken?),
    }
}
