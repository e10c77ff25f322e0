//! What scans have seen, over restarts: a database with a row for each file that ever was in a tree.
//!
//! A database of its own: it holds many rows that mean little one by one, and all of it is lost with less
//! harm than one dispatch. It is on the disk when a call that writes returns; a call writes all that it was
//! given or nothing.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use intraware_core::digest::{Hex, Sha256Hex};
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, Rows, TransactionBehavior, params};

use super::walk::Stamp;
use crate::state::{self, StateError, failure};

/// Of a file that is gone so long nothing is known any more.
const MEMORY: SignedDuration = SignedDuration::from_hours(24 * 366);

/// The steps that led to the database's shape.
const STEPS: [&str; 1] = [FIRST];

const FIRST: &str = "
CREATE TABLE trees (path BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
CREATE TABLE files (
    path     BLOB PRIMARY KEY,
    size     INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    changed  INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('seen', 'listed', 'young', 'new')),
    since    TEXT NOT NULL,
    sha256   BLOB CHECK (length(sha256) = 32),
    told     TEXT,
    gone     TEXT
) WITHOUT ROWID, STRICT;
CREATE INDEX files_gone ON files (gone) WHERE gone IS NOT NULL;
";

/// How a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is to be done with its content any more: it was planned, or there before the first scan.
    Seen,
    /// It was there before the first scan, and is to be read, so that a change of its content can be told.
    Listed,
    /// It may still grow.
    Young,
    /// It is to be dispatched, and cannot be yet.
    New,
}

const STANDINGS: [(&str, Standing); 4] = [
    ("seen", Standing::Seen),
    ("listed", Standing::Listed),
    ("young", Standing::Young),
    ("new", Standing::New),
];

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What it was like when it was looked at.
    pub(crate) stamp: Stamp,
    /// How it stands, and since when.
    pub(crate) standing: Standing,
    pub(crate) since: Timestamp,
    /// The content that was read last; it is the present one unless the file is young or to be read.
    pub(crate) sha256: Option<Sha256Hex>,
    /// What was told of it last.
    pub(crate) told: Option<String>,
    /// Since when it is gone.
    pub(crate) gone: Option<Timestamp>,
}

impl Entry {
    /// Makes one of which nothing else is known.
    pub(crate) fn new(stamp: Stamp, standing: Standing, since: Timestamp) -> Self {
        Self { stamp, standing, since, sha256: None, told: None, gone: None }
    }

    /// Returns whether its content is the present one.
    pub(crate) fn is_read(&self) -> bool {
        match self.standing {
            Standing::Seen | Standing::New => true,
            Standing::Listed | Standing::Young => false,
        }
    }
}

/// The open database.
pub struct Seen {
    path: PathBuf,
    connection: Connection,
}

