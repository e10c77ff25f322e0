//! Several instances at once: each build is prepared once and delivered once, and nobody waits for anybody.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Program, Running, trace};
use rustix::process::Signal;
use serde_json::Value;

/// How long something is waited for that happens within a moment.
const PATIENCE: Duration = Duration::from_secs(60);

fn fill(dir: &Path) {
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
    fs::write(dir.join("table"), vec![7; 40_000]).expect("a file");
}

/// Fills a build that takes seconds to archive and some to deliver: it does not compress.
fn fill_large(dir: &Path) {
    let mut random =
        fs::File::open("/dev/urandom").map(|file| std::io::Read::take(file, 30_000_000)).expect("noise");
    let mut file = fs::File::create(dir.join("noise")).expect("a file");
    std::io::copy(&mut random, &mut file).expect("a large file");
}

/// Returns how often this effect was completed, job by job.
fn jobs_that(bench: &Bench, step: &str, effect: &str) -> Vec<String> {
    let is_it = |event: &&Value| {
        event["step"] == step
            && event["phase"] == "done"
            && event["effect"].as_str().is_some_and(|e| e.starts_with(effect))
    };
    bench
        .tx_events()
        .iter()
        .filter(is_it)
        .map(|event| event["job"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Waits until this process holds the lock, and stops it there.
#[track_caller]
fn stop_when_it_holds(running: &mut Running, lock: &Path) {
    let pid = format!("\"pid\":{},", running.pid().as_raw_nonzero());
    let begun = Instant::now();
    while !fs::read_to_string(lock).is_ok_and(|holder| holder.contains(&pid)) {
        assert!(begun.elapsed() < PATIENCE, "it does not take {}", lock.display());
        thread::yield_now();
    }
    running.signal(Signal::STOP);
    assert!(running.is_alive(), "it was too quick to be stopped");
}

#[test]
fn s0_42_s0_44_six_uploads_at_once_deliver_each_of_fifty_payloads_once() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    let names: Vec<String> = (1..=50).map(|n| format!("p{n}")).collect();
    for name in &names {
        bench.add_build(name, &format!("blast/{}/{name}", name.len()), fill);
    }
    bench.manage(&["run"]).expect_silence();
    let uploads: Vec<Running> = (0..6).map(|_| bench.spawn_upload(&["run"])).collect();
    uploads.into_iter().for_each(|upload| upload.wait().expect_silence());

    assert_eq!(bench.spool_listing().counts(), [0, 0, 50, 0, 0]);
    let delivered = jobs_that(&bench, "U5", "write the receipt");
    assert_eq!(
        (delivered.len(), delivered.iter().collect::<BTreeSet<_>>().len()),
        (50, 50),
        "each once: {delivered:?}"
    );
    let mut runs = BTreeSet::new();
    for job in bench.spool_listing().sent {
        let read = |file: &str| -> Value {
            let text = fs::read(bench.path("spool/sent").join(&job).join(file)).expect("a job's paper");
            serde_json::from_slice(&text).expect("JSON")
        };
        let (receipt, manifest) = (read("receipt.json"), read("manifest.json"));
        let how = [&receipt["sent"], &receipt["resumed_from"], &receipt["adopted"]];
        let whole = [&manifest["digests"]["size"], &Value::from(0), &Value::from(false)];
        assert_eq!(how, whole, "{job} was sent once and whole");
        runs.insert(receipt["run"].to_string());
    }
    assert!(runs.len() > 1, "one instance did all of it");

    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 50, 0]);
    for name in &names {
        let dir = bench.site_file(&format!("blast/{}/{name}", name.len()));
        let mut check = Command::new("sha256sum");
        check.args(["--check", "--strict", "--quiet"]).arg(format!("{name}.tar.gz.SHA256")).current_dir(dir);
        assert!(check.status().expect("sha256sum starts").success(), "{name} is corrupt");
    }
    // All that a customer does takes its time; a few stand for the others.
    names.iter().step_by(10).for_each(|name| bench.assert_delivered(name));
}

