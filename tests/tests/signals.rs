//! A run that is asked to stop does so soon, keeps what it has done, and the next one goes on from there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Running};
use rustix::process::Signal;
use serde_json::Value;

/// Enough to be caught in the middle.
const SIZE: u64 = 30_000_000;

/// How long a run may go on after a signal, in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn fill(dir: &Path) {
    let mut random = File::open("/dev/urandom").map(|file| std::io::Read::take(file, SIZE)).expect("noise");
    let mut file = File::create(dir.join("noise")).expect("a file");
    std::io::copy(&mut random, &mut file).expect("a file that does not compress");
}

/// Waits until a file below `dir` whose name ends like this has more than a megabyte, and returns it.
#[track_caller]
fn wait_for(dir: &Path, ending: &str) -> PathBuf {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(file) = find(dir, ending) {
            return file;
        }
        thread::yield_now();
    }
    panic!("nothing like *{ending} grows below {}", dir.display());
}

fn find(dir: &Path, ending: &str) -> Option<PathBuf> {
    // What vanishes while one looks is not what is looked for.
    fs::read_dir(dir).ok()?.filter_map(Result::ok).find_map(|entry| {
        let (path, seen) = (entry.path(), entry.metadata().ok()?);
        let fits = entry.file_name().to_string_lossy().ends_with(ending) && seen.len() > 1_000_000;
        if seen.is_dir() { find(&path, ending) } else { fits.then_some(path) }
    })
}

/// Sends a signal in the middle of the work, and checks that the run soon ends with 75 and says so.
#[track_caller]
fn stop(mut running: Running, signal: Signal) {
    running.signal(signal);
    let asked = Instant::now();
    let run = running.wait().expect(75).complains(&["stopped by a signal"]);
    assert!(asked.elapsed() < SOON, "{:?}: {run:?}", asked.elapsed());
}

#[test]
fn s0_46_upload_stops_keeps_its_part_and_is_resumed() {
    for signal in [Signal::TERM, Signal::HUP] {
        let mut bench = Bench::builder().sshd(Access::Shell).build();
        // One after the other.
        bench.set_site("connections", 1);
        bench.add_build("p1", "p1", fill);
        bench.add_build("p2", "p2", fill);
        bench.manage(&["run"]).expect_silence();
        let before = ["p1", "p2"].map(|name| bench.record(name));
        let upload = bench.spawn_upload(&["run"]);
        let part = wait_for(&bench.site_file(""), ".part");
        stop(upload, signal);
        // What was under way must not arrive in between.
        bench.sshd().kill_connections();
        let there = fs::metadata(&part).expect("what came over is kept").len();
        assert!((1_000_000..SIZE).contains(&there), "{there} bytes are there");
        assert_eq!(bench.spool_listing().counts(), [0, 2, 0, 0, 0]);
        assert_eq!(["p1", "p2"].map(|name| bench.record(name)), before);

        bench.upload(&["run"]).expect_silence();
        bench.manage(&["run"]).expect_silence();
        ["p1", "p2"].iter().for_each(|name| bench.assert_delivered(name));
        let receipt = |job: &String| -> Value {
            let text = fs::read(bench.path("spool/sent").join(job).join("receipt.json")).expect("a receipt");
            serde_json::from_slice(&text).expect("JSON")
        };
        let resumed: u64 = bench
            .spool_listing()
            .kept
            .iter()
            .map(|job| receipt(job)["resumed_from"].as_u64().unwrap_or(0))
            .sum();
        assert_eq!(resumed, there, "all that was there was used");
    }
}

#[test]
fn s0_41_manage_stops_leaves_nothing_half_done_and_frees_its_lock() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let manage = bench.spawn_manage(&["run"]);
        wait_for(&bench.path("spool/work"), ".tar.gz");
        stop(manage, signal);
        let spool = bench.spool_listing();
        assert_eq!((spool.counts(), spool.work.len()), ([0; 5], 0));
        assert_eq!(bench.status("p1"), (String::new(), String::new()));
    }
    bench.deliver();
    bench.assert_delivered("p1");
}

#[test]
fn newcomer_m12_a_delivery_that_is_stopped_says_how_far_it_came() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    bench.set_site("connections", 1);
    bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    let mut upload = bench.spawn_upload(&["run"]);
    wait_for(&bench.site_file(""), ".part");
    upload.signal(Signal::TERM);
    let told = upload.wait().expect(75);
    told.clone().complains(&[
        "p1",
        "stopped by a signal after ",
        " of 28 MiB; the next run goes on from there",
    ]);
    assert!(!told.stderr.contains("not tried"), "{told:?}");
}

#[test]
fn newcomer_m12_a_build_whose_archiving_is_stopped_says_how_far_it_came() {
    let bench = Bench::builder().build();
    for name in ["p1", "p2"] {
        bench.add_build(name, name, fill);
    }
    let mut manage = bench.spawn_manage(&["run"]);
    wait_for(&bench.path("spool/work"), ".tar.gz");
    manage.signal(Signal::TERM);
    let told = manage.wait().expect(75);
    let lines: Vec<&str> = told.stderr.lines().collect();
    let (stopped, rest): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.contains(" after "));
    assert!(stopped.len() == 1 && stopped[0].contains("ERROR p1"), "{told:?}");
    assert!(stopped[0].contains("MiB were archived; the next run archives it anew"), "{told:?}");
    assert!(rest.len() == 1 && rest[0].contains("p2") && rest[0].contains("not tried"), "{told:?}");
    bench.deliver();
    bench.assert_delivered("p1");
}
