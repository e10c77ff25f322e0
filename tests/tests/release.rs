//! Nothing wrong is released: what stands under a final name gives way only if it is known to be ours and
//! unreleased.

use std::fs;
use std::path::Path;
use std::process::Command;

use intraware_tests::Bench;
use intraware_tests::support::dice;
use intraware_tests::support::ftp_relay::FtpRelay;
use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;

/// Fills a build directory with something that has its own bytes.
fn says(text: &str) -> impl FnOnce(&Path) {
    move |dir| fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {text}\n")).expect("a file")
}

/// Copies a whole directory.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("cp");
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}

/// Puts the spool back to what it was in `snapshot`.
fn put_back(bench: &Bench, snapshot: &Path) {
    fs::remove_dir_all(bench.path("spool")).expect("removed");
    copy(snapshot, &bench.path("spool"));
}

/// A build whose first generation was withdrawn, whose second was released, and the spool as it was before
/// that, with the first in `upload`, or in `sent` if it was delivered.
fn released_after_a_snapshot(bench: &Bench, is_delivered: bool) {
    bench.add_build("p7", "blast/p7", says("withdrawn"));
    bench.manage(&["run"]).expect_silence();
    if is_delivered {
        bench.upload(&["run"]).expect_silence();
    }
    copy(&bench.path("spool"), &bench.path("snapshot"));
    bench.manage(&["hold", "p7", "--reason", "it is broken"]).expect(0);
    says("corrected")(&bench.build_root().join("blast/p7"));
    bench.set_status("p7", None);
    bench.manage(&["unhold", "p7"]).expect(0);
    bench.cycle().into_iter().for_each(|run| drop(run.expect(0)));
    bench.assert_delivered("p7");
    put_back(bench, &bench.path("snapshot"));
}

#[test]
fn f_02_a_spool_put_back_to_a_snapshot_replaces_nothing_that_was_released() {
    for builder in
        [Bench::builder(), Bench::builder().sshd(Access::Shell), Bench::builder().sshd(Access::SftpOnly)]
    {
        let bench = builder.build();
        released_after_a_snapshot(&bench, false);
        let released = fs::read(bench.payload("p7")).expect("a payload");
        bench.upload(&["run"]).expect(1).complains(&["p7.tar.gz.SHA256", "another payload"]);
        assert!(fs::read(bench.payload("p7")).expect("a payload") == released, "it was replaced");
        // It is left to `manage`, which knows the record.
        bench.manage(&["run"]).expect(0);
        bench.assert_delivered("p7");
        assert_eq!(bench.spool_listing().parked.len(), 1);
        bench.deliver();
        let why = bench.manage(&["why", "p7"]).expect(0).stdout;
        assert!(why.contains("delivered and released"), "{why}");
    }
}

#[test]
fn f_02_manage_looks_at_the_site_when_a_job_was_delivered_after_its_record_was_completed() {
    let bench = Bench::builder().build();
    released_after_a_snapshot(&bench, true);
    // It is as it should be: that is said, and nothing more.
    copy(&bench.path("spool"), &bench.path("again"));
    bench.manage(&["run"]).expect(0).complains(&["WARN", "p7", "was delivered", "Completed"]);
    bench.assert_delivered("p7");
    put_back(&bench, &bench.path("again"));
    // What a person, or a program before this one, has done.
    let job = &bench.spool_listing().sent[0];
    let withdrawn = bench.path("spool/sent").join(job).join("p7.tar.gz");
    fs::copy(&withdrawn, bench.payload("p7")).expect("replaced");
    for _ in 0..2 {
        let why = bench.manage(&["why", "p7"]).expect(0).stdout;
        assert!(!why.contains("delivered and released") && why.contains("at the site: the payload"), "{why}");
        if bench.spool_listing().parked.is_empty() {
            bench.manage(&["run"]).expect(1).complains(&["p7", "Completed", "at the site: the payload"]);
        }
    }
    assert_eq!((bench.status("p7").0.as_str(), bench.spool_listing().parked.len()), ("Completed", 1));
}

#[test]
fn f_01_two_paths_that_a_link_at_the_site_makes_one_are_a_conflict() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.add_build("p7", "blast/p7", says("released"));
    bench.deliver();
    let released = fs::read(bench.payload("p7")).expect("a payload");
    std::os::unix::fs::symlink("blast", bench.site_file("boost")).expect("a link");
    bench.add_build("other", "boost/p7", says("another"));
    bench.manage(&["run"]).expect(1).complains(&[
        "other",
        "boost/p7/p7.tar.gz",
        "not known to be ours",
        "manage retry",
    ]);
    bench.cycle().into_iter().for_each(|run| assert!(run.status <= 1, "{run:?}"));
    assert!(fs::read(bench.payload("p7")).expect("a payload") == released, "it was replaced");
    bench.assert_delivered("p7");
    assert_eq!(bench.status("other").0, "Error");
    // A person's way out.
    fs::remove_file(bench.site_file("boost")).expect("removed");
    bench.manage(&["retry", "other"]).expect(0);
    bench.deliver();
    bench.assert_delivered("other");
    bench.assert_delivered("p7");
}

