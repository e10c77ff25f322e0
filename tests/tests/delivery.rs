//! Real build trees, from their records to the site and back out of the payload, step by step.
//!
//! Trees are delivered with a Salesforce server and a real sshd, and judged by the tools of those who receive
//! them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use intraware_tests::support::sshd::Access;
use intraware_tests::{BUILD, Bench, Key};
use serde_json::{Value, json};

/// A bench on which the real trees can be delivered; some of their links lead out of them.
fn bench(key: Key, access: Access) -> Bench {
    Bench::builder().salesforce().sshd(access).key(key).set("archive.links", "keep").build()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}

/// Copies this host's documentation: thousands of small files, and links between packages that lead out of
/// it.
fn documentation(dir: &Path) {
    copy(Path::new("/usr/share/doc"), dir);
}

/// Copies the sources of this system's crates.
fn sources(dir: &Path) {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates"), dir);
}

/// Makes what file systems allow and archives get wrong.
fn oddities(dir: &Path) {
    let name = |bytes: &[u8]| dir.join(OsStr::from_bytes(bytes));
    let file = |bytes: &[u8], content: &[u8]| fs::write(name(bytes), content).expect("a file");
    fs::create_dir_all(dir.join("empty/empty/empty")).expect("empty directories");
    for len in [99, 100, 101, 155, 156, 255] {
        file(&vec![b'l'; len], b"long");
    }
    let deep = (0..20).map(|level| format!("{level:0>30}")).collect::<Vec<_>>().join("/");
    fs::create_dir_all(dir.join(&deep)).expect("a deep directory");
    fs::write(dir.join(&deep).join("file"), "deep").expect("a file");
    symlink(format!("{deep}/file"), dir.join("long-link")).expect("a link with a long target");
    for odd in [
        &b"\xff\xfe not UTF-8"[..],
        b"new\nline",
        b"tab\t",
        b"-rf",
        b"*",
        b" ",
        b"\\",
        b"'\"$(x)",
        b"\xc3\xa4",
    ] {
        file(odd, odd);
    }
    symlink("../nowhere", dir.join("empty/dangling")).expect("a link");
    symlink("/etc/passwd", dir.join("absolute")).expect("a link");
    symlink(OsStr::from_bytes(b"\xff\xfe not UTF-8"), dir.join("to-odd")).expect("a link");
    file(b"nothing", b"");
    file(b"block", &[7; 512]);
    fs::hard_link(dir.join("block"), dir.join("empty/same-block")).expect("a hard link");
    for mode in [0o400, 0o555, 0o640, 0o777] {
        let path = dir.join(format!("mode-{mode:o}"));
        fs::write(&path, "mode").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
    }
    for (path, time) in
        [("nothing", "1970-01-01 00:00:01"), ("block", "2100-02-03 04:05:06"), ("empty", "1999-12-31")]
    {
        let status = Command::new("touch").args(["-h", "-d", time]).arg(dir.join(path)).status();
        assert!(status.expect("touch").success());
    }
}

const TREES: [&str; 3] = ["documentation", "sources", "oddities"];

/// Delivers the three trees in one cycle and looks at everything after each of its steps.
fn deliver_real_trees(bench: &Bench) {
    bench.add_build("documentation", "system/12/documentation", documentation);
    bench.add_build("sources", "intraware/0.1/sources", sources);
    bench.add_build("oddities", "oddities", oddities);

    bench.manage(&["run"]).expect(0);
    assert_eq!(bench.spool_listing().counts(), [0, 3, 0, 0, 0]);
    for name in TREES {
        let record = bench.record(name);
        assert_eq!((&record["status"], &record["released"]), (&json!("In Process"), &json!(false)));
        assert!(record["size"].is_u64() && record["md5"].is_string() && record["build_date"].is_string());
        let payload = bench.payload(name);
        let dir = fs::read_dir(payload.parent().expect("a directory")).expect("the mirrored directory");
        assert_eq!(dir.count(), 5, "the sidecars of {name} are there before the payload");
        assert!(!payload.exists());
    }

    bench.upload(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 3, 0, 0]);
    for name in TREES {
        assert_eq!(bench.status(name).0, "In Process", "upload writes to no record");
    }

    bench.manage(&["run"]).expect_silence();
    for name in TREES {
        bench.assert_delivered(name);
    }
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 3, 0]);
    for row in bench.salesforce().records(BUILD) {
        assert_eq!(row["Intraware_Upload__c"], "Ready for Intraware File Association");
    }
    bench.deliver();
}

#[test]
fn s0_11_s0_12_s0_30_s0_31_s0_32_s0_33_real_trees_signed_by_a_protected_rsa_4096_key() {
    deliver_real_trees(&bench(Key::ProtectedRsa4096, Access::Shell));
}

#[test]
fn s0_34_s0_35_s0_36_s0_37_s0_38_s0_39_s0_46_real_trees_signed_by_a_protected_ed25519_key() {
    deliver_real_trees(&bench(Key::ProtectedEd25519, Access::SftpOnly));
}

fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\nexec true\n").expect("a file");
}

