//! The database's shape, and how an older one becomes today's.
//!
//! `PRAGMA user_version` counts the migrations that a database has seen; a higher count than ours
//! means a newer program wrote it, and it is left alone. `PRAGMA application_id` tells a record
//! database from any other that happens to lie at the path.
//!
//! People may edit with `sqlite3`, so the database itself keeps what must hold: the types (`STRICT`),
//! the form of each value (`CHECK`), and that no edit goes unnoticed, by the trigger on `revision`.
//! Numbers of removed records are never given again, because jobs in the spool bear them.

use rusqlite::{Connection, TransactionBehavior};

/// Marks a database as ours: "intr".
const APPLICATION_ID: i64 = 0x696e_7472;

/// Each brings a database one version further; one that was released is never changed.
const MIGRATIONS: [&str; 1] = [V1];

const V1: &str = "
CREATE TABLE records (
    id          INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id > 0),
    name        TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
    build_type  TEXT,
    build_path  TEXT,
    status      TEXT,
    detail      TEXT CHECK (length(detail) <= 255),
    association TEXT,
    size        INTEGER CHECK (size BETWEEN 0 AND 9007199254740992),
    md5         TEXT CHECK (length(md5) = 32 AND md5 NOT GLOB '*[^0-9a-f]*'),
    sha1        TEXT CHECK (length(sha1) = 40 AND sha1 NOT GLOB '*[^0-9a-f]*'),
    build_date  TEXT CHECK (build_date IS NULL
                        OR build_date GLOB '????-??-??T??:??:??Z' AND julianday(build_date) IS NOT NULL),
    priority    INTEGER,
    revision    INTEGER NOT NULL DEFAULT 1 CHECK (revision > 0)
) STRICT;

CREATE INDEX records_due ON records (build_type, status);

CREATE TRIGGER records_revision AFTER UPDATE ON records WHEN new.revision = old.revision BEGIN
    UPDATE records SET revision = old.revision + 1 WHERE id = new.id;
END;
";

/// Why a database cannot be used as it is.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is some other program's.
    Foreign,
    /// A newer version of this program made it.
    Newer,
    /// It must be brought up to date, and may not be written.
    Older,
    /// SQLite failed.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Returns the version that this program makes.
pub(super) fn current() -> u32 {
    MIGRATIONS.len() as u32
}

/// Makes sure that the database has today's shape, if `may_migrate` by giving it that.
pub(super) fn ensure(connection: &mut Connection, may_migrate: bool) -> Result<(), Unfit> {
    if version(connection)? == current() {
        return Ok(());
    }
    if !may_migrate {
        return Err(Unfit::Older);
    }
    // Looked at again inside: another process may have done it in between.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(version(&transaction)? as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", current())?;
    transaction.commit()?;
    Ok(())
}

/// Returns how many migrations a database has seen; none if it is empty.
fn version(connection: &Connection) -> Result<u32, Unfit> {
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_blank = id == 0 && version == 0 && tables == 0;
    if id != APPLICATION_ID && !is_blank {
        Err(Unfit::Foreign)
    } else if version > current() {
        Err(Unfit::Newer)
    } else {
        Ok(version)
    }
}
