//! One bad build among good ones: its record becomes Error and says why, and nobody else is delayed.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use intraware_tests::{Bench, Run};
use serde_json::{Value, json};

const GOOD: [&str; 4] = ["p1", "p2", "p4", "p5"];
const BAD: &str = "p3";

fn bench() -> Bench {
    Bench::builder().salesforce().unprivileged().build()
}

fn fill(dir: &Path) {
    fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {}\n", dir.display())).expect("a file");
    fs::create_dir(dir.join("data")).expect("a directory");
    fs::write(dir.join("data/table"), [7; 3000]).expect("a file");
}

fn add_good(bench: &Bench) {
    for name in GOOD {
        bench.add_build(name, &format!("blast/{name}"), fill);
    }
}

/// Checks that a run ended with status 1, on account of the bad build alone, and that its record says why.
#[track_caller]
fn assert_only_bad_failed(bench: &Bench, run: Run, reason: &str) {
    let run = run.expect(1).complains(&[BAD, reason]);
    assert_eq!(run.stderr.lines().count(), 1, "one line for one fault: {run:?}");
    let (status, detail) = bench.status(BAD);
    assert_eq!(status, "Error");
    assert!(detail.contains(reason), "{detail}");
    let record = bench.record(BAD);
    let described = ["size", "md5", "sha1", "build_date"].map(|field| &record[field]);
    assert_eq!(described, [&Value::Null; 4], "nothing is said of a payload that does not exist");
}

/// Runs a cycle over four good builds and a bad one.
#[track_caller]
fn one_bad_among_five(bench: &Bench, reason: &str) {
    assert_only_bad_failed(bench, bench.manage(&["run"]), reason);
    bench.upload(&["run"]).expect_silence();
    // The first failure costs no pause; it is tried again, and fails again.
    assert_only_bad_failed(bench, bench.manage(&["run"]), reason);
    for name in GOOD {
        bench.assert_delivered(name);
    }
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 4, 0]);
    assert_eq!(bench.spool_listing().work, Vec::<String>::new());
    bench.manage(&["run"]).expect_silence();
}

/// Delivers five builds of which `spoil` has made the third bad.
#[track_caller]
fn spoiled(spoil: impl FnOnce(&Path), reason: &str) {
    let bench = bench();
    add_good(&bench);
    bench.add_build(BAD, "blast/p3", |dir| {
        fill(dir);
        spoil(dir);
    });
    one_bad_among_five(&bench, reason);
    assert!(!bench.site_file("blast/p3").exists(), "nothing of it was begun at the site");
}

/// Delivers four builds beside a record with this build path.
#[track_caller]
fn misdirected(path: impl FnOnce(&Bench) -> String, reason: &str) {
    let bench = bench();
    add_good(&bench);
    let path = path(&bench);
    bench.add_record(BAD, &path);
    one_bad_among_five(&bench, reason);
}

#[test]
fn s0_29_a_missing_directory_is_build_not_found() {
    misdirected(|bench| format!("{}/blast/p3", bench.build_root().display()), "Build Not Found");
}

#[test]
fn s0_29_a_file_in_place_of_the_directory_is_build_not_found() {
    let file = |bench: &Bench| {
        let path = bench.build_root().join("p3");
        fs::write(&path, "not a directory").expect("a file");
        path.display().to_string()
    };
    misdirected(file, "Build Not Found");
}

#[test]
fn a_path_with_dot_dot_is_not_allowed_and_not_opened() {
    let path = |bench: &Bench| format!("{}/blast/../../etc", bench.build_root().display());
    misdirected(path, "is not allowed: it has an empty, \".\" or \"..\" component");
}

#[test]
fn a_path_outside_the_build_roots_is_not_allowed() {
    misdirected(|_| "/etc/ssl".to_owned(), "build path /etc/ssl is not allowed: no build root holds it");
}

#[test]
fn a_link_out_of_the_build_root_is_not_followed() {
    let link = |bench: &Bench| {
        let path = bench.build_root().join("p3");
        symlink(bench.path("etc"), &path).expect("a link");
        path.display().to_string()
    };
    misdirected(link, "is not allowed: a link on the way is absolute or leaves the build root");
}

#[test]
fn a_file_that_cannot_be_read_is_not_left_out() {
    let spoil = |dir: &Path| {
        fs::set_permissions(dir.join("data/table"), Permissions::from_mode(0o000)).expect("chmod");
    };
    spoiled(spoil, "blast/p3/data/table in the build: Permission denied; check its owner, its mode");
}

#[test]
fn a_directory_that_cannot_be_read_is_not_left_out() {
    let spoil =
        |dir: &Path| fs::set_permissions(dir.join("data"), Permissions::from_mode(0o000)).expect("chmod");
    spoiled(spoil, "blast/p3/data in the build: Permission denied; check its owner, its mode");
}

#[test]
fn a_named_pipe_does_not_block_anybody() {
    let spoil = |dir: &Path| {
        let path = CString::new(dir.join("data/pipe").to_str().expect("text")).expect("no NUL");
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("mkfifo");
    };
    spoiled(spoil, "blast/p3/data/pipe is a named pipe");
}

#[test]
fn a_socket_is_refused() {
    let spoil = |dir: &Path| drop(UnixListener::bind(dir.join("s")).expect("a socket"));
    spoiled(spoil, "blast/p3/s is a socket");
}

#[test]
fn a_link_out_of_the_build_is_refused() {
    let spoil = |dir: &Path| symlink("../../p1/setup.sh", dir.join("data/link")).expect("a link");
    spoiled(spoil, "blast/p3/data/link to ../../p1/setup.sh leads out of the build");
}

