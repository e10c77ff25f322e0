//! The machines that are away.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row as SqlRow, params};

use super::row::time;
use super::{StateError, States, failure};
use crate::outage::Outage;

impl States {
    /// Returns the machines that do not answer, whether or not they are left alone.
    pub fn outages(&self) -> Result<BTreeMap<String, Outage>, StateError> {
        let failed = |source| failure("read", &self.path, source);
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT * FROM outages").map_err(failed)?;
        let rows = statement.query_map([], read).map_err(failed)?;
        rows.map(|row| row.map(|outage| (outage.machine.clone(), outage)))
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// Counts an attempt to connect that nobody has answered, and returns what is known of the machine now.
    pub(crate) fn count_outage(
        &self,
        machine: &str,
        error: &str,
        now: Timestamp,
    ) -> Result<Outage, StateError> {
        let failed = |source| failure("write", &self.path, source);
        let connection = self.lock();
        let sql = "SELECT * FROM outages WHERE machine = ?1";
        let before = connection.query_row(sql, [machine], read).optional().map_err(failed)?;
        let outage = Outage::after(before.as_ref(), machine, error, now);
        let sql = "INSERT OR REPLACE INTO outages (machine, failures, since, at, again, error)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let Outage { machine, failures, since, at, again, error } = &outage;
        let values = params![machine, failures, since.to_string(), at.to_string(), again.to_string(), error];
        connection.execute(sql, values).map_err(failed)?;
        Ok(outage)
    }

    /// Forgets that a machine was away: it has answered, or a person wants it tried.
    pub fn end_outage(&self, machine: &str) -> Result<(), StateError> {
        self.change("DELETE FROM outages WHERE machine = ?1", &[&machine]).map(drop)
    }
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Outage> {
    Ok(Outage {
        machine: row.get("machine")?,
        failures: row.get("failures")?,
        since: time(row, "since")?,
        at: time(row, "at")?,
        again: time(row, "again")?,
        error: row.get("error")?,
    })
}
