//! A site behind the tupkg protocol: what is handed in there, what is gone on with, and what is not believed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use intraware_tests::Bench;
use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;
use serde_json::{Value, json};

const SIZE: usize = 4 << 20;

/// Bytes that do not compress, so many that they are brought before they are handed in.
fn fill(dir: &Path) {
    fill_with(dir, SIZE);
}

fn fill_with(dir: &Path, size: usize) {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    fs::write(dir.join("noise"), (0..size).map(|_| next()).collect::<Vec<u8>>()).expect("a file");
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
        said.complains(&["p1", "as intraware: the server says FAIL", "p2", "not tried"]);
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

#[test]
fn s4_16_where_only_md5_is_compared_nothing_is_handed_in_unless_that_is_allowed() {
    let mut bench = Bench::builder().desk("").build();
    let url = url(&mut bench).replace("tupkgs:", "tupkg:");
    bench.set_site("url", url);
    bench.unset_site("ca_file");
    bench.add_build("p7", "p7", small);
    bench.manage(&["run"]).expect_silence();
    let says = "can be verified by MD5 alone: the site's server knows no SHA-256";
    bench.upload(&["run"]).expect(78).complains(&["p7", says, "verify = \"md5\""]);
    let said = bench.upload(&["check"]).expect(78).stdout;
    let line = said.lines().find(|line| line.starts_with("FAILED  site: ")).expect("a line about the site");
    assert!(line.contains("bench: tupkg without protection, MD5: its server knows no SHA-256"), "{line}");
    assert!(bench.desk().names().is_empty());
    bench.set_site("verify", "md5");
    bench.upload(&["check"]).expect(0);
    bench.upload(&["run", "--job", "p7"]).expect(0);
    assert_eq!(receipt(&bench)["verified_by"], json!("md5"));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

fn url(bench: &mut Bench) -> String {
    let address = bench.desk().address();
    bench.desk().url(address)
}

/// Writes a file that nobody else can read.
fn private(bench: &Bench, name: &str, text: &str) -> PathBuf {
    let path = bench.path(&format!("etc/{name}.secret"));
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    path
}

#[test]
fn with_a_site_over_sftp_neither_shows_what_the_other_cannot_have() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let mut desk = bench.add_desk("desk", "");
    bench.add_build("p7", "blast/p7", fill);
    bench.manage(&["run"]).expect_silence();
    desk.stop();
    bench.upload(&["run"]).expect(69).complains(&["p7", "at site desk"]);
    assert!(!bench.payload("p7").exists(), "it waits for the desk under its temporary name");
    desk.start_again();
    bench.sshd().refuse_client(true);
    bench.upload(&["run", "--job", "p7"]).expect(77).complains(&["at site bench"]);
    assert!(desk.names().is_empty(), "{:?}", desk.names());
    bench.sshd().refuse_client(false);
    bench.upload(&["run", "--job", "p7"]).expect(0);
    assert_eq!(desk.names(), names("blast@p7.tar.gz"));
    let receipt = receipt(&bench);
    let strengths = receipt["receipts"].as_array().expect("a list").iter();
    let strengths: Vec<_> = strengths.map(|receipt| (&receipt["site"], &receipt["verified_by"])).collect();
    assert_eq!(
        strengths,
        [(&json!("desk"), &json!("server-hash")), (&json!("bench"), &json!("server-hash"))]
    );
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn a_desk_that_may_lag_is_caught_up() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let mut desk = bench.add_desk("desk", "");
    bench.set_other_site("desk", "required", false);
    desk.stop();
    bench.add_build("p7", "blast/p7", small);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect(0).complains(&["site desk lags"]);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    desk.start_again();
    bench.upload(&["run", "--job", "p7"]).expect(0);
    assert_eq!(desk.names(), names("blast@p7.tar.gz"));
}

#[test]
fn s4_12_a_path_that_has_no_name_there_is_an_error_before_it_is_archived() {
    let bench = Bench::builder().desk("").build();
    bench.add_build("odd", "blast/a b", small);
    let says = "blast/a b cannot be named at a tupkg site";
    bench.manage(&["run"]).expect(1).complains(&["odd", says]);
    let (status, detail) = bench.status("odd");
    assert!(status == "Error" && detail.contains("letters, digits"), "{status}: {detail}");
    assert_eq!(bench.spool_listing().counts(), [0; 5]);
}

#[test]
fn another_content_that_waits_there_is_left_alone_and_the_record_says_so() {
    let mut bench = Bench::builder().desk("").build();
    bench.add_build("p7", "p7", small);
    bench.deliver();
    let theirs = bench.desk().incoming().join("p8.tar.gz");
    fs::write(&theirs, "something else").expect("a file");
    bench.add_build("p8", "p8", small);
    bench.manage(&["run"]).expect_silence();
    bench
        .upload(&["run"])
        .expect(1)
        .complains(&["p8.tar.gz: a package of that name and with another content waits there"]);
    bench.manage(&["run"]).expect(1);
    assert_eq!(bench.status("p8").0, "Error");
    assert_eq!(fs::read_to_string(&theirs).expect("a file"), "something else");
    fs::remove_file(&theirs).expect("removed");
    bench.manage(&["run", "--build", "p8"]).expect(0);
    bench.upload(&["run", "--job", "p8"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("p8").0, "Completed");
}

#[test]
fn a_server_that_takes_no_such_names_is_told_apart_from_a_bad_build() {
    let bench = Bench::builder().desk("names = [\".pkg.tar.gz\"]").build();
    bench.add_build("p7", "p7", small);
    bench.manage(&["run"]).expect_silence();
    bench
        .upload(&["run"])
        .expect(78)
        .complains(&["p7.tar.gz.asc: the server takes no package of such a name"]);
    assert_eq!(bench.status("p7").0, "In Process");
}

#[test]
fn neither_password_nor_anything_steering_is_shown_and_the_certificate_counts() {
    let mut bench = Bench::builder().desk("").build();
    bench.add_build("p7", "p7", small);
    bench.manage(&["run"]).expect_silence();
    let password = bench.desk().password();
    let own = bench.desk().certificates().fingerprint("server");
    let mut said = vec![bench.manage(&["config"]).expect(0), bench.upload(&["check", "-vv"]).expect(0)];
    bench.unset_site("ca_file");
    let refused = bench.upload(&["run", "-vv"]).expect(77);
    said.push(refused.complains(&["checking the certificate of site bench", "no login was tried"]));
    bench.set_site("certificate_sha256", own);
    let right = bench.site_value("password.file");
    bench.set_site("password.file", json!(private(&bench, "wrong", "not the password")));
    let refused = bench.upload(&["run", "-vv", "--job", "p7"]).expect(77);
    said.push(refused.complains(&["logging in to site bench", "as intraware: the server says FAIL"]));
    bench.set_site("password.file", right);
    said.push(bench.upload(&["run", "-vv", "--job", "p7"]).expect(0));
    for run in &said {
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(!text.contains(password) && !text.contains("not the password"), "{text}");
    }
    let log = bench.tx_events().iter().map(Value::to_string).collect::<String>();
    assert!(log.contains("hand p7.tar.gz in at the site") && !log.contains(password), "{log}");
    assert!(!bench.desk().log().contains(password));
}

#[test]
fn what_cannot_be_is_refused_with_the_configuration() {
    let mut bench = Bench::builder().desk("").build();
    let url = url(&mut bench);
    for (key, value, says) in [
        ("url", json!(format!("{url}/incoming")), "a tupkg server has no directories"),
        ("url", json!("tupkg://u@far.example"), "set allow_plaintext = true if it must be"),
        ("url", json!("tupkgs://127.0.0.1"), "must name the account, tupkgs://USER@HOST"),
        ("url", json!("tupkgs://u:hunter2@127.0.0.1"), "must not hold a password"),
        ("verify", json!("size"), "must be \"strong\" or \"md5\" for a tupkg site"),
        ("dialect", json!("2004"), "must be \"md5\" with dialect = \"2004\""),
        ("dialect", json!("2010"), "dialect"),
    ] {
        bench.set_site(key, value);
        let run = bench.upload(&["run"]).expect(78);
        let run = run.complains(&["intraware.toml", "site.", says]);
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
        bench.set_site("url", url.clone());
        bench.unset_site("verify");
        bench.unset_site("dialect");
    }
    bench.unset_site("password.file");
    bench.upload(&["run"]).expect(78).complains(&["site.password", "must be set for a tupkgs or tupkg site"]);
    let mut bench = Bench::builder().build();
    bench.set_site("verify", "md5");
    bench.upload(&["run"]).expect(78).complains(&["site.verify", "\"md5\" is for tupkg sites"]);
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

#[test]
fn of_two_desks_none_shows_what_the_other_has_not_got() {
    let mut bench = Bench::builder().desk("").build();
    let second = bench.add_desk("second", "");
    bench.add_build("p7", "p7", fill);
    bench.manage(&["run"]).expect_silence();
    bench.desk().stop();
    bench.upload(&["run"]).expect(69).complains(&["p7 (1)"]);
    assert_eq!((second.names().len(), second.partial().len()), (0, 1), "it has all but the last byte");
    bench.desk().start_again();
    bench.upload(&["run", "--job", "p7"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_eq!(second.names(), bench.desk().names());
}
