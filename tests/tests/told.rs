//! What people are told: of what failed before, of what fails again and again, and of what cannot be asked.

use std::fs;
use std::path::Path;

use intraware_tests::Bench;
use intraware_tests::support::relay::Fault as Cut;
use intraware_tests::support::salesforce::{Fault, On};
use intraware_tests::support::sshd::Access;

const ALWAYS: u32 = u32::MAX;

fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {}\n", dir.display())).expect("a file");
}

#[test]
fn f_23_a_completed_build_shows_no_failure_of_before() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let relay = bench.relay(Cut::None);
    bench.add_build("p1", "blast/p1", small);
    bench.manage(&["run"]).expect_silence();
    relay.set(Cut::CutAfter(0));
    bench.upload(&["run"]).expect(75);
    let status = bench.manage(&["status"]).expect(0).stdout;
    assert!(status.contains("connection broke"), "{status}");
    relay.set(Cut::None);
    bench.upload(&["run", "--job", "p1"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    let shown = bench.manage(&["status", "--json"]).expect(0).json();
    let line = &shown["builds"][0];
    assert_eq!((&line["status"], &line["room"]), (&"completed".into(), &"sent".into()), "{shown}");
    assert!(line["last_error"].is_null() && line["next_try"].is_null(), "{shown}");
    let why = bench.manage(&["why", "p1"]).expect(0).stdout;
    assert!(!why.contains("failed deliveries") && why.contains("delivered"), "{why}");
}

#[test]
fn f_23_while_salesforce_is_away_the_spool_s_side_is_shown() {
    let bench = Bench::builder().salesforce().build();
    let id = bench.add_build("p1", "blast/p1", small);
    bench.manage(&["run"]).expect_silence();
    bench.manage(&["hold", "p1", "--reason", "wrong licence"]).expect(0);
    bench.salesforce().inject(Fault::Unavailable(Some(3600)), On::AnyCall, 0, ALWAYS);
    let status = bench.manage(&["status"]).expect(75);
    for part in [
        &id[..],
        "p1",
        "not read",
        "upload",
        "held: wrong licence",
        "the record store cannot be asked",
        "503",
    ] {
        assert!(status.stdout.contains(part), "{part}: {status:?}");
    }
    for word in ["p1", &id] {
        let why = bench.manage(&["why", word]).expect(75).complains(&["status 503"]);
        for part in ["record    ", "not read", "in upload", "held since", "next      unknown", "M7"] {
            assert!(why.stdout.contains(part), "{part}: {why:?}");
        }
    }
    let none = bench.manage(&["why", "p9"]).expect(75).complains(&["status 503"]);
    assert_eq!(none.stdout, "");
}
