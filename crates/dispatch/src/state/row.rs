//! A row of the database: one content of a package at one machine, and how far it has come there.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use intraware_core::digest::Sha256Hex;
use intraware_core::foreign;
use jiff::Timestamp;
use rusqlite::Row as SqlRow;
use serde::Serialize;

/// How far a package has come at a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It shall go there.
    Planned,
    /// All of it is there and proven, under a temporary name.
    Sent,
    /// It has its name there.
    Verified,
    /// Its upgrade may have been begun there.
    Running,
    /// Its upgrade has ended there, and well.
    Done,
    /// It cannot be sent before a person does something; or its upgrade has failed there.
    Failed,
    /// How its upgrade has ended there is not known.
    Unknown,
    /// Another content of the package was to go there after it.
    Superseded,
}

impl State {
    const ALL: [(&str, Self); 8] = [
        ("planned", Self::Planned),
        ("sent", Self::Sent),
        ("verified", Self::Verified),
        ("running", Self::Running),
        ("done", Self::Done),
        ("failed", Self::Failed),
        ("unknown", Self::Unknown),
        ("superseded", Self::Superseded),
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, state)| state == self).map_or("", |(name, _)| name))
    }
}

/// One content of a package at a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The package's name.
    pub package: String,
    /// Its content.
    pub sha256: Sha256Hex,
    /// Its length in bytes.
    pub size: u64,
    /// The machine, as the routes name it.
    pub machine: String,
    /// The directory there, which stays the same from one try to the next.
    pub directory: String,
    /// The file here.
    #[serde(serialize_with = "as_shown")]
    pub file: PathBuf,
    /// How far it has come.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Whether a person holds it.
    pub is_held: bool,
    /// How often it has failed in a row.
    pub failures: u32,
    /// When it is tried again, if it has failed for now.
    pub again: Option<Timestamp>,
    /// Why it has failed the last time.
    pub error: Option<String>,
    /// How its content was proven there.
    pub proof: Option<String>,
    /// Whether its upgrade is run there.
    pub is_upgraded: bool,
    /// Which try of its upgrade is the current one, from 1 on. Another one needs a person's word.
    pub attempt: u32,
    /// What came of that try, once something has.
    pub outcome: Option<String>,
}

/// Writes a path as messages show it: it need not be UTF-8.
fn as_shown<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&foreign::path(path))
}

impl Row {
    /// Returns how people call it.
    pub fn label(&self) -> String {
        format!("{}@{}", foreign::escape(&self.package), self.machine)
    }

    /// Returns whether somebody who says `PACKAGE`, `PACKAGE@HOST` or `@HOST` means it.
    pub fn is_meant(&self, said: &str) -> bool {
        match said.rsplit_once('@') {
            Some(("", machine)) => machine == self.machine,
            Some((package, machine)) if machine == self.machine => package == self.package,
            Some(_) | None => said == self.package,
        }
    }
}

fn wrong(column: &str) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Text;
    rusqlite::Error::FromSqlConversionFailure(0, kind, format!("{column} makes no sense").into())
}

pub(super) fn time(row: &SqlRow<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get::<_, String>(column)?.parse().map_err(|_| wrong(column))
}

/// Reads a row. What the database does not let in is not expected here either.
pub(super) fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let state: String = row.get("state")?;
    let state = State::ALL.iter().find(|(name, _)| *name == state).ok_or_else(|| wrong("state"))?.1;
    let again: Option<String> = row.get("again")?;
    Ok(Row {
        package: row.get("package")?,
        sha256: row.get::<_, String>("sha256")?.parse().map_err(|_| wrong("sha256"))?,
        size: row.get::<_, i64>("size")?.cast_unsigned(),
        machine: row.get("machine")?,
        directory: row.get("directory")?,
        file: OsString::from_vec(row.get("file")?).into(),
        state,
        since: time(row, "since")?,
        is_held: row.get("held")?,
        failures: row.get("failures")?,
        again: again.is_some().then(|| time(row, "again")).transpose()?,
        error: row.get("error")?,
        proof: row.get("proof")?,
        is_upgraded: row.get("upgraded")?,
        attempt: row.get("attempt")?,
        outcome: row.get("outcome")?,
    })
}