#[test]
fn a_build_without_files_is_refused() {
    let spoil = |dir: &Path| {
        fs::remove_file(dir.join("setup.sh")).expect("removed");
        fs::remove_file(dir.join("data/table")).expect("removed");
    };
    spoiled(spoil, "blast/p3 holds no file");
}

#[test]
fn a_file_that_grows_while_it_is_read_is_prepared_when_it_stands_still() {
    let bench = bench();
    add_good(&bench);
    bench.add_build(BAD, "blast/p3", |dir| {
        fill(dir);
        // Large enough that reading it takes a good part of a second, in which the writer gets its turn.
        File::options()
            .append(true)
            .open(dir.join("setup.sh"))
            .and_then(|f| f.set_len(64 << 20))
            .expect("a file");
    });
    let growing = File::options().append(true).open(bench.build_root().join("blast/p3/setup.sh"));
    let (mut growing, done) = (growing.expect("a file"), AtomicBool::new(false));
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                growing.write_all(b"#").expect("a byte more");
            }
        });
        let run = bench.manage(&["run"]);
        done.store(true, Ordering::SeqCst);
        run
    });
    assert_only_bad_failed(&bench, run, "changed while the build was read");
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    for name in GOOD {
        bench.assert_delivered(name);
    }
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered(BAD);
}

#[test]
fn s0_07_s0_29_a_build_that_appears_after_it_was_not_found_is_delivered() {
    let bench = bench();
    let dir = bench.build_root().join("blast/p3");
    bench.add_record(BAD, dir.to_str().expect("text"));
    for _ in 0..2 {
        assert_only_bad_failed(&bench, bench.manage(&["run"]), "Build Not Found");
    }
    // It is in a pause now, which ends because what is there is not what failed.
    fs::create_dir_all(&dir).expect("a build directory");
    fill(&dir);
    bench.deliver();
    bench.assert_delivered(BAD);
}

#[test]
fn s0_07_an_error_is_tried_again_after_a_pause_at_once_if_named_and_next_if_forgotten() {
    let bench = bench();
    bench.add_record(BAD, &format!("{}/p3", bench.build_root().display()));
    let calls = |run: &dyn Fn() -> Run, status| {
        let before = bench.salesforce().log().iter().filter(|line| line.starts_with("PATCH")).count();
        let run = run().expect(status);
        let writes =
            bench.salesforce().log().iter().filter(|line| line.starts_with("PATCH")).count() - before;
        (run, writes)
    };
    let cron = || bench.manage(&["run"]);
    assert_eq!(calls(&cron, 1).1, 1, "the record becomes Error");
    assert_eq!(calls(&cron, 1).1, 0, "an Error for the same reason is not written again");
    assert_eq!(calls(&cron, 0).1, 0, "it pauses");
    let plan = bench.manage(&["--dry-run"]).expect(0).stdout;
    assert!(plan.contains("nothing before 20") && plan.contains("Build Not Found"), "{plan}");
    let named = || bench.manage(&["run", "--build", BAD]);
    calls(&named, 1).0.complains(&["Build Not Found"]);
    calls(&cron, 0);
    bench.manage(&["retry", BAD]).expect_silence();
    assert_eq!(bench.status(BAD), (String::new(), String::new()));
    calls(&cron, 1).0.complains(&["Build Not Found"]);
}

#[test]
fn two_records_of_one_path_do_not_deliver_it_twice() {
    let bench = bench();
    let first = bench.add_build("first", "blast/p3", fill);
    bench.add_build(BAD, "blast/p3", |_| {});
    let reason = format!("record {first} is delivered to the same place");
    assert_only_bad_failed(&bench, bench.manage(&["run"]), &reason);
    bench.upload(&["run"]).expect_silence();
    // The first is on its way to Completed, and has the path until then.
    assert_only_bad_failed(&bench, bench.manage(&["run"]), &reason);
    bench.assert_delivered("first");
}

#[test]
fn a_path_that_was_released_for_one_record_is_not_used_for_another() {
    let bench = bench();
    let first = bench.add_build("first", "blast/p3", fill);
    bench.deliver();
    let before = fs::read(bench.payload("first")).expect("a payload");
    bench.add_build(BAD, "blast/p3", |dir| fs::write(dir.join("more"), "more").expect("a file"));
    let reason = format!("blast/p3/p3.tar.gz was released for record {first}");
    assert_only_bad_failed(&bench, bench.manage(&["run"]), &reason);
    assert_eq!(fs::read(bench.payload("first")).expect("a payload"), before);
}

#[test]
fn a_released_payload_is_never_replaced_by_other_content_of_the_same_record() {
    let bench = bench();
    let id = bench.add_build(BAD, "blast/p3", fill);
    bench.deliver();
    let payload = bench.payload(BAD);
    let before = fs::read(&payload).expect("a payload");
    let mut changed = OpenOptions::new().append(true).open(bench.build_root().join("blast/p3/setup.sh"));
    changed.as_mut().expect("a file").write_all(b"exit 1\n").expect("written");
    bench.salesforce().edit(intraware_tests::BUILD, &id, json!({ "Magma_Intraware_Upload__c": null }));
    bench.manage(&["run"]).expect(1).complains(&[BAD, "was released"]);
    assert_eq!(bench.status(BAD).0, "Error");
    assert_eq!(bench.spool_listing().parked.len(), 1);
    bench.upload(&["run"]).expect_silence();
    assert_eq!(fs::read(&payload).expect("a payload"), before);
    let (good, said) = bench.gpg_verify(&payload.with_extension("gz.asc"), &payload);
    assert!(good, "{said}");
}