impl Seen {
    /// Opens the database in the directory of [`crate::States`]; it is made if it is missing.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join("seen.sqlite");
        let failed = |source| failure("open", &path, source);
        let connection = Connection::open(&path).map_err(failed)?;
        // Before the first table is made: a scan reads all of it.
        connection.pragma_update(None, "page_size", 16_384).map_err(failed)?;
        let connection = state::prepare(connection, &path, &STEPS)?;
        Ok(Self { path, connection })
    }

    /// Returns whether a scan of this tree was noted before.
    pub(crate) fn knows(&self, tree: &Path) -> Result<bool, StateError> {
        let sql = "SELECT 1 FROM trees WHERE path = ?1";
        let found = self.connection.query_row(sql, [tree.as_os_str().as_bytes()], |_| Ok(())).optional();
        found.map(|found| found.is_some()).map_err(|source| failure("read", &self.path, source))
    }

    /// Has a look at all that is known below a tree, in the order of the paths' bytes.
    pub(crate) fn below<T>(
        &self,
        tree: &Path,
        look: impl FnOnce(Known<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let failed = |source| failure("read", &self.path, source);
        let sql =
            "SELECT path, size, modified, changed, inode, standing, since, sha256, told, gone FROM files
            WHERE path > ?1 AND path < ?2 ORDER BY path";
        // What is below begins with the tree and a slash; the zero is the character behind that.
        let bound = |behind: u8| [tree.as_os_str().as_bytes(), &[behind]].concat();
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let rows = statement.query([bound(b'/'), bound(b'0')]).map_err(failed)?;
        look(Known { rows }).map_err(failed)
    }

    /// Notes how files stand by now, and that a tree was scanned, if one was; all of it or nothing. What is
    /// gone for long is forgotten.
    pub(crate) fn note(
        &mut self,
        trees: &[PathBuf],
        files: &[(PathBuf, Entry)],
        now: Timestamp,
    ) -> Result<(), StateError> {
        let path = self.path.clone();
        let failed = |source| failure("write", &path, source);
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let begun = begun.map_err(failed)?;
        for tree in trees {
            let sql = "INSERT OR IGNORE INTO trees (path) VALUES (?1)";
            begun.execute(sql, [tree.as_os_str().as_bytes()]).map_err(failed)?;
        }
        let sql = "INSERT OR REPLACE INTO files
            (path, size, modified, changed, inode, standing, since, sha256, told, gone)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut statement = begun.prepare(sql).map_err(failed)?;
        for (path, entry) in files {
            let Entry { stamp, standing, since, sha256, told, gone } = entry;
            let standing = STANDINGS.iter().find(|(_, known)| known == standing).map_or("", |(name, _)| name);
            let values = params![
                path.as_os_str().as_bytes(),
                stamp.size,
                stamp.modified,
                stamp.changed,
                stamp.inode,
                standing,
                since.to_string(),
                sha256.as_ref().map(|sha256| sha256.0),
                told,
                gone.map(|gone| gone.to_string())
            ];
            statement.execute(values).map_err(failed)?;
        }
        drop(statement);
        let oldest = now.checked_sub(MEMORY).unwrap_or(Timestamp::MIN);
        let sql = "DELETE FROM files WHERE gone IS NOT NULL AND gone < ?1";
        begun.execute(sql, [oldest.to_string()]).map_err(failed)?;
        begun.commit().map_err(failed)
    }
}

/// What is known below a tree, one file after the other.
pub(crate) struct Known<'s> {
    rows: Rows<'s>,
}

/// A row, of which no more is read than is asked for.
pub(crate) struct Row<'r>(&'r SqlRow<'r>);

impl Known<'_> {
    /// Goes on to the next file.
    pub(crate) fn next(&mut self) -> rusqlite::Result<Option<Row<'_>>> {
        Ok(self.rows.next()?.map(Row))
    }
}

impl Row<'_> {
    /// Returns its path.
    pub(crate) fn path(&self) -> rusqlite::Result<&[u8]> {
        Ok(self.0.get_ref(0)?.as_blob()?)
    }

    /// Returns whether there is nothing to do with a file that looks like this: its content was dealt with.
    pub(crate) fn is_as_before(&self, stamp: &Stamp) -> rusqlite::Result<bool> {
        let is_seen = self.0.get_ref(5)?.as_str()? == "seen";
        let is_gone = self.0.get_ref(9)? != ValueRef::Null;
        Ok(is_seen && !is_gone && self.stamp()? == *stamp)
    }

    fn stamp(&self) -> rusqlite::Result<Stamp> {
        let get = |column| self.0.get(column);
        Ok(Stamp { size: get(1)?, modified: get(2)?, changed: get(3)?, inode: get(4)? })
    }

    /// Returns since when it is gone.
    pub(crate) fn is_gone(&self) -> rusqlite::Result<bool> {
        Ok(self.0.get_ref(9)? != ValueRef::Null)
    }

    /// Returns all of it.
    pub(crate) fn entry(&self) -> rusqlite::Result<(PathBuf, Entry)> {
        let wrong = |column: usize| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(column, kind, "it makes no sense".into())
        };
        let time = |text: String, column| text.parse::<Timestamp>().map_err(|_| wrong(column));
        let standing = self.0.get_ref(5)?.as_str()?;
        let standing = STANDINGS.iter().find(|(name, _)| *name == standing).ok_or_else(|| wrong(5))?.1;
        let entry = Entry {
            stamp: self.stamp()?,
            standing,
            since: time(self.0.get(6)?, 6)?,
            sha256: self.0.get::<_, Option<[u8; 32]>>(7)?.map(Hex),
            told: self.0.get(8)?,
            gone: self.0.get::<_, Option<String>>(9)?.map(|gone| time(gone, 9)).transpose()?,
        };
        Ok((OsString::from_vec(self.path()?.to_owned()).into(), entry))
    }
}
