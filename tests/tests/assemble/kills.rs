//! kill -9 while fragments are assembled: the target is whole or absent, and the fragments are there as long
//! as it is not.
//!
//! `INTRAWARE_KILL_ROUNDS` says how many random moments are tried; `tests/kill` sets it.

use std::time::{Duration, Instant};

use intraware_tests::support::rounds::{number_from, say};
use intraware_tests::{Packages, Running, trace};
use rustix::process::Signal;

use crate::of;

const MACHINES: [&str; 3] = ["ebb", "flow", "granite"];

/// Makes the fragments of a package; `files` of them own files each.
fn packages(files: u32) -> Packages {
    let packages = Packages::default();
    for machine in MACHINES {
        let mut archive = of(machine).dir("lib").link("latest", "lib");
        for number in 0..files {
            let content = format!("{machine} {number} ").repeat(500);
            archive = archive.file(&format!("lib/{machine}.{number}"), 0o644, content);
        }
        packages.put(machine, archive);
    }
    packages
}

/// Checks what is left by a kill, and that the next assembly settles it. Returns whether the target stood.
#[track_caller]
fn check(packages: &Packages, whole: &[String]) -> bool {
    let target = packages.root().join("foo/1.0");
    let stands = target.exists();
    if stands {
        assert_eq!(packages.target(), whole, "a part of the target can be seen");
        std::fs::remove_dir_all(&target).expect("the target");
        return true;
    }
    assert_eq!(packages.left().len(), MACHINES.len(), "fragments are gone and there is no target");
    packages.assemble(&[]).expect(0);
    assert_eq!(packages.target(), whole);
    let hidden: Vec<String> =
        packages.all().into_iter().filter(|line| line.contains("/.") || line.contains(" .foo")).collect();
    assert_eq!(hidden, [""; 0], "left behind");
    false
}

#[test]
fn s3_31_s3_32_assemble_killed_at_any_durable_call() {
    let (whole, _) = reference(1);
    let mut kills = 0;
    for call in trace::DURABLE.into_iter().chain(["syncfs", "symlinkat", "fchmodat"]) {
        for nth in 1.. {
            let packages = packages(1);
            let run = trace::kill_at(packages.command(&["assemble", "foo", "1.0", "-q"]), call, nth);
            if run.status != -9 {
                run.expect(0);
                break;
            }
            kills += 1;
            check(&packages, &whole);
        }
    }
    assert!(kills > 40, "only {kills} calls were found to kill it at");
}

/// A kill leaves to the kernel what it has not written to the disk yet, so only the order of the calls tells.
#[test]
fn s3_31_the_target_is_on_the_disk_before_it_gets_its_name_and_has_it_there_before_fragments_go() {
    let packages = packages(1);
    let changes =
        "openat,write,mkdirat,symlinkat,renameat,renameat2,fchmod,fchmodat,syncfs,fsync,unlink,unlinkat";
    let (run, calls) = trace::calls(packages.command(&["assemble", "foo", "1.0", "-q"]), changes);
    run.expect(0);
    let place = |from: usize, words: [&str; 2]| {
        let found = calls[from..].iter().position(|call| words.iter().all(|word| call.contains(word)));
        from + found.unwrap_or_else(|| panic!("there is no {words:?}: {calls:#?}"))
    };
    let flushed = place(0, ["syncfs(", ".partial."]);
    let named = place(0, ["renameat2(", "\"1.0\""]);
    let kept = place(named, ["fsync(", "/foo>"]);
    let gone = place(0, ["unlink", "foo_1.0_ebb.tar.gz"]);
    assert!(flushed < named && kept < gone, "{calls:#?}");
    let changed =
        calls[flushed..named].iter().find(|call| call.contains("/tree") && !call.contains("O_RDONLY"));
    assert_eq!(changed, None, "changed behind the flush");
}

/// So many further rounds there may be where all of them ended early.
const BUSIER: u64 = 6;

#[test]
fn s3_31_s3_32_random_kills_while_fragments_are_assembled() {
    let rounds = number_from("INTRAWARE_KILL_ROUNDS").unwrap_or(12);
    let (whole, mut usual) = reference(100);
    let (mut kills, mut stood, mut ended) = (0, 0, 0);
    for round in 0..rounds + BUSIER {
        if round >= rounds {
            // The machine is busier than it was: more rounds, with more time, until one comes so far.
            if stood + ended > 0 {
                break;
            }
            usual *= 2;
        }
        let packages = packages(100);
        // Moments spread evenly over all of a run, and a little beyond its end.
        let moment = usual.mul_f64(1.1 * (round as f64 + 0.5) / rounds as f64);
        let started = Instant::now();
        let mut running = Running::start(packages.command(&["assemble", "foo", "1.0"]));
        if !running.ends_within(moment) {
            running.signal(Signal::KILL);
        }
        let run = running.wait();
        if run.status == -9 {
            kills += 1;
            stood += u32::from(check(&packages, &whole));
        } else {
            run.expect(0);
            usual = started.elapsed();
            ended += 1;
        }
    }
    say(format_args!(
        "{kills} kills in {rounds} rounds, {ended} ended before; the target stood after {stood} kills"
    ));
    assert!(kills > 0, "nothing was killed in {rounds} rounds");
    assert!(stood + ended > 0, "in {rounds} rounds nobody came as far as the end");
}

/// Returns what the target is when nobody disturbs it, and how long it takes to make.
fn reference(files: u32) -> (Vec<String>, Duration) {
    let packages = packages(files);
    let started = Instant::now();
    packages.assemble(&[]).expect(0);
    (packages.target(), started.elapsed())
}
