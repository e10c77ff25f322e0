//! Whatever is killed or cut, and whenever: an upgrade has run exactly once, or it is not known how it has
//! ended; it has never run twice, and is never done without having ended with 0.
//!
//! Each test tries some of the moments there are; with `INTRAWARE_KILL_STRIDE=1` it tries all.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use intraware_tests::support::relay::{Fault, Relay, Side};
use intraware_tests::support::rounds::{number_from, say};
use intraware_tests::{Program, Running, trace};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::scene::Scene;
use crate::upgrades::World;

/// Of so many moments one is tried.
fn stride(usual: u64) -> usize {
    usize::try_from(number_from("INTRAWARE_KILL_STRIDE").unwrap_or(usual)).expect("a small number")
}

/// Counts each run of the upgrade, at its beginning and at its end.
fn counting(world: &World) {
    world.program("upgrade", "echo \"${1##*/}\" >>ran; sleep 0.2; echo \"${1##*/}\" >>ended");
}

fn times(world: &World, file: &str, package: &str) -> usize {
    world.lines(file).iter().filter(|line| *line == package).count()
}

/// Checks what must hold at any moment, and returns how far a package is.
#[track_caller]
fn sound(world: &World, package: &str) -> String {
    let state = world.state(package);
    let (ran, ended) = (times(world, "ran", package), times(world, "ended", package));
    assert!(ran <= 1, "{package} was run {ran} times");
    assert!(state != "done" || ended == 1, "{package} is done, and has not ended");
    state
}

/// Goes on as cron and a person would, until nothing more happens.
#[track_caller]
fn settle(world: &World, package: &str) -> String {
    let label = world.label(package);
    for _ in 0..4 {
        match sound(world, package).as_str() {
            "done" => break,
            "nothing" => drop(world.scene.run(&[package])),
            _ => {
                world.scene.run(&["--retry", &label]);
                world.scene.run(&[]);
            }
        }
    }
    sound(world, package)
}

#[test]
fn s2_13_d2_killed_at_any_durable_call_an_upgrade_is_run_exactly_once() {
    let world = World::new("");
    counting(&world);
    let (stride, mut kills) = (stride(9), 0);
    for call in trace::DURABLE {
        for nth in (1..).step_by(stride) {
            let package = format!("{call}-{nth}");
            world.scene.keep(&package, &package);
            let command = world.scene.within(Command::new(Program::Upload.path()), &[&package]);
            let run = trace::kill_at(command, call, nth);
            let state = sound(&world, &package);
            say(format_args!("killed at {call} number {nth}: status {}, {state}", run.status));
            // What was not begun when it was killed, and what was, is done by the runs that follow.
            assert_eq!(settle(&world, &package), "done", "{}", world.why(&package));
            assert_eq!(times(&world, "ran", &package), 1);
            if run.status == 0 {
                break;
            }
            assert_eq!(run.status, -9, "{run:?}");
            kills += 1;
        }
    }
    assert!(kills * stride > 30, "only {kills} calls were found to kill it at");
}

#[test]
fn s2_13_d2_wherever_the_connection_is_cut_an_upgrade_is_run_once_at_most() {
    let world = World::new("");
    counting(&world);
    let relay = Relay::start(world.sshd.addr(), Fault::None);
    through(&world, relay.addr());
    world.scene.keep("whole", "whole");
    world.scene.run(&["whole"]).expect_silence();
    let mut unknown = 0;
    for side in [Side::Client, Side::Server] {
        let mut pieces = relay.pieces_of(side);
        pieces.sort_unstable();
        pieces.dedup();
        for (count, at) in pieces.iter().enumerate().step_by(stride(12)) {
            let package = format!("{side:?}-{count}");
            world.scene.keep(&package, &package);
            relay.set_counting(Fault::ResetAfter(*at), side);
            let run = world.scene.run(&[&package]);
            relay.set(Fault::None);
            let state = sound(&world, &package);
            unknown += usize::from(state == "unknown");
            say(format_args!("{side:?} cut after {at} bytes: status {}, {state}", run.status));
            let label = format!("{package}@{}", relay.addr());
            let deadline = Instant::now() + Duration::from_secs(60);
            while sound(&world, &package) != "done" && Instant::now() < deadline {
                world.scene.run(&["--retry", &label]);
                world.scene.run(&[]);
            }
            assert_eq!(sound(&world, &package), "done", "{label}");
            assert_eq!(times(&world, "ran", &package), 1);
        }
    }
    say(format_args!("{unknown} were unknown for a while"));
}

/// Has the section's machine be reached through something else.
fn through(world: &World, addr: SocketAddr) {
    let routes = fs::read_to_string(world.scene.path("general-dispatch-info.cfg")).expect("routes");
    let before = world.sshd.addr();
    let known = fs::read_to_string(world.sshd.known_hosts()).expect("keys");
    let known = known.replace(&format!("]:{}", before.port()), &format!("]:{}", addr.port()));
    let known = world.scene.keep("known", &known);
    let routes = routes.replace(&before.to_string(), &addr.to_string());
    let routes = routes.replace(&*world.sshd.known_hosts().to_string_lossy(), &known.to_string_lossy());
    world.scene.keep("general-dispatch-info.cfg", &routes);
}

