//! The shared directory tree in which jobs wait, move and rest. The only code that touches it.
//!
//! ```text
//! intraware-spool.json                     the marker that says the right file system is mounted here
//! locks/manage.lock, locks/job-<id>.lock   see `lock`
//! work/<host>.<pid>.<run>.<n>/             private and incomplete; never part of the system
//! staged/ upload/ sent/ parked/            jobs, one directory each: <record id>.<generation>
//! holds/ retry/ released/ sites/ hosts/    small notes, one JSON file each
//! log/<host>.jsonl                         see `txlog`
//! activity/<host>.jsonl                    the runs that have ended, see `activity`
//! ```
//!
//! What it promises:
//!
//! - A job stands in exactly one room, and moves by one rename with both parents fsynced. After an error from
//!   a rename both names are looked at before it is believed, because an NFS client repeats a call whose
//!   answer got lost.
//! - A file appears whole: written beside its name, fsynced, closed, renamed, and the directory fsynced.
//! - Whether something is there is only asked after its directory was opened: NFS clients remember absence
//!   for up to 25 s, and that ends it.
//! - What is found and cannot be read is reported or parked, never deleted and never skipped in silence. The
//!   names that an NFS client gives to unlinked open files (`.nfs…`) are not ours and are passed over.

mod activity;
mod attempts;
mod capabilities;
mod durable;
mod first;
mod hosts;
mod job;
mod learned;
mod misfit;
mod moves;
mod notes;
mod outage;
mod park;
mod receipt;
#[cfg(any(test, feature = "conformance"))]
pub mod sample;
#[cfg(test)]
mod tests;
mod time;
mod unread;
mod user;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use activity::Activity;
pub use attempts::Attempts;
pub use hosts::Host;
pub use job::{Flaw, Found, Job, JobId, Manifest, ParkKind, Parked, Unreadable};
pub use learned::Learned;
pub use misfit::Misfit;
pub use moves::WorkDir;
pub use notes::{Hold, Note, NoteKey, Release, Retry};
pub use outage::Outage;
pub use receipt::Receipt;
pub use unread::Unread;

use crate::deliver::Ours;
use crate::exit::{Fault, HasFault};
use crate::file_size;
use crate::foreign;
use crate::lock::{self, Held};
use crate::mount::{self, LockScope, Mount};
use crate::owner;
use crate::record::RecordId;
use crate::run::Identity;

/// The places where a job can stand, in the order in which it passes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Room {
    /// Complete and fsynced; the record does not own it yet, or sidecars are missing at the site.
    Staged,
    /// The payload is waiting or under way.
    Upload,
    /// Verified at the site; the receipt is inside.
    Sent,
    /// Taken out of the flow; the reason is inside.
    Parked,
}

impl Room {
    /// All rooms, in flow order.
    pub const ALL: [Self; 4] = [Self::Staged, Self::Upload, Self::Sent, Self::Parked];

    /// Returns the name of the room's directory.
    pub fn dir_name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Upload => "upload",
            Self::Sent => "sent",
            Self::Parked => "parked",
        }
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.dir_name())
    }
}

/// The spool could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SpoolError {
    /// What has to happen before it can succeed.
    pub fault: Fault,
    /// What was being done, to what, and what to do now.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<io::Error>,
}

impl HasFault for SpoolError {
    fn fault(&self) -> Fault {
        self.fault
    }
}

impl SpoolError {
    fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), source: None }
    }

    fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self {
            fault: Fault::Spool,
            message: format!("cannot {doing} {}{}", foreign::path(path), owner::advice(path, &source)),
            source: Some(file_size::told(source)),
        }
    }
}

/// An open spool whose marker, directories and mount have been looked at.
#[derive(Debug, Clone)]
pub struct Spool {
    root: PathBuf,
    /// What the names of its half-written files begin with.
    mark: String,
}

/// The file that tells a mounted spool from an empty mount point.
const MARKER: &str = "intraware-spool.json";

/// The format of the marker that this program reads and writes.
const FORMAT: u32 = 1;

const DIRECTORIES: [&str; 11] =
    ["locks", "work", "staged", "upload", "sent", "parked", "holds", "retry", "released", "sites", "log"];

#[derive(Serialize, Deserialize)]
struct Marker {
    format: u32,
    created: Timestamp,
}

