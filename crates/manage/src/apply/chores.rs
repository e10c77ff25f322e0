//! What keeps the spool from growing, and puts aside what cannot be read. Done first: a full spool stops
//! everything else.

use super::park::{parked, put_aside, take_lock};
use super::{Manager, Run, Trouble};
use crate::Chore;
use intraware_core::lock::Lock;
use intraware_core::spool::{Found, NoteKey, ParkKind, Retry};
use intraware_core::txlog::{Step, Subject};

impl Run<'_, '_> {
    /// Does one chore.
    pub(super) fn chore(&mut self, chore: &Chore) -> Result<(), Trouble> {
        let Manager { spool, log, context, .. } = self.manager;
        self.manager.lock.confirm()?;
        let effect = chore.to_string();
        match chore {
            Chore::RemoveLeftover { path } => {
                Ok(log.record(Subject::default(), Step::Chore, &effect, || spool.remove_leftover(path))?)
            }
            Chore::ParkUnreadable { found } => {
                let mut lock = match &found.id {
                    Some(id) => take_lock(spool, &id.record, context)?,
                    None => Lock::take(&spool.root().join("locks/strays.lock"), context)?,
                };
                if put_aside(&self.manager, found, &mut lock)? {
                    tracing::warn!("{effect}");
                }
                Ok(())
            }
            Chore::ParkOrphan { job } => {
                let mut lock = take_lock(spool, &job.id.record, context)?;
                if spool.find(job.room, &job.dir_name)? != Some(Found::Job(job.clone())) {
                    return Ok(());
                }
                let why = parked(ParkKind::Stale, "its record does not exist any more", context);
                let id = job.id.to_string();
                let subject = Subject { record: job.id.record.as_str(), job: &id };
                Ok(log.record(subject, Step::Chore, &effect, || spool.park(job, &why, context, &mut lock))?)
            }
            Chore::Discard { job } => {
                let mut lock = take_lock(spool, &job.id.record, context)?;
                let id = job.id.to_string();
                let subject = Subject { record: job.id.record.as_str(), job: &id };
                Ok(log.record(subject, Step::Chore, &effect, || spool.discard(job, context, &mut lock))?)
            }
            Chore::RemoveLock { record } => match take_lock(spool, record, context) {
                Ok(lock) => lock.remove().map_err(|e| Trouble::Moved(e.to_string())),
                Err(trouble) => Err(trouble),
            },
            Chore::ForgetRetry { record } => {
                spool.remove_note::<Retry>(&NoteKey::from(record))?;
                Ok(())
            }
        }
    }
}
