//! What a job's directory holds, and how it is read.
//!
//! ```text
//! <record id>.<generation>/
//!   p7.tar.gz                          the payload
//!   p7.tar.gz.asc .MD5 .SHA1 …         the sidecars
//!   manifest.json                      everything known about it; written last
//!   attempts.json                      failed tries to deliver it
//!   receipt.json                       how it was delivered and verified, at each site
//!   earlier.json                       the same of a delivery that was begun anew since
//!   lags.json                          failed tries to deliver it to sites that may lag
//!   parked.json                        why it was taken out of the flow
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attempts::Attempts;
use super::receipt::{self, Receipt};
use super::{Room, durable};
use crate::digest::{Digests, Generation};
use crate::foreign;
use crate::record::RecordId;
use crate::sidecar::{SidecarKind, Sidecars};
use crate::site::Place;

/// One prepared generation of one build, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId {
    /// Whose build it is.
    pub record: RecordId,
    /// What its payload is.
    pub generation: Generation,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.record, self.generation)
    }
}

/// A text that does not name a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not name a job (record id, dot, 12 hexadecimal digits)")]
pub struct NotJobId(String);

impl FromStr for JobId {
    type Err = NotJobId;

    fn from_str(text: &str) -> Result<Self, NotJobId> {
        let parts = text.split_once('.').and_then(|(r, g)| Some((r.parse().ok()?, g.parse().ok()?)));
        let (record, generation) = parts.ok_or_else(|| NotJobId(foreign::escape(text)))?;
        Ok(Self { record, generation })
    }
}

impl TryFrom<String> for JobId {
    type Error = NotJobId;

    fn try_from(text: String) -> Result<Self, NotJobId> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

/// The version of the files below that this program writes; an older one is read, a newer one is left alone.
pub(super) const FORMAT: u32 = 1;

/// Everything known about a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this file.
    pub format: u32,
    /// The build's record.
    pub record: RecordId,
    /// The build's name in the record.
    pub name: String,
    /// The build path in the record.
    pub build_path: String,
    /// Where it goes at the site.
    pub place: Place,
    /// What the payload's bytes are.
    pub digests: Digests,
    /// What the build directory was when it was archived.
    pub fingerprint: String,
    /// The build's date on the file system.
    pub build_date: Timestamp,
    /// The record's priority; lower is more urgent, none is last.
    pub priority: Option<i64>,
    /// Number of entries in the archive.
    pub files: u64,
    /// Bytes in the archive before compression.
    pub bytes: u64,
    /// The fingerprint of the key that signed the payload.
    pub signed_by: String,
    /// When it was prepared.
    pub created: Timestamp,
    /// The host that prepared it.
    pub created_on: String,
    /// The record said at that time that this build had been released before, with these or other bytes.
    pub released_before: bool,
    /// What people were told of the build when it was archived, such as what an archive does not keep.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Manifest {
    /// Returns the job's name.
    pub fn id(&self) -> JobId {
        JobId { record: self.record.clone(), generation: self.digests.generation() }
    }
}

/// Why a job was taken out of the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkKind {
    /// The record is on Do Not Release.
    Held,
    /// The record describes other content, was reset, or does not exist any more.
    Stale,
    /// Other content was released under the same name at the site.
    Conflict,
    /// The payload or the manifest is not what was staged.
    Damaged,
}

/// The note in a parked job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What kind of reason it is.
    pub kind: ParkKind,
    /// The reason, for people.
    pub reason: String,
    /// When it was parked.
    pub at: Timestamp,
    /// By which host.
    pub host: String,
}

/// A job as it stands in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Where it stands.
    pub room: Room,
    /// The name of its directory; the id, and for a parked one perhaps a number after it.
    pub dir_name: String,
    /// What it is.
    pub manifest: Manifest,
    /// Whether its payload is there; it is removed when the record is Completed, and of a job whose place
    /// another content has.
    pub has_payload: bool,
    /// How it was delivered, to each site that has it.
    pub receipts: Vec<Receipt>,
    /// How its delivery failed, if it did.
    pub attempts: Option<Attempts>,
    /// How its delivery to sites that may lag failed, by their names.
    pub lags: BTreeMap<String, Attempts>,
    /// Why it was parked, if it was.
    pub parked: Option<Parked>,
}

impl Job {
    /// Returns when the last of its sites got it, if any did.
    pub fn delivered(&self) -> Option<Timestamp> {
        self.receipts.iter().map(|receipt| receipt.delivered).max()
    }

    /// Returns whether somebody means this job by a word: its id, its record's, or its build's name.
    pub fn is_called(&self, word: &str) -> bool {
        word == self.manifest.name || word == self.id.record.as_str() || word == self.id.to_string()
    }

    /// Returns the receipt of a site.
    pub fn receipt(&self, site: &str) -> Option<&Receipt> {
        self.receipts.iter().find(|receipt| receipt.site == site)
    }
}

/// One directory entry of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A job.
    Job(Box<Job>),
    /// Something that is not a whole job.
    Unreadable(Unreadable),
}

/// Why a directory entry is not taken for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// A later version of this program wrote it: it must be left alone.
    Newer,
    /// It is not, or no longer, what was staged: it is put aside.
    Damaged,
    /// It could not be read now; that says nothing about it.
    Unread,
}

/// A directory entry that is not a whole job of a known format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Where it stands.
    pub room: Room,
    /// Its name, as it is: to be escaped where it is shown.
    pub dir_name: String,
    /// The job it would be, if its name says so.
    pub id: Option<JobId>,
    /// What is the matter with it.
    pub flaw: Flaw,
    /// Why it cannot be read.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.room, foreign::escape(&self.dir_name), self.reason)
    }
}

