//! The database's shape: the steps that led to it, each of which a database of before is taken through.

use rusqlite::Transaction;

/// What each version changed, the first one first. A step that was in a release stays as it is; new ones come
/// behind it.
pub(super) const STEPS: [&str; 3] = [FIRST, UPGRADES, OUTAGES];

const FIRST: &str = "
CREATE TABLE dispatches (
    id        INTEGER PRIMARY KEY,
    package   TEXT NOT NULL,
    sha256    TEXT NOT NULL CHECK (length(sha256) = 64),
    size      INTEGER NOT NULL CHECK (size >= 0),
    machine   TEXT NOT NULL,
    directory TEXT NOT NULL,
    file      BLOB NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('planned', 'sent', 'verified', 'failed', 'superseded')),
    since     TEXT NOT NULL,
    held      INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    failures  INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    again     TEXT,
    error     TEXT,
    proof     TEXT,
    UNIQUE (package, sha256, machine)
) STRICT;
CREATE INDEX dispatches_open ON dispatches (state, machine);
";

/// Upgrades: their states, whether a package has one, the number of the try, and what came of it. What was
/// sent before there were upgrades has none.
const UPGRADES: &str = "
ALTER TABLE dispatches RENAME TO dispatches_before;
DROP INDEX dispatches_open;
CREATE TABLE dispatches (
    id        INTEGER PRIMARY KEY,
    package   TEXT NOT NULL,
    sha256    TEXT NOT NULL CHECK (length(sha256) = 64),
    size      INTEGER NOT NULL CHECK (size >= 0),
    machine   TEXT NOT NULL,
    directory TEXT NOT NULL,
    file      BLOB NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('planned', 'sent', 'verified', 'running', 'done', 'failed', 'unknown',
        'superseded')),
    since     TEXT NOT NULL,
    held      INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    failures  INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    again     TEXT,
    error     TEXT,
    proof     TEXT,
    upgraded  INTEGER NOT NULL DEFAULT 0 CHECK (upgraded IN (0, 1)),
    attempt   INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    outcome   TEXT,
    UNIQUE (package, sha256, machine)
) STRICT;
INSERT INTO dispatches (id, package, sha256, size, machine, directory, file, state, since, held, failures, again, error,
        proof)
    SELECT id, package, sha256, size, machine, directory, file, state, since, held, failures, again, error, proof
    FROM dispatches_before;
DROP TABLE dispatches_before;
CREATE INDEX dispatches_open ON dispatches (state, machine);
";

/// Machines that are away.
const OUTAGES: &str = "
CREATE TABLE outages (
    machine  TEXT PRIMARY KEY,
    failures INTEGER NOT NULL CHECK (failures >= 1),
    since    TEXT NOT NULL,
    at       TEXT NOT NULL,
    again    TEXT NOT NULL,
    error    TEXT NOT NULL
) STRICT;
";

/// Brings a database to the shape that steps lead to; `false` if a newer version of this program has made it.
pub(super) fn bring(begun: &Transaction<'_>, steps: &[&str]) -> rusqlite::Result<bool> {
    let version: u32 = begun.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = steps.get(version as usize..) else { return Ok(false) };
    for (step, version) in missing.iter().zip(version + 1..) {
        begun.execute_batch(step)?;
        begun.pragma_update(None, "user_version", version)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn s2_13_what_was_sent_before_there_were_upgrades_has_none() {
        let mut database = Connection::open_in_memory().unwrap();
        database.execute_batch(FIRST).unwrap();
        database.pragma_update(None, "user_version", 1).unwrap();
        let row = "INSERT INTO dispatches (package, sha256, size, machine, directory, file, state, since)
            VALUES ('a', printf('%064d', 1), 1, 'h', '/', x'61', 'verified', '2026-12-01T00:00:00Z')";
        database.execute(row, []).unwrap();
        for _ in 0..2 {
            let begun = database.transaction().unwrap();
            assert!(bring(&begun, &STEPS).unwrap());
            begun.commit().unwrap();
        }
        let sql = "SELECT state, upgraded, attempt FROM dispatches";
        let read = database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        assert_eq!(read, ("verified".to_owned(), 0, 1));
        database.pragma_update(None, "user_version", 99).unwrap();
        assert!(!bring(&database.transaction().unwrap(), &STEPS).unwrap());
    }
}
