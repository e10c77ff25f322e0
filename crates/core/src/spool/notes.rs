//! Small notes in the spool: what people hold, what is to be tried later, what was released where, what a site can do.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Job, Spool, SpoolError, durable};
use crate::deliver::Released;
use crate::digest::{Generation, Hex};
use crate::exit::Fault;
use crate::foreign;
use crate::record::RecordId;
use crate::site::Place;
use crate::site::probe::{Capabilities, FORMAT};
use crate::txlog::chain;

/// A kind of note: one JSON file for each key, in a directory of its own.
pub trait Note: Serialize + DeserializeOwned {
    /// The directory below the spool's root.
    const DIR: &'static str;

    /// Returns what the note is about.
    fn key(&self) -> NoteKey;

    /// Returns what holds instead of a note that cannot be understood; nothing, unless that could do harm.
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
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "held since {:.0}: {}", self.since, foreign::escape(&self.reason))
    }
}

impl Note for Hold {
    const DIR: &'static str = "holds";

    fn key(&self) -> NoteKey {
        (&self.record).into()
    }

    fn stand_in(key: &str) -> Option<Self> {
        let reason = "the note of a hold cannot be understood; look at it".to_owned();
        Some(Self { record: key.parse().ok()?, reason, since: Timestamp::UNIX_EPOCH, host: String::new() })
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
    /// What the build directory was then, or what was wrong with it: any change makes a new try worth while at once.
    pub seen: String,
}

impl Note for Retry {
    const DIR: &'static str = "retry";

    fn key(&self) -> NoteKey {
        (&self.record).into()
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
    /// When.
    pub at: Timestamp,
}

impl Note for Release {
    const DIR: &'static str = "released";

    fn key(&self) -> NoteKey {
        Release::key_of(&self.site, &self.place)
    }
}

impl Release {
    /// Returns the key of the release at a place of a site.
    pub fn key_of(site: &str, place: &Place) -> NoteKey {
        NoteKey::hashed(&format!("{site}\0{}", place.payload()))
    }
}

impl Note for Capabilities {
    const DIR: &'static str = "sites";

    fn key(&self) -> NoteKey {
        NoteKey::hashed(&self.site)
    }
}

impl Spool {
    /// Returns all notes of a kind. One that cannot be understood is reported, and [`Note::stand_in`] takes its place: it
    /// concerns one build and must not stop the others.
    pub fn notes<N: Note>(&self) -> Result<Vec<N>, SpoolError> {
        let dir = self.root().join(N::DIR);
        let mut notes = Vec::new();
        for name in self.names(N::DIR)? {
            let Some(key) = name.strip_suffix(".json") else { continue };
            match durable::read_json(&dir.join(&name)) {
                Ok(note) => notes.extend(note),
                Err(e) if durable::is_garbled(&e) => {
                    tracing::error!(
                        "the note {} cannot be understood: {e}; look at it",
                        foreign::path(&dir.join(&name))
                    );
                    notes.extend(N::stand_in(key));
                }
                Err(e) => return Err(SpoolError::io("read the note", &dir.join(&name), e)),
            }
        }
        Ok(notes)
    }

    /// Returns whether and why an operator holds a build.
    pub fn hold(&self, record: &RecordId) -> Result<Option<Hold>, SpoolError> {
        self.note(&record.into())
    }

    /// Returns whether a payload was released where this job's goes, as far as the spool or the record tell.
    pub fn released(&self, site: &str, job: &Job) -> Result<Released, SpoolError> {
        if let Some(release) = self.note::<Release>(&Release::key_of(site, &job.manifest.place))? {
            return Ok(Released::Before(release.generation));
        }
        Ok(if job.manifest.released_before { Released::Before(None) } else { Released::Never })
    }

    /// Returns what `upload check` has found out about a site. What cannot be understood, or has another format, counts as
    /// nothing: nobody needs it, and it can be found out again.
    pub fn capabilities(&self, site: &str) -> Option<Capabilities> {
        let unusable = |why: &str| {
            let site = foreign::escape(site);
            tracing::warn!("what is known of site {site} cannot be used ({why}); run `upload check` again");
        };
        match self.note::<Capabilities>(&NoteKey::hashed(site)) {
            Ok(Some(known)) if known.format != FORMAT => {
                unusable(&format!("it has format {}, this program knows {FORMAT}", known.format));
                None
            }
            Ok(known) => known,
            Err(e) => {
                unusable(&chain(&e));
                None
            }
        }
    }

    /// Keeps what was found out about a site, over what was known before; but not over what a newer version wrote.
    pub fn keep_capabilities(&self, found: &Capabilities) -> Result<(), SpoolError> {
        self.put_unless_newer(found, FORMAT)
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
            Err(e) if !durable::is_garbled(&e) => return Err(SpoolError::io("read the note", &path, e)),
            Ok(_) | Err(_) => {}
        }
        self.put_note(note)
    }

    fn note_path<N: Note>(&self, key: &NoteKey) -> PathBuf {
        self.root().join(N::DIR).join(format!("{}.json", key.0))
    }

    /// Returns the note with this key, if there is one.
    pub fn note<N: Note>(&self, key: &NoteKey) -> Result<Option<N>, SpoolError> {
        let path = self.note_path::<N>(key);
        durable::read_json(&path).map_err(|e| SpoolError::io("read the note", &path, e))
    }

    /// Writes a note, over an older one with the same key.
    pub fn put_note<N: Note>(&self, note: &N) -> Result<(), SpoolError> {
        durable::write_json(&self.root().join(N::DIR), &format!("{}.json", note.key().0), note)
    }

    /// Removes the note with this key and returns whether there was one.
    pub fn remove_note<N: Note>(&self, key: &NoteKey) -> Result<bool, SpoolError> {
        let dir = self.root().join(N::DIR);
        let path = dir.join(format!("{}.json", key.0));
        match std::fs::remove_file(&path) {
            Ok(()) => durable::sync_dir(&dir).map(|()| true).map_err(|e| SpoolError::io("flush", &dir, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(SpoolError {
                message: format!("cannot remove the note {}", foreign::path(&path)),
                ..SpoolError::io("", &path, e)
            }),
        }
    }
}
