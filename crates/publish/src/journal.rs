//! What is due in a tree, and how far its pass has come: one file, which appears whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::PublishError;
use crate::layout::Layout;

/// The format that this program reads and writes.
const FORMAT: u32 = 1;

/// Which of the two passes. Hooks get its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// 0: suites of security, by themselves.
    High,
    /// 1: all that is due.
    Low,
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::High => "0",
            Self::Low => "1",
        })
    }
}

/// In which passes a suite is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Due {
    /// In the fast-track pass, and then in the normal one.
    Both,
    /// In the normal one.
    Normal,
    /// In the normal one, after it was published by the fast-track pass.
    Rest,
}

/// The journal of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    format: u32,
    /// The number of the last tree that was begun.
    pub(crate) last_number: u64,
    /// The suites that have to be published.
    pub(crate) due: BTreeMap<String, Due>,
    /// The pass that is under way.
    pub(crate) pass: Option<Pass>,
    /// The priority of a pass that was thrown away by a crash and has not come anew.
    #[serde(default)]
    pub(crate) lost: Vec<Priority>,
    /// The last passes that ended well, one of each priority.
    #[serde(default)]
    pub(crate) ended: Vec<Ended>,
    /// The pass whose tree is in place, and which readers did not get when that was looked at last.
    #[serde(default)]
    pub(crate) unseen: Option<Ended>,
    /// The last passes that were given up, of each priority of which none has ended since.
    #[serde(default)]
    pub(crate) given_up: Vec<GivenUp>,
}

/// A pass that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// The number of its tree.
    pub(crate) number: u64,
    pub(crate) priority: Priority,
    /// The suites that it publishes.
    pub(crate) suites: Vec<String>,
    pub(crate) started: Timestamp,
    /// The former tree that it repeats, instead of having suites renewed.
    #[serde(default)]
    pub(crate) repeats: Option<u64>,
    /// Whether a crash has thrown away one of this priority before.
    pub(crate) again: bool,
    pub(crate) stage: Stage,
}

/// How far a pass has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Its tree is being made, or is just about to be put in place.
    Building,
    /// Its tree is in place.
    InPlace {
        /// The hooks after publication that have ended, by name.
        done: Vec<String>,
        /// The one that has begun.
        begun: Option<String>,
    },
}

/// A pass that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The number of its tree.
    pub number: u64,
    /// Which pass.
    pub priority: Priority,
    /// The suites.
    pub suites: Vec<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub at: Timestamp,
    /// What went wrong once its tree was in place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A pass that was given up: readers have what they had, and its suites are still due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// Which pass.
    pub priority: Priority,
    /// The suites.
    pub suites: Vec<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

impl Journal {
    /// Reads the journal; an empty one, if there is none.
    pub(crate) fn load(layout: &Layout) -> Result<Self, PublishError> {
        let path = layout.journal();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(PublishError::io("read", &path)(error)),
        };
        let failed = |error: serde_json::Error| PublishError::io("read", &path)(error.into());
        // A later version may hold anything but this.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(&text).map_err(failed)?;
        if version.format > FORMAT {
            let message =
                format!("{} was written by a later version of this program; use that one", path.display());
            return Err(PublishError::Configuration(message));
        }
        serde_json::from_slice(&text).map_err(failed)
    }

    /// Writes the journal, so that it survives a loss of power.
    pub(crate) fn save(&mut self, layout: &Layout) -> Result<(), PublishError> {
        self.format = FORMAT;
        let path = layout.journal();
        let temp = path.with_extension("tmp");
        let write = || {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temp, &path)?;
            File::open(layout.state())?.sync_all()
        };
        write().map_err(PublishError::io("write", &path))
    }
}
