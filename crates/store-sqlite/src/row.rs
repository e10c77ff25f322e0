//! A row of the database as a [`Record`].
//!
//! A row may have been edited by hand, past every check. What cannot be read is named by record and
//! column, and concerns that record alone.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::record::{Record, RecordId, Revision};
use intraware_core::store::StoreError;
use intraware_core::store::values::Values;

/// The columns that [`record`] reads.
pub(super) const COLUMNS: &str = "id, name, build_type, build_path, status, detail, association, size, md5, \
                                  sha1, build_date, priority, revision";

/// Reads one row.
pub(super) fn record(row: &Row<'_>, values: &Values) -> Result<Record, StoreError> {
    let from = Columns { row, id: row.get(0).unwrap_or_default() };
    Ok(Record {
        id: id(from.id).ok_or_else(|| from.bad("id", "a number above 0"))?,
        name: from.text("name")?.ok_or_else(|| from.bad("name", "a name"))?,
        build_type: from.text("build_type")?,
        build_path: from.text("build_path")?,
        status: values.status_of(from.text("status")?.as_deref()),
        detail: from.text("detail")?,
        released: values.is_released(from.text("association")?.as_deref()),
        size: from.size()?,
        md5: from.parsed("md5", "32 hexadecimal digits")?,
        sha1: from.parsed("sha1", "40 hexadecimal digits")?,
        build_date: from.parsed("build_date", "a time such as 2026-11-20T10:11:12Z")?,
        priority: from.integer("priority")?,
        revision: Revision(from.integer("revision")?.unwrap_or_default().to_string()),
    })
}

/// Returns the record id of a key.
pub(super) fn id(key: i64) -> Option<RecordId> {
    key.to_string().parse().ok()
}

/// Returns the key of a record id; none if no record of this store can have it.
pub(super) fn key(id: &RecordId) -> Option<i64> {
    // "007" is a valid id, but not the one of record 7.
    id.as_str().parse().ok().filter(|key: &i64| key.to_string() == id.as_str())
}

struct Columns<'a, 'stmt> {
    row: &'a Row<'stmt>,
    id: i64,
}

impl Columns<'_, '_> {
    fn bad(&self, column: &str, expected: &str) -> StoreError {
        let message =
            format!("record {}: column {column} does not hold {expected}; mend it with sqlite3", self.id);
        StoreError::new(Fault::Build, message)
    }

    /// Returns a text, none if it is empty: people clear a field in either way.
    fn text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self.row.get_ref(column) {
            Ok(ValueRef::Null | ValueRef::Text(b"")) => Ok(None),
            Ok(ValueRef::Text(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(self.bad(column, "UTF-8 text")),
            },
            Ok(_) => Err(self.bad(column, "text")),
            Err(error) => Err(self.missing(column, error)),
        }
    }

    fn integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self.row.get_ref(column) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Integer(number)) => Ok(Some(number)),
            Ok(_) => Err(self.bad(column, "a whole number")),
            Err(error) => Err(self.missing(column, error)),
        }
    }

    fn size(&self) -> Result<Option<u64>, StoreError> {
        let number = self.integer("size")?;
        number.map(|number| u64::try_from(number).map_err(|_| self.bad("size", "a size"))).transpose()
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        column: &'static str,
        expected: &str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.text(column)?;
        text.map(|text| text.parse().map_err(|_| self.bad(column, expected))).transpose()
    }

    fn missing(&self, column: &str, error: rusqlite::Error) -> StoreError {
        let column = foreign::escape(column);
        StoreError::caused(Fault::Configuration, format!("the record database has no column {column}"), error)
    }
}
