//! A site behind the tupkg protocol: what is handed in there, what is gone on with, and what is not believed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use intraware_tests::Bench;
use intraware_tests::support::dice::noise;
use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;
use serde_json::{Value, json};

mod refused;
mod several;

const SIZE: usize = 4 << 20;

/// Bytes that do not compress, so many that they are brought before they are handed in.
fn fill(dir: &Path) {
    fill_with(dir, SIZE);
}

fn fill_with(dir: &Path, size: usize) {
    fs::write(dir.join("noise"), noise(1, size)).expect("a file");
}

fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\nexec true\n").expect("a file");
}

/// Returns the receipt of the only job that was sent.
fn receipt(bench: &Bench) -> Value {
    let sent = bench.spool_listing().sent;
    assert_eq!(sent.len(), 1, "{sent:?}");
    let text = fs::read(bench.path("spool/sent").join(&sent[0]).join("receipt.json")).expect("a receipt");
    serde_json::from_slice(&text).expect("JSON")
}

/// Returns what belongs to a build at a desk, in order.
fn names(payload: &str) -> Vec<String> {
    ["", ".MD5", ".SHA1", ".SHA256", ".asc", ".filesize"]
        .iter()
        .map(|end| format!("{payload}{end}"))
        .collect()
}

#[test]
fn s4_12_s4_16_a_build_is_handed_in_with_its_sidecars_and_completed_by_its_receipt() {
    let mut bench = Bench::builder().desk("").build();
    bench.add_build("p7", "blast/5.1/p7", fill);
    let plan = bench.manage(&["run", "--dry-run"]).expect(0).stdout;
    assert!(!plan.contains("put the sidecars") && plan.contains("queue for upload"), "{plan}");
    bench.manage(&["run"]).expect_silence();
    assert!(bench.desk().names().is_empty(), "sidecars come with their payload");
    let plan = bench.upload(&["run", "--dry-run"]).expect(0).stdout;
    assert!(
        plan.contains("as blast/5.1/p7/p7.tar.gz, handed in at the site as blast@5.1@p7.tar.gz"),
        "{plan}"
    );
    bench.upload(&["run"]).expect_silence();
    let receipt = receipt(&bench);
    assert_eq!(
        [&receipt["verified_by"], &receipt["path"], &receipt["adopted"], &receipt["resumed_from"]],
        [&json!("server-hash"), &json!("blast@5.1@p7.tar.gz"), &json!(false), &json!(0)]
    );
    let peer = receipt["peer"].as_str().expect("a peer");
    assert!(peer.starts_with("tupkgs, TLSv1_3, certificate SHA256:") && peer.contains("SHA-256"), "{peer}");
    assert_eq!(bench.desk().names(), names("blast@5.1@p7.tar.gz"));
    // Nothing there can be looked at, so it may be taken on at once.
    bench.desk().stop();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0]);
    bench.manage(&["run"]).expect_silence();
}

