//! The transaction log as people read it: all that was mailed, by the build's name, the latest first in mind.

use std::fs;
use std::path::Path;

use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Program, Run};

fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {}\n", dir.display())).expect("a file");
}

/// Returns what a run has printed as warnings and errors, without the words for that.
fn mailed(run: &Run) -> Vec<String> {
    let words = |line: &str| {
        let line = line.trim_start();
        let line = ["ERROR ", "WARN ", "error: "].iter().find_map(|word| line.strip_prefix(word));
        line.expect("an error or a warning").to_owned()
    };
    run.stderr.lines().map(words).collect()
}

#[test]
fn newcomer_b2_all_that_is_mailed_can_be_read_again_and_each_run_that_ended_badly() {
    let bench = Bench::builder().sshd(Access::Shell).unprivileged().build();
    let mut runs = Vec::new();
    // A host key that is another.
    bench.add_build("p1", "blast/p1", small);
    bench.manage(&["run"]).expect_silence();
    bench.sshd().change_host_key(true);
    runs.push((bench.upload(&["run"]).expect(77), "upload", 77));
    // A key that does not sign.
    bench.sshd().change_host_key(false);
    bench.upload(&["check"]).expect(0);
    let key = bench.path("etc/signing-key.asc");
    let good = fs::read(&key).expect("a key");
    fs::write(&key, "no key").expect("a key");
    bench.add_build("p2", "blast/p2", small);
    runs.push((bench.manage(&["run"]).expect(77), "manage", 77));
    fs::write(&key, good).expect("a key");
    // Records that cannot be read: the run ends before it has a plan.
    let records = bench.path("var/records.db");
    let kept = fs::read(&records).expect("records");
    fs::write(&records, "no records").expect("records");
    let unread = bench.manage(&["run"]);
    let status = unread.status;
    assert_ne!(status, 0, "{unread:?}");
    runs.push((unread, "manage", status));
    fs::write(&records, kept).expect("records");
    // A build at fault.
    bench.add_record("e1", "/nowhere/e1");
    runs.push((bench.manage(&["run"]).expect(1), "manage", 1));

    let log = bench.manage(&["log", "--failed"]).expect(0).stdout;
    for (run, program, status) in &runs {
        let mailed = mailed(run);
        assert!(!mailed.is_empty(), "{run:?}");
        for words in &mailed {
            assert!(log.contains(words), "{words}\nis not in the log:\n{log}");
        }
        let end = format!("exit: the run ends with exit status {status}: FAILED: ");
        let ends = log.lines().filter(|line| line.contains(&end) && line.contains(&format!(" {program}[")));
        assert!(ends.clone().any(|line| mailed.iter().any(|words| line.contains(words))), "{end}\n{log}");
    }
    // What went well adds nothing to it.
    let before = log.lines().count();
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run", "--build", "p2"]).expect_silence();
    assert_eq!(bench.manage(&["log", "--failed"]).expect(0).stdout.lines().count(), before);
    // And a dry run writes nothing at all.
    bench.manage(&["run", "--dry-run"]);
    assert_eq!(bench.manage(&["log", "--failed"]).expect(0).stdout.lines().count(), before);
}

#[test]
fn newcomer_m11_the_log_is_asked_by_name_and_time_and_says_names() {
    let bench = Bench::builder().build();
    let id = bench.add_build("p1", "blast/p1", small);
    bench.add_build("p2", "blast/p2", small);
    bench.add_record("e1", "/nowhere/e1");
    bench.manage(&["run"]).expect(1);
    let log = |arguments: &[&str]| bench.manage(&[&["log"], arguments].concat()).expect(0).stdout;
    let of_p1 = log(&["--build", "p1"]);
    assert!(of_p1.lines().count() > 3 && of_p1.lines().all(|line| line.contains(" p1 (")), "{of_p1}");
    assert_eq!(log(&["--build", &id]), of_p1);
    assert_eq!(log(&["--record", &id]), of_p1);
    assert!(!of_p1.contains(" times: "), "{of_p1}");
    assert!(log(&["-v", "--build", "p1"]).contains(" times: "));
    // A build that never had a job is known by its name as well.
    let of_e1 = log(&["--build", "e1", "--failed"]);
    assert_eq!(of_e1.lines().count(), 1, "{of_e1}");
    assert!(of_e1.contains("ERROR: e1 ("), "{of_e1}");
    assert_eq!(log(&["--since", "1h"]), log(&[]));
    assert_eq!(log(&["--since", "2099-01-01T00:00:00Z"]), "");
    assert_eq!(log(&["-n", "2"]).lines().count(), 2);
    bench.manage(&["log", "--since", "yesterday"]).expect(2).complains(&["write 1h, 2d, or a time"]);
}

#[test]
fn newcomer_m11_on_a_terminal_the_log_shows_the_last_fifty_lines() {
    let bench = Bench::builder().build();
    for n in 0..30 {
        bench.add_build(&format!("p{n}"), &format!("blast/p{n}"), small);
    }
    bench.manage(&["run"]).expect_silence();
    assert!(bench.manage(&["log"]).expect(0).stdout.lines().count() > 100);
    let seen = |arguments: &[&str]| bench.on_terminal(400, Program::Manage, arguments).expect(0).stdout;
    assert_eq!(seen(&["log"]).lines().count(), 50);
    assert!(seen(&["log", "-n", "0"]).lines().count() > 100);
}
