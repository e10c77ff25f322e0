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
