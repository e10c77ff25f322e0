//! What people are told: of what failed before, of what fails again and again, and of what cannot be asked.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use intraware_tests::support::disk::SmallDisk;
use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::relay::Fault as Cut;
use intraware_tests::support::salesforce::{Fault, On};
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Run};
use serde_json::{Value, json};

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
fn newcomer_m13_programs_are_told_why_as_people_are() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let relay = bench.relay(Cut::None);
    let id = bench.add_build("p1", "blast/p1", small);
    bench.manage(&["run"]).expect_silence();
    relay.set(Cut::CutAfter(0));
    bench.upload(&["run"]).expect(75);
    let why = |word: &str| bench.manage(&["why", word, "--json"]).expect(0).json()["builds"][0].clone();
    let told = why("p1");
    assert_eq!(
        (&told["record"], &told["name"], &told["status"]),
        (&json!(id), &json!("p1"), &json!("in-process"))
    );
    let job = &told["jobs"][0];
    assert_eq!((&job["room"], &job["failure"]["count"]), (&json!("upload"), &json!(1)), "{told}");
    assert!(job["failure"]["error"].as_str().is_some_and(|why| why.contains("connection broke")), "{told}");
    assert!(told["unblock"].as_str().is_some_and(|what| what.contains("upload run --job ")), "{told}");
    assert_eq!(told["log"].as_array().map(Vec::len), Some(8), "{told}");
    bench.manage(&["hold", "p1", "--reason", "wrong licence"]).expect(0);
    let told = why(&id);
    assert!(told["hold"].as_str().is_some_and(|hold| hold.contains("wrong licence")), "{told}");
    assert_eq!(told["unblock"], format!("manage unhold {id}"));
    relay.set(Cut::None);
    bench.manage(&["unhold", "p1"]).expect(0);
    bench.deliver();
    let told = why("p1");
    assert_eq!(told["next"], json!(["nothing more, it is delivered and released"]), "{told}");
    assert_eq!(told["unblock"], "nothing is to be done", "{told}");
    assert_eq!(told["jobs"][0]["deliveries"][0]["verified_by"], "a hash computed by the site", "{told}");
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
    let told = bench.manage(&["why", "p1", "--json"]).expect(75).json()["builds"][0].clone();
    assert!(told["status"].is_null() && told["hold"].is_string() && told["unknown"].is_string(), "{told}");
    let none = bench.manage(&["why", "p9"]).expect(75).complains(&["status 503"]);
    assert_eq!(none.stdout, "");
}

/// Takes out of a note in the spool what makes the next run wait.
fn let_pauses_pass(path: &Path) {
    let Ok(text) = fs::read(path) else { return };
    let mut note: Value = serde_json::from_slice(&text).expect("JSON");
    if note.get("next_try").is_some() {
        note["next_try"] = json!("2026-01-01T01:00:00Z");
        note["at"] = json!("2026-01-01T00:00:00Z");
        fs::write(path, note.to_string()).expect("a note");
    }
}

fn let_site_pauses_pass(bench: &Bench) {
    for entry in fs::read_dir(bench.path("spool/sites")).expect("a directory of the spool") {
        let_pauses_pass(&entry.expect("an entry").path());
    }
}

const TOLD: [&str; 2] =
    ["the same has happened 10 times since 20", "does not pass by itself, and needs a person: run `"];

/// Checks that ten runs fail in the same way, nine of them with `status`, and that the tenth says so and
/// needs a person.
#[track_caller]
fn assert_told(status: i32, mut run: impl FnMut() -> Run) {
    for n in 1..10 {
        let run = run().expect(status);
        assert!(!run.stderr.contains("the same has happened"), "{n}: {run:?}");
    }
    run().expect(78).complains(&TOLD);
}