#[test]
fn f_01_foreign_bytes_under_a_final_name_stay_until_a_person_has_looked() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", says("ours"));
    fs::create_dir_all(bench.site_file("blast/p7")).expect("a directory");
    fs::write(bench.payload("p7"), "foreign").expect("a file");
    let advice = ["p7", "blast/p7/p7.tar.gz", "not known to be ours", "manage retry"];
    bench.manage(&["run"]).expect(1).complains(&advice);
    bench.manage(&["run"]).expect_silence();
    let (status, detail) = bench.status("p7");
    assert!(status == "Error" && detail.contains("not known to be ours"), "{status}: {detail}");
    assert_eq!(fs::read(bench.payload("p7")).expect("a file"), b"foreign");
    assert_eq!(
        fs::read_dir(bench.site_file("blast/p7")).expect("a directory").count(),
        1,
        "no sidecar is put"
    );
    fs::rename(bench.payload("p7"), bench.site_file("blast/p7/looked-at")).expect("renamed");
    bench.manage(&["retry", "p7"]).expect(0);
    bench.deliver();
    fs::remove_file(bench.site_file("blast/p7/looked-at")).expect("removed");
    bench.assert_delivered("p7");
}

#[test]
fn p_9_what_is_moved_aside_is_said_and_logged() {
    let bench = Bench::builder().build();
    let id = bench.add_build("p7", "blast/p7", says("withdrawn"));
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    let withdrawn = fs::read(bench.payload("p7")).expect("a payload");
    says("corrected")(&bench.build_root().join("blast/p7"));
    bench.set_status("p7", None);
    bench.manage(&["run"]).expect(0).complains(&["WARN", "blast/p7/p7.tar.gz", "was moved aside to"]);
    let logged = bench.manage(&["log", "--record", &id]).expect(0).stdout;
    assert!(logged.contains("superseded"), "{logged}");
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    let names = fs::read_dir(bench.site_file("blast/p7")).expect("a directory");
    let aside =
        names.filter_map(Result::ok).find(|entry| entry.file_name().to_string_lossy().contains("superseded"));
    assert!(fs::read(aside.expect("it is kept").path()).expect("a file") == withdrawn);
}

#[test]
fn f_23_a_build_below_another_s_payload_is_refused_before_it_is_archived() {
    let bench = Bench::builder().build();
    bench.add_build("p", "z/p", says("released"));
    bench.deliver();
    let id = bench.record("p")["id"].as_str().expect("an id").to_owned();
    bench.add_build("below", "z/p/p.tar.gz", says("below"));
    bench
        .manage(&["run"])
        .expect(1)
        .complains(&["below", &format!("z/p/p.tar.gz was released for record {id}")]);
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0], "nothing is archived");
    assert_eq!(bench.status("below").0, "Error");
}

/// Fills a build with bytes that do not compress.
fn noise(dir: &Path) {
    fs::write(dir.join("noise"), dice::noise(1, 900_000)).expect("a file");
}

#[test]
fn f_03_a_server_that_ends_resting_connections_costs_no_delivery_to_two_sites() {
    let mut bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Explicit).build();
    bench.ftpd().configure("idle_session_timeout=4");
    // The server is the first site, whose connection rests while the second, a slow one, is served.
    let slow = bench.add_site("first");
    for key in ["url", "password.file", "ca_file", "tls", "allow_plaintext"] {
        let value = bench.site_value(key);
        bench.set_other_site("first", key, value);
        bench.unset_site(key);
    }
    bench.set_site("url", format!("file://{}", slow.display()));
    bench.set_site("bandwidth_limit", "100 KiB/s");
    bench.add_build("p7", "blast/p7", noise);
    bench.deliver();
    bench.assert_delivered("p7");
    assert!(slow.join("blast/p7/p7.tar.gz").exists());
}

#[test]
fn f_01_two_names_that_differ_in_letter_case_are_one_at_a_site_that_does_not_tell_them_apart() {
    let mut bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Plain).build();
    let relay = FtpRelay::start(bench.ftpd().addr(), Fault::None);
    relay.fold(&[("/P7", "/p7"), (" P7", " p7"), ("P7.tar.gz", "p7.tar.gz"), (".CASE", ".case")]);
    let url = bench.ftpd().url().replace(&bench.ftpd().addr().to_string(), &relay.addr().to_string());
    bench.set_site("url", url);
    bench.add_build("small", "blast/p7", says("released"));
    bench.deliver();
    bench.assert_delivered("small");
    // It is not known yet that cases are not told apart; then it is, and what is known to be released is
    // found.
    let id = bench.add_build("large", "blast/P7", says("another"));
    let reason =
        ["large", "blast/p7/p7.tar.gz was released for record", "in letter case alone", "upload check"];
    bench.manage(&["run"]).expect(1).complains(&reason);
    let check = bench.upload(&["check"]).expect(0).stdout;
    assert!(check.contains("does not tell upper from lower case"), "{check}");
    bench.manage(&["run", "--build", &id]).expect(1).complains(&reason);
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0], "nothing is archived");
    // Were the note lost, what stands there is still not known to be ours.
    fs::remove_dir_all(bench.path("spool/released")).expect("removed");
    fs::create_dir(bench.path("spool/released")).expect("made");
    bench.manage(&["run", "--build", &id]).expect(1).complains(&[
        "large",
        "blast/P7/P7.tar.gz",
        "not known to be ours",
    ]);
    bench.cycle().into_iter().for_each(|run| assert!(run.status <= 1, "{run:?}"));
    bench.assert_delivered("small");
    assert_eq!(bench.status("large").0, "Error");
}

#[test]
fn f_01_two_names_that_differ_in_letter_case_are_two_where_the_site_tells_them_apart() {
    let bench = Bench::builder().build();
    let check = bench.upload(&["check"]).expect(0).stdout;
    assert!(!check.contains("lower case"), "{check}");
    for name in ["p7", "P7"] {
        bench.add_build(name, &format!("blast/{name}"), says(name));
        bench.deliver();
    }
    bench.assert_delivered("p7");
    bench.assert_delivered("P7");
}
