//! What a host's limits on a process come to: an error of one build that says which limit it is.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Command;

use intraware_tests::{Bench, Program, Run, Running};

/// The largest file that may be written, in bytes.
const LARGEST: u64 = 1_000_000;

fn fill(dir: &Path) {
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
}

/// Fills a build with more than fits into the largest file, however it is compressed.
fn fill_large(dir: &Path) {
    fill_with(dir, 3 * LARGEST);
}

fn fill_with(dir: &Path, bytes: u64) {
    let mut noise = File::open("/dev/urandom").expect("noise").take(bytes);
    let mut file = File::create(dir.join("noise")).expect("a file");
    io::copy(&mut noise, &mut file).expect("a large file");
}

/// Runs a program that may write no larger file.
fn limited(bench: &Bench, program: Program, arguments: &[&str]) -> Run {
    limited_by(bench, &format!("--fsize={LARGEST}"), program, arguments)
}

fn limited_by(bench: &Bench, limit: &str, program: Program, arguments: &[&str]) -> Run {
    let plain = bench.command(program, arguments);
    let mut command = Command::new("/usr/bin/prlimit");
    command.arg(limit).arg(plain.get_program()).args(plain.get_args());
    command.env_clear().current_dir(bench.path("home"));
    Running::start(command).wait()
}

#[test]
fn f_07_a_build_that_this_hosts_limit_stops_says_so_and_stops_no_other() {
    let bench = Bench::builder().build();
    let said = ["p1 (1): ", "this host lets no file be larger than 1000000 bytes", "`ulimit -f`"];
    bench.add_build("p1", "p1", fill_large);
    for number in 2..8 {
        let name = format!("p{number}");
        bench.add_build(&name, &name, fill);
        limited(&bench, Program::Manage, &["run"]).expect(74).complains(&said);
        assert_eq!(bench.status("p1"), Default::default(), "nothing of it is the build's fault");
        assert_eq!(bench.status(&name).0, "In Process", "the one behind it is prepared");
        assert_eq!(bench.spool_listing().work, Vec::<String>::new());
    }
    bench.upload(&["run"]).expect_silence();

    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    (1..8).for_each(|number| bench.assert_delivered(&format!("p{number}")));
}

#[test]
fn f_07_a_directory_as_the_site_does_not_lift_this_hosts_limit() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill_large);
    bench.add_build("p2", "p2", fill);
    bench.manage(&["run"]).expect_silence();
    let said = ["p1 (1): ", "this host lets no file be larger than 1000000 bytes"];
    let run = limited(&bench, Program::Upload, &["run"]).expect(74).complains(&said);
    assert!(!run.stderr.contains("p2"), "{run:?}");
    for _ in 0..5 {
        limited(&bench, Program::Upload, &["run", "--job", "p1"]).expect(74).complains(&said);
    }
    assert_eq!(bench.spool_listing().counts(), [0, 1, 1, 0, 0]);
    bench.upload(&["run", "--job", "p1"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    ["p1", "p2"].iter().for_each(|name| bench.assert_delivered(name));
}

#[test]
fn f_07_a_run_out_of_processor_time_stops_as_by_a_signal_and_leaves_nothing_half_done() {
    let bench = Bench::builder().build();
    // More than the second that it gets is enough for; it is told so each second from then on.
    bench.add_build("p1", "p1", |dir| fill_with(dir, 300_000_000));
    let run = limited_by(&bench, "--cpu=1:unlimited", Program::Manage, &["run"]).expect(75);
    assert!(run.stderr.contains("stopped by a signal"), "{run:?}");
    assert_eq!(bench.spool_listing(), Default::default());
    assert_eq!(bench.status("p1"), Default::default());
}
