//! What goes on is told once, where cron's lines ask for it.

use std::fs;

use intraware_tests::Bench;
use intraware_tests::support::relay::Fault as Cut;
use intraware_tests::support::sshd::Access;

#[test]
fn newcomer_k5_what_goes_on_is_said_once_and_again_to_whoever_runs_it_by_hand() {
    let bench = Bench::builder().build();
    let file = bench.path("var/told.json");
    let once = ["run", "--tell-once", file.to_str().unwrap()];
    let nowhere = |name: &str| bench.build_root().join(name).to_str().unwrap().to_owned();
    bench.add_record("p1", &nowhere("p1"));
    let first = bench.manage(&once).expect(1);
    assert!(first.stderr.contains("Build Not Found"), "{first:?}");
    // The first failure costs no pause, so the next run meets it again.
    let second = bench.manage(&once).expect(1);
    assert_eq!(second.stderr, "", "{second:?}");
    let by_hand = bench.manage(&["run", "--build", "p1"]).expect(1);
    assert_eq!(by_hand.stderr, first.stderr);
    // Another build that fails in the same way is another matter.
    bench.add_record("p2", &nowhere("p2"));
    let other = bench.manage(&once).expect(1);
    assert!(other.stderr.contains("p2") && !other.stderr.contains("p1"), "{other:?}");
}

#[test]
fn newcomer_k5_one_cause_is_said_by_one_of_the_programs() {
    let bench = Bench::builder().build();
    let file = bench.path("var/told.json");
    let once = ["run", "--tell-once", file.to_str().unwrap()];
    fs::rename(bench.path("spool"), bench.path("away")).unwrap();
    let told = bench.manage(&once).expect(74);
    assert!(told.stderr.contains("no spool at"), "{told:?}");
    for run in [bench.upload(&once), bench.manage(&once), bench.upload(&once)] {
        assert_eq!((run.status, run.stderr.as_str()), (74, ""), "{run:?}");
    }
}

#[test]
fn newcomer_k5_one_cause_is_said_once_whichever_builds_it_stops() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let relay = bench.relay(Cut::None);
    let file = bench.path("var/told.json");
    let once = ["run", "--tell-once", file.to_str().unwrap()];
    let fill = |dir: &std::path::Path| fs::write(dir.join("content"), "x").unwrap();
    bench.add_build("p1", "blast/p1", fill);
    bench.manage(&once).expect_silence();
    relay.set(Cut::CutAfter(0));
    let told = bench.upload(&once).expect(75);
    assert!(told.stderr.contains("p1"), "{told:?}");
    bench.add_build("p2", "blast/p2", fill);
    let again = bench.manage(&once).expect(75);
    assert_eq!(again.stderr, "", "{again:?}");
}

#[test]
fn newcomer_k5_what_cannot_be_remembered_is_said_each_time() {
    let bench = Bench::builder().build();
    let once = ["run", "--tell-once", "/proc/told.json"];
    bench.add_record("p1", bench.build_root().join("p1").to_str().unwrap());
    for _ in 0..2 {
        let run = bench.manage(&once).expect(1);
        assert!(run.stderr.contains("Build Not Found") && run.stderr.contains("cannot remember"), "{run:?}");
    }
}
