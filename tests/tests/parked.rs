//! What is taken out of the flow: it is told, it counts, and it stays bounded, whatever spoils it again and
//! again.

use std::fs;

use intraware_tests::Bench;

/// Fills a build directory with one small file.
fn small(dir: &std::path::Path) {
    fs::write(dir.join("setup.sh"), "#!/bin/sh\n").expect("a file");
}

/// Leaves of the job that waits what a run leaves that dies before it writes the record, without its payload.
fn spoil_before_the_record(bench: &Bench, status: Option<&str>) {
    let job = bench.spool_listing().upload.remove(0);
    let staged = bench.path("spool/staged").join(&job);
    fs::rename(bench.path("spool/upload").join(&job), &staged).expect("moved");
    fs::remove_file(staged.join("p7.tar.gz")).expect("a payload");
    bench.set_status("p7", status);
}

#[test]
fn g_1_what_is_damaged_before_its_record_is_written_fails_the_build_with_growing_pauses() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    for before in [None, Some("Error")] {
        bench.manage(&["run"]).expect_silence();
        spoil_before_the_record(&bench, before);
        bench.manage(&["run"]).expect(74).complains(&["p7", "its payload is missing", "put aside"]);
        let (status, detail) = bench.status("p7");
        // Of an Error for the same reason a person has cleared the detail here.
        let is_told = before.is_some() || detail.contains("its payload is missing");
        assert!(status == "Error" && is_told, "{status}: {detail}");
        assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1], "one is kept of what is always the same");
    }
    // The second failure in a row costs a pause, which who asks by name need not wait for.
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1]);
    let status = bench.manage(&["status", "--json"]).expect(0).json();
    assert!(status["builds"][0]["next_try"].is_string(), "{status}");
    bench.manage(&["run", "--build", "p7"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
}

#[test]
fn g_1_a_payload_that_vanishes_from_the_queue_each_time_is_prepared_anew_with_growing_pauses() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    for _ in 0..2 {
        bench.manage(&["run"]).expect_silence();
        let job = bench.spool_listing().upload.remove(0);
        fs::remove_file(bench.path("spool/upload").join(&job).join("p7.tar.gz")).expect("a payload");
        bench.manage(&["run"]).expect(74).complains(&["p7", "its payload is missing"]);
        bench.manage(&["run"]).expect(1).complains(&["p7", "payload lost"]);
        assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1]);
    }
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1], "it is pausing");
    // A build that has changed is tried at once.
    fs::write(bench.build_root().join("blast/p7/more"), "more").expect("a file");
    bench.deliver();
    bench.assert_delivered("p7");
}

#[test]
fn g_1_a_payload_that_the_disk_spoils_each_time_is_kept_once() {
    let bench = Bench::builder().build();
    bench.add_build("p7", "blast/p7", small);
    for _ in 0..2 {
        bench.manage(&["run"]).expect_silence();
        let job = bench.spool_listing().upload.remove(0);
        let payload = bench.path("spool/upload").join(&job).join("p7.tar.gz");
        let mut spoilt = fs::read(&payload).expect("a payload");
        spoilt[40] ^= 1;
        fs::write(&payload, spoilt).expect("another payload");
        bench.upload(&["run"]).expect(74).complains(&["p7", "is damaged"]);
        bench.manage(&["run"]).expect(1).complains(&["p7", "is damaged"]);
        assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1]);
    }
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1], "it is pausing");
}
