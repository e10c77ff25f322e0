//! What goes wrong at the site or on the way to it: the right exit status in time, no record touched, and the
//! next run succeeds when the fault is gone.
//!
//! Each fault is there when `manage` hands a build over, when `upload` delivers it, and when `manage`
//! confirms it.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use intraware_tests::support::disk::SmallDisk;
use intraware_tests::support::relay::{Fault, Relay};
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Run};
use serde_json::Value;

const BUILDS: [&str; 2] = ["p1", "p2"];

/// Size of a payload, nearly.
const SIZE: usize = 3_000_000;

/// The timeouts of a bench that waits for a fault to be noticed, in seconds, and how long a run may take
/// then: a debug build on a busy machine needs a moment of its own.
const TIMEOUT_S: u64 = 2;
const IN_TIME: Duration = Duration::from_secs(TIMEOUT_S + 8);

fn fill(dir: &Path) {
    let mut random =
        File::open("/dev/urandom").map(|file| std::io::Read::take(file, SIZE as u64)).expect("noise");
    let mut file = File::create(dir.join("noise")).expect("a file");
    std::io::copy(&mut random, &mut file).expect("a file that does not compress");
}

/// A step of a build's way at which a program talks to the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    HandOver,
    Deliver,
    Confirm,
}

impl Step {
    const ALL: [Self; 3] = [Self::HandOver, Self::Deliver, Self::Confirm];

    fn run(self, bench: &Bench) -> Run {
        match self {
            Self::HandOver | Self::Confirm => bench.manage(&["run"]),
            Self::Deliver => bench.upload(&["run"]),
        }
    }
}

/// Takes two builds to their delivery, with the fault there at each of the `steps`, and gone afterwards.
///
/// `expect` looks at each run that met the fault.
#[track_caller]
fn meet(
    bench: &mut Bench,
    steps: &[Step],
    fault: impl Fn(&mut Bench, bool),
    expect: impl Fn(&Bench, Step, Run),
) {
    for name in BUILDS {
        bench.add_build(name, &format!("blast/{name}"), fill);
    }
    for step in Step::ALL {
        if steps.contains(&step) {
            // Owning a job comes before talking to the site: from then on the records stay as they are.
            let before = (step != Step::HandOver).then(|| records(bench));
            fault(bench, true);
            let begun = Instant::now();
            let run = step.run(bench);
            assert!(begun.elapsed() < IN_TIME, "{step:?} took {:?}: {run:?}", begun.elapsed());
            expect(bench, step, run);
            for record in records(bench) {
                assert_eq!(
                    (&record["status"], &record["detail"]),
                    (&"In Process".into(), &Value::Null),
                    "{step:?}"
                );
            }
            if let Some(before) = before {
                assert_eq!(records(bench), before, "{step:?}");
            }
            fault(bench, false);
        }
        step.run(bench).expect_silence();
    }
    BUILDS.iter().for_each(|name| bench.assert_delivered(name));
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 2, 0]);
}

fn records(bench: &Bench) -> Vec<Value> {
    BUILDS.iter().map(|name| bench.record(name)).collect()
}

/// Returns a bench whose way to a real sshd leads through a relay.
fn through_a_relay() -> (Bench, Relay) {
    let mut bench = Bench::builder()
        .sshd(Access::Shell)
        .set_site("connect_timeout_s", TIMEOUT_S)
        .set_site("io_timeout_s", TIMEOUT_S)
        .build();
    let relay = Relay::start(bench.sshd().addr(), Fault::None);
    lead_to(&mut bench, relay.addr());
    (bench, relay)
}

/// Makes another address the site's, where the keys of its sshd are known.
fn lead_to(bench: &mut Bench, address: SocketAddr) {
    let sshd = bench.sshd();
    let own = format!("[{}]:{}", sshd.addr().ip(), sshd.addr().port());
    let known = fs::read_to_string(sshd.known_hosts()).expect("known hosts");
    let url = sshd.url().replace(&sshd.addr().to_string(), &address.to_string());
    let file = bench.path("etc/known_hosts");
    fs::write(&file, known.replace(&own, &format!("[{}]:{}", address.ip(), address.port())))
        .expect("known hosts");
    bench.set_site("known_hosts", file.to_str().expect("text"));
    bench.set_site("url", url);
}

