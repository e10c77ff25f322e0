//! Which files are opened as a database, and what opening one leaves of it.

use super::*;

/// Everything in a directory, byte for byte.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn a_database_is_made_for_its_owner_alone_and_only_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let error = open(&path, access).unwrap_err();
        assert_eq!(error.fault, Fault::Configuration);
        assert!(error.message.contains("manage records add"), "{error}");
    }
    assert!(content(dir.path()).is_empty());
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    store.add(new("p7")).unwrap();
    let mut again = SqliteStore::open_or_create(&path, values()).unwrap();
    assert_eq!(again.find("p7").unwrap().len(), 1);
    let error = SqliteStore::open_or_create(&dir.path().join("no/records.db"), values()).unwrap_err();
    assert_eq!(error.fault, Fault::Configuration);
}

#[test]
fn reading_leaves_everything_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    let mut store = SqliteStore::open_or_create(&path, values()).unwrap();
    let record = store.add(new("p7")).unwrap();
    drop(store);
    let before = content(dir.path());
    assert_eq!(before.len(), 1, "only the database is left behind");
    let mut reader = open(&path, Access::ReadOnly).unwrap();
    assert_eq!(reader.select().unwrap().records, std::slice::from_ref(&record));
    reader.check().unwrap();
    let WriteError::Store(error) = reader.write(&record, &Change::Failed { reason: "x".into() }).unwrap_err()
    else {
        panic!("refused for another reason");
    };
    assert_eq!(error.fault, Fault::Access, "{error}");
    assert!(matches!(reader.add(new("p8")), Err(ByHandError::Store(_))));
    drop(reader);
    assert_eq!(content(dir.path()), before);
}

#[test]
fn a_reader_neither_switches_the_journal_nor_undoes_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    SqliteStore::open_or_create(&path, values()).unwrap().add(new("p7")).unwrap();

    // A copy taken in the middle of a transaction is what a crash leaves.
    let crashed = tempfile::tempdir().unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE records SET detail = 'half';").unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                INSERT INTO records (name, build_path) SELECT 'n' || i, '/builds/' || i FROM n;";
    connection.execute_batch(fill).unwrap();
    for file in ["records.db", "records.db-journal"] {
        std::fs::copy(dir.path().join(file), crashed.path().join(file)).unwrap();
    }
    drop(connection);
    let before = content(crashed.path());
    let half = crashed.path().join("records.db");
    let error = open(&half, Access::ReadOnly).unwrap_err();
    assert_eq!(error.fault, Fault::TryLater, "{error}");
    assert_eq!(content(crashed.path()), before);
    let store = open(&half, Access::ReadWrite).unwrap();
    let all: Vec<Record> = store.list().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!((all.len(), all[0].detail.clone()), (1, None), "the transaction never happened");

    shell(&path, "PRAGMA journal_mode = WAL");
    let before = content(dir.path());
    let error = open(&path, Access::ReadOnly).unwrap_err();
    assert!(error.message.contains("write-ahead"), "{error}");
    assert_eq!(content(dir.path()), before);
    open(&path, Access::ReadWrite).unwrap();
    assert!(open(&path, Access::ReadOnly).is_ok());
}

#[test]
fn other_databases_and_newer_ones_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("foreign.db");
    shell(&foreign, "CREATE TABLE t (x)");
    let newer = dir.path().join("newer.db");
    SqliteStore::open_or_create(&newer, values()).unwrap();
    shell(&newer, "PRAGMA user_version = 99");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "not a database at all, but long enough to look at".repeat(100)).unwrap();
    let open_to_all = dir.path().join("open.db");
    SqliteStore::open_or_create(&open_to_all, values()).unwrap();
    std::fs::set_permissions(&open_to_all, std::fs::Permissions::from_mode(0o666)).unwrap();
    let before = content(dir.path());
    let cases = [
        (&foreign, "is not a record database"),
        (&newer, "newer version"),
        (&text, "damaged or no database"),
        (&open_to_all, "chmod o-w"),
        (&dir.path().to_owned(), "not a regular file"),
    ];
    for (path, expected) in cases {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = open(path, access).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }
    assert_eq!(content(dir.path()), before);
}

#[test]
fn an_empty_file_becomes_a_database_when_it_may_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.db");
    std::fs::write(&path, "").unwrap();
    assert!(open(&path, Access::ReadOnly).unwrap_err().message.contains("empty"));
    assert!(open(&path, Access::ReadWrite).is_ok());
    assert!(open(&path, Access::ReadOnly).is_ok());
}
