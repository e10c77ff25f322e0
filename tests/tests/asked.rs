//! What is asked for by name gets an answer by name, and changes nothing for the runs of cron.

use std::fs;
use std::path::Path;

use intraware_tests::Bench;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Fills a build directory with one small file.
fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\n").expect("a file");
}

#[test]
fn newcomer_b4_a_completed_build_is_not_held_which_is_said() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "blast/p1", small);
    bench.deliver();
    bench.manage(&["hold", "p1"]).expect(1).complains(&[
        "p1 is Completed since 20",
        "it is with customers, and a hold does nothing",
        "\"A build is wrong and Completed\"",
    ]);
    assert_eq!(fs::read_dir(bench.path("spool/holds")).expect("a directory").count(), 0);
    bench.add_build("q1", "blast/q1", small);
    bench.manage(&["hold", "q1"]).expect(0);
}

#[test]
fn newcomer_b4_a_completed_build_is_held_from_a_site_that_lags() {
    let mut bench = Bench::builder().build();
    bench.add_site("mirror");
    bench.set_other_site("mirror", "required", false);
    fs::rename(bench.path("mirror"), bench.path("away")).expect("moved");
    bench.add_build("p1", "blast/p1", small);
    bench.cycle().into_iter().for_each(|run| drop(run.expect(0)));
    assert_eq!(bench.status("p1").0, "Completed");
    bench.manage(&["hold", "p1"]).expect(0);
    fs::rename(bench.path("away"), bench.path("mirror")).expect("moved back");
    bench.upload(&["run", "--job", "p1"]).expect(0).complains(&["p1", "held since"]);
    assert!(!bench.path("mirror/blast").exists());
}

#[test]
fn newcomer_b5_who_asks_by_name_gets_an_answer_by_name() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "blast/p1", small);
    bench.deliver();
    bench.manage(&["run", "--build", "p1"]).expect(0).complains(&["p1", "it is delivered and released"]);
    bench.upload(&["run", "--job", "p1"]).expect(1).complains(&[
        "p1",
        "nothing waits for `upload`",
        "is in sent",
    ]);
    bench.add_build("q1", "blast/q1", small);
    let id = bench.record("q1")["id"].as_str().expect("an id").to_owned();
    bench.manage(&["hold", "q1", "--reason", "customer asked to wait"]).expect(0);
    let held = ["q1", "held since", "customer asked to wait", "manage unhold"];
    bench.manage(&["run", "--build", "q1"]).expect(0).complains(&held);
    // It has no job yet: the hold is known by its record alone.
    bench.upload(&["run", "--job", &id]).expect(1).complains(&["held since", "customer asked to wait"]);
    bench.upload(&["run", "--job", "nobody"]).expect(1).complains(&["nobody", "no job has this id or name"]);
    bench.manage(&["unhold", "q1"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    bench.manage(&["run", "--build", "q1"]).expect(0).complains(&["q1", "waits for `upload`"]);
    bench.manage(&["hold", "q1", "--reason", "customer asked to wait"]).expect(0);
    bench.upload(&["run", "--job", "q1"]).expect(0).complains(&held);
    // One of several that is not there does not keep the others from going out.
    bench.manage(&["unhold", "q1"]).expect(0);
    bench.upload(&["run", "--job", "q1", "nobody"]).expect(1).complains(&["nobody"]);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("q1");
    // Cron asks for nobody.
    bench.manage(&["hold", "q1"]).expect(1);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
}

#[test]
fn newcomer_m14_tries_by_name_make_the_pause_of_cron_no_longer() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "blast/p1", |dir| {
        mknodat(CWD, dir.join("ctl"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("a fifo");
    });
    for _ in 0..2 {
        bench.manage(&["run"]).expect(1);
    }
    bench.manage(&["run"]).expect_silence();
    let next_try = || bench.manage(&["status", "--json"]).expect(0).json()["builds"][0]["next_try"].clone();
    let before = next_try();
    assert!(before.is_string());
    for _ in 0..3 {
        bench.manage(&["run", "--build", "p1"]).expect(1).complains(&["p1", "named pipe"]);
    }
    assert_eq!(next_try(), before);
}

#[test]
fn newcomer_b8_what_failed_before_a_delivery_went_well_is_over() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "blast/p1", small);
    bench.manage(&["run"]).expect_silence();
    fs::rename(bench.site_file(""), bench.path("away")).expect("moved");
    assert!(bench.upload(&["run"]).status > 1);
    let job = bench.spool_listing().upload.remove(0);
    assert!(bench.path("spool/upload").join(&job).join("attempts.json").exists());
    fs::rename(bench.path("away"), bench.site_file("")).expect("moved back");
    bench.upload(&["run", "--job", "p1"]).expect_silence();
    assert!(!bench.path("spool/sent").join(&job).join("attempts.json").exists());
    bench.manage(&["run"]).expect_silence();
    let status = bench.manage(&["status", "--json"]).expect(0).json();
    let line = &status["builds"][0];
    assert!(line["next_try"].is_null() && line["last_error"].is_null(), "{line}");
}