impl Spool {
    /// Makes a spool at `root`, or what is missing of it, and returns what was made. Only its owner adds to a
    /// spool.
    pub fn init(root: &Path, now: Timestamp) -> Result<Vec<String>, SpoolError> {
        Self::check_user_at(root)?;
        let make = |path: &Path, recursive: bool| {
            fs::DirBuilder::new().recursive(recursive).mode(0o700).create(path)
        };
        if !root.is_dir() {
            make(root, true).map_err(|e| SpoolError::io("make the directory", root, e))?;
        }
        let mut made = Vec::new();
        for name in DIRECTORIES {
            let path = root.join(name);
            match make(&path, false) {
                Ok(()) => made.push(format!("{name}/")),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                Err(e) => return Err(SpoolError::io("make the directory", &path, e)),
            }
        }
        if !root.join(MARKER).exists() {
            let marker = Marker { format: FORMAT, created: now };
            durable::write_json(root, MARKER, &marker, &std::process::id().to_string())?;
            made.push(MARKER.to_owned());
        }
        Ok(made)
    }

    /// Opens the spool at `root` and refuses one that is not mounted, not whole, or whose locks do not reach
    /// the other hosts, unless `single_host` says that there are none. Changes nothing.
    pub fn open(root: &Path, single_host: bool) -> Result<Self, SpoolError> {
        let spool = Self { root: root.to_owned(), mark: std::process::id().to_string() };
        spool.check_marker()?;
        spool.check_directories()?;
        let mount = check_locks(root, root, single_host)?;
        if mount.is_soft() {
            tracing::warn!("the spool is mounted soft: a slow server can corrupt files; mount it hard");
        }
        Ok(spool)
    }

    /// Fails if a spool at `root`, which need not be there yet, would be refused for the file system it is
    /// on.
    pub fn check_place(root: &Path, single_host: bool) -> Result<(), SpoolError> {
        let there = root.ancestors().find(|place| place.exists()).unwrap_or(root);
        check_locks(root, there, single_host).map(|_| ())
    }

    /// Returns the spool for a run that writes: its half-written files are called after the run, so that two
    /// of them, on different hosts but with the same process number, do not meet.
    #[must_use]
    pub fn written_by(self, identity: &Identity) -> Self {
        let Identity { host, pid, run, .. } = identity;
        Self { mark: format!("{host}.{pid}.{run}"), ..self }
    }

    fn check_marker(&self) -> Result<(), SpoolError> {
        let path = self.root.join(MARKER);
        let marker: Marker = match durable::read_json(&path) {
            Ok(Some(marker)) => marker,
            Ok(None) => return Err(Self::absent(&self.root)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(user::refused(&self.root, e));
            }
            Err(e) => return Err(SpoolError::io("read the marker", &path, e)),
        };
        if marker.format > FORMAT {
            let message = format!(
                "the spool at {} has format {}, this program knows {FORMAT}; update the program on this host",
                foreign::path(&self.root),
                marker.format
            );
            return Err(SpoolError::new(Fault::Configuration, message));
        }
        Ok(())
    }

    fn check_directories(&self) -> Result<(), SpoolError> {
        let device = |path: &Path| {
            let seen = fs::symlink_metadata(path)
                .map_err(|e| SpoolError::io("look at the spool directory", path, e))?;
            if !seen.is_dir() {
                let message =
                    format!("{} is not a directory; repair it with `manage init`", foreign::path(path));
                return Err(SpoolError::new(Fault::Spool, message));
            }
            Ok(seen.dev())
        };
        let root = fs::metadata(&self.root).map_err(|e| SpoolError::io("look at", &self.root, e))?.dev();
        for name in DIRECTORIES {
            let path = self.root.join(name);
            if device(&path)? != root {
                let message = format!(
                    "{} is on another file system than the spool; a job could not be renamed into it",
                    foreign::path(&path)
                );
                return Err(SpoolError::new(Fault::Configuration, message));
            }
        }
        Ok(())
    }

    /// Returns the spool's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of the transaction logs.
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Returns the lock of which there is one over all hosts.
    pub fn manage_lock(&self) -> PathBuf {
        self.root.join("locks/manage.lock")
    }

    /// Returns the lock that whoever moves a job of this record holds.
    pub fn job_lock(&self, record: &RecordId) -> PathBuf {
        self.root.join(format!("locks/job-{record}.lock"))
    }

    /// Returns which of these records' job locks somebody holds. A lock that cannot be looked at is found out
    /// about when it is taken.
    pub fn busy(&self, records: &[RecordId]) -> BTreeMap<RecordId, Held> {
        lock::holders(records.iter().map(|record| (record.clone(), self.job_lock(record))))
            .into_iter()
            .collect()
    }

