//! Hooks before and after publication that do not do what they should.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::scene::Scene;

#[test]
fn s1_14_a_failing_hook_before_publication_leaves_the_tree_as_it_was() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.accept("stable", "blast", "1.1");
    scene.hook("pre/10-a", "echo why; exit 3");
    scene.hook("pre/20-b", "");
    scene.hook("post/10-z", "");
    scene.publish(&[]).expect(1).complains(&["pre/10-a: ended with exit status: 3; it says: why"]);
    assert_eq!(scene.notes(), ["pre/10-a 1 stable again=no"]);
    assert!(scene.has("stable", "blast", "1.0") && !scene.has("stable", "blast", "1.1"));
    scene.hook("pre/10-a", "");
    scene.publish(&[]).expect_silence();
    assert_eq!(scene.notes().len(), 3);
    assert!(scene.has("stable", "blast", "1.1"));
}

#[test]
fn s1_16_a_failing_hook_after_publication_is_told_and_the_tree_stays_new() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.hook("post/10-y", "exit 3");
    scene.hook("post/20-z", "");
    scene.publish(&[]).expect(1).complains(&["post/10-y: ended with exit status: 3"]);
    assert_eq!(scene.notes(), ["post/10-y 1 stable again=no", "post/20-z 1 stable again=no"]);
    assert!(scene.has("stable", "blast", "1.0"));
    // The pass is complete, and nothing of it runs twice.
    scene.publish(&[]).expect_silence();
    assert_eq!(scene.notes(), [""; 0]);
}

#[test]
fn s1_04_s1_05_a_hook_that_cannot_be_run_as_it_was_meant_stops_the_pass() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    let pre = scene.path("pre/10-a");
    let refused = |says: &str| {
        scene.publish(&[]).expect(1).complains(&[says]);
        assert!(!scene.path("root/dists").exists(), "{says}");
        let _ = fs::remove_file(&pre);
    };
    scene.hook("pre/10-a", "");
    fs::set_permissions(&pre, fs::Permissions::from_mode(0o777)).expect("a mode");
    refused("pre/10-a: not run: others can write it");
    symlink("/nowhere", &pre).expect("a link");
    refused("pre/10-a: not run: what it names cannot be reached");
    scene.program("pre/10-a", "");
    refused("pre/10-a: cannot be run: Exec format error");
    scene.configure("hook_s = 1");
    scene.hook("pre/10-a", "yes");
    refused("pre/10-a: did not end in 1 s, and was killed; it says: y");
    fs::rename(scene.path("pre"), scene.path("away")).expect("a directory");
    refused("pre: not run: cannot read the directory of hooks: No such file");
    fs::rename(scene.path("away"), scene.path("pre")).expect("a directory");
    scene.publish(&[]).expect_silence();
    assert!(scene.has("stable", "blast", "1.0"));
}

#[test]
fn s1_05_s1_14_a_hook_that_vanishes_hangs_or_never_stops_printing_leaves_the_tree_as_it_was() {
    let scene = Scene::new();
    scene.hurry("hook_s = 1");
    scene.accept_quickly("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.hook("post/10-z", "");
    let (second, third) = (scene.path("pre/20-b"), scene.path("pre/30-c"));
    for (first, says) in [
        (format!("rm {}", second.display()), "pre/20-b: cannot be run: No such file"),
        (format!("chmod -x {}", second.display()), "pre/20-b: cannot be run: Permission denied"),
        ("trap '' TERM; sleep 60".to_owned(), "pre/10-a: did not end in 1 s, and was killed"),
        (
            "yes 0123456789 >&2".to_owned(),
            "pre/10-a: did not end in 1 s, and was killed; it says: 0123456789",
        ),
        ("kill -9 $$".to_owned(), "pre/10-a: was ended by signal 9"),
    ] {
        scene.hook("pre/10-a", &first);
        scene.hook("pre/20-b", "");
        scene.hook("pre/30-c", "");
        scene.accept_quickly("stable", "blast", "1.1");
        let run = scene.publish(&[]).expect(1).complains(&[says]);
        assert!(run.stderr.len() < 2000, "{says}: {}", run.stderr.len());
        assert!(scene.has("stable", "blast", "1.0") && !scene.has("stable", "blast", "1.1"), "{says}");
        let notes = scene.notes();
        assert_eq!(notes, ["pre/10-a 1 stable again=no"], "{says}");
    }
    fs::remove_file(third).expect("a hook");
    scene.hook("pre/10-a", "");
    scene.publish(&[]).expect_silence();
    assert!(scene.has("stable", "blast", "1.1"));
}

#[test]
fn s1_16_a_hook_after_publication_that_cannot_be_run_is_told_and_keeps_no_other_from_it() {
    let scene = Scene::new();
    scene.hurry("hook_s = 1");
    scene.hook("post/10-a", "yes");
    scene.hook("post/20-b", "");
    fs::set_permissions(scene.path("post/20-b"), fs::Permissions::from_mode(0o757)).expect("a mode");
    scene.hook("post/30-c", &format!("rm {}", scene.path("post/40-d").display()));
    scene.hook("post/40-d", "");
    scene.hook("post/50-e", "");
    scene.accept_quickly("stable", "blast", "1.0");
    scene.publish(&[]).expect(1).complains(&[
        "post/10-a: did not end in 1 s",
        "post/20-b: not run: others can write it",
        "post/40-d: cannot be run: No such file",
    ]);
    let ran: Vec<String> =
        ["10-a", "30-c", "50-e"].map(|name| format!("post/{name} 1 stable again=no")).into();
    assert_eq!(scene.notes(), ran);
    assert!(scene.has("stable", "blast", "1.0"));
    // The pass is complete: nothing of it runs twice.
    scene.publish(&[]).expect_silence();
    assert_eq!(scene.notes(), [""; 0]);
}

#[test]
fn s1_20_a_hook_decides_by_the_priority_and_finds_the_tree_in_its_environment() {
    let scene = Scene::new();
    scene.hook("pre/10-a", "[ \"$1\" = 0 ] || : >\"$INTRAWARE_DISTS/slow\"; pwd; umask");
    scene.accept("stable-security", "forge", "1.1");
    scene.publish(&["--security-only"]).expect_silence();
    assert!(!scene.path("root/dists/slow").exists());
    scene.publish(&[]).expect_silence();
    let slow = fs::metadata(scene.path("root/dists/slow")).expect("a file");
    assert_eq!(slow.permissions().mode() & 0o777, 0o644);
}
