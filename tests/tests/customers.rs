//! What is with customers: it never becomes something else, its record says what it is, and it can be put
//! back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use intraware_tests::Bench;
use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::sshd::Access;

/// Fills a build directory with something that has its own bytes.
fn says(text: &str) -> impl FnOnce(&Path) {
    move |dir| fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {text}\n")).expect("a file")
}

/// Returns how many payloads lie in `parked`.
fn parked_payloads(bench: &Bench) -> usize {
    let jobs = bench.spool_listing().parked;
    jobs.iter().filter(|job| bench.path("spool/parked").join(job).join("p2.tar.gz").exists()).count()
}

#[test]
fn newcomer_b10_other_content_for_a_released_path_leaves_its_record_and_there_is_a_way_back() {
    for builder in [Bench::builder(), Bench::builder().salesforce().sshd(Access::Shell)] {
        let bench = builder.build();
        bench.add_build("p2", "blast/p2", says("released"));
        bench.deliver();
        let (released, payload) = (bench.record("p2"), fs::read(bench.payload("p2")).expect("a payload"));
        says("changed")(&bench.build_root().join("blast/p2"));
        bench.set_status("p2", None);
        let told = [
            "p2",
            "blast/p2/p2.tar.gz was released on 20",
            "as SHA-256",
            "now it is",
            "times and modes count",
            "set its status to In Process",
        ];
        bench.manage(&["run"]).expect(1).complains(&told);
        let (status, detail) = bench.status("p2");
        assert!(status == "Error" && detail.contains("now it is"), "{status}: {detail}");
        let refused = bench.record("p2");
        for field in ["size", "md5", "sha1", "build_date"] {
            assert_eq!(refused[field], released[field], "{field} describes what customers have");
        }
        assert_eq!((bench.spool_listing().parked.len(), parked_payloads(&bench)), (1, 0));
        // It is said once; what is asked for by name, or was touched since, is another try.
        bench.manage(&["run"]).expect_silence();
        let touched = Permissions::from_mode(0o644);
        fs::set_permissions(bench.build_root().join("blast/p2/setup.sh"), touched).expect("touched");
        bench.manage(&["run"]).expect(1).complains(&told);
        bench.manage(&["run", "--build", "p2"]).expect(1).complains(&told);
        bench.manage(&["run"]).expect_silence();
        assert_eq!((bench.spool_listing().parked.len(), parked_payloads(&bench)), (1, 0));
        // The way back, with the papers of the delivery and without.
        bench.set_status("p2", Some("In Process"));
        bench.manage(&["run"]).expect_silence();
        assert_eq!(bench.record("p2"), released);
        bench.set_status("p2", None);
        bench.manage(&["run"]).expect(1).complains(&told);
        let papers = bench.spool_listing().kept.remove(0);
        fs::remove_dir_all(bench.path("spool/sent").join(papers)).expect("removed");
        bench.set_status("p2", Some("In Process"));
        bench.manage(&["run"]).expect_silence();
        assert_eq!(bench.record("p2"), released);
        assert!(fs::read(bench.payload("p2")).expect("a payload") == payload, "customers have it");
    }
}

#[test]
fn newcomer_b10_without_the_note_of_a_release_the_site_tells_before_the_record_is_written() {
    let bench = Bench::builder().build();
    bench.add_build("p2", "blast/p2", says("released"));
    bench.deliver();
    let released = bench.record("p2");
    fs::remove_dir_all(bench.path("spool/released")).expect("removed");
    fs::create_dir(bench.path("spool/released")).expect("made");
    says("changed")(&bench.build_root().join("blast/p2"));
    bench.set_status("p2", None);
    bench.manage(&["run"]).expect(1).complains(&["p2", "was released before with other content"]);
    assert_eq!(bench.record("p2")["md5"], released["md5"]);
    bench.set_status("p2", Some("In Process"));
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.record("p2"), released);
}

