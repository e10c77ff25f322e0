//! A site that cannot be connected to: one attempt a pause, whatever runs and however much waits, and who
//! ends the pause.
//!
//! That the pauses grow, and what several hosts do, is tested where the clock can be moved, in `breaker` of
//! the library.

use std::fs;
use std::path::{Path, PathBuf};

use intraware_tests::support::relay::{Fault, Relay};
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Running};
use serde_json::{Value, json};

fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\nexec true\n").expect("a file");
}

/// A bench with one build that waits to be confirmed and three that wait to be delivered, at a site that from
/// then on refuses the login; two runs have found that out, and the site rests.
fn resting() -> (Bench, Relay) {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let relay = bench.relay(Fault::None);
    bench.add_build("sent", "blast/sent", small);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    for name in ["p1", "p2", "p3"] {
        bench.add_build(name, &format!("blast/{name}"), small);
    }
    bench.sshd().refuse_client(true);
    let before = relay.accepted();
    // Each is heard of by mail: of the first failure, and of the one after which there is a pause.
    for attempts in 1..=2 {
        bench.upload(&["run"]).expect_silence();
        bench.manage(&["run"]).expect(77).complains(&["logging in", "refused"]);
        assert_eq!(relay.accepted() - before, attempts, "one attempt a run, not one a build");
    }
    (bench, relay)
}

/// Returns the notes of outages; beside them may be what was learned of the site.
fn notes(bench: &Bench) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.path("spool/sites")).expect("a directory of the spool");
    let is_outage = |path: &PathBuf| fs::read_to_string(path).expect("a note").contains("next_try");
    entries.map(|entry| entry.expect("an entry").path()).filter(is_outage).collect()
}

/// Returns the note of the outage.
fn note(bench: &Bench) -> PathBuf {
    let mut files = notes(bench);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Makes the pause end.
fn let_pause_pass(bench: &Bench) {
    let path = note(bench);
    let mut outage: Value = serde_json::from_slice(&fs::read(&path).expect("a note")).expect("JSON");
    outage["at"] = json!("2026-01-01T00:00:00Z");
    outage["next_try"] = json!("2026-01-01T01:00:00Z");
    fs::write(path, outage.to_string()).expect("a note");
}

#[test]
fn while_a_site_rests_no_run_connects_and_none_says_a_word_and_a_check_ends_it() {
    let (bench, relay) = resting();
    let before = relay.accepted();
    for _ in 0..3 {
        bench.upload(&["run"]).expect_silence();
        bench.manage(&["run"]).expect_silence();
    }
    let plan = bench.manage(&["run", "--dry-run"]).expect(0).stdout;
    let words = "nothing, site bench is left alone until 20";
    assert!(plan.lines().any(|line| line.starts_with("sent (") && line.contains(words)), "{plan}");
    let why = bench.manage(&["why", "sent"]).expect(0).stdout;
    assert!(
        why.contains(words) && why.contains("unblock   put right what that says, then: upload check"),
        "{why}"
    );
    let status = bench.manage(&["status"]).expect(0).stdout;
    let told = "connecting failed 2 times in a row, the last time 20";
    assert!(status.contains("site bench is left alone until 20") && status.contains(told), "{status}");
    assert_eq!(relay.accepted(), before, "somebody connected");
    // Builds were prepared all the same; only what the site has to do with waits.
    assert_eq!(bench.spool_listing().counts(), [3, 0, 1, 0, 0]);
    assert_eq!(bench.status("p1").0, "In Process");

    // Who asks tries at once.
    bench.manage(&["run", "--build", "sent"]).expect(77).complains(&["refused"]);
    assert_eq!(relay.accepted(), before + 1);
    let check = bench.upload(&["check"]).expect(77).stdout;
    assert!(check.contains("note    site bench is left alone until 20"), "{check}");
    bench.sshd().refuse_client(false);
    let check = bench.upload(&["check"]).expect(0).stdout;
    assert!(check.contains("note    site: runs have left it alone; the next one goes on with it"), "{check}");
    bench.deliver();
    for name in ["sent", "p1", "p2", "p3"] {
        bench.assert_delivered(name);
    }
}

#[test]
fn when_the_pause_is_over_one_of_several_runs_tries_and_a_success_ends_it() {
    let (bench, relay) = resting();
    // What waits for `upload`.
    bench.sshd().refuse_client(false);
    bench.manage(&["check"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 3, 0, 1, 0]);
    bench.sshd().refuse_client(true);
    for _ in 0..2 {
        bench.upload(&["run"]).expect(77);
    }
    bench.upload(&["run"]).expect_silence();
    let plan = bench.upload(&["run", "--dry-run"]).expect(0).stdout;
    assert_eq!(plan.matches("nothing, site bench is left alone until 20").count(), 3, "{plan}");
    let status = bench.upload(&["status"]).expect(0).stdout;
    assert!(status.contains(", site bench is away"), "{status}");

    let_pause_pass(&bench);
    let before = relay.accepted();
    let runs: Vec<Running> = (0..3).map(|_| bench.spawn_upload(&["run"])).collect();
    let mut ends: Vec<i32> = runs.into_iter().map(|run| run.wait().status).collect();
    ends.sort();
    assert_eq!(ends, [0, 0, 77], "one has tried, and says so");
    assert_eq!(relay.accepted() - before, 1);

    let_pause_pass(&bench);
    bench.sshd().refuse_client(false);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    ["sent", "p1", "p2", "p3"].iter().for_each(|name| bench.assert_delivered(name));
    assert!(notes(&bench).is_empty(), "the note has gone");
}

#[test]
fn a_site_that_is_away_delays_no_build_of_another() {
    let mut bench = Bench::builder().sshd(Access::Shell).set_site("builds", "^far/").build();
    let near = bench.add_site("near");
    bench.set_other_site("near", "builds", "^near/");
    for name in ["near/p1", "far/p1", "near/p2", "far/p2"] {
        bench.add_build(&name.replace('/', "-"), name, small);
    }
    bench.manage(&["run"]).expect_silence();
    bench.sshd().refuse_client(true);
    bench.upload(&["run"]).expect(77).complains(&["far-p1", "at site bench", "far-p2", "2 builds wait"]);
    for name in ["p1", "p2"] {
        assert!(near.join(format!("near/{name}/{name}.tar.gz")).exists(), "{name}");
    }
    bench.upload(&["run"]).expect(77);
    bench.add_build("near-p3", "near/p3", small);
    bench.add_build("far-p3", "far/p3", small);
    bench.deliver();
    assert_eq!(["near-p1", "near-p2", "near-p3"].map(|name| bench.status(name).0), ["Completed"; 3]);
    assert_eq!(bench.spool_listing().counts(), [1, 2, 0, 3, 0]);
}