#[test]
fn s0_15_of_two_manage_one_works_and_the_other_says_who_does() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill_large);
    let lock = bench.path("spool/locks/manage.lock");
    let mut first = bench.spawn_manage(&["run"]);
    stop_when_it_holds(&mut first, &lock);
    let holder = format!(", process {}, since 20", first.pid().as_raw_nonzero());

    bench.manage(&["run"]).expect_silence();
    let told = bench.manage(&["run", "-v"]).expect(0).complains(&["another manage is at work", &holder]);
    assert!(told.stderr.contains(r#"running "manage --config "#), "{told:?}");
    // A person who asks for a build by name wants to know why nothing happens.
    bench.manage(&["run", "--build", "p1"]).expect(0).complains(&["another manage is at work", &holder]);
    let status = bench.manage(&["status"]).expect(0);
    assert!(
        status.stdout.contains("manage.lock is held by ") && status.stdout.contains(&holder),
        "{status:?}"
    );
    assert_eq!(bench.status("p1").0, "", "they left everything to the first");

    first.signal(Signal::CONT);
    first.wait().expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 1, 0, 0, 0]);
    let status = bench.manage(&["status"]).expect(0);
    assert!(!status.stdout.contains("manage.lock is held"), "{status:?}");
}

#[test]
fn s0_15_s0_41_manage_started_six_times_at_once_prepares_each_build_once() {
    let bench = Bench::builder().build();
    for n in 1..=10 {
        bench.add_build(&format!("p{n}"), &format!("p{n}"), fill);
    }
    let runs: Vec<Running> = (0..6).map(|_| bench.spawn_manage(&["run"])).collect();
    runs.into_iter().for_each(|run| run.wait().expect_silence());
    assert_eq!(bench.spool_listing().counts(), [0, 10, 0, 0, 0]);
    let staged = jobs_that(&bench, "M4", "move the job to staged");
    assert_eq!(
        (staged.len(), staged.iter().collect::<BTreeSet<_>>().len()),
        (10, 10),
        "each once: {staged:?}"
    );
    assert_eq!(bench.spool_listing().work, Vec::<String>::new());
}

#[test]
fn s0_44_s0_45_s0_48_a_payload_that_somebody_works_on_is_left_to_him_and_the_others_are_not() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    let large = bench.add_build("p1", "p1", fill_large);
    bench.manage(&["run"]).expect_silence();
    let mut first = bench.spawn_upload(&["run"]);
    stop_when_it_holds(&mut first, &bench.path(&format!("spool/locks/job-{large}.lock")));
    bench.add_build("p2", "p2", fill);
    bench.manage(&["run"]).expect_silence();

    bench.upload(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 1, 1, 0, 0], "p2 is delivered, p1 is not");
    assert!(!bench.payload("p1").exists());
    let plan = bench.upload(&["run", "--dry-run"]).expect(0);
    let holder = format!("process {}", first.pid().as_raw_nonzero());
    assert!(
        plan.stdout.contains("nothing, somebody is at work on it: ") && plan.stdout.contains(&holder),
        "{plan:?}"
    );
    let status = bench.upload(&["status"]).expect(0);
    assert!(status.stdout.contains("under way: ") && status.stdout.contains(&holder), "{status:?}");

    first.signal(Signal::CONT);
    first.wait().expect_silence();
    bench.manage(&["run"]).expect_silence();
    ["p1", "p2"].iter().for_each(|name| bench.assert_delivered(name));
}

#[test]
fn s0_43_upload_with_nothing_to_upload_opens_no_connection() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.upload(&["run"]).expect_silence();
    assert_eq!(bench.sshd().log(), "");
}

#[test]
fn a_site_that_gives_one_connection_gets_all_payloads_over_it_in_their_order() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    bench.sshd().limit_connections(1);
    for number in 0..12 {
        bench.add_build(&format!("p{number}"), &format!("blast/p{number}"), fill);
    }
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    let order = |step: &str| -> Vec<String> {
        let events = bench.tx_events();
        let begun = events.iter().filter(|event| event["step"] == step && event["phase"] == "begin");
        begun.map(|event| event["record"].as_str().expect("a record").to_owned()).collect()
    };
    assert_eq!(order("U4"), order("M2"));
    assert_eq!(order("U4").len(), 12);
}

/// Returns how many calls on the spool a run makes that delivers so many builds to a directory.
fn calls_on_the_spool(count: usize) -> usize {
    let bench = Bench::builder().build();
    for number in 0..count {
        bench.add_build(&format!("p{number}"), &format!("p{number}"), fill);
    }
    bench.manage(&["run"]).expect_silence();
    let spool = bench.path("spool").display().to_string();
    let (run, calls) = trace::calls(bench.command(Program::Upload, &["run"]), "file,desc");
    run.expect_silence();
    assert_eq!(bench.spool_listing().sent.len(), count);
    calls.iter().filter(|call| call.contains(&spool)).count()
}

#[test]
fn what_a_payload_costs_does_not_grow_with_how_many_wait() {
    let (few, many) = (calls_on_the_spool(20), calls_on_the_spool(80));
    assert!(many * 10 <= few * 41, "{few} calls for 20 payloads, {many} for 80");
}
