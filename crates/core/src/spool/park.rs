//! Taking jobs out of the flow.
//!
//! The same may happen again and again to what is prepared anew: a disk that spoils it, a place that another
//! content has. So `parked` holds the latest job of each kind of one generation, and no more. What was
//! released under a job's name stays there, so a conflict is kept without its payload: nobody delivers it
//! from here.

use super::job::{self, Job, JobId, ParkKind, Parked};
use super::moves::{confirm, remove_if_there, rename};
use super::{Room, Spool, SpoolError, Unreadable, durable};
use crate::lock::Lock;
use crate::run::RunContext;

impl Spool {
    /// Takes a job out of the flow.
    pub fn park(
        &self,
        job: &Job,
        why: &Parked,
        context: &RunContext,
        lock: &mut Lock,
    ) -> Result<(), SpoolError> {
        let name = self.park_dir(job.room, &job.dir_name, why, lock)?;
        if why.kind == ParkKind::Conflict {
            remove_if_there(&self.room(Room::Parked).join(&name).join(job.manifest.place.payload_name()))?;
        }
        self.discard_earlier(&job.id, &name, why.kind, context)
    }

    /// Takes something that is no whole job out of the flow.
    pub fn park_unreadable(
        &self,
        found: &Unreadable,
        why: &Parked,
        context: &RunContext,
        lock: &mut Lock,
    ) -> Result<(), SpoolError> {
        let name = self.park_dir(found.room, &found.dir_name, why, lock)?;
        found.id.as_ref().map_or(Ok(()), |id| self.discard_earlier(id, &name, why.kind, context))
    }

    /// Moves a directory to parked, and returns the name that it has there.
    fn park_dir(
        &self,
        room: Room,
        dir_name: &str,
        why: &Parked,
        lock: &mut Lock,
    ) -> Result<String, SpoolError> {
        let from = self.room(room).join(dir_name);
        // A stray file has no room for the reason, and through a link it would be written elsewhere.
        if job::is_directory(&from) {
            durable::write_json(&from, job::PARKED, why, &self.mark)?;
        }
        confirm(lock)?;
        let taken = self.names(Room::Parked.dir_name())?;
        let numbered = (1u32..).map(|n| format!("{dir_name}.{n}"));
        let free = std::iter::once(dir_name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
        let name = free.unwrap_or_else(|| dir_name.to_owned());
        rename(&from, &self.room(Room::Parked).join(&name))?;
        Ok(name)
    }

    /// Removes what was parked before `latest` of the same generation and for the same kind of reason.
    fn discard_earlier(
        &self,
        id: &JobId,
        latest: &str,
        kind: ParkKind,
        context: &RunContext,
    ) -> Result<(), SpoolError> {
        let parked = self.room(Room::Parked);
        let is_same_kind = |name: &str| {
            let dir = parked.join(name);
            // Of what has no reason that can be read nothing is known.
            job::is_directory(&dir)
                && matches!(durable::read_json::<Parked>(&dir.join(job::PARKED)), Ok(Some(why)) if why.kind == kind)
        };
        for name in self.names(Room::Parked.dir_name())? {
            if name != latest && job::id_of(&name).as_ref() == Some(id) && is_same_kind(&name) {
                self.discard_dir(Room::Parked, &name, context)?;
            }
        }
        Ok(())
    }
}
