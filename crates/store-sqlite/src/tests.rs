use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::params;
use tempfile::TempDir;

use super::*;
use intraware_core::digest::Digester;
use intraware_core::store::conformance::{Field, People, Sheet, Subject};

mod opening;

mod conformance {
    intraware_core::conformance_suite!(super::subject);
}

fn values() -> Values {
    Values {
        build_type: vec!["Patch Build".into()],
        error: "Error".into(),
        in_process: "In Process".into(),
        completed: "Completed".into(),
        do_not_release: "Do Not Release".into(),
        ready: "Ready for Intraware File Association".into(),
        associated: "File Associated".into(),
    }
}

/// Somebody with the `sqlite3` shell, on a connection of their own.
struct Shell {
    connection: Connection,
    _dir: TempDir,
}

fn subject() -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let store = SqliteStore::open_or_create(&path, values()).unwrap();
    let connection = Connection::open(&path).unwrap();
    Subject { store: Box::new(store), people: Box::new(Shell { connection, _dir: dir }), values: values() }
}

fn number(id: &RecordId) -> i64 {
    row::key(id).unwrap()
}

impl People for Shell {
    fn add(&mut self, sheet: &Sheet) -> RecordId {
        let date = sheet.build_date.map(|date| date.to_string());
        let insert = "INSERT INTO records (name, build_type, build_path, status, detail, association, size, md5, \
                      sha1, build_date, priority) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let size = sheet.size.map(|size| size as i64);
        let Sheet { name, build_type, build_path, status, detail, association, md5, sha1, priority, .. } =
            sheet;
        let row = params![
            name,
            build_type,
            build_path,
            status,
            detail,
            association,
            size,
            md5,
            sha1,
            date,
            priority
        ];
        self.connection.execute(insert, row).unwrap();
        row::id(self.connection.last_insert_rowid()).unwrap()
    }

    fn edit(&mut self, id: &RecordId, field: Field, value: Option<&str>) {
        let column = match field {
            Field::BuildPath => "build_path",
            Field::Status => "status",
            Field::Association => "association",
        };
        let update = format!("UPDATE records SET {column} = ?2 WHERE id = ?1");
        assert_eq!(self.connection.execute(&update, params![number(id), value]).unwrap(), 1);
    }

    fn remove(&mut self, id: &RecordId) {
        let delete = "DELETE FROM records WHERE id = ?1";
        assert_eq!(self.connection.execute(delete, [number(id)]).unwrap(), 1);
    }

    fn show(&mut self, id: &RecordId) -> Sheet {
        let select = "SELECT name, build_type, build_path, status, detail, association, size, md5, sha1, \
                      build_date, priority FROM records WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Sheet {
                name: row.get(0)?,
                build_type: row.get(1)?,
                build_path: row.get(2)?,
                status: row.get(3)?,
                detail: row.get(4)?,
                association: row.get(5)?,
                size: row.get::<_, Option<i64>>(6)?.map(|size| size as u64),
                md5: row.get(7)?,
                sha1: row.get(8)?,
                build_date: row.get::<_, Option<String>>(9)?.map(|date| date.parse().unwrap()),
                priority: row.get(10)?,
            })
        };
        self.connection.query_row(select, [number(id)], read).unwrap()
    }

    fn settle(&mut self) {}
}

fn open(path: &Path, access: Access) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, values(), access)
}

fn new(name: &str) -> NewRecord {
    NewRecord { name: name.into(), path: "/builds/p7".into(), build_type: None, priority: None }
}

