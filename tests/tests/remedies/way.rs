//! A build that stands still: what `why` and the messages say to type sets it going.

use std::fs;

use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Run, Running};

use super::{fill, shell};

/// Returns the command in what `manage why` says would unblock a build.
#[track_caller]
fn unblocks(why: &Run) -> String {
    let line = why.stdout.lines().find_map(|line| line.strip_prefix("unblock "));
    let line = line.unwrap_or_else(|| panic!("nothing is said to unblock it: {why:?}"));
    let at = ["manage ", "upload "].iter().filter_map(|name| line.find(name)).min();
    let command = &line[at.unwrap_or_else(|| panic!("no command is named: {why:?}"))..];
    command.split(['`', ';', ',']).next().unwrap_or_default().trim().to_owned()
}

#[track_caller]
fn type_it(bench: &Bench, line: &str) -> Run {
    Running::start(shell(bench, line)).wait().expect(0)
}

#[test]
fn newcomer_remedies_a_held_build_is_released_as_why_says() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    bench.manage(&["hold", "p1"]).expect(0);
    bench.deliver();
    assert_ne!(bench.status("p1").0, "Completed");
    type_it(&bench, &unblocks(&bench.manage(&["why", "p1"]).expect(0)));
    bench.deliver();
    bench.assert_delivered("p1");
}

#[test]
fn newcomer_remedies_a_build_that_failed_is_tried_again_as_why_says() {
    let bench = Bench::builder().build();
    let id = bench.add_record("p1", bench.build_root().join("p1").to_str().expect("a path"));
    bench.manage(&["run"]).expect(1).complains(&[&id]);
    fs::create_dir(bench.build_root().join("p1")).expect("a build");
    fill(&bench.build_root().join("p1"));
    let why = bench.manage(&["why", "p1"]).expect(0);
    type_it(&bench, &unblocks(&why));
    bench.deliver();
    bench.assert_delivered("p1");
}

#[test]
fn newcomer_remedies_a_job_that_waits_for_upload_is_delivered_as_why_says() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let relay = bench.relay(Fault::None);
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    relay.set(Fault::CutAfter(0));
    bench.upload(&["run"]).expect(75);
    relay.set(Fault::None);
    type_it(&bench, &unblocks(&bench.manage(&["why", "p1"]).expect(0)));
    // What ends a site's pause delivers nothing itself.
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p1");
}
