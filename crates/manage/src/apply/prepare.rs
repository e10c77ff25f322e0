//! From a build directory to a staged job: resolve, survey, archive, sign, stage (M1 to M4).

use std::fs::File;
use std::io::{self, Write};

use super::park::put_aside;
use super::{Run, Trouble, Work};
use crate::gather::resolve;
use intraware_core::archive::{ArchiveError, archive};
use intraware_core::exit::Fault;
use intraware_core::file_size;
use intraware_core::fingerprint::Survey;
use intraware_core::run::{Amount, Stop, how_far};
use intraware_core::sidecar::Sidecars;
use intraware_core::site::Place;
use intraware_core::spool::{Found, Job, Manifest, Room};
use intraware_core::txlog::{Step, Subject, chain};

impl Run<'_, '_> {
    /// Archives and signs the record's build directory, which is what `surveyed` says, and stages the result.
    pub(super) fn prepare(
        &mut self,
        place: &Place,
        surveyed: &Survey,
        work: &mut Work,
    ) -> Result<Job, Trouble> {
        let manager = &self.manager;
        let key = manager.key.as_ref().map_err(Clone::clone)?;
        self.check_room(surveyed.bytes)?;
        let context = manager.context;
        let subject = Subject { record: work.record.id.as_str(), job: "" };
        let dir = resolve(manager.roots, &work.record)?;
        let build_date = dir.mtime()?;
        let work_dir = manager.spool.work_dir(context)?;
        let file = work_dir.create(place.payload_name())?;
        let mut signer = key.signer(context.now()).map_err(Trouble::Sign)?;
        let total = Amount { files: surveyed.files, bytes: surveyed.bytes };
        context.progress.begin(place.payload_name(), "files", total);
        let effect = format!("archive {} entries, {} bytes", surveyed.entries, surveyed.bytes);
        let mut out = Stoppable { file, stop: &context.stop };
        let mut read = 0;
        let archived = manager.log.record(subject, Step::M2, &effect, || {
            archive(&dir, surveyed, manager.effort, &mut out, &mut signer, &mut |done| {
                read = done.bytes;
                context.progress.advance(done)
            })
        });
        context.progress.end();
        let archived = match archived {
            // The writer fails to make the archive stop.
            Err(ArchiveError::Write(_)) if context.stop.check().is_err() => {
                return Err(match read {
                    0 => intraware_core::run::Stopped.into(),
                    read => Trouble::StoppedAfter(how_far(read, surveyed.bytes)),
                });
            }
            Err(error @ ArchiveError::Outdated { .. }) => return Err(Trouble::Moved(error.to_string())),
            Err(error) if error.fault() == Fault::Build => {
                let seen = surveyed.fingerprint.to_string();
                return Err(Trouble::Build { reason: chain(&error), seen });
            }
            archived => archived?,
        };
        let stages = archived.stages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        manager.log.note(subject, Step::Times, &format!("processor time/time at work of {stages}"));
        tracing::info!("{}: {stages}", intraware_core::foreign::escape(&work.record.name));
        for warning in &archived.warnings {
            tracing::warn!("{}: {warning}", intraware_core::foreign::escape(&work.record.name));
        }
        let signature =
            manager.log.record(subject, Step::M3, "sign, and verify the signature", || signer.finish());
        let signature = signature.map_err(Trouble::Sign)?;
        work_dir.close(out.file)?;
        let manifest = Manifest {
            format: 1,
            record: work.record.id.clone(),
            name: work.record.name.clone(),
            build_path: work.record.build_path.clone().unwrap_or_default(),
            place: place.clone(),
            digests: archived.digests,
            fingerprint: archived.fingerprint.to_string(),
            build_date,
            priority: work.record.priority,
            files: surveyed.entries,
            bytes: archived.bytes,
            signed_by: key.fingerprint(),
            created: context.now(),
            created_on: context.identity.host.clone(),
            released_before: work.record.released,
            warnings: archived.warnings.iter().map(ToString::to_string).collect(),
        };
        let sidecars = Sidecars::new(place.payload_name(), &manifest.digests, signature);
        let id = manifest.id();
        let name = id.to_string();
        let subject = Subject { job: &name, ..subject };
        let lock = work.lock.as_mut().ok_or_else(|| Trouble::Moved("its lock was let go".to_owned()))?;
        manager.log.record(subject, Step::M4, "move the job to staged", || {
            work_dir.commit(manager.spool, &manifest, &sidecars, lock)
        })?;
        work.done.push(format!("staged {} bytes as job {id}", manifest.digests.size));
        match manager.spool.find(Room::Staged, &id.to_string())? {
            Some(Found::Job(job)) => return Ok(*job),
            // Somebody, or the disk, was quick.
            Some(Found::Unreadable(found)) if put_aside(manager, &found, lock)? => {
                let seen = surveyed.fingerprint.to_string();
                return Err(Trouble::Damaged { reason: found.to_string(), seen });
            }
            Some(Found::Unreadable(_)) | None => {}
        }
        Err(Trouble::Moved(format!("job {id} vanished from staged")))
    }

    /// Refuses to begin what would fill the spool: an archive can be a little larger than the files in it.
    fn check_room(&self, bytes: u64) -> Result<(), Trouble> {
        let needed = bytes.saturating_add(bytes / 10);
        let free = self.manager.spool.free_space()?;
        if free < needed {
            let text = format!("the spool has {free} bytes free, this build may need {needed}; make room");
            return Err(Trouble::NoRoom(text));
        }
        Ok(())
    }
}

/// A file that accepts no more when the run was asked to stop, and that says why it must not grow.
struct Stoppable<'a> {
    file: File,
    stop: &'a Stop,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.file.write(bytes).map_err(file_size::told)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