fn shell(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn the_schema_refuses_what_no_record_can_be_and_counts_every_edit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    let record = store.add(new("p7")).unwrap();
    let connection = Connection::open(&path).unwrap();
    let wrong = [
        "size = -1",
        "size = 'big'",
        "size = 9007199254740993",
        "md5 = 'd41d8cd98f00b204e9800998ecf8427'",
        "md5 = 'D41D8CD98F00B204E9800998ECF8427E'",
        "sha1 = 'x'",
        "build_date = '2026-13-01T00:00:00Z'",
        "build_date = '20 Nov 2026'",
        "name = ''",
        "name = NULL",
        "id = -1",
        "priority = 'high'",
    ];
    for set in wrong {
        let update = format!("UPDATE records SET {set}");
        assert!(connection.execute(&update, []).is_err(), "{set} was stored");
    }
    assert_eq!(store.get(std::slice::from_ref(&record.id)).unwrap()[0], record);
    connection.execute("UPDATE records SET detail = 'by hand'", []).unwrap();
    assert_ne!(store.get(std::slice::from_ref(&record.id)).unwrap()[0].revision, record.revision);
}

#[test]
fn an_unreadable_row_is_named_and_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    let ids: Vec<RecordId> = ["a", "b", "c"].iter().map(|name| store.add(new(name)).unwrap().id).collect();
    shell(&path, "PRAGMA ignore_check_constraints = ON; UPDATE records SET md5 = 'zz' WHERE name = 'b'");
    let selected = store.select().unwrap();
    let read: Vec<&RecordId> = selected.records.iter().map(|record| &record.id).collect();
    assert_eq!(read, [&ids[0], &ids[2]]);
    let missing = selected.missing.unwrap();
    assert_eq!(
        missing.message,
        "record 2: column md5 does not hold 32 hexadecimal digits; mend it with sqlite3"
    );
    assert_eq!(missing.fault, Fault::Build);
    assert!(store.get(&ids[..1]).is_ok() && store.get(&ids).is_err());
    assert!(store.find("a").is_ok() && store.find("b").is_err());
    assert!(store.check().unwrap().contains(&missing.message));
    shell(&path, "UPDATE records SET md5 = NULL, name = CAST(x'ff' AS TEXT) WHERE name = 'b'");
    assert!(store.select().unwrap().missing.unwrap().message.contains("column name does not hold UTF-8"));
}

#[test]
fn ids_are_not_given_twice_and_have_one_form() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    let first = store.add(new("a")).unwrap();
    shell(&path, "DELETE FROM records");
    assert_ne!(store.add(new("a")).unwrap().id, first.id);
    assert_eq!(store.find("02").unwrap(), []);
    assert_eq!(store.get(&["02".parse().unwrap()]).unwrap(), []);
}

#[test]
fn a_write_that_cannot_be_committed_is_not_made_and_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    store.connection.busy_timeout(Duration::from_millis(10)).unwrap();
    let record = store.add(new("p7")).unwrap();
    let change = Change::Failed { reason: "x".into() };
    // A reader in the middle of a transaction lets a writer begin, and not commit.
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM records;").unwrap();
    let WriteError::Store(error) = store.write(&record, &change).unwrap_err() else { panic!("refused") };
    assert_eq!(error.fault, Fault::TryLater, "{error}");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(store.get(std::slice::from_ref(&record.id)).unwrap(), std::slice::from_ref(&record));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.write(&record, &change), Err(WriteError::Store(e)) if e.fault == Fault::TryLater));
    other.execute_batch("ROLLBACK").unwrap();
    store.write(&record, &change).unwrap();
}

#[test]
fn two_writers_of_one_record_cannot_both_win() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    for round in 0..20 {
        let record = store.add(new(&format!("p{round}"))).unwrap();
        let write = |name: &'static str| {
            let (path, record) = (path.clone(), record.clone());
            std::thread::spawn(move || {
                let change = Change::Failed { reason: name.into() };
                open(&path, Access::ReadWrite).unwrap().write(&record, &change)
            })
        };
        let results = [write("one"), write("two")].map(|writer| writer.join().unwrap());
        let won = results.iter().filter(|result| result.is_ok()).count();
        let moved = |result: &Result<_, _>| {
            matches!(result, Err(WriteError::Refused { refusal: WriteRefusal::Moved, .. }))
        };
        assert!(won == 1 && results.iter().any(moved), "{results:?}");
    }
}

