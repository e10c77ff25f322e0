//! A path that was released never changes: other content that comes to it is refused before the record
//! describes that.
//!
//! What a record of a released build says is what customers have, so it stays. The fence of M6 comes after
//! the record was written; this one is for what is known before.

use super::{Run, Trouble, Work};
use intraware_core::deliver::{Final, Released};
use intraware_core::record::Status;
use intraware_core::sites::Names;
use intraware_core::spool::Job;
use intraware_core::txlog::Subject;

impl Run<'_, '_> {
    /// Refuses a job whose place has another content, by the note of the release, or by the site where no
    /// note tells.
    pub(super) fn refuse_released(&mut self, job: &Job, to: &Names, work: &mut Work) -> Result<(), Trouble> {
        let (record, id) = (work.record.id.to_string(), job.id.to_string());
        let subject = Subject { record: &record, job: &id };
        for site in self.places_of(to) {
            let is_other = match self.released(job, site, work)? {
                Released::NotKnown => false,
                Released::Before(Some(released)) => released != job.id.generation,
                Released::Before(None) if self.is_desk(site) => false,
                released @ Released::Before(None) => {
                    let found = self.clear_final(job, site, released, subject);
                    found.map_err(|trouble| self.told(site, trouble))? == Final::Conflict
                }
            };
            if is_other {
                let reason = self.other_content(job, site)?;
                return Err(self.refuse(job, reason, work)?);
            }
        }
        Ok(())
    }

    /// Says what was released where a job of other content would go, and what can be done.
    fn other_content(&self, job: &Job, site: usize) -> Result<String, Trouble> {
        let manager = &self.manager;
        let (site, place, now) = (manager.contacts[site].name(), &job.manifest.place, job.id.generation);
        let released = match manager.spool.release(site, place)? {
            Some(release) => {
                let what = release.generation.map_or_else(
                    || "with other content".to_owned(),
                    |generation| format!("as SHA-256 {generation}…"),
                );
                format!("{} was released on {:.0} {what}", release.place, release.at)
            }
            None => format!("{place} was released before with other content"),
        };
        let at = if manager.contacts.len() > 1 { format!(" (site {site})") } else { String::new() };
        Ok(format!(
            "{released}{at}, now it is {now}… (times and modes count); make a new path for the new content, and to put \
             this record right set its status to {}",
            Status::InProcess
        ))
    }
}
