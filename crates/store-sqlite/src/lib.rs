//! Records in a database of our own, for one host without Salesforce.
//!
//! One table, one file, the default rollback journal; several processes may use it at once. A write
//! is one transaction that begins by taking the write lock: what it finds then is what it changes.
//! The revision is a number that grows with every change, be it ours or one made by hand.
//!
//! Relies on the locks of a local file system, see `file.rs`. Promises the contract of
//! [`RecordStore`]: the suite in `intraware_core::store::conformance` holds it to that.

mod by_hand;
mod file;
mod row;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, ToSql, TransactionBehavior, named_params};

pub use self::by_hand::{ByHandError, NewRecord, StatusByHand};
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::record::{Change, Record, RecordId, Revision, Status};
use intraware_core::store::values::Values;
use intraware_core::store::{
    Access, CHANGED, RecordStore, Selected, StoreError, Usage, WriteError, WriteRefusal,
};

/// Longest detail, in characters, as in the Salesforce field.
const MAX_DETAIL: usize = 255;

/// The record store in a SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    values: Values,
    connection: Connection,
}

impl SqliteStore {
    /// Opens the database at `path`, which must exist.
    pub fn open(path: &Path, values: Values, access: Access) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), values, connection: file::open(path, access)? })
    }

    /// Opens the database at `path` for work, and makes it if there is none; its directory must exist.
    pub fn open_or_create(path: &Path, values: Values) -> Result<Self, StoreError> {
        file::create(path)?;
        Self::open(path, values, Access::ReadWrite)
    }

    /// Reads the rows that `rest`, the end of a SELECT, asks for. A row that cannot be understood is an
    /// error in its place; failing to read at all is an error of the whole.
    fn query(
        &self,
        rest: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Vec<Result<Record, StoreError>>, StoreError> {
        let failed = |error| failed("read", &self.path, error);
        let sql = format!("SELECT {} FROM records {rest}", row::COLUMNS);
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(parameters).map_err(failed)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            records.push(row::record(row, &self.values));
        }
        Ok(records)
    }

    /// Finds out what became of a write whose commit failed; it may have been done all the same.
    fn after_failed_commit(
        &self,
        key: i64,
        wanted: (Status, i64),
        error: rusqlite::Error,
    ) -> Result<Revision, WriteError> {
        let found = state(&self.connection, key, &self.values);
        if found.map_err(|error| failed("read", &self.path, error))?.as_ref() == Some(&wanted) {
            return Ok(Revision(wanted.1.to_string()));
        }
        Err(failed("write to", &self.path, error).into())
    }
}

impl RecordStore for SqliteStore {
    fn select(&mut self) -> Result<Selected, StoreError> {
        let types = vec!["?"; self.values.build_type.len()].join(", ");
        let due = format!(
            "WHERE build_type IN ({types}) AND build_path <> '' \
             AND (status IS NULL OR status IN ('', ?, ?)) ORDER BY id"
        );
        let words = [&self.values.error, &self.values.in_process];
        let parameters: Vec<&dyn ToSql> =
            self.values.build_type.iter().chain(words).map(|word| word as &dyn ToSql).collect();
        let mut records = Vec::new();
        let mut bad = Vec::new();
        for read in self.query(&due, &parameters)? {
            match read {
                Ok(record) => records.push(record),
                Err(error) => bad.push(error.message),
            }
        }
        let missing = (!bad.is_empty()).then(|| StoreError::new(Fault::Build, bad.join("; ")));
        Ok(Selected { records, missing })
    }

    fn get(&mut self, ids: &[RecordId]) -> Result<Vec<Record>, StoreError> {
        // One transaction, so that all are of one moment.
        let transaction = self.connection.unchecked_transaction();
        let _transaction = transaction.map_err(|error| failed("read", &self.path, error))?;
        let mut records = Vec::new();
        for key in ids.iter().filter_map(row::key) {
            for read in self.query("WHERE id = ?1", &[&key])? {
                records.push(read?);
            }
        }
        Ok(records)
    }

    fn find(&mut self, word: &str) -> Result<Vec<Record>, StoreError> {
        let key = word.parse().ok().and_then(|id| row::key(&id));
        self.query("WHERE name = ?1 OR id = ?2 ORDER BY id", &[&word, &key])?.into_iter().collect()
    }

    fn why_left_out(&mut self, record: &Record) -> Result<String, StoreError> {
        Ok(self.values.why_left_out(record).unwrap_or_else(|| CHANGED.to_owned()))
    }

    fn one_spooled(&mut self) -> Result<Option<Record>, StoreError> {
        let types = vec!["?"; self.values.build_type.len()].join(", ");
        let spooled = format!("WHERE build_type IN ({types}) AND status IN (?, ?) LIMIT 1");
        let words = [&self.values.in_process, &self.values.completed];
        let parameters: Vec<&dyn ToSql> =
            self.values.build_type.iter().chain(words).map(|word| word as &dyn ToSql).collect();
        self.query(&spooled, &parameters)?.into_iter().next().transpose()
    }