#[test]
fn s4_13_s4_19_a_cut_is_gone_on_behind_and_until_its_last_byte_nothing_is_to_be_seen() {
    let mut bench = Bench::builder().desk("").build();
    let relay = bench.relay(Fault::CutAfter(2 << 20));
    bench.add_build("p7", "p7", fill);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect(75).complains(&["p7 (1)"]);
    assert!(bench.desk().names().is_empty(), "{:?}", bench.desk().names());
    bench.desk().wait_for("has closed the connection");
    let partial = bench.desk().partial();
    let held = fs::metadata(&partial[0]).expect("a partial package").len();
    assert!(held > 1 << 20, "{held}");
    relay.set(Fault::None);
    let before = relay.talks().len();
    bench.upload(&["run"]).expect_silence();
    let size = fs::metadata(bench.payload("p7")).expect("a payload").len();
    let receipt = receipt(&bench);
    assert_eq!((&receipt["resumed_from"], &receipt["sent"]), (&json!(held), &json!(size - held)));
    let sent: u64 = relay.talks()[before..].iter().map(|[client, _]| client).sum();
    assert!(sent < size - held + (64 << 10), "{sent} bytes for {}", size - held);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn s4_20_a_wrong_partial_package_is_found_out_and_brought_anew() {
    let mut bench = Bench::builder().desk("").build();
    let relay = bench.relay(Fault::CutAfter(2 << 20));
    bench.add_build("p7", "p7", fill);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect(75);
    bench.desk().wait_for("has closed the connection");
    let partial = bench.desk().partial();
    let file = fs::File::options().write(true).open(&partial[0]).expect("a partial package");
    file.write_all_at(b"not these bytes", 1000).expect("written");
    relay.set(Fault::None);
    bench.upload(&["run"]).expect(0).complains(&["the site has found other bytes, and thrown them away"]);
    let receipt = receipt(&bench);
    assert_eq!((&receipt["resumed_from"], &receipt["verified_by"]), (&json!(0), &json!("server-hash")));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn s4_17_after_a_lost_answer_the_next_run_is_told_that_all_of_it_came() {
    for build in [fill, small] {
        let mut bench = Bench::builder().desk("").build();
        // The verdict is on its way that long.
        let relay = bench.relay(Fault::Delay(Duration::from_millis(400)));
        bench.add_build("p7", "p7", build);
        bench.manage(&["run"]).expect_silence();
        let running = bench.spawn_upload(&["run"]);
        bench.desk().wait_for("p7.tar.gz: stored");
        drop(running);
        assert_eq!(bench.spool_listing().upload.len(), 1, "the answer was not lost");
        relay.set(Fault::None);
        let made = || fs::metadata(bench.payload("p7")).and_then(|seen| seen.modified()).expect("a payload");
        let before = made();
        bench.upload(&["run"]).expect_silence();
        let receipt = receipt(&bench);
        assert_eq!((&receipt["adopted"], &receipt["sent"]), (&json!(true), &json!(0)), "{receipt}");
        assert_eq!(receipt["verified_by"], json!("server-hash"));
        assert_eq!(made(), before, "it is another file");
        bench.manage(&["run"]).expect_silence();
        bench.assert_delivered("p7");
    }
}

#[test]
fn a_server_that_is_away_costs_one_attempt_a_run_and_then_one_a_pause() {
    let mut bench = Bench::builder().desk("").build();
    let relay = bench.relay(Fault::None);
    for name in ["p1", "p2", "p3"] {
        bench.add_build(name, &format!("blast/{name}"), small);
    }
    bench.manage(&["run"]).expect_silence();
    let right = bench.site_value("password.file");
    bench.set_site("password.file", json!(private(&bench, "wrong", "not the password")));
    for attempts in 1..=2 {
        let said = bench.upload(&["run"]).expect(77);
        said.complains(&["p1", "as intraware: the server says FAIL", "p2"]);
        assert_eq!(relay.accepted(), attempts, "one attempt a run, not one a build");
    }
    bench.set_site("password.file", right);
    bench.upload(&["run"]).expect_silence();
    assert_eq!(relay.accepted(), 2, "the pause is not over");
    let status = bench.upload(&["status"]).expect(0).stdout;
    assert!(status.contains("site bench is away"), "{status}");
    bench.upload(&["check"]).expect(0);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    assert_eq!(["p1", "p2", "p3"].map(|name| bench.status(name).0), ["Completed"; 3]);
}

#[test]
fn a_line_that_stalls_or_drips_ends_in_time_and_is_gone_on_with() {
    let mut bench =
        Bench::builder().desk("").set_site("io_timeout_s", 2).set_site("min_rate_kib", 256).build();
    let relay = bench.relay(Fault::StallAfter(1 << 20));
    // The buffers on the way take some 8 MiB, and what they take was sent fast.
    bench.add_build("p7", "p7", |dir| fill_with(dir, 24 << 20));
    bench.manage(&["run"]).expect_silence();
    for fault in [Fault::StallAfter(1 << 20), Fault::DripAfter(1 << 20, 20_000)] {
        relay.set(fault);
        let run = bench.upload(&["run"]).expect(75);
        let run = run.complains(&["p7", "nothing was heard, or too little, in the time allowed"]);
        let met = relay.met().expect("the fault").elapsed();
        assert!(met < Duration::from_secs(2 + 5), "{met:?}: {run:?}");
        assert!(bench.desk().names().is_empty());
        // It may not have noticed yet that nobody sends any more.
        bench.desk().start_again();
    }
    relay.set(Fault::None);
    bench.upload(&["run"]).expect_silence();
    assert!(receipt(&bench)["resumed_from"].as_u64() > Some(1 << 20));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn a_limit_holds_there_as_well() {
    let mut bench = Bench::builder().desk("").set_site("bandwidth_limit", "2 MiB/s").build();
    bench.add_build("p7", "p7", fill);
    bench.manage(&["run"]).expect_silence();
    let begin = Instant::now();
    bench.upload(&["run"]).expect_silence();
    assert!(begin.elapsed() > Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert_eq!(bench.desk().names().len(), 6);
}

/// Writes a file that nobody else can read.
fn private(bench: &Bench, name: &str, text: &str) -> PathBuf {
    let path = bench.path(&format!("etc/{name}.secret"));
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    path
}

#[test]
fn without_a_receipt_of_the_desk_nothing_is_completed() {
    let mut bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    let desk = bench.add_desk("desk", "");
    let says = "there is no receipt of it, and nothing there can be looked at (site desk)";
    bench.manage(&["run"]).expect(1).complains(&["p7", says]);
    assert_eq!(bench.record("p7")["released"], false);
    bench.deliver();
    bench.assert_delivered("p7");
    assert_eq!(desk.names(), names("blast@p7.tar.gz"));
}
