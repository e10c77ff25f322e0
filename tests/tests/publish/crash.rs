//! Runs that are killed, and the next run.

use std::fs;

use intraware_tests::trace;

use crate::scene::Scene;

/// How a run ends that was killed.
const KILLED: i32 = -9;

#[test]
fn s1_13_a_run_killed_in_any_step_before_the_switch_comes_anew() {
    for step in ["bin/accept", "bin/publisher", "pre/10-a"] {
        let scene = Scene::new();
        scene.configure(&format!("process_accepted = [{:?}]", scene.path("bin/accept")));
        scene.program("bin/accept", "#!/bin/sh\nexit 0\n");
        scene.hook("pre/10-a", "");
        scene.hook("post/10-z", "");
        scene.accept("stable", "blast", "1.0");
        let text = fs::read_to_string(scene.path(step)).expect("a program");
        // It lives on when its parent is killed, and spoils what it can.
        let kills = "kill -9 $PPID\nsleep 0.3\nd=${INTRAWARE_DISTS-/proc}/stable\n\
                     mkdir -p \"$d\" 2>/dev/null && echo bad >\"$d/Release\"\nsleep 60\n";
        scene.program(step, &text.replacen('\n', &format!("\n{kills}"), 1));
        assert!(scene.publish(&[]).status == KILLED, "{step}");
        assert!(!scene.path("root/dists").exists());
        scene.program(step, &text);
        scene.notes();
        let run = scene.publish(&[]).expect(0);
        run.complains(&["killed", "had left when it was killed"]);
        let again = if step == "bin/accept" { "no" } else { "yes" };
        let expected = [format!("pre/10-a 1 stable again={again}"), "post/10-z 1 stable again=no".to_owned()];
        assert_eq!(scene.notes(), expected, "{step}");
        assert!(scene.has("stable", "blast", "1.0"), "{step}");
    }
}

#[test]
fn s1_16_hooks_of_a_pass_that_was_killed_in_one_of_them_run_once_but_for_that_one() {
    let scene = Scene::new();
    for name in ["post/10-a", "post/20-b", "post/30-c"] {
        scene.hook(name, "");
    }
    scene.hook("post/20-b", "[ \"$INTRAWARE_AGAIN\" = yes ] || { kill -9 $PPID; sleep 60; }");
    scene.accept("stable", "blast", "1.0");
    assert_eq!(scene.publish(&[]).status, KILLED);
    assert_eq!(scene.notes(), ["post/10-a 1 stable again=no", "post/20-b 1 stable again=no"]);
    assert!(scene.has("stable", "blast", "1.0"), "readers have the new tree");
    scene.publish(&[]).expect(0);
    assert_eq!(scene.notes(), ["post/20-b 1 stable again=yes", "post/30-c 1 stable again=no"]);
    scene.publish(&[]).expect_silence();
    assert_eq!((scene.notes(), scene.live()), (vec![], "1".to_owned()));
}

#[test]
fn s1_12_a_run_killed_at_any_of_its_calls_leaves_a_tree_and_the_next_one_ends_the_pass() {
    let scene = Scene::new();
    scene.hurry("");
    scene.hook("post/10-z", "");
    let accept = |version: &str| scene.accept_quickly("stable", "blast", version);
    accept("1");
    scene.publish(&[]).expect_silence();
    let mut killed = 0;
    for (call, most) in [("rename", 11), ("symlink", 3), ("fsync", 16), ("syncfs", 1), ("unlink", 4)] {
        for nth in 1..=most {
            let version = format!("{call}.{nth}");
            accept(&version);
            scene.notes();
            let run = trace::kill_alone_at(scene.command(&[]), call, nth);
            // Readers have a whole tree, whichever.
            assert_eq!(scene.read("stable/Release"), "Suite: stable\n", "{call} {nth}");
            killed += i32::from(run.status == KILLED);
            scene.publish(&[]).expect(0);
            assert!(scene.has("stable", "blast", &version), "{call} {nth}");
            let notes = scene.notes();
            let first = notes.iter().filter(|note| note.ends_with("again=no")).count();
            // Who has only begun may not have come to its note.
            assert!(first <= 1 && !notes.is_empty(), "{call} {nth}: {notes:?}");
        }
    }
    assert!(killed > 20, "{killed}");
}
