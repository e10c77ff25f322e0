//! Which passes are made, for what, in which order.

use std::fs;

use intraware_tests::trace;

use crate::scene::{Scene, listing};

#[test]
fn s1_06_s1_07_s1_10_s1_11_s1_17_security_goes_out_first_and_then_all() {
    let scene = Scene::new();
    scene.hook("pre/10-a", "");
    scene.hook("post/10-z", "");
    scene.accept("stable", "blast", "1.0");
    scene.accept("stable-security", "forge", "1.1");
    scene.publish(&[]).expect_silence();
    assert_eq!(
        scene.notes(),
        [
            "pre/10-a 0 stable-security again=no",
            "post/10-z 0 stable-security again=no",
            "pre/10-a 1 stable-security stable again=no",
            "post/10-z 1 stable-security stable again=no",
        ]
    );
    assert!(scene.has("stable", "blast", "1.0") && scene.has("stable-security", "forge", "1.1"));
    assert_eq!(scene.live(), "2");
}

#[test]
fn s1_09_nothing_dirty_runs_nothing_and_changes_nothing() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.hook("pre/10-a", "");
    let before = listing(&scene.path("root/dists/"));
    let journal = fs::read(scene.path("root/.publish/journal.json")).expect("a journal");
    scene.publish(&[]).expect_silence();
    assert_eq!((scene.notes(), scene.live()), (vec![], "1".to_owned()));
    assert_eq!(listing(&scene.path("root/dists/")), before);
    assert_eq!(fs::read(scene.path("root/.publish/journal.json")).expect("a journal"), journal);
}

#[test]
fn s1_09_to_find_nothing_dirty_no_index_is_read_and_no_program_started() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    let (run, calls) = trace::calls(scene.command(&[]), "execve,openat,fsync,syncfs");
    run.expect_silence();
    let root = scene.path("root");
    let (root, state) = (root.display().to_string(), root.join(".publish").display().to_string());
    let of_tree: Vec<&String> = calls.iter().filter(|call| call.contains(&root)).collect();
    let is_ours = |call: &&&String| call.contains(&state) && !call.contains("/trees/");
    assert!(!of_tree.is_empty() && of_tree.iter().all(|call| is_ours(&call)), "{of_tree:#?}");
    let count = |name: &str| calls.iter().filter(|call| call.contains(name)).count();
    assert_eq!((count("execve("), count("sync")), (1, 0), "{calls:#?}");
}

#[test]
fn s1_08_what_was_accepted_is_processed_first_and_says_what_is_dirty() {
    let scene = Scene::new();
    scene.program(
        "bin/accept",
        "#!/bin/sh\necho x >>accepted\n[ -e quiet ] || : >\"$INTRAWARE_DIRTY/testing\"\n: >quiet\n",
    );
    scene.configure(&format!("process_accepted = [{:?}]", scene.path("bin/accept")));
    scene.publish(&[]).expect_silence();
    assert_eq!(scene.live(), "1");
    assert!(scene.read("testing/Release").contains("Suite: testing"));
    // One that fails is told, and what is due is published all the same.
    scene.program("bin/accept", "#!/bin/sh\necho no disk\nexit 4\n");
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect(1).complains(&["bin/accept: ended with exit status: 4; it says: no disk"]);
    assert!(scene.has("stable", "blast", "1.0"));
}

#[test]
fn s1_10_a_broken_normal_suite_does_not_delay_security_and_is_tried_again() {
    let scene = Scene::new();
    scene.hook("post/10-z", "");
    fs::write(scene.path("root/broken-testing"), "").expect("a file");
    scene.accept("testing", "blast", "2.0");
    scene.accept("stable-security", "forge", "1.1");
    scene.publish(&[]).expect(1).complains(&["testing is broken"]);
    assert!(scene.has("stable-security", "forge", "1.1"));
    assert_eq!((scene.live(), scene.notes().len()), ("1".to_owned(), 1));
    // Security is not published by itself again for it.
    fs::remove_file(scene.path("root/broken-testing")).expect("a file");
    scene.publish(&[]).expect_silence();
    assert_eq!(scene.notes(), ["post/10-z 1 stable-security testing again=no"]);
    assert!(scene.has("testing", "blast", "2.0"));
}