#[test]
fn newcomer_b9_a_payload_that_is_gone_or_changed_at_the_site_is_found_and_goes_out_again_in_one_cycle() {
    for builder in [
        Bench::builder(),
        Bench::builder().sshd(Access::Shell),
        Bench::builder().sshd(Access::SftpOnly),
        Bench::builder().ftpd(Kind::Vsftpd, Security::Explicit),
    ] {
        let bench = builder.build();
        for name in ["gone", "cut", "bare", "well"] {
            bench.add_build(name, &format!("blast/{name}"), says(name));
        }
        bench.deliver();
        bench.manage(&["verify"]).expect(0);
        let payloads = ["gone", "cut", "bare"].map(|name| fs::read(bench.payload(name)).expect("a payload"));
        fs::remove_file(bench.payload("gone")).expect("removed");
        fs::write(bench.payload("cut"), "cut").expect("cut");
        let beside = |suffix: &str| bench.site_file(&format!("blast/bare/bare.tar.gz{suffix}"));
        fs::remove_file(beside(".asc")).expect("removed");
        fs::write(beside(".MD5"), "wrong").expect("wrong");
        let found = bench.manage(&["verify"]).expect(1).complains(&[
            "gone",
            "blast/gone/gone.tar.gz: the payload is missing",
            "set the record's status to empty",
            "cut",
            "the payload has 3 bytes",
            "rename it at the site",
            "bare",
            "file is",
        ]);
        assert!(!found.stderr.contains("well"), "{found:?}");
        assert_eq!(found.stderr.lines().count(), 3, "{found:?}");
        let why = bench.manage(&["why", "gone"]).expect(0).stdout;
        let id = bench.record("gone")["id"].as_str().expect("an id").to_owned();
        assert!(why.contains(&format!("how it is put right says `manage verify {id}`")), "{why}");
        bench.manage(&["verify", "well"]).expect(0);
        bench.manage(&["verify", "cut", "well"]).expect(1);
        bench.manage(&["verify", "nobody"]).expect(1).complains(&["nobody"]);
        let told = bench.manage(&["verify", "--json"]).expect(1).json();
        let told = told["builds"].as_array().expect("a list").clone();
        assert_eq!(told.len(), 4, "{told:?}");
        // What the message says.
        fs::remove_file(bench.payload("cut")).expect("removed");
        for name in ["gone", "cut", "bare"] {
            bench.set_status(name, None);
        }
        bench.deliver();
        for (name, before) in ["gone", "cut", "bare"].iter().zip(payloads) {
            bench.assert_delivered(name);
            assert!(fs::read(bench.payload(name)).expect("a payload") == before, "{name}: other bytes");
        }
        bench.manage(&["verify"]).expect(0);
        // Without the papers of the deliveries, too.
        fs::remove_dir_all(bench.path("spool/sent")).expect("removed");
        fs::create_dir(bench.path("spool/sent")).expect("made");
        bench.manage(&["verify", "--deep"]).expect(0);
        fs::remove_file(bench.payload("well")).expect("removed");
        bench.manage(&["verify"]).expect(1).complains(&["well", "the payload is missing"]);
    }
}

#[test]
fn newcomer_b9_what_is_changed_without_its_length_is_found_by_a_hash_or_by_reading_it_back() {
    for (builder, is_found) in [(Bench::builder(), true), (Bench::builder().sshd(Access::SftpOnly), false)] {
        let bench = builder.build();
        bench.add_build("p2", "blast/p2", says("released"));
        bench.deliver();
        let mut payload = fs::read(bench.payload("p2")).expect("a payload");
        payload[50] ^= 1;
        fs::write(bench.payload("p2"), payload).expect("changed");
        bench.manage(&["verify"]).expect(i32::from(is_found));
        bench.manage(&["verify", "--deep"]).expect(1).complains(&["p2", "other content"]);
        // What stands there is not replaced by itself.
        bench.set_status("p2", None);
        bench.manage(&["run"]).expect(1).complains(&["p2", "not what was released there any more"]);
        fs::remove_file(bench.payload("p2")).expect("removed");
        bench.manage(&["retry", "p2"]).expect(0);
        bench.deliver();
        bench.assert_delivered("p2");
    }
}

#[test]
fn newcomer_b9_a_site_that_is_away_is_not_one_that_differs() {
    let bench = Bench::builder().build();
    bench.add_build("p2", "blast/p2", says("released"));
    bench.deliver();
    fs::rename(bench.site_file(""), bench.path("away")).expect("moved");
    let away = bench.manage(&["verify"]);
    assert!(away.status > 1 && away.stderr.contains("p2") && !away.stderr.contains("missing"), "{away:?}");
}
