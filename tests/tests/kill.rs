//! kill -9 at every durable effect, one after the other, and at random moments: no build is lost, doubled or
//! wrong.
//!
//! After each kill, three undisturbed cycles of cron at most must lead every build to Completed, with the
//! right bytes at the site and nothing in the spool but what completed builds leave. Right after the kill
//! itself, what can be seen under a final name must be whole already.
//!
//! `tests/kill --rounds 200` makes as many random rounds as wanted; here there are a few.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use intraware_tests::support::dice::{Dice, noise};
use intraware_tests::support::rounds::{number_from, say};
use intraware_tests::support::sshd::Access;
use intraware_tests::tree::Tree;
use intraware_tests::{Bench, Builder, Program, Running, Spool, trace};
use rustix::process::Signal;

/// How many cycles may be needed after a kill.
const CYCLES: usize = 3;

/// A bench to which builds are added one after the other.
struct World {
    bench: Bench,
    added: usize,
}

impl World {
    fn new(builder: Builder) -> Self {
        Self { bench: builder.build(), added: 0 }
    }

    /// Adds a build with some small files and one of `size` bytes that do not compress.
    fn add(&mut self, size: usize) -> String {
        self.added += 1;
        let name = format!("p{}", self.added);
        let seed = self.added as u64;
        self.bench.add_build(&name, &path_of(&name), |dir| {
            fs::create_dir(dir.join("doc")).expect("a directory");
            fs::write(dir.join("doc/README"), format!("This is {name}\n")).expect("a file");
            fs::write(dir.join("doc/empty"), "").expect("a file");
            fs::write(dir.join("tool"), noise(seed, size)).expect("a file");
        });
        name
    }

    /// Runs cycles until the builds are delivered, and checks all there is.
    #[track_caller]
    fn settle(&self, builds: &[String]) {
        for _ in 0..CYCLES {
            self.bench.cycle().into_iter().for_each(|run| drop(run.expect(0)));
            if builds.iter().all(|build| self.bench.status(build).0 == "Completed") {
                break;
            }
        }
        builds.iter().for_each(|build| self.bench.assert_delivered(build));
        self.check_leftovers();
    }

    /// Checks what anybody may see of a build at any moment: nothing under the payload's final name, or all
    /// of it with its checksums; and everything, if the record says that it is released.
    #[track_caller]
    fn check_visible(&self, build: &str) {
        // Whoever is killed while writing to SQLite leaves it to the next run to read it.
        let is_readable = !self.bench.path("var/records.db-journal").exists();
        let payload = self.bench.site_file(&format!("{}/{build}.tar.gz", path_of(build)));
        if is_readable && self.bench.status(build).0 == "Completed" {
            self.bench.assert_delivered(build);
        } else if payload.exists() {
            let mut check = Command::new("sha256sum");
            check.args(["--check", "--strict", "--quiet"]).arg(format!("{build}.tar.gz.SHA256"));
            let status = check.current_dir(payload.parent().expect("a directory")).status();
            assert!(status.expect("sha256sum starts").success(), "{build} can be seen and is not whole");
        }
    }

    /// Checks that the spool holds nothing but what completed builds leave, and the site nothing but their
    /// files.
    #[track_caller]
    fn check_leftovers(&self) {
        let spool = self.bench.spool_listing();
        let kept = spool.kept.clone();
        assert_eq!(spool, Spool { kept, ..Spool::default() });
        assert_eq!(spool.kept.len(), self.added, "jobs kept for reference");
        let spool = Tree::read([&*self.bench.path("spool")]);
        let site = Tree::read([&*self.bench.site_file("")]);
        let hidden = |path: &&Path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        let left: Vec<_> = spool.files().chain(site.files()).filter(hidden).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        // The payload and its five sidecars.
        assert_eq!(site.files().count(), 6 * self.added, "files at the site");
        let notes = |dir: &str| spool.files().filter(|path| path.starts_with(self.bench.path(dir))).count();
        let notes = ["spool/holds", "spool/retry", "spool/released"].map(notes);
        assert_eq!(notes, [0, 0, self.added], "notes in holds, retry, released");
    }

    /// Runs a program to its end.
    #[track_caller]
    fn run(&self, program: Program) {
        let command = self.bench.command(program, &["run"]);
        Running::start(command).wait().expect(0);
    }
}

/// Returns the path of a build below the build root and below the site.
fn path_of(build: &str) -> String {
    format!("blast/{}/{build}", build.len())
}

