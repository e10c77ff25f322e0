//! A build's record, its upload status, and the changes a program may make to it.
//!
//! The record belongs to people; `manage` makes four kinds of change to it ([`Change`]) and no
//! other. None of them leaves Do Not Release (invariant I2), and each is conditional on the
//! [`Revision`] it was planned from.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{Digests, Md5Hex, Sha1Hex};

/// The store's key of a record: 1 to 18 ASCII letters and digits, so that it can name directories.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(String);

/// A text that cannot be a record id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a record id (1 to 18 letters and digits)")]
pub struct NotRecordId(String);

impl FromStr for RecordId {
    type Err = NotRecordId;

    fn from_str(text: &str) -> Result<Self, NotRecordId> {
        let fits = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err(NotRecordId(crate::foreign::escape(text))) }
    }
}

impl TryFrom<String> for RecordId {
    type Error = NotRecordId;

    fn try_from(text: String) -> Result<Self, NotRecordId> {
        text.parse()
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.0
    }
}

impl RecordId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The upload status of a build. The words that stand for it in the store are configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing was tried yet.
    Empty,
    /// The last try failed; the record's detail says why.
    Error,
    /// Prepared; the payload is waiting or under way.
    InProcess,
    /// Delivered, verified, and handed to the association.
    Completed,
    /// On hold, by a person. No program leaves this status.
    DoNotRelease,
    /// A value this program does not know; it is nobody's business but the one who set it.
    Other(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Error => f.write_str("Error"),
            Self::InProcess => f.write_str("In Process"),
            Self::Completed => f.write_str("Completed"),
            Self::DoNotRelease => f.write_str("Do Not Release"),
            Self::Other(value) => write!(f, "{:?}", crate::foreign::escape(value)),
        }
    }
}

/// What a record's state was when it was read; a write names it and fails if it has moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

/// One build's record, as read from the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The store's key.
    pub id: RecordId,
    /// What people call the build.
    pub name: String,
    /// The kind of build, by which records are selected.
    pub build_type: Option<String>,
    /// Where the build lies; absolute, chosen by an outsider, checked before any use.
    pub build_path: Option<String>,
    /// The upload status.
    pub status: Status,
    /// The reason of an Error.
    pub detail: Option<String>,
    /// Whether the association field says that this build was released to customers
    /// ("Ready for …" or "File Associated").
    pub released: bool,
    /// Size of the payload in bytes.
    pub size: Option<u64>,
    /// MD5 of the payload.
    pub md5: Option<Md5Hex>,
    /// SHA-1 of the payload.
    pub sha1: Option<Sha1Hex>,
    /// The build's date on the file system.
    pub build_date: Option<Timestamp>,
    /// Lower is more urgent; none is last.
    pub priority: Option<i64>,
    /// What a conditional write compares.
    pub revision: Revision,
}

impl Record {
    /// Returns whether the record describes exactly these bytes.
    pub fn describes(&self, digests: &Digests) -> bool {
        self.size == Some(digests.size) && self.md5 == Some(digests.md5) && self.sha1 == Some(digests.sha1)
    }
}

/// A change that a program may make to a record. There are no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Empty or Error becomes In Process, and the payload is described; the detail is cleared.
    Prepared {
        /// The build's date on the file system.
        build_date: Timestamp,
        /// Describes the payload; SHA-256 is not stored in the record.
        digests: Digests,
    },
    /// Empty, Error or In Process becomes Error, for this reason (one line, already escaped).
    Failed {
        /// Becomes the detail, cut to the field's length by the store.
        reason: String,
    },
    /// In Process becomes Completed and Ready for Intraware File Association, in one write; the detail is
    /// cleared.
    Delivered,
    /// Error becomes empty, and the detail is cleared: an operator asks for a new try at once.
    Retry,
}

impl Change {
    /// Returns whether a record in `from` may be changed so.
    pub fn is_legal_from(&self, from: &Status) -> bool {
        match self {
            Self::Prepared { .. } => matches!(from, Status::Empty | Status::Error),
            Self::Failed { .. } => matches!(from, Status::Empty | Status::Error | Status::InProcess),
            Self::Delivered => matches!(from, Status::InProcess),
            Self::Retry => matches!(from, Status::Error),
        }
    }

    /// Returns the status that a record has after the change.
    pub fn leads_to(&self) -> Status {
        match self {
            Self::Prepared { .. } => Status::InProcess,
            Self::Failed { .. } => Status::Error,
            Self::Delivered => Status::Completed,
            Self::Retry => Status::Empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s0_10_no_change_is_legal_from_do_not_release_or_an_unknown_status() {
        let digests = crate::digest::Digester::default().finish();
        let all = [
            Change::Prepared { build_date: Timestamp::UNIX_EPOCH, digests },
            Change::Failed { reason: "x".into() },
            Change::Delivered,
            Change::Retry,
        ];
        for change in &all {
            for status in [Status::DoNotRelease, Status::Completed, Status::Other("Odd".into())] {
                assert!(!change.is_legal_from(&status), "{change:?} from {status}");
            }
        }
    }

    #[test]
    fn record_ids_cannot_leave_a_directory() {
        assert!("a0B5g00000XyZ12EAF".parse::<RecordId>().is_ok());
        for wrong in ["", "..", "a/b", "a b", "a0B5g00000XyZ12EAFx", "ä"] {
            assert!(wrong.parse::<RecordId>().is_err(), "{wrong}");
        }
    }
}
