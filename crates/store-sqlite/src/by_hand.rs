//! What people do to the records: add one, look at all, hold one and release it.
//!
//! With Salesforce they have its pages for this. No program comes here by itself.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::{SqliteStore, row};
use intraware_core::exit::{Fault, HasFault};
use intraware_core::foreign;
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::store::StoreError;

/// Longest name, in characters.
const MAX_NAME: usize = 255;

/// A record to be added.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// What people call the build; no two records have the same.
    pub name: String,
    /// Where the build lies; absolute.
    pub path: String,
    /// The kind of build, one of the configured ones; none stands for the first of them.
    pub build_type: Option<String>,
    /// Lower is more urgent; none is last.
    pub priority: Option<i64>,
}

/// What a person may make of a record's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusByHand {
    /// Whatever it is, short of Completed, becomes Do Not Release.
    Hold,
    /// Do Not Release becomes empty, so that the build is prepared anew.
    Release,
}

/// Something was not done that a person asked for.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// It cannot be done to this record, or with this value.
    #[error("{0}")]
    Refused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HasFault for ByHandError {
    fn fault(&self) -> Fault {
        match self {
            Self::Refused(_) => Fault::Build,
            Self::Store(error) => error.fault,
        }
    }
}

impl SqliteStore {
    /// Adds a record with an empty status and returns it.
    pub fn add(&mut self, new: NewRecord) -> Result<Record, ByHandError> {
        let build_type = self.checked(&new)?;
        let failed = |error| super::failed("add to", &self.path, error);
        let insert = "INSERT INTO records (name, build_type, build_path, priority) VALUES (?1, ?2, ?3, ?4)";
        let values = params![new.name, build_type, new.path, new.priority];
        match self.connection.execute(insert, values) {
            Ok(_) => {}
            Err(error) if is_taken(&error) => {
                let name = foreign::escape(&new.name);
                let message = format!("there is a record named {name} already; choose another name");
                return Err(ByHandError::Refused(message));
            }
            Err(error) => return Err(failed(error).into()),
        }
        self.read_existing(self.connection.last_insert_rowid())
    }

    /// Returns all records, oldest first. One that cannot be read is an error in its place.
    pub fn list(&self) -> Result<Vec<Result<Record, StoreError>>, StoreError> {
        self.query("ORDER BY id", &[])
    }

    /// Holds a record or releases it, as a person's decision, and returns it as it is then.
    pub fn set_status(&mut self, id: &RecordId, to: StatusByHand) -> Result<Record, ByHandError> {
        let failed = |error| super::failed("write to", &self.path, error);
        let gone = || ByHandError::Refused(format!("there is no record {id}"));
        let key = row::key(id).ok_or_else(gone)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let stored: Option<Option<String>> = transaction
            .query_row("SELECT status FROM records WHERE id = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        let word = match (to, self.values.status_of(stored.ok_or_else(gone)?.as_deref())) {
            (StatusByHand::Hold, Status::Completed) => {
                let message = format!("record {id} is Completed: its build is released and cannot be held");
                return Err(ByHandError::Refused(message));
            }
            (StatusByHand::Hold, _) => Some(&self.values.do_not_release),
            (StatusByHand::Release, Status::DoNotRelease) => None,
            (StatusByHand::Release, status) => {
                let message = format!("record {id} is not held: its status is {status}");
                return Err(ByHandError::Refused(message));
            }
        };
        let update = "UPDATE records SET status = ?2, detail = NULL, revision = revision + 1 WHERE id = ?1";
        transaction.execute(update, params![key, word]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.read_existing(key)
    }

    /// Checks a new record and returns its build type.
    fn checked(&self, new: &NewRecord) -> Result<String, ByHandError> {
        let refused = |message: String| Err(ByHandError::Refused(message));
        let shown = foreign::escape(&new.name);
        if new.name.trim().is_empty() || new.name.chars().count() > MAX_NAME {
            return refused(format!("a record's name has 1 to {MAX_NAME} characters; {shown:?} has not"));
        }
        if new.name.chars().chain(new.path.chars()).any(foreign::is_unsafe) {
            return refused(format!("name and path of record {shown} must not hold control characters"));
        }
        if !new.path.starts_with('/') {
            let path = foreign::escape(&new.path);
            return refused(format!("the path of record {shown} must be absolute; {path:?} is not"));
        }
        let known = &self.values.build_type;
        match &new.build_type {
            None => Ok(known.first().cloned().unwrap_or_default()),
            Some(build_type) if known.contains(build_type) => Ok(build_type.clone()),
            Some(build_type) => refused(format!(
                "no record of build type {:?} would be selected; records.values.build_type has {known:?}",
                foreign::escape(build_type)
            )),
        }
    }

    fn read_existing(&self, key: i64) -> Result<Record, ByHandError> {
        let mut found = self.query("WHERE id = ?1", &[&key])?;
        match found.pop() {
            Some(record) => Ok(record?),
            None => Err(ByHandError::Refused(format!("record {key} was removed in the meantime"))),
        }
    }
}

fn is_taken(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    extended == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}
