//! A host whose clock is wrong: what its runs leave alone, what they say, and that the next host goes on.

use std::fs;
use std::path::{Path, PathBuf};

use intraware_tests::{Bench, Program, Run, Running};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

fn fill(dir: &Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\nexec true\n").expect("a file");
}

/// Runs a program on a host whose clock is 400 days ahead, while the file system's is right.
fn ahead(bench: &Bench, program: Program, arguments: &[&str]) -> Run {
    let mut command = bench.command(program, arguments);
    command.env("LD_PRELOAD", library()).env("FAKETIME", "+400d");
    command.env("NO_FAKE_STAT", "1").env("DONT_FAKE_MONOTONIC", "1");
    Running::start(command).wait()
}

/// Returns the library of Debian's package faketime, in the directory of this machine's architecture.
fn library() -> PathBuf {
    let dirs = fs::read_dir("/usr/lib").expect("a directory");
    let mut found = dirs.map(|dir| dir.expect("an entry").path().join("faketime/libfaketime.so.1"));
    found.find(|path| path.exists()).expect("the package faketime is installed: tests/run")
}

#[test]
fn f_05_a_host_whose_clock_is_ahead_signs_removes_and_gives_up_nothing_and_says_why() {
    let mut bench = Bench::builder().set_site("required", true).build();
    bench.add_site("mirror");
    bench.set_other_site("mirror", "required", false);
    bench.add_build("p1", "blast/p1", fill);
    bench.deliver();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0]);
    // Its papers are kept for 30 days.
    let said =
        ["this host's clock is 400 days ahead of that of the spool's file system", "set this host's clock"];
    bench.add_build("p2", "blast/p2", fill);
    let run = ahead(&bench, Program::Manage, &["run"]).expect(75).complains(&said);
    assert_eq!(run.stderr.matches("400 days").count(), 1, "{run:?}");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0]);
    assert_eq!(bench.status("p2").0, "");
    let check = ahead(&bench, Program::Manage, &["check"]).stdout;
    assert!(check.contains("FAILED  clock: 400 days ahead of that of the spool's file system"), "{check}");
    let check = bench.manage(&["check"]).expect(0).stdout;
    assert!(check.contains("ok      clock: "), "{check}");

    // Delivering does not hang on the time; the receipt bears the spool's.
    bench.manage(&["run"]).expect_silence();
    ahead(&bench, Program::Upload, &["run"]).expect(75).complains(&said);
    assert_eq!(bench.spool_listing().counts(), [0, 0, 1, 1, 0]);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p2");
    let receipts = fs::read_dir(bench.path("spool/sent")).expect("a room").map(|job| {
        let path = job.expect("a job").path().join("receipt.json");
        (Timestamp::try_from(fs::metadata(&path).and_then(|seen| seen.modified()).expect("a time")), path)
    });
    for (written, path) in receipts {
        let receipts: Value = serde_json::from_slice(&fs::read(&path).expect("receipts")).expect("JSON");
        let delivered: Timestamp =
            receipts["receipts"][0]["delivered"].as_str().expect("a time").parse().expect("a time");
        let late = delivered.duration_since(written.expect("a time"));
        assert!(late < SignedDuration::from_hours(1), "{path:?}: {late:?}");
    }
}

#[test]
fn f_05_a_host_whose_clock_salesforce_contradicts_signs_nothing() {
    let bench = Bench::builder().salesforce().build();
    bench.add_build("p1", "blast/p1", fill);
    bench.salesforce().advance(std::time::Duration::from_secs(40 * 86_400));
    let said = ["this host's clock is 40 days behind that of the record store", "set this host's clock"];
    bench.manage(&["run"]).expect(75).complains(&said);
    assert_eq!((bench.status("p1").0, bench.spool_listing().counts()), (String::new(), [0; 5]));
    let plan = bench.manage(&["--dry-run"]).expect(75).stdout;
    assert!(plan.contains("nothing, this host's clock is not believed") && plan.contains(said[0]), "{plan}");
    let why = bench.manage(&["why", "p1"]).expect(0).stdout;
    assert!(why.contains("unblock   set this host's clock"), "{why}");
    let check = bench.manage(&["check"]).expect(75).stdout;
    assert!(check.contains("FAILED  clock: 40 days behind that of the record store"), "{check}");
}