#[test]
fn s0_01_s0_02_s0_03_s0_05_two_programs_take_turns_and_the_record_tells_how_far_a_build_is() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    let payload = bench.payload("p7");
    let state = || (bench.status("p7").0, payload.exists(), bench.spool_listing().counts());
    assert_eq!(state(), (String::new(), false, [0, 0, 0, 0, 0]));
    bench.upload(&["run"]).expect_silence();
    assert_eq!(state(), (String::new(), false, [0, 0, 0, 0, 0]), "upload selects and prepares nothing");
    bench.manage(&["run"]).expect_silence();
    assert_eq!(state(), ("In Process".to_owned(), false, [0, 1, 0, 0, 0]), "manage delivers nothing");
    fs::remove_file(bench.path("var/records.db")).expect("removed");
    fs::remove_file(bench.path("etc/signing-key.asc")).expect("removed");
    bench.upload(&["run"]).expect_silence();
    assert!(payload.exists(), "upload needs neither records nor key");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 1, 0, 0]);
}

#[test]
fn s0_27_s0_40_s0_49_every_step_is_in_the_transaction_log_before_and_after_it() {
    let bench = Bench::builder().build();
    let id = bench.add_build("p7", "blast/p7", small);
    bench.deliver();
    let events = bench.tx_events();
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let mut open = Vec::new();
    let mut steps: Vec<String> = Vec::new();
    for event in &events {
        assert_eq!(event["record"], id.as_str(), "{event}");
        let effect = (text(event, "step"), text(event, "effect"));
        match (event["phase"].as_str(), event["duration_ms"].as_u64()) {
            (Some("begin"), None) => open.push(effect),
            (Some("done"), Some(_)) => {
                assert_eq!((open.pop().as_ref(), &event["result"]), (Some(&effect), &json!("ok")));
                steps.push(effect.0);
            }
            // A finding, which is no effect of its own.
            (Some("done"), None) => steps.push(effect.0),
            _ => panic!("{event}"),
        }
    }
    assert_eq!(open, []);
    steps.dedup();
    let programs = |program: &str| events.iter().filter(|event| event["program"] == program).count();
    assert_eq!(steps, ["M2", "times", "M3", "M4", "M5", "M6", "M7", "U2", "U3", "U4", "U5", "C3", "C4"]);
    assert!(programs("manage") > 0 && programs("upload") > 0);
    let runs: BTreeSet<String> = events.iter().map(|event| text(event, "run")).collect();
    assert_eq!(runs.len(), 3, "each of the three runs has an id of its own");
}

#[test]
fn s0_19_a_payload_that_waits_is_left_alone() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    bench.manage(&["run"]).expect_silence();
    let (record, spool, log) = (bench.record("p7"), bench.spool_listing(), bench.tx_events());
    bench.manage(&["run"]).expect_silence();
    assert_eq!((bench.record("p7"), bench.spool_listing(), bench.tx_events()), (record, spool, log));
}

/// Spoils a delivered payload before it is confirmed; the record becomes Error, and the next two runs put it
/// right with the payload that the spool still has.
fn delivered_badly(spoil: impl Fn(&Path), reason: &str) {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    spoil(&bench.payload("p7"));
    bench.manage(&["run"]).expect(1).complains(&["p7", reason]);
    let (status, detail) = bench.status("p7");
    assert_eq!(status, "Error");
    assert!(detail.contains(reason), "{detail}");
    assert_eq!(bench.record("p7")["released"], false);
    let job = bench.spool_listing().sent;
    // It may say that what was there was moved aside.
    bench.manage(&["run"]).expect(0);
    assert_eq!(bench.spool_listing().upload, job, "the same payload is delivered again");
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn s0_20_s0_22_a_payload_that_is_missing_at_the_site_is_reported_and_delivered_again() {
    delivered_badly(|payload| fs::remove_file(payload).expect("removed"), "the payload is missing");
}

#[test]
fn s0_21_s0_22_a_payload_of_another_size_is_reported_and_delivered_again() {
    delivered_badly(|payload| fs::write(payload, "short").expect("written"), "the payload has 5 bytes");
}

#[test]
fn s0_43_upload_with_an_empty_spool_says_and_does_nothing() {
    let bench = Bench::builder().build();
    bench.upload(&["run"]).expect_silence();
    assert_eq!(bench.tx_events(), Vec::<Value>::new());
}

#[test]
fn s0_47_the_payload_leaves_the_upload_area_when_copied_and_the_spool_when_completed() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    bench.manage(&["run"]).expect_silence();
    let jobs = bench.spool_listing().upload;
    bench.upload(&["run"]).expect_silence();
    let spool = bench.spool_listing();
    assert_eq!((&spool.upload, &spool.sent), (&Vec::new(), &jobs));
    bench.manage(&["run"]).expect_silence();
    let spool = bench.spool_listing();
    assert_eq!((&spool.sent, &spool.kept), (&Vec::new(), &jobs));
}

#[test]
fn s0_04_builds_below_several_roots_are_mirrored_below_one_base() {
    let bench = Bench::builder().build_roots(2).build();
    bench.add_build("p7", "blast/5.1/p7", small);
    let other = bench.build_roots()[1].join("forge/2.0/p1");
    fs::create_dir_all(&other).expect("a build directory");
    small(&other);
    bench.add_record("p1", other.to_str().expect("text"));
    bench.deliver();
    assert_eq!(bench.payload("p7"), bench.site_file("blast/5.1/p7/p7.tar.gz"));
    assert_eq!(bench.payload("p1"), bench.site_file("forge/2.0/p1/p1.tar.gz"));
    bench.assert_delivered("p7");
    bench.assert_delivered("p1");
}