#[test]
fn s1_10_security_that_comes_while_a_normal_suite_breaks_goes_out_in_the_same_run() {
    let scene = Scene::new();
    let (began, go) = (scene.path("began"), scene.path("go"));
    let breaks = format!(
        "case \"$*\" in *testing*) : >{}; while [ ! -e {} ]; do sleep 0.05; done; exit 7;; esac",
        began.display(),
        go.display()
    );
    let text = fs::read_to_string(scene.path("bin/publisher")).expect("a script");
    scene.program("bin/publisher", &text.replacen('\n', &format!("\n{breaks}\n"), 1));
    scene.hook("post/10-z", "");
    scene.accept("testing", "blast", "2.0");
    let first = scene.start(&[]);
    wait_for(&began);
    scene.accept("stable-security", "forge", "1.1");
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    fs::write(&go, "").expect("a file");
    let run = first.wait().expect(1);
    assert_eq!(run.stderr.matches("ended with exit status: 7").count(), 1, "it is not tried again: {run:?}");
    assert!(scene.has("stable-security", "forge", "1.1") && scene.has("stable", "blast", "1.0"));
    assert_eq!(
        scene.notes(),
        ["post/10-z 0 stable-security again=no", "post/10-z 1 stable-security stable again=no"]
    );
    // It is due as before.
    scene.program("bin/publisher", &text);
    scene.publish(&[]).expect_silence();
    assert!(scene.has("testing", "blast", "2.0"));
}

#[test]
fn s1_10_a_broken_security_suite_does_not_spoil_the_normal_pass() {
    let scene = Scene::new();
    fs::write(scene.path("root/broken-stable-security"), "").expect("a file");
    scene.accept("stable", "blast", "1.0");
    scene.accept("stable-security", "forge", "1.1");
    scene.publish(&[]).expect(1).complains(&["stable-security is broken"]);
    assert!(scene.has("stable", "blast", "1.0") && !scene.has("stable-security", "forge", "1.1"));
}

#[test]
fn s1_01_options_choose_trees_suites_and_passes() {
    let scene = Scene::new();
    scene.hook("post/10-z", "");
    scene.accept("stable", "blast", "1.0");
    scene.accept("stable-security", "forge", "1.1");
    scene.publish(&["--security-only"]).expect_silence();
    assert_eq!(scene.notes(), ["post/10-z 0 stable-security again=no"]);
    scene.publish(&["deb", "--suite", "testing"]).expect_silence();
    assert_eq!(scene.notes(), ["post/10-z 1 testing again=no"]);
    scene.publish(&["fedora"]).expect(2).complains(&["no tree is called fedora; there is deb"]);
    scene.publish(&["--suite", "sid"]).expect(2).complains(&["has the suite sid"]);
    scene.publish(&[]).expect_silence();
    assert_eq!(scene.notes(), ["post/10-z 1 stable-security stable again=no"]);
}

#[test]
fn s1_01_a_dry_run_shows_what_would_be_done_and_why_and_does_nothing() {
    let scene = Scene::new();
    scene.hook("pre/10-a", "");
    scene.hook("post/10-z", "");
    scene.hook("post/20.sh", "");
    scene.accept("stable", "blast", "1.0");
    scene.accept("stable-security", "forge", "1.1");
    let before = listing(&scene.path("root"));
    let run = scene.publish(&["--dry-run"]).expect(0);
    let text = run.stdout.clone();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = |line: &str| {
        lines.iter().position(|other| *other == line).unwrap_or_else(|| panic!("{line}: {text}"))
    };
    let pre = format!("run {} 0", scene.path("pre/10-a").display());
    let post = format!("run {} 1", scene.path("post/10-z").display());
    let left = format!("leave out {}: its name has other", scene.path("post/20.sh").display());
    assert!(at("pass with priority 0:") < at(&pre) && at(&pre) < at("pass with priority 1:"));
    assert!(at("stable was asked for in .publish/dirty") < at(&post));
    assert!(text.contains(&left), "{text}");
    assert_eq!((listing(&scene.path("root")), scene.notes()), (before, vec![]));
}

#[test]
fn s1_01_requests_that_come_during_a_run_are_one_more_pass() {
    let scene = Scene::new();
    let (began, go) = (scene.path("began"), scene.path("go"));
    let wait = format!(": >{}\nwhile [ ! -e {} ]; do sleep 0.05; done", began.display(), go.display());
    scene.hook("pre/10-a", &wait);
    scene.accept("stable", "blast", "1.0");
    let first = scene.start(&[]);
    wait_for(&began);
    scene.accept("stable", "blast", "1.1");
    scene.publish(&["-v"]).expect(0).complains(&["another run is at work, and goes round once more"]);
    scene.publish(&["--suite", "testing"]).expect_silence();
    fs::write(&go, "").expect("a file");
    first.wait().expect_silence();
    assert_eq!(scene.notes(), ["pre/10-a 1 stable again=no", "pre/10-a 1 stable testing again=no"]);
    assert!(scene.has("stable", "blast", "1.1"));
}

/// Waits until a file is there.
pub(crate) fn wait_for(path: &std::path::Path) {
    for _ in 0..2000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{} never came", path.display());
}