/// Fills a build directory with so many bytes that do not compress.
fn noise(size: u64) -> impl Fn(&Path) {
    move |dir| {
        let mut random = File::open("/dev/urandom").expect("noise").take(size);
        let mut file = File::create(dir.join("noise")).expect("a file");
        std::io::copy(&mut random, &mut file).expect("a file that does not compress");
    }
}

/// Makes a bench whose site has a disk of its own, and so much room.
fn with_disk(size: u64) -> (Bench, SmallDisk) {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let at = bench.sshd().root().join("disk");
    fs::create_dir(&at).expect("a directory");
    let disk = SmallDisk::mount(&at, size);
    bench.set_site("url", format!("{}/disk", bench.sshd().url()));
    (bench, disk)
}

#[test]
fn f_00_same_failure_of_a_delivery_is_told_after_the_tenth_and_needs_a_person() {
    let (bench, disk) = with_disk(400_000);
    bench.add_build("p1", "blast/p1", noise(500_000));
    bench.manage(&["run"]).expect_silence();
    assert_told(75, || bench.upload(&["run"]));
    for shown in [bench.manage(&["status"]), bench.manage(&["why", "p1"]), bench.upload(&["status"])] {
        TOLD.iter().for_each(|part| assert!(shown.stdout.contains(part), "{part}: {shown:?}"));
    }
    bench.upload(&["run"]).expect(78).complains(&["happened 11 times", "are free; have room made there"]);
    drop(disk);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["retry", "p1"]).expect(0);
    let shown = bench.manage(&["status"]).expect(0).stdout;
    assert!(!shown.contains("the same has happened"), "{shown}");
}

#[test]
fn f_00_same_failure_of_handing_over_is_told_and_a_success_ends_it() {
    let (bench, _disk) = with_disk(100_000);
    let filler = bench.sshd().root().join("disk/filler");
    fs::write(&filler, vec![b'x'; 200_000]).expect_err("the disk is full");
    bench.add_build("p1", "blast/p1", small);
    assert_told(75, || bench.manage(&["run"]));
    for shown in [bench.manage(&["status"]), bench.manage(&["why", "p1"])] {
        TOLD.iter().for_each(|part| assert!(shown.stdout.contains(part), "{part}: {shown:?}"));
    }
    assert_eq!(bench.status("p1").0, "In Process", "no record says it");
    fs::remove_file(filler).expect("room");
    bench.deliver();
    assert_eq!(fs::read_dir(bench.path("spool/retry")).expect("a directory").count(), 0);
}

#[test]
fn f_00_same_failure_to_read_records_is_told_and_a_success_ends_it() {
    let bench = Bench::builder().salesforce().build();
    bench.add_build("p1", "blast/p1", small);
    bench.deliver();
    bench.salesforce().inject(Fault::Unavailable(Some(3600)), On::Query, 0, ALWAYS);
    assert_told(75, || bench.manage(&["run"]));
    bench.salesforce().clear_faults();
    let shown = bench.manage(&["status"]).expect(0).stdout;
    TOLD.iter().for_each(|part| assert!(shown.contains(part), "{part}: {shown}"));
    bench.manage(&["run"]).expect_silence();
    assert!(!bench.manage(&["status"]).expect(0).stdout.contains("the same has happened"));
}

#[test]
fn f_00_same_failure_to_connect_is_told_also_by_runs_that_leave_the_site_alone() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let relay = bench.relay(Cut::None);
    bench.add_build("p0", "blast/p0", small);
    bench.deliver();
    bench.add_build("p1", "blast/p1", small);
    bench.manage(&["run"]).expect_silence();
    relay.set(Cut::CutAfter(0));
    assert_told(75, || {
        let_site_pauses_pass(&bench);
        bench.upload(&["run"])
    });
    let before = relay.accepted();
    bench.add_build("p2", "blast/p2", small);
    // It is prepared all the same.
    bench.manage(&["run"]).expect_silence();
    for run in [bench.upload(&["run"]), bench.manage(&["run"])] {
        run.expect(78).complains(&["is left alone until", TOLD[0], TOLD[1]]);
    }
    assert_eq!(relay.accepted(), before, "it is left alone all the same");
    for shown in [bench.manage(&["status"]).expect(0), bench.manage(&["why", "p2"]).expect(0)] {
        TOLD.iter().for_each(|part| assert!(shown.stdout.contains(part), "{part}: {shown:?}"));
    }
    relay.set(Cut::None);
    bench.upload(&["check"]).expect(0);
    bench.deliver();
    bench.assert_delivered("p2");
}

