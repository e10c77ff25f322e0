//! The changes of the spool: each is one rename, and what had to be on disk before it is.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::attempts::Attempts;
use super::job::{self, Job, Manifest};
use super::receipt::{self, Receipt, Written};
use super::{Hold, Note as _, Release, Retry, Room, Spool, SpoolError, durable};
use crate::exit::{Fault, HasFault as _};
use crate::foreign;
use crate::lock::Lock;
use crate::run::{Identity, RunContext, has_ended};
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::probe::Capabilities;

/// A private directory of this run, removed with all that is in it unless it becomes a job.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
}

/// Numbers the work directories of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl WorkDir {
    /// Makes the file in which the payload is written.
    pub fn create(&self, name: &str) -> Result<File, SpoolError> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(&path).map_err(|e| SpoolError::io("create", &path, e))
    }

    /// Flushes the payload to disk and closes it.
    pub fn close(&self, file: File) -> Result<(), SpoolError> {
        durable::close(file).map_err(|e| SpoolError::io("flush to disk", &self.path, e))
    }

    /// Writes sidecars and manifest, and makes all of it a job in staged (M3, M4).
    ///
    /// If the job stands there already, that one is kept: it has the same content.
    pub fn commit(
        self,
        spool: &Spool,
        manifest: &Manifest,
        sidecars: &Sidecars,
        lock: &mut Lock,
    ) -> Result<(), SpoolError> {
        job::complete(&self.path, manifest, sidecars, &spool.mark)?;
        confirm(lock)?;
        let staged = spool.room(Room::Staged).join(manifest.id().to_string());
        if is_there(&staged)? {
            return Ok(());
        }
        rename(&self.path, &staged)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // A leftover is found and removed by a later run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Spool {
    /// Makes a work directory for this run.
    pub fn work_dir(&self, context: &RunContext) -> Result<WorkDir, SpoolError> {
        let Identity { host, pid, run, .. } = &context.identity;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.root().join("work").join(format!("{host}.{pid}.{run}.{number}"));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|e| SpoolError::io("make the directory", &path, e))?;
        Ok(WorkDir { path })
    }

    /// Returns the paths below the root of what dead runs left half done. To be asked by the run that holds
    /// manage.lock.
    ///
    /// That is every work directory of this host, and every half-written note of a kind that only `manage`
    /// writes: the one run that could be at work on them asks. Of other hosts' work directories, and of holds
    /// and what is known of sites, which people have written at any time, it is what has not changed for a
    /// day by the file server's clock.
    pub fn leftovers(&self, context: &RunContext) -> Result<Vec<String>, SpoolError> {
        let mine = format!("{}.", context.identity.host);
        let is_dead =
            |rest: &str| rest.split('.').next().and_then(|pid| pid.parse().ok()).is_some_and(has_ended);
        let mut found: Vec<(bool, String)> = Vec::new();
        for name in self.names("work")? {
            match name.strip_prefix(&mine) {
                // An uploader of this host may be at work there.
                Some(rest) if !is_dead(rest) => {}
                rest => found.push((rest.is_some(), format!("work/{name}"))),
            }
        }
        let notes =
            [(Retry::DIR, true), (Release::DIR, true), (Hold::DIR, false), (Capabilities::DIR, false)];
        for (dir, ours) in notes {
            let path = self.root().join(dir);
            let temps = durable::temps(&path).map_err(|e| SpoolError::io("list", &path, e))?;
            found.extend(temps.into_iter().map(|name| (ours, format!("{dir}/{name}"))));
        }
        let is_old = |path: &str| -> io::Result<bool> {
            let changed = fs::symlink_metadata(self.root().join(path))?.modified()?;
            let now = std::time::SystemTime::from(context.now());
            Ok(now.duration_since(changed).is_ok_and(|age| age.as_secs() > 24 * 3600))
        };
        found.retain(|(ours, path)| *ours || is_old(path).unwrap_or(false));
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Removes something that [`Self::leftovers`] has found.
    pub fn remove_leftover(&self, path: &str) -> Result<(), SpoolError> {
        let path = self.root().join(path);
        let removed =
            if job::is_directory(&path) { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SpoolError::io("remove", &path, e)),
            _ => Ok(()),
        }
    }

    /// Moves a job to another room.
    ///
    /// What stands there under the same name is of the same generation and goes: the papers of an earlier
    /// delivery of the same content, or a copy that somebody put there.
    pub fn transfer(
        &self,
        job: &Job,
        to: Room,
        context: &RunContext,
        lock: &mut Lock,
    ) -> Result<Job, SpoolError> {
        confirm(lock)?;
        let dir_name = job.id.to_string();
        // Only if there is something to put in its place: a run that comes too late must not take away what
        // another one has moved.
        let (from, target) = (self.job_dir(job), self.room(to).join(&dir_name));
        if is_there(&target)? && is_there(&from)? {
            self.discard_dir(to, &dir_name, context)?;
        }
        rename(&from, &target)?;
        Ok(Job { room: to, dir_name, ..job.clone() })
    }

    /// Writes the receipts of a delivered job, and moves it to sent (U5).
    pub fn deliver(
        &self,
        job: &Job,
        receipts: Vec<Receipt>,
        context: &RunContext,
        lock: &mut Lock,
    ) -> Result<Job, SpoolError> {
        self.put_receipts(job, &receipts)?;
        let sent = self.transfer(job, Room::Sent, context, lock)?;
        // How it failed before is over.
        self.clear_attempts(&sent)?;
        Ok(Job { receipts, attempts: None, ..sent })
    }

    /// Writes that one more site has a job that was sent.
    pub fn add_receipt(&self, job: &mut Job, receipt: Receipt) -> Result<(), SpoolError> {
        job.receipts.retain(|other| other.site != receipt.site);
        job.receipts.push(receipt);
        self.put_receipts(job, &job.receipts)
    }

    /// Writes how a job's delivery to sites that may lag has failed.
    pub fn put_lags(&self, job: &Job) -> Result<(), SpoolError> {
        durable::write_json(&self.job_dir(job), job::LAGS, &job.lags, &self.mark)
    }

    /// Writes which sites have a job.
    fn put_receipts(&self, job: &Job, receipts: &[Receipt]) -> Result<(), SpoolError> {
        durable::write_json(&self.job_dir(job), job::RECEIPT, &Written::of(receipts), &self.mark)
    }

    /// Returns the receipts of a delivery of this job that was begun anew since, if there was one.
    pub(super) fn earlier_receipts(&self, job: &Job) -> Result<Vec<Receipt>, SpoolError> {
        let path = self.job_dir(job).join(job::EARLIER);
        let read =
            durable::read_file(&path).and_then(|text| text.map(|text| receipt::read(&text)).transpose());
        match read.map_err(|e| SpoolError::io("read", &path, e))? {
            Some(receipt::Read::Receipts(receipts)) => Ok(receipts),
            Some(receipt::Read::Newer(_)) | None => Ok(Vec::new()),
        }
    }

    /// Brings a job that was sent, waits to be sent, or was parked back to staged, to be handed over anew.
    pub fn bring_back(&self, job: &Job, context: &RunContext, lock: &mut Lock) -> Result<Job, SpoolError> {
        let dir = self.job_dir(job);
        // What it was is over; that it stood at the site may still be asked.
        match fs::rename(dir.join(job::RECEIPT), dir.join(job::EARLIER)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(SpoolError::io("rename", &dir.join(job::RECEIPT), e));
            }
            _ => {}
        }
        for name in [job::ATTEMPTS, job::LAGS] {
            remove_if_there(&dir.join(name))?;
        }
        let staged = self.transfer(job, Room::Staged, context, lock)?;
        // Only now: a parked job without its reason would be kept for ever.
        remove_if_there(&self.job_dir(&staged).join(job::PARKED))?;
        Ok(Job { receipts: Vec::new(), attempts: None, lags: BTreeMap::new(), parked: None, ..staged })
    }

    /// Removes the payload of a job whose record is Completed (C4), and what dead runs left half written
    /// beside it. Manifest, receipt and signature stay.
    pub fn retire(&self, job: &Job) -> Result<(), SpoolError> {
        let dir = self.job_dir(job);
        for name in durable::temps(&dir).map_err(|e| SpoolError::io("list", &dir, e))? {
            remove_if_there(&dir.join(name))?;
        }
        remove_if_there(&self.payload(job))?;
        durable::sync_dir(&dir).map_err(|e| SpoolError::io("flush", &dir, e))
    }

    /// Removes a job that is kept no longer. It leaves its room in one step.
    pub fn discard(&self, job: &Job, context: &RunContext, lock: &mut Lock) -> Result<(), SpoolError> {
        confirm(lock)?;
        self.discard_dir(job.room, &job.dir_name, context)
    }

    /// Moves a directory out of its room, in one step, into a work directory that is removed at once or by a
    /// later run.
    pub(super) fn discard_dir(
        &self,
        room: Room,
        dir_name: &str,
        context: &RunContext,
    ) -> Result<(), SpoolError> {
        let bin = self.work_dir(context)?;
        rename(&self.room(room).join(dir_name), &bin.path.join(dir_name))
    }

    /// Writes how a job's delivery failed.
    pub fn put_attempts(&self, job: &Job, attempts: &Attempts) -> Result<(), SpoolError> {
        durable::write_json(&self.job_dir(job), job::ATTEMPTS, attempts, &self.mark)
    }

    /// Forgets failed tries, so that the next run tries again; returns whether there were any.
    pub fn clear_attempts(&self, job: &Job) -> Result<bool, SpoolError> {
        remove_if_there(&self.job_dir(job).join(job::ATTEMPTS))
    }

    /// Returns the sidecars of a job.
    pub fn sidecars(&self, job: &Job) -> Result<Sidecars, SpoolError> {
        job::sidecars(&self.job_dir(job), &job.manifest)
    }

    /// Writes another signature over a job's own.
    pub fn replace_signature(&self, job: &Job, signature: &[u8]) -> Result<(), SpoolError> {
        let dir = self.job_dir(job);
        let name = format!("{}{}", job.manifest.place.payload_name(), SidecarKind::Signature.suffix());
        durable::write_file(&dir, &name, signature, &self.mark)
            .map_err(|e| SpoolError::io("write", &dir.join(&name), e))
    }

    /// Opens a job's payload.
    pub fn open_payload(&self, job: &Job) -> Result<File, SpoolError> {
        let path = self.payload(job);
        let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path);
        opened.map_err(|e| SpoolError::io("open the payload", &path, e))
    }
}

/// Fails if the run's lock was lost: whoever has it now may be working on the same job.
pub(super) fn confirm(lock: &mut Lock) -> Result<(), SpoolError> {
    lock.confirm().map_err(|e| SpoolError {
        fault: e.fault(),
        message: crate::txlog::chain(&e),
        source: None,
    })
}

/// Renames a directory and flushes both parents. An error is believed only after looking at both names.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), SpoolError> {
    if let Err(error) = fs::rename(from, to) {
        let was_done = matches!((is_there(to), is_there(from)), (Ok(true), Ok(false)));
        if !was_done {
            let message = format!("cannot move {} to {}", foreign::path(from), foreign::path(to));
            return Err(SpoolError { fault: Fault::Spool, message, source: Some(error) });
        }
    }
    for dir in [to.parent(), from.parent()].into_iter().flatten() {
        durable::sync_dir(dir).map_err(|e| SpoolError::io("flush", dir, e))?;
    }
    Ok(())
}

fn is_there(path: &Path) -> Result<bool, SpoolError> {
    durable::is_there(path).map_err(|e| SpoolError::io("look for", path, e))
}

pub(super) fn remove_if_there(path: &Path) -> Result<bool, SpoolError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(SpoolError::io("remove", path, e)),
    }
}
