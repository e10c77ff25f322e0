//! What is known of each package at each machine, over restarts: a database with a row for each content of a
//! package and each machine that it goes to.
//!
//! A row is on the disk when the call that writes it returns. Rows are never removed: they say what was sent,
//! and which content of ours may stand at a name.

mod outages;
mod row;
mod shape;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intraware_core::digest::{Digests, Hex};
use intraware_core::foreign;
use intraware_core::mount;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use self::row::read;
pub use self::row::{Row, State};

/// How long to wait for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of an upgrade.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Done, failed or unknown; or as it was before it, if it could not be begun.
    pub state: State,
    /// When to ask again, if it is not known.
    pub again: Option<Timestamp>,
    /// What a person has to know of a failure.
    pub error: Option<&'a str>,
    /// The number of the try.
    pub attempt: u32,
    /// What came of it, as far as it is known.
    pub outcome: Option<&'a str>,
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory cannot be made.
    #[error("cannot make the directory {path} for what is known of packages")]
    Directory {
        /// Which one.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// SQLite has failed.
    #[error("cannot {doing} {path}; look at the file and its disk")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: String,
        /// The cause.
        source: rusqlite::Error,
    },
    /// It is on a disk that several hosts share.
    #[error(
        "{path} is on {name}, where SQLite's locks do not hold; name a directory on a local disk by --state"
    )]
    Network {
        /// The directory.
        path: String,
        /// The kind of disk.
        name: &'static str,
    },
    /// A newer version of this program has made it.
    #[error("{0} was made by a newer version of this program; use that one")]
    Newer(String),
}