#[test]
fn f_07_a_site_that_takes_no_more_than_so_many_bytes_is_not_asked_again_and_again_and_the_byte_is_named() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.add_build("p1", "blast/p1", noise(3_000_000));
    bench.manage(&["run"]).expect_silence();
    bench.sshd().configure("ForceCommand /bin/sh -c 'ulimit -f 2000; exec /usr/lib/openssh/sftp-server'");
    let mut runs: Vec<Run> = (0..6).map(|_| bench.upload(&["run"])).collect();
    let paused = runs.iter().position(|run| run.status == 0).expect("a pause");
    let last = runs.swap_remove(paused - 1).expect(75);
    last.complains(&["from byte 1024000 on"]);
    assert!((3..=4).contains(&paused), "{runs:?}");
    let why = bench.manage(&["why", "p1"]).expect(0).stdout;
    assert!(why.contains("byte 1024000") && why.contains("next not before"), "{why}");
    bench.sshd().configure("ForceCommand internal-sftp");
    bench.upload(&["run", "--job", "p1"]).expect(0);
}

#[test]
fn f_00_a_site_whose_last_check_says_that_it_does_not_fit_gets_no_record_in_process() {
    let bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Explicit).build();
    bench.ftpd().configure("download_enable=NO");
    bench.upload(&["check"]).expect(78);
    ["p1", "p2"].iter().for_each(|name| drop(bench.add_build(name, &format!("blast/{name}"), small)));
    let parts =
        ["site bench does not fit", "neither hashes files nor gives them back", "run `upload check` again"];
    for run in [bench.manage(&["run"]), bench.manage(&["run", "-v"])] {
        let run = run.expect(78).complains(&parts);
        let errors = run.stderr.lines().filter(|line| line.contains("ERROR")).count();
        assert_eq!(errors, 1, "it is said once, and not of each build: {run:?}");
    }
    assert_eq!(["p1", "p2"].map(|name| bench.status(name).0), ["", ""]);
    assert_eq!(bench.spool_listing().counts(), [0; 5]);
    for shown in [bench.manage(&["status"]).expect(0), bench.manage(&["why", "p1"]).expect(0)] {
        parts.iter().for_each(|part| assert!(shown.stdout.contains(part), "{part}: {shown:?}"));
    }
    bench.manage(&["--dry-run"]).expect(78);
    // Who asks for one by name may know better.
    bench.manage(&["run", "--build", "p1"]).expect(0);
    assert_eq!(["p1", "p2"].map(|name| bench.status(name).0), ["In Process", ""]);
    bench.ftpd().configure("download_enable=YES");
    bench.upload(&["check"]).expect(0);
    bench.deliver();
    ["p1", "p2"].iter().for_each(|name| bench.assert_delivered(name));
}

#[test]
fn f_00_a_site_whose_check_ends_while_connecting_gets_no_record_in_process() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.sshd().configure("KexAlgorithms diffie-hellman-group14-sha1");
    bench.upload(&["check"]).expect(78);
    bench.add_build("p1", "blast/p1", small);
    let parts = ["site bench does not fit", "the server offers", "run `upload check` again"];
    bench.manage(&["run"]).expect(78).complains(&parts);
    assert_eq!(bench.status("p1").0, "");
    bench.sshd().configure("KexAlgorithms curve25519-sha256");
    bench.manage(&["check"]).expect(0);
    bench.deliver();
    bench.assert_delivered("p1");
}
