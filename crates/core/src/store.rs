//! Where records live: the trait both stores implement, and its contract.
//!
//! The implementations, for Salesforce and SQLite, are crates of their own and pass one conformance suite.
//! What they must keep:
//!
//! - **Reads** give whole records or an error. A page that is lost, repeated or malformed leaves
//!   the records read so far usable and says so in [`Selected::missing`]; the absence of a record
//!   from an incomplete selection means nothing.
//! - **Writes** are conditional: [`RecordStore::write`] changes the record only if it is at the
//!   revision it was read at and the change is legal from its status; otherwise nothing changes
//!   and the error says [`WriteRefusal`]. All fields of one change become visible together.
//! - **Unknown outcomes** are resolved inside: if an answer is lost after a write was sent, the
//!   store reads back and reports success, refusal or, when even that fails, an error whose fault is
//!   [`Fault::TryLater`]. Repeating the write after that is safe, because it is conditional.
//! - **Do Not Release** is never left, not even when the revision is too coarse to notice it.
//! - **Errors** say what must happen next by [`StoreError::fault`]; texts are for people.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod fields;
pub mod values;

use jiff::SignedDuration;

pub use fields::Fields;

use crate::exit::{Fault, HasFault};
use crate::record::{Change, Record, RecordId, Revision};

/// A record store, logged in to or ready to log in at first use.
pub trait RecordStore {
    /// Reads all records that are due: the configured build types, a non-empty build path, and
    /// status empty, Error or In Process. Each record comes once.
    fn select(&mut self) -> Result<Selected, StoreError>;

    /// Reads these records whatever their status. One that does not exist is not in the answer;
    /// an incomplete read is an error here.
    fn get(&mut self, ids: &[RecordId]) -> Result<Vec<Record>, StoreError>;

    /// Reads the records whose id or name is exactly `word`, whatever their status.
    fn find(&mut self, word: &str) -> Result<Vec<Record>, StoreError>;

    /// Returns why [`Self::select`] leaves out this record, whose status is one that is due.
    fn why_left_out(&mut self, record: &Record) -> Result<String, StoreError>;

    /// Reads one of the records that are In Process or Completed, so that went through a spool; `None` if
    /// there is none.
    fn one_spooled(&mut self) -> Result<Option<Record>, StoreError>;

    /// Makes `change` to `record`, if it still is as it was read, and returns the new revision.
    fn write(&mut self, record: &Record, change: &Change) -> Result<Revision, WriteError>;

    /// Looks whether everything the configuration names exists and may be used, and returns one
    /// line for each thing that was looked at.
    fn check(&mut self) -> Result<Vec<String>, StoreError>;

    /// Ends the session with the store, unless it is kept for the next run. The store is not used afterwards.
    fn log_out(&mut self) -> Result<(), StoreError>;

    /// Returns how much of the store's request allowance is used, if it has one and has said so.
    fn usage(&self) -> Option<Usage>;

    /// Returns how far this host's clock was ahead of the store's server's when that answered last, if it
    /// tells the time.
    fn clock_ahead(&self) -> Option<SignedDuration>;
}

/// Whether a store may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For looking only: whatever keeps the records stays byte for byte as it is.
    ReadOnly,
    /// For work.
    ReadWrite,
}

/// Why a record is left out that a look at it says nothing about.
pub const CHANGED: &str = "it was changed while this looked; ask again";

/// The outcome of a selection.
#[derive(Debug)]
pub struct Selected {
    /// The records read, in no particular order.
    pub records: Vec<Record>,
    /// Why there may be more than these, if so.
    pub missing: Option<StoreError>,
}

/// How much of a daily allowance of requests is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Requests counted by the server in the running 24 hours.
    pub used: u64,
    /// Requests allowed in 24 hours.
    pub allowed: u64,
    /// Requests this process has made.
    pub here: u64,
}

/// Reading from a store failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What has to happen before it can succeed.
    pub fault: Fault,
    /// What was being done, to what, and what to do now; escaped, without secrets.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl HasFault for StoreError {
    fn fault(&self) -> Fault {
        self.fault
    }
}

impl StoreError {
    /// Makes an error without a cause.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), source: None }
    }

    /// Makes an error with its cause.
    pub fn caused(
        fault: Fault,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { fault, message: message.into(), source: Some(source.into()) }
    }
}

/// Writing to a store did not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store would not make the change; the record is as somebody else left it.
    #[error("record {id} was not changed: {refusal}")]
    Refused {
        /// Which record.
        id: RecordId,
        /// Why.
        refusal: WriteRefusal,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HasFault for WriteError {
    fn fault(&self) -> Fault {
        match self {
            Self::Store(error) => error.fault,
            Self::Refused { refusal: WriteRefusal::Moved | WriteRefusal::Busy(_), .. } => Fault::TryLater,
            Self::Refused { .. } => Fault::Build,
        }
    }
}

/// Why a store would not make a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteRefusal {
    /// Somebody changed the record after it was read.
    #[error("somebody changed it since it was read")]
    Moved,
    /// The record is on Do Not Release.
    #[error("it is on Do Not Release")]
    Held,
    /// The record does not exist any more.
    #[error("it no longer exists")]
    Gone,
    /// Somebody else is writing to it.
    #[error("{0}")]
    Busy(String),
    /// The store accepts the request but not this content: a validation rule, a value that is not
    /// in a picklist, a locked record.
    #[error("{0}")]
    Rejected(String),
}