/// Returns what sshd has logged since it had logged `from` bytes, once the last connection is over.
fn logged_since(bench: &Bench, from: usize) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let log = bench.sshd().log().split_off(from);
        // Each connection ends with such a line.
        let ended = log.matches("Connection closed by").count() + log.matches("Connection reset by").count();
        if ended == log.matches("Connection from ").count() || Instant::now() > deadline {
            return log;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_changed_host_key_gets_no_login_and_ends_with_77() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let (old, new) = (bench.sshd().fingerprint("host_ed25519"), bench.sshd().fingerprint("other_ed25519"));
    let log_before = std::cell::Cell::new(0);
    let fault = |bench: &mut Bench, on: bool| {
        log_before.set(bench.sshd().log().len());
        bench.sshd().change_host_key(on);
    };
    meet(&mut bench, &Step::ALL, fault, |bench, step, run| {
        run.expect(77).complains(&["host key", &old, &new, "no login was tried"]);
        let log = logged_since(bench, log_before.get());
        assert_eq!(log.matches("Connection from ").count(), 1, "{step:?} asks once: {log}");
        let login = ["publickey", "password", "userauth", "user "].iter().find(|word| log.contains(*word));
        assert_eq!(login, None, "{step:?} has tried to log in: {log}");
    });
}

#[test]
fn an_unknown_host_key_gets_no_login_and_ends_with_77() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let file = bench.sshd().known_hosts();
    let known = fs::read(&file).expect("known hosts");
    let fault = |_: &mut Bench, on: bool| {
        fs::write(&file, if on { &[][..] } else { &known }).expect("known hosts");
    };
    meet(&mut bench, &Step::ALL, fault, |_, _, run| {
        run.expect(77).complains(&["host key", "SHA256:", "no login was tried"]);
    });
}

#[test]
fn a_refused_key_is_tried_once_a_run_and_ends_with_77() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let log_before = std::cell::Cell::new(0);
    let fault = |bench: &mut Bench, on: bool| {
        log_before.set(bench.sshd().log().len());
        bench.sshd().refuse_client(on);
    };
    meet(&mut bench, &Step::ALL, fault, |bench, step, run| {
        run.expect(77).complains(&["logging in", "refused"]);
        let log = logged_since(bench, log_before.get());
        assert_eq!(log.matches("Connection from ").count(), 1, "{step:?}: accounts get locked out: {log}");
        assert_eq!(log.matches("Failed publickey").count(), 1, "{step:?}: {log}");
    });
}

#[test]
fn a_mute_server_is_given_up_in_time_with_75() {
    let (mut bench, relay) = through_a_relay();
    let fault = |_: &mut Bench, on: bool| relay.set(if on { Fault::Mute } else { Fault::None });
    meet(&mut bench, &Step::ALL, fault, |_, _, run| {
        run.expect(75).complains(&["in the time allowed; try again later"]);
    });
}

