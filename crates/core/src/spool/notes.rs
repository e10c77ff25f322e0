//! Small notes in the spool: what people hold, what is to be tried later, what was released where, what a
//! site can do.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Job, Spool, SpoolError, durable};
use crate::deliver::Released;
use crate::digest::{Generation, Hex, Sha256Hex};
use crate::exit::Fault;
use crate::foreign;
use crate::owner;
use crate::record::RecordId;
use crate::retry::Pause;
use crate::site::Place;
use crate::streak::{Concern, Lasting, Streak};

/// A kind of note: one JSON file for each key, in a directory of its own.
pub trait Note: Serialize + DeserializeOwned {
    /// The directory below the spool's root.
    const DIR: &'static str;

    /// Returns what the note is about.
    fn key(&self) -> NoteKey;

    /// What holds as long as a note cannot be used, for people.
    const INSTEAD: &'static str = "it counts as none";

    /// Returns what holds instead of a note that cannot be read or understood; nothing, unless that could do
    /// harm.
    fn stand_in(_key: &str) -> Option<Self> {
        None
    }
}

/// What names a note's file: letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteKey(pub(super) String);

impl NoteKey {
    /// Makes the key of something that may have any characters in its name.
    pub(super) fn hashed(name: &str) -> Self {
        Self(Hex::<32>(Sha256::digest(name).into()).to_string())
    }
}

impl From<&RecordId> for NoteKey {
    fn from(id: &RecordId) -> Self {
        Self(id.to_string())
    }
}

/// An operator holds a build: neither program moves it, whatever its record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The build's record.
    pub record: RecordId,
    /// Why, in the operator's words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// On which host it was said.
    pub host: String,
    /// Who said it; empty if the host did not know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "held since {:.0}", self.since)?;
        if !self.by.is_empty() {
            write!(f, " by {}", foreign::escape(&self.by))?;
        }
        write!(f, ": {}", foreign::escape(&self.reason))
    }
}

impl Note for Hold {
    const DIR: &'static str = "holds";

    fn key(&self) -> NoteKey {
        (&self.record).into()
    }

    const INSTEAD: &'static str = "its build is held";

    fn stand_in(key: &str) -> Option<Self> {
        let reason = "the note of a hold cannot be read; look at it".to_owned();
        Some(Self {
            record: key.parse().ok()?,
            reason,
            since: Timestamp::UNIX_EPOCH,
            host: String::new(),
            by: String::new(),
        })
    }
}

/// A build could not be prepared or confirmed; it is tried again with growing pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The build's record.
    pub record: RecordId,
    /// How many tries have failed in a row.
    pub attempts: u32,
    /// Not before this time again, unless the build has changed or is asked for by name.
    pub next_try: Timestamp,
    /// Why the last one failed.
    pub reason: String,
    /// When the last one failed.
    pub at: Timestamp,
    /// What the build directory was then, or what was wrong with it: any change makes a new try worth while
    /// at once. Empty if that is not known.
    pub seen: String,
    /// Why it could not be gone on with, though the build is not at fault; it is tried again by each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passing: Option<String>,
    /// How often that was the same.
    #[serde(default, skip_serializing_if = "Streak::is_empty")]
    pub streak: Streak,
}

impl Retry {
    /// Returns what is to be said if what should pass has come too often.
    pub fn lasting(&self) -> Option<Lasting> {
        self.passing.as_ref().and(self.streak.lasting(Concern::Build))
    }

    /// Returns why it could not be gone on with, though the build is not at fault, if so.
    pub fn passing_told(&self) -> Option<String> {
        self.passing.as_ref().map(|reason| Lasting::tell(self.lasting(), reason))
    }

    /// Returns the time in which no try is made.
    pub fn pause(&self) -> Pause {
        Pause { begun: self.at, until: self.next_try }
    }
}

impl Note for Retry {
    const DIR: &'static str = "retry";

    const INSTEAD: &'static str =
        "its build counts as one that has failed, and is tried again without a pause";

    fn key(&self) -> NoteKey {
        (&self.record).into()
    }

    fn stand_in(key: &str) -> Option<Self> {
        Some(Self {
            record: key.parse().ok()?,
            attempts: 1,
            next_try: Timestamp::UNIX_EPOCH,
            reason: "the note of how it failed cannot be read".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            seen: String::new(),
            passing: None,
            streak: Streak::default(),
        })
    }
}