#[test]
fn a_size_that_no_store_can_keep_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open_or_create(&dir.path().join("r.db"), values()).unwrap();
    let record = store.add(new("p7")).unwrap();
    let mut digests = Digester::default().finish();
    for size in [(1 << 53) + 1, u64::MAX] {
        digests.size = size;
        let change = Change::Prepared { build_date: Timestamp::UNIX_EPOCH, digests };
        let refused = store.write(&record, &change);
        assert!(
            matches!(&refused, Err(WriteError::Refused { refusal: WriteRefusal::Rejected(_), .. })),
            "{refused:?}"
        );
    }
    assert_eq!(store.find("p7").unwrap(), [record]);
}

#[test]
fn a_reason_that_just_fits_is_kept_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open_or_create(&dir.path().join("r.db"), values()).unwrap();
    let mut record = store.add(new("p7")).unwrap();
    for (length, kept) in [(255, "é".repeat(255)), (256, "é".repeat(254) + "…")] {
        record.revision = store.write(&record, &Change::Failed { reason: "é".repeat(length) }).unwrap();
        assert_eq!(store.find("p7").unwrap()[0].detail, Some(kept));
    }
}

#[test]
fn records_are_added_by_hand_with_a_clear_word_on_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open_or_create(&dir.path().join("r.db"), values()).unwrap();
    let record = store.add(NewRecord { priority: Some(2), ..new("p7") }).unwrap();
    assert_eq!((record.status.clone(), record.priority), (Status::Empty, Some(2)));
    assert_eq!(record.build_type.as_deref(), Some("Patch Build"));
    assert_eq!(store.select().unwrap().records, [record]);
    let cases = [
        (new("p7"), "there is a record named p7 already"),
        (new(" "), "1 to 255 characters"),
        (new(&"x".repeat(256)), "1 to 255 characters"),
        (new("a\u{1b}[m"), "record a\\x1b[m must not hold control characters"),
        (NewRecord { path: "builds/p7".into(), ..new("p8") }, "must be absolute"),
        (NewRecord { build_type: Some("patch build".into()), ..new("p8") }, "[\"Patch Build\"]"),
    ];
    for (wrong, expected) in cases {
        match store.add(wrong) {
            Err(ByHandError::Refused(message)) => assert!(message.contains(expected), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn s0_10_people_hold_and_release() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open_or_create(&dir.path().join("r.db"), values()).unwrap();
    let record = store.add(new("p7")).unwrap();
    let refused = |result: Result<Record, ByHandError>| match result {
        Err(ByHandError::Refused(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(store.set_status(&record.id, StatusByHand::Release)).contains("not held"));
    let held = store.set_status(&record.id, StatusByHand::Hold).unwrap();
    assert_eq!(held.status, Status::DoNotRelease);
    assert!(store.select().unwrap().records.is_empty());
    let change = Change::Failed { reason: "x".into() };
    let stale = store.write(&record, &change);
    assert!(matches!(stale, Err(WriteError::Refused { refusal: WriteRefusal::Held, .. })), "{stale:?}");
    let free = store.set_status(&record.id, StatusByHand::Release).unwrap();
    assert_eq!((free.status.clone(), free.detail.clone()), (Status::Empty, None));
    let stale = store.write(&record, &change);
    assert!(matches!(stale, Err(WriteError::Refused { refusal: WriteRefusal::Moved, .. })), "{stale:?}");

    let digests = Digester::default().finish();
    store.write(&free, &Change::Prepared { build_date: Timestamp::UNIX_EPOCH, digests }).unwrap();
    let record = store.find("p7").unwrap().remove(0);
    store.write(&record, &Change::Delivered).unwrap();
    assert!(refused(store.set_status(&record.id, StatusByHand::Hold)).contains("Completed"));
    assert!(refused(store.set_status(&"99".parse().unwrap(), StatusByHand::Hold)).contains("no record 99"));
}