/// Begins to dispatch a package whose upgrade takes a while, and waits until that runs.
fn begin(world: &World, package: &str) -> Running {
    world.scene.keep(package, package);
    let running = world.scene.start(&[package]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while times(world, "ran", package) == 0 {
        assert!(Instant::now() < deadline, "it is not begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

#[test]
fn s2_13_d2_a_server_that_is_killed_does_not_end_an_upgrade_whose_end_is_learned_later() {
    let world = World::new("");
    world.program("upgrade", "echo \"${1##*/}\" >>ran; sleep 3; echo \"${1##*/}\" >>ended");
    let running = begin(&world, "a");
    world.sshd.kill_connections();
    running
        .wait()
        .expect(75)
        .complains(&["it is not known how its upgrade has ended", "the connection was lost"]);
    assert_eq!(sound(&world, "a"), "unknown");
    assert!(world.why("a").contains("begins nothing"));
    // The next run waits for what still runs there.
    world.scene.run(&[]).expect_silence();
    assert_eq!((sound(&world, "a").as_str(), times(&world, "ran", "a")), ("done", 1));
}

/// Kills what runs the upgrade at the machine, as a machine that loses its power would.
fn kill_all(world: &World) {
    let markers =
        fs::read_dir(world.markers()).expect("markers").map(|entry| entry.expect("an entry").path());
    let mut markers: Vec<_> = markers.filter(|path| path.extension().is_none()).collect();
    markers.sort();
    let marker = fs::read_to_string(markers.last().expect("a marker")).expect("a marker");
    let pid = marker.lines().find_map(|line| line.strip_prefix("pid ")).expect("a process");
    let pid = Pid::from_raw(pid.parse().expect("a number")).expect("a process");
    kill_process(pid, Signal::KILL).expect("what runs it");
    let upgrade = fs::read_to_string(world.app().join("pid")).expect("a process");
    let upgrade = Pid::from_raw(upgrade.trim().parse().expect("a number")).expect("a process");
    kill_process_group(upgrade, Signal::KILL).expect("the upgrade");
}

#[test]
fn s2_13_d2_what_is_lost_at_the_machine_is_unknown_until_a_check_or_a_person_says_how_it_ended() {
    let world = World::new("");
    world.program("upgrade", "echo $$ >pid; echo \"${1##*/}\" >>ran; sleep 60");
    for (package, verdict) in [("a", "done"), ("b", "failed")] {
        let running = begin(&world, package);
        kill_all(&world);
        running.wait().expect(1).complains(&["it is not known how its upgrade has ended", "is gone"]);
        let label = world.label(package);
        // Neither cron nor --retry begins it again.
        world.scene.run(&[]).expect_silence();
        world.scene.run(&["--retry", &label]).expect_silence();
        world.scene.run(&[]).expect(1);
        assert_eq!((sound(&world, package).as_str(), times(&world, "ran", package)), ("unknown", 1));
        assert!(world.why(package).contains(&format!("`upload dispatch --settle {label} done`")));
        world.scene.run(&["--settle", &label, "perhaps"]).expect(2);
        world.scene.run(&["--settle", &label, verdict]).expect_silence();
        world.scene.run(&["--settle", &label, verdict]).expect(2).complains(&["is not unknown"]);
        assert_eq!(world.state(package), verdict);
        assert!(world.why(package).contains("a person has said so"));
    }
    // A person's word that it has failed, and another one that it shall be tried again.
    world.program("upgrade", "echo \"${1##*/}\" >>ran");
    world.scene.run(&["--retry", &world.label("b")]).expect_silence();
    world.scene.run(&[]).expect_silence();
    assert_eq!((world.state("b").as_str(), times(&world, "ran", "b")), ("done", 2));

    let world = World::new("check = [\"APP/check\"]\nrollback = [\"APP/undo\"]");
    world.program("upgrade", "echo $$ >pid; echo \"${1##*/}\" >>ran; sleep 60");
    world.program("check", "exit \"$(cat bad || echo 0)\"");
    world.program("undo", "echo x >>undone");
    for (package, state, status) in [("a", "done", 0), ("b", "failed", 1)] {
        let running = begin(&world, package);
        kill_all(&world);
        let run = running.wait().expect(status);
        assert_eq!((world.state(package).as_str(), times(&world, "ran", package)), (state, 1), "{run:?}");
        fs::write(world.app().join("bad"), "4").expect("a file");
    }
    assert_eq!(world.lines("undone"), ["x"]);
    assert!(world.why("b").contains("check ended with 4, rollback ended with 0"));
}

#[test]
fn s2_13_d2_of_two_dispatchers_one_runs_an_upgrade_and_both_know_its_end() {
    let world = World::new("");
    world.program("upgrade", "echo \"${1##*/}\" >>ran; sleep 2; echo \"${1##*/}\" >>ended");
    let routes = fs::read_to_string(world.scene.path("general-dispatch-info.cfg")).expect("routes");
    let other = Scene::new(&routes);
    other.keep("a", "a");
    let first = begin(&world, "a");
    let second = other.start(&["a"]);
    second.wait().expect_silence();
    first.wait().expect_silence();
    assert_eq!((sound(&world, "a").as_str(), times(&world, "ran", "a")), ("done", 1));
    // Another package waits for its turn there.
    other.keep("c", "c");
    let first = begin(&world, "b");
    let run = other.run(&["c"]).expect(75).complains(&["the upgrade of b runs there"]);
    assert!(times(&world, "ran", "c") == 0, "{run:?}");
    first.wait().expect_silence();
    other.run(&[]).expect_silence();
    assert_eq!(times(&world, "ran", "c"), 1);
    // What was followed by another content is not brought back by somebody who does not know that.
    let third = Scene::new(&routes);
    third.keep("b", "b");
    third.run(&["b"]).expect(1).complains(&["it was done there before, and after it c"]);
    assert_eq!(times(&world, "ran", "b"), 1);
}