/// Kills `victim` as it enters each of its durable calls, the first, the second and so on, of each kind;
/// before each, `before` is run undisturbed on a fresh build. Returns how many kills there were.
fn kill_everywhere(before: &[Program], victim: Program) -> usize {
    let mut world = World::new(Bench::builder());
    let mut kills = 0;
    for call in trace::DURABLE {
        for nth in 1.. {
            let build = world.add(70_000);
            before.iter().for_each(|program| world.run(*program));
            let run = trace::kill_at(world.bench.command(victim, &["run"]), call, nth);
            say(format_args!("{victim:?} killed at {call} number {nth}: status {}", run.status));
            match run.status {
                -9 => kills += 1,
                _ => drop(run.clone().expect(0)),
            }
            world.check_visible(&build);
            world.settle(&[build]);
            if run.status == 0 {
                break;
            }
        }
    }
    kills
}

#[test]
fn s0_06_s0_39_manage_killed_at_any_durable_call_while_it_prepares() {
    let kills = kill_everywhere(&[], Program::Manage);
    assert!(kills > 80, "only {kills} calls were found to kill it at");
}

#[test]
fn s0_46_s0_47_upload_killed_at_any_durable_call() {
    let kills = kill_everywhere(&[Program::Manage], Program::Upload);
    assert!(kills > 25, "only {kills} calls were found to kill it at");
}

#[test]
fn s0_20_s0_25_manage_killed_at_any_durable_call_while_it_confirms() {
    let kills = kill_everywhere(&[Program::Manage, Program::Upload], Program::Manage);
    assert!(kills > 30, "only {kills} calls were found to kill it at");
}

#[test]
fn s0_42_random_kills_with_sqlite_and_a_directory() {
    random_rounds(World::new(Bench::builder()), "sqlite, directory");
}

#[test]
fn s0_42_random_kills_with_sqlite_and_sshd() {
    random_rounds(World::new(Bench::builder().sshd(Access::Shell)), "sqlite, sshd");
}

#[test]
fn s0_42_random_kills_with_salesforce_and_a_directory() {
    random_rounds(World::new(Bench::builder().salesforce()), "salesforce, directory");
}

#[test]
fn s0_42_random_kills_with_salesforce_and_sshd_without_a_shell() {
    random_rounds(World::new(Bench::builder().salesforce().sshd(Access::SftpOnly)), "salesforce, sshd");
}

/// Makes a quarter of the rounds asked for, in one of the four worlds.
fn random_rounds(mut world: World, what: &str) {
    let rounds = number_from("INTRAWARE_KILL_ROUNDS").unwrap_or(12).div_ceil(4);
    let first = number_from("INTRAWARE_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(what));
    // How long a run lasts that nobody kills, so that the moments are spread over all of it.
    let mut usual = Duration::from_millis(60);
    let mut kills = 0;
    for round in 0..rounds {
        let seed = first.wrapping_add(round);
        say(format_args!("{what}: round {round}, INTRAWARE_KILL_SEED={seed}"));
        let mut dice = Dice(seed);
        let builds: Vec<String> = (0..=dice.below(3)).map(|_| world.add(dice.below(3_000_000))).collect();
        let order = [Program::Manage, Program::Upload, Program::Manage];
        let undisturbed = dice.below(3);
        order.iter().take(undisturbed).for_each(|program| world.run(*program));
        // Every fourth time the one that cleans up is killed as well.
        for _ in 0..=u64::from(dice.below(4) == 0) {
            let killed = kill_at_random(&world, order[undisturbed], &mut dice, &mut usual);
            kills += u32::from(killed);
            builds.iter().for_each(|build| world.check_visible(build));
        }
        world.settle(&builds);
    }
    say(format_args!("{what}: {kills} kills in {rounds} rounds"));
    assert!(kills > 0, "{what}: nothing was killed in {rounds} rounds");
}

/// Starts a program, and kills it after a random part of the time that it usually takes; returns whether it
/// got that far. One that was quicker tells how long it takes.
fn kill_at_random(world: &World, program: Program, dice: &mut Dice, usual: &mut Duration) -> bool {
    let moment = usual.mul_f64(dice.below(1000) as f64 / 1000.0);
    let started = Instant::now();
    let mut running = Running::start(world.bench.command(program, &["run"]));
    if !running.ends_within(moment) {
        running.signal(Signal::KILL);
    }
    let run = running.wait();
    let killed = run.status == -9;
    if killed {
        *usual = usual.mul_f64(1.1);
    } else {
        run.expect(0);
        *usual = started.elapsed();
    }
    killed
}