    fn write(&mut self, record: &Record, change: &Change) -> Result<Revision, WriteError> {
        let refused = |refusal| Err(WriteError::Refused { id: record.id.clone(), refusal });
        let failed = |error| failed("write to", &self.path, error);
        let Some(key) = row::key(&record.id) else { return refused(WriteRefusal::Gone) };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let revision = match state(&transaction, key, &self.values).map_err(failed)? {
            None => return refused(WriteRefusal::Gone),
            Some((Status::DoNotRelease, _)) => return refused(WriteRefusal::Held),
            Some((_, revision)) if revision.to_string() != record.revision.0 => {
                return refused(WriteRefusal::Moved);
            }
            Some((status, _)) if !change.is_legal_from(&status) => {
                return refused(WriteRefusal::Rejected(format!("this change does not start from {status}")));
            }
            Some((_, revision)) => revision,
        };
        if let Err(error) = update(&transaction, key, revision, change, &self.values) {
            return match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation) => refused(WriteRefusal::Rejected(error.to_string())),
                _ => Err(failed(error).into()),
            };
        }
        match transaction.commit() {
            Ok(()) => Ok(Revision((revision + 1).to_string())),
            Err(error) => self.after_failed_commit(key, (change.leads_to(), revision + 1), error),
        }
    }

    fn check(&mut self) -> Result<Vec<String>, StoreError> {
        let shown = foreign::path(&self.path);
        let found = structure(&self.connection).map_err(|error| failed("check", &self.path, error))?;
        if found != "ok" {
            let found = foreign::escape(&found);
            let message =
                format!("the record database {shown} is damaged ({found}); restore it from a backup");
            return Err(StoreError::new(Fault::Configuration, message));
        }
        let all = self.list()?;
        let mut lines = vec![format!(
            "record database {shown}: version {}, {} records, sound",
            schema::current(),
            all.len()
        )];
        for read in all {
            match read {
                Ok(Record { id, status: status @ Status::Other(_), .. }) => {
                    lines.push(format!("record {id} is left alone: records.values has no status {status}"));
                }
                Ok(_) => {}
                Err(error) => lines.push(error.message),
            }
        }
        Ok(lines)
    }

    fn log_out(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn clock_ahead(&self) -> Option<SignedDuration> {
        None
    }
}

/// Looks for damage. Values that no record can have are not damage; they are told one by one.
fn structure(connection: &Connection) -> rusqlite::Result<String> {
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    found
}

fn state(connection: &Connection, key: i64, values: &Values) -> rusqlite::Result<Option<(Status, i64)>> {
    let read = |row: &rusqlite::Row<'_>| {
        let status: Option<String> = row.get(0)?;
        Ok((values.status_of(status.as_deref()), row.get(1)?))
    };
    connection.query_row("SELECT status, revision FROM records WHERE id = ?1", [key], read).optional()
}

/// Makes a change to the record at this revision, all of it in one statement.
fn update(
    connection: &Connection,
    key: i64,
    revision: i64,
    change: &Change,
    values: &Values,
) -> rusqlite::Result<()> {
    let at = "revision = revision + 1 WHERE id = :id AND revision = :revision";
    let run = |set: &str, values: &[(&str, &dyn ToSql)]| {
        let place: [(&str, &dyn ToSql); 2] = [(":id", &key), (":revision", &revision)];
        connection.execute(&format!("UPDATE records SET {set}, {at}"), &[values, &place].concat()[..])
    };
    let changed = match change {
        Change::Prepared { build_date, digests } => run(
            "status = :status, detail = NULL, build_date = :build_date, size = :size, md5 = :md5, sha1 = :sha1",
            named_params! {
                ":status": values.in_process,
                ":build_date": build_date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                // What is beyond the largest integer is beyond the CHECK as well.
                ":size": i64::try_from(digests.size).unwrap_or(i64::MAX),
                ":md5": digests.md5.to_string(),
                ":sha1": digests.sha1.to_string(),
            },
        ),
        Change::Failed { reason } => run(
            "status = :status, detail = :detail",
            named_params! { ":status": values.error, ":detail": cut(reason) },
        ),
        Change::Delivered => run(
            "status = :status, association = :association, detail = NULL",
            named_params! { ":status": values.completed, ":association": values.ready },
        ),
        Change::Retry => run("status = NULL, detail = NULL", &[]),
    }?;
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Returns as much of a reason as the detail holds.
fn cut(reason: &str) -> String {
    match reason.char_indices().nth(MAX_DETAIL) {
        None => reason.to_owned(),
        Some(_) => reason.chars().take(MAX_DETAIL - 1).chain(['…']).collect(),
    }
}

/// Returns what a failure of SQLite means; `doing` is done to the database at `path`.
fn failed(doing: &str, path: &Path, error: rusqlite::Error) -> StoreError {
    let (fault, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Fault::TryLater, "another process has been working on it for too long")
        }
        Some(ErrorCode::ReadOnly) if is_unfinished(&error) => {
            (Fault::TryLater, "a process died while writing; the next real run puts that right")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            (Fault::Access, "this user must be able to write the file and its directory")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            (Fault::Configuration, "it is damaged or no database; restore it, or set records.sqlite.path")
        }
        Some(ErrorCode::DiskFull) => (Fault::TryLater, "make room on its disk"),
        Some(ErrorCode::SystemIoFailure) => (Fault::Unreachable, "its disk fails; look at the system log"),
        _ => (Fault::Bug, "please report this"),
    };
    let message = format!("cannot {doing} the record database {}; {advice}", foreign::path(path));
    StoreError::caused(fault, message, error)
}

/// Returns whether a reader met a transaction that only a writer can undo.
fn is_unfinished(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    extended == Some(rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}
