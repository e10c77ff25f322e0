//! Runs that are killed, and the next run.

use std::fs;
use std::path::Path;
use std::process::Command;

use intraware_tests::archive::{Archive, ok};
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

/// Says of each file of the pool, which is empty, what readers have to know, and of that in Release.
const CHECKED: &str = r#"#!/bin/sh
set -eu
for suite; do
    cd "$INTRAWARE_STAGE/pool/$suite"
    main=$INTRAWARE_DISTS/$suite/main/binary-amd64
    mkdir -p "$main"
    rm -f "$main/Packages" "$INTRAWARE_DISTS/$suite/Release"
    sha256sum * | while read -r digest name; do
        printf 'Package: %s\nVersion: %s\nArchitecture: all\n' "${name%%_*}" "${name#*_}"
        printf 'Filename: pool/%s/%s\nSize: 0\nSHA256: %s\n\n' "$suite" "$name" "$digest"
    done >"$main/Packages"
    cd "$INTRAWARE_DISTS/$suite"
    printf 'Suite: %s\nSHA256:\n %s %s main/binary-amd64/Packages\n' "$suite" \
        "$(sha256sum <"$main/Packages" | cut -c 1-64)" "$(wc -c <"$main/Packages")" >Release
done
"#;

#[test]
fn s1_12_a_run_killed_while_it_flushes_a_tree_that_is_looked_at_leaves_a_whole_one() {
    let scene = Scene::new();
    scene.program("bin/publisher", CHECKED);
    let accept = |version: &str| scene.accept_quickly("stable", "blast", version);
    accept("1");
    scene.publish(&[]).expect_silence();
    let mut killed = 0;
    for nth in 1.. {
        let version = format!("fsync.{nth}");
        accept(&version);
        let run = trace::kill_alone_at(scene.command(&[]), "fsync", nth);
        scene.publish(&["fsck", "deb"]).expect(0);
        assert!(scene.has("stable", "blast", "1"), "{nth}");
        if run.status != KILLED {
            break;
        }
        killed += 1;
        scene.publish(&[]).expect(0);
        assert!(scene.has("stable", "blast", &version), "{nth}");
        scene.publish(&["fsck", "deb"]).expect(0);
    }
    assert!(killed > 20, "{killed}");
}

#[test]
fn s1_12_all_of_a_new_tree_is_on_the_disk_before_it_has_its_place() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    archive.upload("stable", "blast", "1.1");
    let (run, calls) = trace::calls(archive.command(&[]), "fsync,syncfs,rename");
    run.expect_silence();
    let (root, stage) = (archive.path("root"), archive.path("root/.publish/work/2"));
    let begins = |line: &String| line.contains(&format!("rename(\"{}\"", stage.display()));
    let before: Vec<&String> = calls.iter().take_while(|line| !begins(line)).collect();
    assert!(before.len() < calls.len(), "{calls:?}");
    let is_flushed = |path: &Path| before.iter().any(|line| line.contains(&format!("<{}>)", path.display())));
    let new = fs::read_link(root.join("dists")).expect("a link");
    let found = ok(Command::new("find").arg(root.join(new)).args(["-type", "f", "-o", "-type", "d"])).stdout;
    let found = String::from_utf8(found).expect("text");
    let mut count = 0;
    for path in found.lines() {
        let staged = path.replace("/.publish/trees/2/", "/.publish/work/2/");
        assert!(is_flushed(Path::new(&staged)), "{path}: {before:?}");
        count += 1;
    }
    assert!(count > 20, "{found}");
    for name in ["", "/main", "/main/b", "/main/b/blast", "/main/b/blast/blast_1.1_amd64.deb"] {
        assert!(is_flushed(&root.join(format!("pool{name}"))), "{name}: {before:?}");
    }
    assert!(is_flushed(&root) && !calls.iter().any(|line| line.contains("syncfs(")), "{calls:?}");
}