    /// Returns the records for which there is a lock file.
    pub fn job_locks(&self) -> Result<Vec<RecordId>, SpoolError> {
        let names = self.names("locks")?;
        let id = |name: &String| name.strip_prefix("job-")?.strip_suffix(".lock")?.parse().ok();
        Ok(names.iter().filter_map(id).collect())
    }

    /// Returns the bytes that can still be written to the spool.
    pub fn free_space(&self) -> Result<u64, SpoolError> {
        let space = rustix::fs::statvfs(&self.root)
            .map_err(|e| SpoolError::io("ask for the free space of", &self.root, e.into()))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Returns all that stands in a room.
    pub fn list(&self, room: Room) -> Result<Vec<Found>, SpoolError> {
        let names = self.names(room.dir_name())?;
        Ok(names.into_iter().filter_map(|name| job::read(&self.room(room), room, name)).collect())
    }

    /// Returns what has this name in a room, if anything has. A job is called by its id, except in parked,
    /// where a number may stand behind it. The others are not read, as they are for a [`list`](Self::list).
    pub fn find(&self, room: Room, dir_name: &str) -> Result<Option<Found>, SpoolError> {
        let path = self.room(room);
        durable::open_dir(&path).map_err(|e| SpoolError::io("open", &path, e))?;
        Ok(job::read(&path, room, dir_name.to_owned()))
    }

    /// Returns all jobs of a record that can be read.
    pub fn jobs_of(&self, record: &RecordId) -> Result<Vec<Job>, SpoolError> {
        let of_record = format!("{record}.");
        let mut jobs = Vec::new();
        for room in Room::ALL {
            let names = self.names(room.dir_name())?.into_iter().filter(|name| name.starts_with(&of_record));
            jobs.extend(names.filter_map(|name| match job::read(&self.room(room), room, name) {
                Some(Found::Job(job)) => Some(*job),
                Some(Found::Unreadable(_)) | None => None,
            }));
        }
        Ok(jobs)
    }

    /// Returns what of ours may stand at a site under the final name of this job's payload, other than that:
    /// what other jobs of its record have for the same place. Whoever does not know the record leaves out
    /// what was prepared after it.
    pub fn ours(&self, site: &str, job: &Job, is_latest: bool) -> Result<Ours, SpoolError> {
        let (id, manifest) = (&job.id, &job.manifest);
        let is_other = |other: &Job| {
            other.id.generation != id.generation
                && other.manifest.place == manifest.place
                && (is_latest || other.manifest.created <= manifest.created)
        };
        let others = self.jobs_of(&id.record)?.into_iter().filter(is_other);
        let others = others.map(|other| other.manifest.digests).collect();
        let earlier = self.earlier_receipts(job)?;
        let was_there = earlier.iter().chain(&job.receipts).any(|receipt| receipt.site == site);
        Ok(Ours { others, was_there })
    }

    /// Returns the path of a room.
    fn room(&self, room: Room) -> PathBuf {
        self.root.join(room.dir_name())
    }

    /// Returns the directory of a job.
    pub fn job_dir(&self, job: &Job) -> PathBuf {
        self.room(job.room).join(&job.dir_name)
    }

    /// Returns the path of a job's payload.
    pub fn payload(&self, job: &Job) -> PathBuf {
        self.job_dir(job).join(job.manifest.place.payload_name())
    }

    /// Returns the names in one of the spool's directories, sorted, without those that are nobody's.
    fn names(&self, dir: &str) -> Result<Vec<String>, SpoolError> {
        let path = self.root.join(dir);
        durable::names(&path).map_err(|e| SpoolError::io("list", &path, e))
    }
}

/// Returns the mount of `there`, where the spool at `root` is or will be, if locks on it reach the other
/// hosts.
fn check_locks(root: &Path, there: &Path, single_host: bool) -> Result<Mount, SpoolError> {
    let mount = mount::of(there).map_err(|e| SpoolError::io("find the mount of", there, e))?;
    match mount.lock_scope() {
        LockScope::HostLocal(why) if !single_host => {
            let message = format!(
                "locks in the spool {} do not reach other hosts ({why}); mount it over NFS with locking, or set \
                 spool.single_host = true if no other host uses it",
                foreign::path(root)
            );
            Err(SpoolError::new(Fault::Configuration, message))
        }
        LockScope::HostLocal(_) | LockScope::Shared => Ok(mount),
    }
}
