use std::sync::Arc;

use super::*;
use crate::run::{NoProgress, RunContext, Stop, SystemClock};

fn context(command: &str) -> RunContext {
    let identity = Identity {
        program: "manage".into(),
        host: "ebb".into(),
        pid: 7,
        run: "r1".into(),
        command: command.into(),
    };
    RunContext {
        identity,
        clock: Arc::new(SystemClock),
        stop: Stop::default(),
        progress: Arc::new(NoProgress),
    }
}

#[test]
fn s0_15_a_held_lock_refuses_others_and_says_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manage.lock");
    assert_eq!(holder(&path).unwrap(), None);
    let mut first = Lock::take(&path, &context("manage run")).unwrap();
    first.confirm().unwrap();
    match Lock::take(&path, &context("manage")) {
        Err(LockError::Busy(Some(holder))) => {
            assert_eq!(holder.identity.command, "manage run");
            assert!(holder.to_string().starts_with("ebb, process 7, since 20"), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(holder(&path).unwrap().unwrap().0.unwrap().identity.host, "ebb");
    drop(first);
    assert_eq!(holder(&path).unwrap(), None);
    Lock::take(&path, &context("manage")).unwrap();
}

#[test]
fn either_kind_of_lock_alone_is_respected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job.lock");
    let other = open(&path).unwrap();
    other.try_lock_exclusive().unwrap();
    assert!(matches!(Lock::take(&path, &context("x")), Err(LockError::Busy(None))));
    fs2::FileExt::unlock(&other).unwrap();
    fcntl(&other, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))).unwrap();
    assert!(matches!(Lock::take(&path, &context("x")), Err(LockError::Busy(None))));
    assert_eq!(holder(&path).unwrap(), Some(Held(None)));
}

#[test]
fn a_lock_on_an_unlinked_file_is_not_taken_for_one_on_its_successor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job.lock");
    let old = open(&path).unwrap();
    Lock::take(&path, &context("gc")).unwrap().remove().unwrap();
    try_both(&old).unwrap();
    assert!(!is_at(&old, &path).unwrap());
    Lock::take(&path, &context("next")).unwrap();
}

#[test]
fn a_link_in_place_of_a_lock_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, target) = (dir.path().join("job.lock"), dir.path().join("target"));
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert!(matches!(Lock::take(&path, &context("x")), Err(LockError::Io { .. })));
    assert!(!target.exists());
}

#[test]
fn h_2_a_lock_whose_file_was_taken_away_is_lost_and_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job.lock");
    let mut lock = Lock::take(&path, &context("upload run")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(lock.confirm(), Err(LockError::Lost { .. })));
    let other = Lock::take(&path, &context("next")).unwrap();
    for _ in 0..3 {
        assert!(matches!(lock.confirm(), Err(LockError::Lost { .. })));
    }
    drop(lock);
    assert_eq!(read_holder(&path).unwrap().identity.command, "next", "it does not touch the other one's");
    drop(other);
}

#[test]
fn h_2_a_file_that_another_client_has_removed_is_another_and_not_a_broken_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    std::fs::write(&one, "").unwrap();
    std::fs::write(&two, "").unwrap();
    let seen = |path: &Path| std::fs::symlink_metadata(path);
    let failed = |errno| Err(io::Error::from_raw_os_error(errno));
    assert!(are_same(seen(&one), seen(&one)).unwrap());
    assert!(!are_same(seen(&one), seen(&two)).unwrap());
    // What NFS answers for an open file that is gone, and for a name of which only the client still knows.
    assert!(!are_same(failed(libc::ESTALE), seen(&one)).unwrap());
    assert!(!are_same(seen(&one), failed(libc::ESTALE)).unwrap());
    assert!(!are_same(seen(&one), seen(&dir.path().join("none"))).unwrap());
    assert_eq!(are_same(failed(libc::EIO), seen(&one)).unwrap_err().raw_os_error(), Some(libc::EIO));
}

#[test]
fn h_4_a_lock_that_was_let_go_names_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job.lock");
    drop(Lock::take(&path, &context("manage run")).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn h_4_the_holder_named_is_the_one_that_holds_and_not_one_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let content = |command: &str| {
        let holder = Holder { identity: context(command).identity, since: Timestamp::UNIX_EPOCH };
        serde_json::to_vec(&holder).unwrap()
    };
    for round in 0..6 {
        // A process that another test starts has the lock of the round before, until it runs its program.
        let path = dir.path().join(format!("{round}.lock"));
        std::fs::write(&path, content("manage run")).unwrap();
        // A new holder has the lock, and says so only then.
        let file = open(&path).unwrap();
        try_both(&file).unwrap();
        let named = std::thread::scope(|scope| {
            let asked = scope.spawn(|| match Lock::take(&path, &context("x")) {
                Err(LockError::Busy(holder)) => holder.unwrap().identity.command,
                other => panic!("{other:?}"),
            });
            std::thread::sleep(SETTLES / 4);
            std::fs::write(&path, content("upload run")).unwrap();
            asked.join().unwrap()
        });
        assert_eq!(named, "upload run");
        assert_eq!(holder(&path).unwrap().unwrap().0.unwrap().identity.command, "upload run");
    }
}

#[test]
fn h_8_a_lock_is_held_for_long_after_six_hours() {
    let holder = Holder { identity: context("x").identity, since: "2026-11-21T03:00:00Z".parse().unwrap() };
    let is_long = |now: &str| Held(Some(holder.clone())).is_long(now.parse().unwrap());
    assert!(!is_long("2026-11-21T09:00:00Z") && is_long("2026-11-21T09:00:01Z"));
    assert!(!is_long("2026-11-20T03:00:00Z") && !Held(None).is_long(Timestamp::MAX));
}