const MANIFEST: &str = "manifest.json";
pub(super) const RECEIPT: &str = "receipt.json";
pub(super) const EARLIER: &str = "earlier.json";
pub(super) const ATTEMPTS: &str = "attempts.json";
pub(super) const LAGS: &str = "lags.json";
pub(super) const PARKED: &str = "parked.json";

/// Returns the job that a directory is by its name; a parked one may have a number behind its id.
pub(super) fn id_of(dir_name: &str) -> Option<JobId> {
    let mut parts = dir_name.splitn(3, '.');
    let (record, generation) = (parts.next()?, parts.next()?);
    format!("{record}.{generation}").parse().ok()
}

/// Reads the entry `name` of the room at `dir`; `None` if it was moved away since it was listed.
pub(super) fn read(dir: &Path, room: Room, name: String) -> Option<Found> {
    let id = id_of(&name);
    let unreadable = |id, flaw, reason: String| {
        Some(Found::Unreadable(Unreadable { room, dir_name: name.clone(), id, flaw, reason }))
    };
    let Some(id) = id else {
        return unreadable(None, Flaw::Damaged, "its name does not name a job".to_owned());
    };
    match read_job(&dir.join(&name), room, &name, &id) {
        Ok(job) => Some(Found::Job(Box::new(job))),
        Err(Trouble::Gone) => None,
        Err(Trouble::Newer(format)) => unreadable(
            Some(id),
            Flaw::Newer,
            format!("format {format} is of a later version of this program"),
        ),
        Err(Trouble::Damaged(reason)) => unreadable(Some(id), Flaw::Damaged, reason),
        Err(Trouble::Unread(reason)) => unreadable(Some(id), Flaw::Unread, reason),
    }
}

enum Trouble {
    Gone,
    Newer(u32),
    Damaged(String),
    Unread(String),
}

impl From<std::io::Error> for Trouble {
    /// Content that cannot be understood stays so; that the file server did not give it may pass.
    fn from(error: std::io::Error) -> Self {
        let text = foreign::tame(error.to_string());
        match error.kind() {
            _ if durable::is_garbled(&error) => Self::Damaged(text),
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::IsADirectory => Self::Damaged(text),
            // A link where a file belongs.
            _ if error.raw_os_error() == Some(nix::libc::ELOOP) => Self::Damaged(text),
            _ => Self::Unread(text),
        }
    }
}

#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Returns whether a listed name is a directory itself and no link to one.
pub(super) fn is_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_dir())
}

fn read_job(dir: &Path, room: Room, name: &str, id: &JobId) -> Result<Job, Trouble> {
    match std::fs::symlink_metadata(dir) {
        Ok(seen) if seen.is_dir() => {}
        Ok(_) => return Err(Trouble::Damaged("it is not a directory".to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Trouble::Gone),
        Err(error) => return Err(error.into()),
    }
    let names = durable::names(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Trouble::Gone,
        _ => error.into(),
    })?;
    let path = |file: &str| names.iter().any(|listed| listed == file).then(|| dir.join(file));
    let damaged = |reason: &str| Trouble::Damaged(reason.to_owned());
    let text = match path(MANIFEST) {
        Some(path) => durable::read_file(&path)?.ok_or(Trouble::Gone)?,
        None => return Err(damaged("it has no manifest")),
    };
    let version: Versioned = serde_json::from_slice(&text).map_err(std::io::Error::from)?;
    if version.format > FORMAT {
        return Err(Trouble::Newer(version.format));
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(std::io::Error::from)?;
    if manifest.id() != *id {
        return Err(damaged("its manifest belongs to another job"));
    }
    let has_payload = path(manifest.place.payload_name()).is_some();
    // What was delivered needs none, and what was parked may have been parked for that.
    if !has_payload && !matches!(room, Room::Sent | Room::Parked) {
        return Err(damaged("its payload is missing"));
    }
    let receipts = match durable::read_file(&dir.join(RECEIPT))?.map(|text| receipt::read(&text)) {
        Some(read) => match read? {
            receipt::Read::Receipts(receipts) => receipts,
            receipt::Read::Newer(format) => return Err(Trouble::Newer(format)),
        },
        None => Vec::new(),
    };
    Ok(Job {
        id: id.clone(),
        room,
        dir_name: name.to_owned(),
        has_payload,
        receipts,
        attempts: durable::read_json(&dir.join(ATTEMPTS))?,
        lags: match path(LAGS) {
            Some(path) => durable::read_json(&path)?.unwrap_or_default(),
            None => BTreeMap::new(),
        },
        parked: durable::read_json(&dir.join(PARKED))?,
        manifest,
    })
}

/// Writes all that makes a job of a directory that already holds the payload; the manifest last.
pub(super) fn complete(
    dir: &Path,
    manifest: &Manifest,
    sidecars: &Sidecars,
    mark: &str,
) -> Result<(), super::SpoolError> {
    for (kind, content) in sidecars.iter() {
        let name = format!("{}{}", manifest.place.payload_name(), kind.suffix());
        durable::write_file(dir, &name, content, mark)
            .map_err(|e| super::SpoolError::io("write", &dir.join(&name), e))?;
    }
    durable::write_json(dir, MANIFEST, manifest, mark)
}

/// Reads the sidecars of a job; those that follow from the manifest are made anew, and only the signature is
/// read.
pub(super) fn sidecars(dir: &Path, manifest: &Manifest) -> Result<Sidecars, super::SpoolError> {
    let path = dir.join(format!("{}{}", manifest.place.payload_name(), SidecarKind::Signature.suffix()));
    let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "the signature is missing");
    let signature = durable::read_file(&path)
        .and_then(|text| text.ok_or_else(missing))
        .map_err(|e| super::SpoolError::io("read", &path, e))?;
    Ok(Sidecars::new(manifest.place.payload_name(), &manifest.digests, signature))
}
