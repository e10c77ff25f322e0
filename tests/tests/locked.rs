//! What a program does when another one has the lock.

use std::fs::{self, File};
use std::path::Path;

use intraware_tests::Bench;
use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;
use rustix::fs::{FlockOperation, flock};

fn fill(dir: &Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\nexec true\n").expect("a file");
}

/// Takes a lock of the spool, as a process that has not yet said who it is.
fn take(bench: &Bench, name: &str) -> rustix::io::Result<File> {
    let path = bench.path("spool/locks").join(name);
    let file = File::options().append(true).create(true).open(path).expect("a lock file");
    flock(&file, FlockOperation::NonBlockingLockExclusive).map(|()| file)
}

#[test]
fn s0_15_s0_41_manage_leaves_all_to_the_one_that_has_the_lock_and_lets_it_go_at_its_end() {
    let bench = Bench::builder().salesforce().build();
    bench.add_build("p7", "blast/p7", fill);
    let lock = take(&bench, "manage.lock").expect("a free lock");
    bench.manage(&["run"]).expect_silence();
    let run = bench.manage(&["-v", "run"]).expect(0);
    run.complains(&["another manage is at work: manage.lock is held by"]);
    assert_eq!(bench.salesforce().log(), Vec::<String>::new(), "it does not even log in");
    drop(lock);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("p7").0, "In Process");
    take(&bench, "manage.lock").expect("the lock is free again");
}

#[test]
fn s0_44_a_payload_that_somebody_has_locked_is_passed_over() {
    let bench = Bench::builder().build();
    let locked = bench.add_build("locked", "blast/p1", fill);
    bench.add_build("free", "blast/p2", fill);
    bench.manage(&["run"]).expect_silence();
    let lock = take(&bench, &format!("job-{locked}.lock")).expect("a free lock");
    bench.upload(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 1, 1, 0, 0]);
    assert!(bench.spool_listing().upload[0].starts_with(&locked));
    drop(lock);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("locked");
    bench.assert_delivered("free");
}

#[test]
fn s0_45_s0_48_a_payload_is_locked_as_long_as_its_upload_lives() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let id = bench.add_build("p7", "blast/p7", fill);
    bench.manage(&["run"]).expect_silence();
    let lock = format!("job-{id}.lock");
    let relay = bench.relay(Fault::Mute);
    let mut upload = bench.spawn_upload(&["run"]);
    while relay.accepted() == 0 {
        assert!(upload.is_alive(), "{:?}", upload.wait());
        std::thread::yield_now();
    }
    assert!(take(&bench, &lock).is_err(), "it is locked before anything is sent");
    bench.upload(&["run"]).expect_silence();
    assert_eq!(relay.accepted(), 1, "nobody else connects for it");
    let status = bench.upload(&["status"]).expect(0);
    assert!(status.stdout.contains("running \"upload --config"), "it says who is at work: {status:?}");
    drop(upload);
    relay.set(Fault::None);
    bench.upload(&["run"]).expect_silence();
    take(&bench, &lock).expect("the lock is free again");
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}