/// A payload was, or is about to be, released under its final name: from now on that name never changes.
///
/// Written before the record is made Completed, so that no crash can leave a release without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The site's name in the configuration.
    pub site: String,
    /// Where it stands at the site.
    pub place: Place,
    /// The build's record.
    pub record: RecordId,
    /// What was released; unknown if the spool had lost the job.
    pub generation: Option<Generation>,
    /// The whole of its SHA-256, if the spool had the job and the note is not of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hex>,
    /// When.
    pub at: Timestamp,
}

impl Note for Release {
    const DIR: &'static str = "released";

    const INSTEAD: &'static str = "a payload counts as released there, with unknown content";

    fn key(&self) -> NoteKey {
        Release::keys_of(&self.site, &self.place).0
    }
}

impl Release {
    /// Returns the keys that the release at a place of a site can have: one that is the same however its
    /// letters are spelled, and one of this spelling, which it has if the first is taken by another spelling.
    pub(super) fn keys_of(site: &str, place: &Place) -> (NoteKey, NoteKey) {
        let name = place.payload().to_string();
        let of = |name: &str| NoteKey::hashed(&format!("{site}\0{name}"));
        (of(&format!("{}\0", name.to_lowercase())), of(&name))
    }
}

/// What stands under a note's name.
pub(super) enum Kept<N> {
    Nothing,
    Note(N),
    /// Something that cannot be used, and why, with what to do.
    Unusable(String),
}

impl<N: Note> Kept<N> {
    /// Reads a note that was listed.
    fn read(path: &Path) -> Self {
        let read =
            || Ok(durable::read_listed(path)?.map(|text| serde_json::from_slice(&text)).transpose()?);
        match read() {
            Ok(None) => Self::Nothing,
            Ok(Some(note)) => Self::Note(note),
            Err(error) => Self::Unusable(unusable(path, &error)),
        }
    }

    /// Returns the note, or what holds instead of one that cannot be used, which is reported: it concerns one
    /// build and must not stop the others.
    fn or_stand_in(self, key: &str) -> Option<N> {
        match self {
            Self::Nothing => None,
            Self::Note(note) => Some(note),
            Self::Unusable(why) => {
                tracing::error!("{why}; until then {}", N::INSTEAD);
                N::stand_in(key)
            }
        }
    }
}

/// Returns what is the matter with a note, and what to do.
fn unusable(path: &Path, error: &io::Error) -> String {
    let (shown, why) = (foreign::path(path), foreign::tame(error.to_string()));
    if durable::is_garbled(error) {
        return format!("the note {shown} cannot be understood: {why}; look at it, correct or remove it");
    }
    match owner::advice(path, error) {
        advice if advice.is_empty() => format!("the note {shown} cannot be read: {why}; look at it"),
        advice => format!("the note {shown} cannot be read: {why}{advice}"),
    }
}

impl Spool {
    /// Returns all notes of a kind. One that cannot be read or understood is reported, and [`Note::stand_in`]
    /// takes its place.
    pub fn notes<N: Note>(&self) -> Result<Vec<N>, SpoolError> {
        let dir = self.root().join(N::DIR);
        let names = self.names(N::DIR)?;
        let keys = names.iter().filter_map(|name| Some((name, name.strip_suffix(".json")?)));
        Ok(keys.filter_map(|(name, key)| Kept::read(&dir.join(name)).or_stand_in(key)).collect())
    }

    /// Returns whether and why an operator holds a build.
    pub fn hold(&self, record: &RecordId) -> Result<Option<Hold>, SpoolError> {
        self.note(&record.into())
    }

    /// Returns whether a payload was released where this job's goes, as far as the spool or the record tell.
    pub fn released(&self, site: &str, job: &Job) -> Result<Released, SpoolError> {
        let place = &job.manifest.place;
        let mut releases = Vec::new();
        for kept in self.releases(site, place)? {
            match kept {
                Kept::Nothing => {}
                Kept::Note(release) => releases.push(release),
                // Whatever stands there stays.
                kept @ Kept::Unusable(_) => {
                    kept.or_stand_in("");
                    return Ok(Released::Before(None));
                }
            }
        }
        // Of the same file, if the site does not tell cases apart.
        let by_other_letters = || releases.first().filter(|_| !self.tells_cases(site));
        if let Some(release) =
            releases.iter().find(|release| release.place == *place).or_else(by_other_letters)
        {
            return Ok(Released::Before(release.generation));
        }
        Ok(if job.manifest.released_before { Released::Before(None) } else { Released::NotKnown })
    }

