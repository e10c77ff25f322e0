//! The database as a file: where it may lie, who may write it, how it is made and opened.
//!
//! SQLite relies on POSIX locks and on seeing its own writes, neither of which a network file system
//! promises to several hosts; a database there is refused. Opened to read, a database is left byte
//! for byte as it is, and nothing appears beside it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failed;
use super::schema::{self, Unfit};
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::mount::{kind_of_disk, network_name};
use intraware_core::store::{Access, StoreError};

/// How long to wait for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes an empty file for a database, unless there is one.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    refuse_network(directory)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            let message = format!("cannot make the record database {}", foreign::path(path));
            Err(StoreError::caused(fault_of(&error), message, error))
        }
    }
}

/// Opens a database and brings it up to date, if it may be written.
pub(super) fn open(path: &Path, access: Access) -> Result<Connection, StoreError> {
    inspect(path, access)?;
    let failed = |error| failed("open", path, error);
    let flags = match access {
        Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let mut connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(failed)?;
    schema::ensure(&mut connection, access == Access::ReadWrite).map_err(|unfit| refusal(path, unfit))?;
    match access {
        Access::ReadOnly => connection.pragma_update(None, "query_only", true).map_err(failed)?,
        Access::ReadWrite => {
            let shown = foreign::path(path);
            if connection.is_readonly("main").map_err(failed)? {
                let message = format!("the record database {shown} cannot be written by this user");
                return Err(StoreError::new(Fault::Access, message));
            }
            // A journal that is deleted at each commit is the only one that leaves no other file behind.
            connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failed)?;
            connection.pragma_update(None, "synchronous", "EXTRA").map_err(failed)?;
        }
    }
    Ok(connection)
}

/// Looks at the file before SQLite does; first of all where it is, or would be.
fn inspect(path: &Path, access: Access) -> Result<(), StoreError> {
    inspect_on(path, access, kind_of_disk)
}

fn inspect_on(
    path: &Path,
    access: Access,
    kind_of_disk: impl Fn(&Path) -> std::io::Result<i64>,
) -> Result<(), StoreError> {
    let shown = foreign::path(path);
    let there = path.ancestors().find(|place| place.exists()).unwrap_or(path);
    refuse_network_by(there, path, kind_of_disk)?;
    let mut file = File::open(path).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::NotFound => {
                "; `manage records add --name NAME --path PATH` makes it, or set records.sqlite.path"
            }
            _ => "",
        };
        StoreError::caused(
            fault_of(&error),
            format!("cannot open the record database {shown}{advice}"),
            error,
        )
    })?;
    let unreadable =
        |error| StoreError::caused(Fault::Access, format!("cannot read the record database {shown}"), error);
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let message = format!("the record database {shown} is not a regular file; set records.sqlite.path");
        return Err(StoreError::new(Fault::Configuration, message));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o002 != 0 {
        let message = format!(
            "the record database {shown} has mode {mode:04o}, so everybody can release builds; make it safe: `chmod o-w {shown}`"
        );
        return Err(StoreError::new(Fault::Access, message));
    }
    // In write-ahead mode even a reader writes files beside the database.
    let mut header = [0; 20];
    let is_wal = file.read_exact(&mut header).is_ok() && header[18..20] == [2, 2];
    if is_wal && access == Access::ReadOnly {
        let message = format!(
            "the record database {shown} was switched to write-ahead logging and cannot be read without writing; the next real run switches it back"
        );
        return Err(StoreError::new(Fault::Configuration, message));
    }
    Ok(())
}

fn refusal(path: &Path, unfit: Unfit) -> StoreError {
    let shown = foreign::path(path);
    let message = match unfit {
        Unfit::Failed(error) => return failed("open", path, error),
        Unfit::Foreign => {
            format!("{shown} is not a record database; set records.sqlite.path to another file")
        }
        Unfit::Newer => format!(
            "the record database {shown} was made by a newer version of this program; use that version"
        ),
        Unfit::Older => format!(
            "the record database {shown} is empty or of an older version; the next real run brings it up to date"
        ),
    };
    StoreError::new(Fault::Configuration, message)
}

/// Refuses a place on a file system that several hosts share.
fn refuse_network(place: &Path) -> Result<(), StoreError> {
    refuse_network_by(place, place, kind_of_disk)
}

/// Refuses what is, or will be, called `path` if `there`, where that is, is shared by several hosts.
fn refuse_network_by(
    there: &Path,
    path: &Path,
    kind_of_disk: impl Fn(&Path) -> std::io::Result<i64>,
) -> Result<(), StoreError> {
    let shown = foreign::path(path);
    let kind = kind_of_disk(there).map_err(|error| {
        StoreError::caused(fault_of(&error), format!("cannot look at the file system of {shown}"), error)
    })?;
    match network_name(kind) {
        None => Ok(()),
        Some(name) => {
            let message = format!(
                "{shown} is on {name}, where SQLite's locks do not hold; set records.sqlite.path to a local disk"
            );
            Err(StoreError::new(Fault::Configuration, message))
        }
    }
}

fn fault_of(error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Fault::Configuration,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::Access,
        ErrorKind::StorageFull => Fault::TryLater,
        _ => Fault::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_9_a_database_that_is_not_there_yet_is_refused_for_its_place_first() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["records.db", "deep/down/records.db"].map(|name| dir.path().join(name)) {
            for access in [Access::ReadOnly, Access::ReadWrite] {
                let refused = inspect_on(&path, access, |_| Ok(0x6969)).unwrap_err();
                assert_eq!(refused.fault, Fault::Configuration);
                assert!(
                    refused.message.contains("is on NFS, where SQLite's locks do not hold"),
                    "{refused:?}"
                );
                let missing = inspect_on(&path, access, kind_of_disk).unwrap_err();
                assert!(missing.message.contains("--path PATH` makes it"), "{missing:?}");
            }
        }
    }

    #[test]
    fn a_local_directory_may_hold_a_database() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refuse_network(dir.path()).is_ok());
    }
}
