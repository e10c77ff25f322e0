//! What is with customers: it never becomes something else, its record says what it is, and it can be put back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use intraware_tests::Bench;
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