    /// Returns what is noted of the release at a place of a site, or at what counts as the same, if it can be
    /// read.
    pub fn release(&self, site: &str, place: &Place) -> Result<Option<Release>, SpoolError> {
        let noted = self.releases(site, place)?.into_iter().filter_map(|kept| match kept {
            Kept::Note(release) => Some(release),
            Kept::Nothing | Kept::Unusable(_) => None,
        });
        Ok(noted.min_by_key(|release| release.place != *place))
    }

    /// Returns what is noted of releases at a place of a site, and at what differs from it in letter case
    /// alone.
    fn releases(&self, site: &str, place: &Place) -> Result<[Kept<Release>; 2], SpoolError> {
        let (folded, exact) = Release::keys_of(site, place);
        Ok([self.kept(&folded)?, self.kept(&exact)?])
    }

    /// Returns whether a release at the same place was noted before, even if the note cannot be used.
    pub fn is_noted(&self, release: &Release) -> Result<bool, SpoolError> {
        let noted = self.releases(&release.site, &release.place)?;
        Ok(noted.iter().any(|kept| match kept {
            Kept::Nothing => false,
            Kept::Note(noted) => noted.place == release.place,
            Kept::Unusable(_) => true,
        }))
    }

    /// Notes a release, and returns the note's key.
    pub fn note_release(&self, release: &Release) -> Result<NoteKey, SpoolError> {
        let (folded, exact) = Release::keys_of(&release.site, &release.place);
        let key = if self.has_note::<Release>(&folded)? { exact } else { folded };
        durable::write_json(
            &self.root().join(Release::DIR),
            &format!("{}.json", key.0),
            release,
            &self.mark,
        )?;
        Ok(key)
    }

    /// Returns whether a site is known to tell upper from lower case in names.
    pub fn tells_cases(&self, site: &str) -> bool {
        self.capabilities(site).and_then(|known| known.abilities.tells_cases).unwrap_or(false)
    }

    /// Writes a note, over an older one with the same key, unless that has a format newer than `known`.
    pub(super) fn put_unless_newer<N: Note>(&self, note: &N, known: u32) -> Result<(), SpoolError> {
        #[derive(Deserialize)]
        struct Kept {
            format: u32,
        }
        let path = self.note_path::<N>(&note.key());
        match durable::read_json(&path) {
            Ok(Some(Kept { format })) if format > known => {
                let message = format!(
                    "{} has format {format}, this program knows {known}; update the program on this host",
                    foreign::path(&path)
                );
                return Err(SpoolError::new(Fault::Configuration, message));
            }
            // What nobody of ours can read is of no use to any version.
            Err(e) if !durable::is_garbled(&e) && e.kind() != io::ErrorKind::PermissionDenied => {
                return Err(SpoolError::io("read the note", &path, e));
            }
            Ok(_) | Err(_) => {}
        }
        self.put_note(note)
    }

    fn note_path<N: Note>(&self, key: &NoteKey) -> PathBuf {
        self.root().join(N::DIR).join(format!("{}.json", key.0))
    }

    /// Returns what stands under a note's name.
    pub(super) fn kept<N: Note>(&self, key: &NoteKey) -> Result<Kept<N>, SpoolError> {
        Ok(if self.has_note::<N>(key)? { Kept::read(&self.note_path::<N>(key)) } else { Kept::Nothing })
    }

    /// Returns whether there is a note with this key, even if it cannot be used.
    pub fn has_note<N: Note>(&self, key: &NoteKey) -> Result<bool, SpoolError> {
        let path = self.note_path::<N>(key);
        durable::is_there(&path).map_err(|e| SpoolError::io("look for", &path, e))
    }

    /// Returns the note with this key, if there is one. One that cannot be used is reported, and
    /// [`Note::stand_in`] takes its place.
    pub fn note<N: Note>(&self, key: &NoteKey) -> Result<Option<N>, SpoolError> {
        Ok(self.kept(key)?.or_stand_in(&key.0))
    }

    /// Writes a note, over an older one with the same key.
    pub fn put_note<N: Note>(&self, note: &N) -> Result<(), SpoolError> {
        durable::write_json(&self.root().join(N::DIR), &format!("{}.json", note.key().0), note, &self.mark)
    }

    /// Removes the note with this key and returns whether there was one.
    pub fn remove_note<N: Note>(&self, key: &NoteKey) -> Result<bool, SpoolError> {
        let dir = self.root().join(N::DIR);
        let path = dir.join(format!("{}.json", key.0));
        match std::fs::remove_file(&path) {
            Ok(()) => durable::sync_dir(&dir).map(|()| true).map_err(|e| SpoolError::io("flush", &dir, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(SpoolError::io("remove the note", &path, e)),
        }
    }
}
