//! What each fault leads to, as the table in operations.md says, and that readers have the tree that they
//! had, byte for byte.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::scene::{Scene, contents};

/// A scene with a tree in place, and a suite that is due.
fn due(more: &str) -> Scene {
    let scene = Scene::new();
    scene.hurry(more);
    scene.accept_quickly("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.accept_quickly("stable", "blast", "1.1");
    scene
}

fn mode(scene: &Scene, name: &str, mode: u32) {
    fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn p5_a_hook_before_publication_that_does_not_do_what_it_should_stops_the_pass() {
    let scene = due("hook_s = 1");
    let before = contents(&scene.path("root/dists"));
    let second = scene.path("pre/20-b");
    for (first, permissions, says) in [
        ("exit 3".to_owned(), 0o755, "pre/10-a: ended with exit status: 3"),
        ("trap '' TERM; sleep 60".to_owned(), 0o755, "pre/10-a: did not end in 1 s, and was killed"),
        ("yes".to_owned(), 0o755, "pre/10-a: did not end in 1 s, and was killed; it says: y"),
        ("yes >&2".to_owned(), 0o755, "pre/10-a: did not end in 1 s, and was killed; it says: y"),
        (format!("rm {}", second.display()), 0o755, "pre/20-b: cannot be run: No such file"),
        (String::new(), 0o757, "pre/10-a: not run: others can write it"),
        (String::new(), 0o775, "pre/10-a: not run: others can write it"),
    ] {
        scene.hook("pre/10-a", &format!("echo spoiled >\"$INTRAWARE_DISTS/stable/Release\"\n{first}"));
        mode(&scene, "pre/10-a", permissions);
        scene.hook("pre/20-b", "");
        let run = scene.publish(&[]).expect(1).complains(&[says]);
        assert!(run.stderr.len() < 2000, "{says}: {}", run.stderr.len());
        assert_eq!(contents(&scene.path("root/dists")), before, "{says}");
    }
    scene.hook("pre/10-a", "");
    scene.publish(&[]).expect_silence();
    assert!(scene.has("stable", "blast", "1.1"));
}

#[test]
fn p5_a_hook_that_its_user_can_neither_read_nor_run_stops_the_pass() {
    let scene = due("");
    scene.publish_as_nobody(&[]).expect_silence();
    let before = contents(&scene.path("root/dists"));
    scene.accept_quickly("stable", "blast", "1.2");
    scene.hook("pre/10-a", "");
    // The kernel runs it, and the shell cannot read it; the kernel does not; what is in the directory cannot
    // be seen, or its names not.
    for (hook, dir, says) in [
        (0o711, 0o755, "pre/10-a: ended with exit status: 2; it says: /bin/sh: 0: cannot open"),
        (0o700, 0o755, "pre/10-a: cannot be run: Permission denied"),
        (0o755, 0o744, "pre/10-a: not run: it cannot be looked at by this user"),
        (0o755, 0o711, "pre: not run: cannot read the directory of hooks: Permission denied"),
    ] {
        mode(&scene, "pre/10-a", hook);
        mode(&scene, "pre", dir);
        scene.publish_as_nobody(&[]).expect(1).complains(&[says]);
        assert_eq!(contents(&scene.path("root/dists")), before, "{says}");
    }
    mode(&scene, "pre", 0o755);
    // After publication it is told, and the tree is the new one.
    fs::rename(scene.path("pre/10-a"), scene.path("post/10-a")).expect("a hook");
    mode(&scene, "post", 0o744);
    let told = ["post/10-a: not run: it cannot be looked at by this user"];
    scene.publish_as_nobody(&[]).expect(1).complains(&told);
    assert!(scene.has("stable", "blast", "1.2"));
    mode(&scene, "post", 0o755);
    scene.publish_as_nobody(&[]).expect_silence();
}

#[test]
fn p5_a_publisher_that_ends_well_and_has_not_renewed_its_suite_stops_the_pass() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    let before = contents(&scene.path("root/dists"));
    scene.accept("stable", "blast", "1.1");
    let text = fs::read_to_string(scene.path("bin/publisher")).expect("a script");
    let packages = "\"$INTRAWARE_DISTS\"/stable/main/binary-amd64/Packages";
    for (script, says) in [
        ("exit 0".to_owned(), "the publisher has left its Release as it was"),
        (
            "touch \"$INTRAWARE_DISTS/stable/Release\"".to_owned(),
            "the publisher has left its Release as it was",
        ),
        ("rm -r \"$INTRAWARE_DISTS\"/*".to_owned(), "the publisher has left no Release that can be read"),
        (": >\"$INTRAWARE_DISTS/stable/Release\"".to_owned(), "its Release names no file by SHA-256"),
        (
            format!("echo >>\"$INTRAWARE_DISTS/stable/Release\"; : >{packages}"),
            "Packages has 0 bytes and not",
        ),
    ] {
        scene.program("bin/publisher", &format!("#!/bin/sh\n{script}\n"));
        scene.publish(&[]).expect(1).complains(&["suite stable: ", says]);
        assert_eq!(contents(&scene.path("root/dists")), before, "{says}");
    }
    scene.program("bin/publisher", &text);
    scene.publish(&[]).expect_silence();
    assert!(scene.has("stable", "blast", "1.1"));
}
