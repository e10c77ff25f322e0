//! A spool is made, and opened only if it is one.

use super::*;

fn refusal(root: &Path, single_host: bool) -> (Fault, String) {
    let error = Spool::open(root, single_host).unwrap_err();
    (error.fault, error.message)
}

#[test]
fn init_makes_what_is_missing_and_nothing_else_and_only_for_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/spool");
    let made = Spool::init(&root, now()).unwrap();
    assert_eq!(made.len(), DIRECTORIES.len() + 1, "{made:?}");
    for name in DIRECTORIES {
        assert_eq!(fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777, 0o700, "{name}");
    }
    fs::remove_dir(root.join("sent")).unwrap();
    let marker = fs::read(root.join(MARKER)).unwrap();
    assert_eq!(Spool::init(&root, now() + SignedDuration::from_hours(1)).unwrap(), ["sent/"]);
    assert_eq!(fs::read(root.join(MARKER)).unwrap(), marker);
    assert!(Spool::init(&root, now()).unwrap().is_empty());
    Spool::open(&root, true).unwrap();
}

#[test]
fn s0_04_an_unmounted_disk_is_not_an_empty_spool() {
    let dir = tempfile::tempdir().unwrap();
    for name in DIRECTORIES {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let (fault, message) = refusal(dir.path(), true);
    assert_eq!(fault, Fault::Spool);
    assert!(
        message.contains("intraware-spool.json is missing") && message.contains("mount the file system"),
        "{message}"
    );
    let (fault, message) = refusal(&dir.path().join("nowhere"), true);
    assert_eq!(fault, Fault::Spool);
    assert!(message.contains("no spool at"), "{message}");
}

#[test]
fn a_spool_of_a_later_version_is_left_alone() {
    let world = World::new();
    let marker = Marker { format: FORMAT + 1, created: now() };
    durable::write_json(world.dir.path(), MARKER, &marker, "r1").unwrap();
    let (fault, message) = refusal(world.dir.path(), true);
    assert_eq!(fault, Fault::Configuration);
    assert!(message.contains("has format 2, this program knows 1"), "{message}");
    fs::write(world.dir.path().join(MARKER), "{").unwrap();
    assert_eq!(refusal(world.dir.path(), true).0, Fault::Spool);
}

#[test]
fn a_spool_that_is_not_whole_is_refused() {
    let world = World::new();
    fs::remove_dir(world.dir.path().join("sent")).unwrap();
    assert_eq!(refusal(world.dir.path(), true).0, Fault::Spool);
    // Not even a link to a directory on the same file system: renames would go astray when it changes.
    symlink(world.dir.path().join("work"), world.dir.path().join("sent")).unwrap();
    let (fault, message) = refusal(world.dir.path(), true);
    assert_eq!(fault, Fault::Spool);
    assert!(message.ends_with("sent is not a directory; repair it with `manage init`"), "{message}");
}

#[test]
fn s0_15_locks_that_no_other_host_sees_are_refused_unless_there_is_no_other_host() {
    let world = World::new();
    let (fault, message) = refusal(world.dir.path(), false);
    assert_eq!(fault, Fault::Configuration);
    assert!(
        message.contains("do not reach other hosts") && message.contains("spool.single_host = true"),
        "{message}"
    );
}
