//! From a verified delivery to a completed record: note the release, confirm, let the payload go (C3, C4).

use super::{Run, Trouble, Work};
use intraware_core::record::Change;
use intraware_core::site::Place;
use intraware_core::sites::Names;
use intraware_core::spool::{Job, NoteKey, Release, Retry};
use intraware_core::store::WriteError;
use intraware_core::txlog::{Step, Subject};

impl Run<'_, '_> {
    /// Makes the record Completed and Ready for Intraware File Association, in one conditional write.
    ///
    /// The release at each site is noted before, so that no crash leaves a released payload that a later run
    /// would move aside. If the store says that it did not make the change, the notes go again.
    pub(super) fn confirm(
        &mut self,
        job: Option<&Job>,
        place: &Place,
        at: &Names,
        also: &Names,
        work: &mut Work,
    ) -> Result<(), Trouble> {
        let manager = &mut self.manager;
        let id = job.map(|job| job.id.to_string()).unwrap_or_default();
        let record = work.record.id.to_string();
        let subject = Subject { record: &record, job: &id };
        let mut new = Vec::new();
        for site in at.iter().chain(also.iter()) {
            let release = Release {
                site: site.to_owned(),
                place: place.clone(),
                record: work.record.id.clone(),
                generation: job.map(|job| job.id.generation),
                sha256: job.map(|job| job.manifest.digests.sha256),
                at: manager.context.now(),
            };
            if manager.spool.is_noted(&release)? {
                continue;
            }
            new.push(manager.log.record(
                subject,
                Step::C3,
                &format!("note that {place} is released"),
                || manager.spool.note_release(&release),
            )?);
        }
        manager.lock.confirm()?;
        let store = &mut *manager.store;
        let written = manager.log.record(
            subject,
            Step::C3,
            "set Completed and Ready for Intraware File Association",
            || store.write(&work.record, &Change::Delivered),
        );
        if let Err(error) = written {
            if matches!(error, WriteError::Refused { .. }) {
                for key in new {
                    manager.spool.remove_note::<Release>(&key)?;
                }
            }
            return Err(error.into());
        }
        work.done.push(format!(
            "verified {place} at {at}, set Completed and Ready for Intraware File Association"
        ));
        manager.spool.remove_note::<Retry>(&NoteKey::from(&work.record.id))?;
        Ok(())
    }

    /// Removes the payload of a completed build from the spool (C4); until then it was the second whole copy.
    pub(super) fn retire(&mut self, job: &Job, work: &mut Work) -> Result<(), Trouble> {
        let manager = &self.manager;
        let id = job.id.to_string();
        let subject = Subject { record: work.record.id.as_str(), job: &id };
        manager.log.record(subject, Step::C4, "remove the delivered payload from the spool", || {
            manager.spool.retire(job)
        })?;
        work.done.push("removed the delivered payload from the spool".to_owned());
        Ok(())
    }
}
