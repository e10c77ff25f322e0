//! Several hosts on one spool: what is mounted where, who is called what, who holds which lock for how long.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Running};
use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::process::Signal;
use serde_json::{Value, json};

/// How often a situation is tried: each time it ends the same way.
const TIMES: usize = 6;

/// How long something is waited for that happens within a moment.
const PATIENCE: Duration = Duration::from_secs(60);

fn fill(dir: &Path) {
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
}

fn fill_large(dir: &Path) {
    let mut noise = std::io::Read::take(File::open("/dev/urandom").expect("noise"), 40_000_000);
    let mut file = File::create(dir.join("noise")).expect("a file");
    std::io::copy(&mut noise, &mut file).expect("a large file");
}

/// Waits until a part of a payload has come to this directory of the site, and stops the process that sends
/// it.
#[track_caller]
fn stop_under_way(running: &mut Running, dir: &Path) {
    let is_there = || {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
        parts.any(|part| part.metadata().is_ok_and(|seen| seen.len() > 0))
    };
    let begun = Instant::now();
    while !is_there() {
        assert!(running.is_alive(), "it has ended before anything came to {}", dir.display());
        assert!(begun.elapsed() < PATIENCE, "nothing comes to {}", dir.display());
        thread::yield_now();
    }
    running.signal(Signal::STOP);
    assert!(running.is_alive(), "it was too quick to be stopped");
}

#[test]
fn h_2_a_host_that_was_cut_off_says_that_once_and_notes_nothing() {
    for has_moved in [true, false].into_iter().cycle().take(TIMES) {
        // Slow enough that the first of it is seen to come.
        let bench = Bench::builder().sshd(Access::Shell).set_site("bandwidth_limit", "20 MiB/s").build();
        bench.sshd().limit_connections(1);
        let large = bench.add_build("p1", "p1", fill_large);
        ["p2", "p3"].iter().for_each(|name| drop(bench.add_build(name, name, fill)));
        bench.manage(&["run"]).expect_silence();
        let jobs = bench.spool_listing().upload;
        let job = jobs.iter().find(|job| job.starts_with(&format!("{large}."))).expect("a job of p1");
        let lock = bench.path(&format!("spool/locks/job-{large}.lock"));

        let mut upload = bench.spawn_upload(&["run"]);
        stop_under_way(&mut upload, &bench.site_file("p1"));
        // Another host has got the lock meanwhile, and has perhaps delivered the job.
        fs::remove_file(&lock).expect("a lock file");
        fs::write(&lock, "").expect("another lock file");
        let (there, gone) =
            (bench.path(&format!("spool/upload/{job}")), bench.path(&format!("spool/sent/{job}")));
        if has_moved {
            fs::rename(&there, &gone).expect("a job of another host");
        }
        upload.signal(Signal::CONT);
        let run = upload.wait().expect(75);
        assert_eq!(run.stderr.matches("lost the lock").count(), 1, "{run:?}");
        assert!(run.stderr.contains(" builds wait: "), "{run:?}");
        assert!(!run.stderr.contains("cannot write") && !run.stderr.contains("the spool's disk"), "{run:?}");
        let left = if has_moved { gone } else { there };
        assert!(!left.join("attempts.json").exists() && !left.join("receipt.json").exists(), "{run:?}");
        assert_eq!(bench.spool_listing().counts()[4], 0, "nothing is parked");
    }
}

#[test]
fn h_5_where_the_file_system_is_not_mounted_init_makes_nothing() {
    let mut bench = Bench::builder().build();
    let point = bench.path("mnt");
    fs::create_dir(&point).expect("a mount point");
    bench.set("spool.single_host", false);
    for root in ["mnt", "mnt/spool", "mnt/deep/down/spool"] {
        bench.set("spool.root", json!(bench.path(root)));
        for _ in 0..TIMES {
            let said = ["nothing was made: ", "do not reach other hosts", "mount it over NFS"];
            let run = bench.manage(&["init", "--as-root"]).expect(78).complains(&said);
            assert!(run.stdout.is_empty(), "{run:?}");
            assert_eq!(fs::read_dir(&point).expect("the mount point").count(), 0);
        }
    }
    bench.manage(&["run"]).expect(74).complains(&["mount the file system"]);
}

#[test]
fn h_7_a_second_host_with_the_same_name_is_noticed() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    bench.manage(&["check"]).expect(0);
    let note = bench.path(&format!("spool/hosts/{name}.json"));
    let seen: Value = serde_json::from_slice(&fs::read(&note).expect("a note")).expect("JSON");
    let write = |boot: &Value, at: &Value| {
        let host = json!({ "format": 1, "name": name, "boot": boot, "at": at });
        fs::write(&note, host.to_string()).expect("a note");
    };
    // As the other one has left it.
    write(&json!("00000000-0000-0000-0000-000000000000"), &seen["at"]);
    for _ in 0..TIMES {
        for run in [bench.manage(&["check"]), bench.upload(&["check"])] {
            let failed: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("FAILED")).collect();
            let told =
                format!("FAILED  host name: another host that is called {name} has checked this spool");
            assert!(run.status == 78 && failed.len() == 1 && failed[0].starts_with(&told), "{run:?}");
        }
    }
    // Long ago it was somebody else; and this host, before it was booted.
    write(&json!("00000000-0000-0000-0000-000000000000"), &json!("2026-01-01T00:00:00Z"));
    for run in [bench.manage(&["check"]).expect(0), bench.upload(&["check"]).expect(0)] {
        assert!(run.stdout.contains(&format!("ok      host name: {name}")), "{run:?}");
    }
}

/// Takes a lock as a process that has had it for so many hours.
fn hold(path: &Path, hours: i64) -> File {
    fs::write(path, "").expect("a lock file");
    let now = fs::metadata(path).and_then(|seen| seen.modified()).expect("a time");
    let since = jiff::Timestamp::try_from(now).expect("a time") - jiff::SignedDuration::from_hours(hours);
    let holder = json!({
        "program": "upload", "host": "granite", "pid": 903, "run": "r1", "command": "upload run", "since": since,
    });
    fs::write(path, holder.to_string()).expect("a lock file");
    let file = File::options().append(true).open(path).expect("a lock file");
    flock(&file, FlockOperation::NonBlockingLockExclusive).expect("a free lock");
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).expect("a free lock");
    file
}

#[test]
fn h_8_a_lock_that_is_held_for_hours_is_warned_of() {
    let bench = Bench::builder().build();
    let id = bench.add_build("p1", "p1", fill);
    bench.manage(&["run"]).expect_silence();
    for name in ["manage.lock".to_owned(), format!("job-{id}.lock")] {
        let path = bench.path(&format!("spool/locks/{name}"));
        let run = || if name == "manage.lock" { bench.manage(&["run"]) } else { bench.upload(&["run"]) };
        let lock = hold(&path, 7);
        for _ in 0..TIMES {
            let said = ["held by granite, process 903, since ", "for more than six hours"];
            run().expect(0).complains(&said);
        }
        drop(lock);
        let lock = hold(&path, 5);
        run().expect_silence();
        drop(lock);
    }
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p1");
}