#[test]
fn a_stalled_connection_is_given_up_in_time_with_75_and_the_transfer_goes_on_where_it_was() {
    let (mut bench, relay) = through_a_relay();
    // In the middle of the first payload; and in the middle of what little the other steps say.
    let fault = |bench: &mut Bench, on: bool| {
        let delivers = bench.spool_listing().upload.len() == BUILDS.len();
        let after = if delivers { SIZE as u64 / 2 } else { 3_500 };
        relay.set(if on { Fault::StallAfter(after) } else { Fault::None });
    };
    meet(&mut bench, &Step::ALL, fault, |bench, step, run| {
        run.expect(75).complains(&["in the time allowed; try again later"]);
        if step == Step::Deliver {
            assert_eq!(bench.spool_listing().counts(), [0, 2, 0, 0, 0]);
            let dir = bench.site_file("blast/p1");
            let parts: Vec<_> =
                fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")).collect();
            let part = parts.iter().find(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
            let size = part.expect("what came over is kept").metadata().expect("a file").len();
            assert!((1_000_000..SIZE as u64).contains(&size), "{size} bytes are there");
        }
    });
    let resumed: Vec<u64> =
        receipts(&bench).iter().map(|receipt| receipt["resumed_from"].as_u64().unwrap_or(0)).collect();
    assert!(resumed.iter().any(|&from| from >= 1_000_000), "sent anew from the beginning: {resumed:?}");
}

#[test]
fn a_line_that_drips_is_given_up_in_time_with_75_and_the_transfer_goes_on_where_it_was() {
    let (mut bench, relay) = through_a_relay();
    bench.set_site("min_rate_kib", 1024);
    bench.add_build("p1", "blast/p1", fill);
    bench.manage(&["run"]).expect_silence();
    let before = bench.record("p1");
    // Something is always heard.
    relay.set(Fault::DripAfter(SIZE as u64 / 2, 100 * 1024));
    let begun = Instant::now();
    bench.upload(&["run"]).expect(75).complains(&["too little, in the time allowed; try again later"]);
    let window = Duration::from_secs(TIMEOUT_S);
    assert!(begun.elapsed() > window / 2 && begun.elapsed() < window + IN_TIME, "{:?}", begun.elapsed());
    assert_eq!(bench.record("p1"), before);
    relay.set(Fault::None);
    bench.unset_site("min_rate_kib");
    // What still drips must not come in between.
    bench.sshd().kill_connections();
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p1");
    let resumed = receipts(&bench)[0]["resumed_from"].as_u64();
    assert!(resumed >= Some(1_000_000), "sent anew from the beginning: {resumed:?}");
}

fn receipts(bench: &Bench) -> Vec<Value> {
    let read = |job: &String| {
        let text = fs::read(bench.path("spool/sent").join(job).join("receipt.json")).expect("a receipt");
        serde_json::from_slice(&text).expect("JSON")
    };
    bench.spool_listing().kept.iter().map(read).collect()
}

#[test]
fn a_connection_that_is_cut_ends_with_75() {
    let (mut bench, relay) = through_a_relay();
    let fault = |_: &mut Bench, on: bool| relay.set(if on { Fault::ResetAfter(3_500) } else { Fault::None });
    meet(&mut bench, &Step::ALL, fault, |_, _, run| {
        run.expect(75);
    });
}

#[test]
fn an_address_where_nobody_listens_ends_with_69_or_with_75_if_something_was_done() {
    let (mut bench, relay) = through_a_relay();
    // Taken and given back: nobody else gets it soon.
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port");
    let fault = |bench: &mut Bench, on: bool| lead_to(bench, if on { nobody } else { relay.addr() });
    meet(&mut bench, &Step::ALL, fault, |_, step, run| {
        // What was archived and written to the record before the site was needed is something done.
        run.expect(if matches!(step, Step::HandOver) { 75 } else { 69 })
            .complains(&["connecting to site bench", "look whether the server and the network are up"]);
    });
}

/// Fills a disk to the last byte, or makes the room again.
fn fill_up(dir: &Path, full: bool) {
    let filler = dir.join("filler");
    if !full {
        return fs::remove_file(filler).expect("what filled the disk");
    }
    let mut file = File::create(filler).expect("a file");
    let error = loop {
        if let Err(error) = file.write_all(&[0; 65_536]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    // What is left of the last page.
    while file.write_all(&[0; 512]).is_ok() {}
}

#[test]
fn a_full_disk_at_an_sftp_site_ends_with_75() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let _disk = SmallDisk::mount(&bench.site_file(""), 16 * 1024 * 1024);
    let fault = |bench: &mut Bench, on: bool| fill_up(&bench.site_file(""), on);
    meet(&mut bench, &[Step::HandOver, Step::Deliver], fault, |_, _, run| {
        run.expect(75);
    });
}

#[test]
fn a_full_disk_at_a_directory_ends_with_75() {
    let mut bench = Bench::builder().build();
    let _disk = SmallDisk::mount(&bench.site_file(""), 16 * 1024 * 1024);
    let fault = |bench: &mut Bench, on: bool| fill_up(&bench.site_file(""), on);
    meet(&mut bench, &[Step::HandOver, Step::Deliver], fault, |_, _, run| {
        run.expect(75).complains(&["room"]);
    });
}

#[test]
fn a_directory_that_may_not_be_written_ends_with_77() {
    let mut bench = Bench::builder().unprivileged().build();
    let fault = |bench: &mut Bench, on: bool| {
        let mode = Permissions::from_mode(if on { 0o500 } else { 0o700 });
        let dirs = ["", "blast", "blast/p1", "blast/p2"].map(|dir| bench.site_file(dir));
        for dir in dirs.iter().filter(|dir| dir.exists()) {
            fs::set_permissions(dir, mode.clone()).expect("chmod");
        }
    };
    meet(&mut bench, &[Step::HandOver, Step::Deliver], fault, |_, _, run| {
        run.expect(77).complains(&["allow it to this account"]);
    });
}

#[test]
fn a_site_that_is_not_mounted_ends_with_78() {
    let mut bench = Bench::builder().build();
    let fault = |bench: &mut Bench, on: bool| {
        let (base, away) = (bench.site_file(""), bench.path("away"));
        let (from, to) = if on { (base, away) } else { (away, base) };
        fs::rename(from, to).expect("the base can be moved");
    };
    meet(&mut bench, &Step::ALL, fault, |_, _, run| {
        run.expect(78).complains(&["opening directory", "make or mount it"]);
    });
}