/// The open database.
pub struct States {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl States {
    /// Opens the database in a directory; both are made if they are missing. A disk that several hosts share
    /// is refused.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        refuse_network(dir, mount::kind_of_disk)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir.join("locks"));
        let made = made.and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(dir.join("log")));
        made.map_err(|source| StateError::Directory { path: foreign::path(dir).to_string(), source })?;
        let path = dir.join("state.sqlite");
        let failed = |source| failure("open", &path, source);
        let connection = Connection::open(&path).map_err(failed)?;
        let connection = prepare(connection, &path, &shape::STEPS)?;
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    /// Returns all rows, by package and machine, the latest content first.
    pub fn rows(&self) -> Result<Vec<Row>, StateError> {
        let failed = |source| failure("read", &self.path, source);
        let connection = self.lock();
        let sql = "SELECT * FROM dispatches ORDER BY package, machine, since DESC, id DESC";
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map([], read).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Returns what is known of a content of a package at a machine by now.
    pub(crate) fn now(&self, row: &Row) -> Result<Option<Row>, StateError> {
        let failed = |source| failure("read", &self.path, source);
        let sql = "SELECT * FROM dispatches WHERE package = ?1 AND sha256 = ?2 AND machine = ?3";
        let values = params![row.package, row.sha256.to_string(), row.machine];
        self.lock().query_row(sql, values, read).optional().map_err(failed)
    }

    /// Takes in what shall be sent, all of it or nothing. What is under way already keeps its directory, and
    /// its failures are forgotten. It takes the place of every other content of the package at the machine.
    /// One that comes back after another is upgraded to once more.
    pub fn plan(&self, rows: &[Row], now: Timestamp) -> Result<(), StateError> {
        let failed = |source| failure("write", &self.path, source);
        let mut connection = self.lock();
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for row in rows {
            let sql = "INSERT INTO dispatches (package, sha256, size, machine, directory, file, state, since, upgraded)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'planned', ?7, ?8)
                ON CONFLICT (package, sha256, machine) DO UPDATE
                SET file = excluded.file, since = excluded.since, failures = 0, again = NULL,
                    state = CASE WHEN state = 'verified' THEN state ELSE 'planned' END,
                    directory = CASE WHEN state = 'superseded' THEN excluded.directory ELSE directory END,
                    upgraded = excluded.upgraded,
                    attempt = attempt + (outcome IS NOT NULL), outcome = NULL
                WHERE state IN ('planned', 'verified', 'superseded') OR state = 'failed' AND outcome IS NULL";
            let others = "UPDATE dispatches SET state = 'superseded', since = ?4
                WHERE package = ?1 AND sha256 <> ?2 AND machine = ?3 AND state <> 'superseded'";
            let sha256 = row.sha256.to_string();
            let values = params![row.package, sha256, row.machine, now.to_string()];
            begun.execute(others, values).map_err(failed)?;
            let (size, file) = (row.size.cast_signed(), row.file.as_os_str().as_bytes());
            let values = params![
                row.package,
                sha256,
                size,
                row.machine,
                row.directory,
                file,
                now.to_string(),
                row.is_upgraded
            ];
            begun.execute(sql, values).map_err(failed)?;
        }
        begun.commit().map_err(failed)
    }

    /// Notes how far a package has come. One whose place another has taken stays as it is, here and below.
    pub fn advance(
        &self,
        row: &Row,
        state: State,
        proof: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let sql = "UPDATE dispatches SET state = ?4, since = ?5, proof = coalesce(?6, proof), failures = 0,
            again = NULL, error = NULL WHERE package = ?1 AND sha256 = ?2 AND machine = ?3 AND state <> 'superseded'";
        let values = params![
            row.package,
            row.sha256.to_string(),
            row.machine,
            state.to_string(),
            now.to_string(),
            proof
        ];
        self.change(sql, values).map(drop)
    }

    /// Notes that a package's upgrade is begun next. `false` if it must not be: a person holds the package by
    /// now, or another content has taken its place.
    pub fn begin(&self, row: &Row, now: Timestamp) -> Result<bool, StateError> {
        let sql = "UPDATE dispatches SET state = 'running', since = ?4, failures = 0, again = NULL, error = NULL
            WHERE package = ?1 AND sha256 = ?2 AND machine = ?3 AND held = 0 AND state IN ('verified', 'running')";
        let values = params![row.package, row.sha256.to_string(), row.machine, now.to_string()];
        self.change(sql, values).map(|changed| changed == 1)
    }

    /// Notes what came of an upgrade, in its try of this number; and when to ask again, if that is not known.
    pub fn end(&self, row: &Row, end: &End<'_>, now: Timestamp) -> Result<(), StateError> {
        let sql = "UPDATE dispatches SET state = ?4, since = CASE WHEN state = ?4 THEN since ELSE ?5 END,
            failures = CASE WHEN ?4 = 'unknown' THEN failures + 1 ELSE 0 END, again = ?6, error = ?7,
            attempt = ?8, outcome = ?9
            WHERE package = ?1 AND sha256 = ?2 AND machine = ?3 AND state <> 'superseded'";
        let End { state, again, error, attempt, outcome } = end;
        let values = params![
            row.package,
            row.sha256.to_string(),
            row.machine,
            state.to_string(),
            now.to_string(),
            again.map(|again| again.to_string()),
            error,
            attempt,
            outcome
        ];
        self.change(sql, values).map(drop)
    }

    /// Notes that a package has failed: until a person acts, or for now, to be tried again at a time. If its
    /// upgrade may be running, it has not failed, but what can be known of it.
    pub fn fail(
        &self,
        row: &Row,
        again: Option<Timestamp>,
        error: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let sql = "UPDATE dispatches SET since = CASE WHEN ?4 IS NULL THEN ?5 ELSE since END,
            state = CASE WHEN ?4 IS NOT NULL THEN state WHEN state IN ('running', 'unknown') THEN 'unknown'
                ELSE 'failed' END,
            failures = failures + 1, again = ?4, error = ?6
            WHERE package = ?1 AND sha256 = ?2 AND machine = ?3 AND state <> 'superseded'";
        let again = again.map(|again| again.to_string());
        let values = params![row.package, row.sha256.to_string(), row.machine, again, now.to_string(), error];
        self.change(sql, values).map(drop)
    }

    /// Holds a package, or has it go on whatever has failed before: an upgrade that has failed is tried once
    /// more; how one ended of which that is not known is only asked again.
    pub fn hold(&self, row: &Row, is_held: bool, now: Timestamp) -> Result<(), StateError> {
        let sql = "UPDATE dispatches SET held = ?4, failures = 0,
            again = CASE WHEN state <> 'unknown' THEN NULL WHEN ?4 THEN again ELSE ?5 END,
            since = CASE WHEN state = 'failed' AND NOT ?4 THEN ?5 ELSE since END,
            state = CASE WHEN state <> 'failed' OR ?4 THEN state WHEN outcome IS NULL THEN 'planned' ELSE 'verified' END,
            attempt = attempt + (state = 'failed' AND NOT ?4 AND outcome IS NOT NULL),
            outcome = CASE WHEN state = 'failed' AND NOT ?4 THEN NULL ELSE outcome END
            WHERE package = ?1 AND sha256 = ?2 AND machine = ?3";
        let values = params![row.package, row.sha256.to_string(), row.machine, is_held, now.to_string()];
        self.change(sql, values).map(drop)
    }

    /// Notes what a person says of how an upgrade has ended; `false` if that is known.
    pub fn settle(&self, row: &Row, is_done: bool, now: Timestamp) -> Result<bool, StateError> {
        let sql = "UPDATE dispatches SET state = CASE WHEN ?4 THEN 'done' ELSE 'failed' END, since = ?5, failures = 0,
            again = NULL, outcome = 'a person has said so'
            WHERE package = ?1 AND sha256 = ?2 AND machine = ?3 AND state IN ('running', 'unknown')";
        let values = params![row.package, row.sha256.to_string(), row.machine, is_done, now.to_string()];
        self.change(sql, values).map(|changed| changed == 1)
    }

    fn change(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<usize, StateError> {
        self.lock().execute(sql, values).map_err(|source| failure("write", &self.path, source))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a directory, or a place for one, where SQLite's locks do not hold.
fn refuse_network(dir: &Path, kind_of_disk: impl Fn(&Path) -> io::Result<i64>) -> Result<(), StateError> {
    let path = || foreign::path(dir).to_string();
    let place = std::path::absolute(dir);
    let place = place.map_err(|source| StateError::Directory { path: path(), source })?;
    let there = place.ancestors().find(|place| place.exists()).unwrap_or(&place);
    let kind = kind_of_disk(there).map_err(|source| StateError::Directory { path: path(), source })?;
    match mount::network_name(kind) {
        Some(name) => Err(StateError::Network { path: path(), name }),
        None => Ok(()),
    }
}

/// Makes a database that was opened ready for use, of the shape that these steps lead to.
pub(crate) fn prepare(
    mut connection: Connection,
    path: &Path,
    steps: &[&str],
) -> Result<Connection, StateError> {
    let failed = |source| failure("open", path, source);
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "EXTRA").map_err(failed)?;
    // One flush for each change, and no file made and removed. Where another process is just making the same
    // database, or the disk has no shared memory, it stays as it is for now: slower, and as safe.
    match connection.pragma_update(None, "journal_mode", "WAL") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
        set => set.map_err(failed)?,
    }
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if !shape::bring(&begun, steps).map_err(failed)? {
        return Err(StateError::Newer(foreign::path(path).to_string()));
    }
    begun.commit().map_err(failed)?;
    Ok(connection)
}

pub(crate) fn failure(doing: &'static str, path: &Path, source: rusqlite::Error) -> StateError {
    StateError::Database { doing, path: foreign::path(path).to_string(), source }
}

/// Returns digests of which only size and SHA-256 are known, which is all that is compared.
pub(crate) fn digests(row: &Row) -> Digests {
    Digests { size: row.size, md5: Hex([0; 16]), sha1: Hex([0; 20]), sha256: row.sha256 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_03_a_disk_that_several_hosts_share_is_refused_before_anything_is_made_there() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("deep/down");
        let refused = refuse_network(&state, |_| Ok(0x6969)).unwrap_err().to_string();
        assert!(refused.contains("deep/down is on NFS, where SQLite's locks do not hold"), "{refused}");
        refuse_network(&state, mount::kind_of_disk).unwrap();
        assert!(!dir.path().join("deep").exists());
    }
}
