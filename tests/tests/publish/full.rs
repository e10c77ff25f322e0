//! A disk that is full, at every step: readers have the tree that they had, byte for byte, or the whole new
//! one, and the next run with room goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use intraware_tests::archive::Archive;
use intraware_tests::support::disk::SmallDisk;
use intraware_tests::{Bench, trace};

use crate::scene::{Scene, contents};

/// What of the messages tells which step it was.
fn steps_of(told: &str) -> Vec<&'static str> {
    let steps = [
        "cannot use the lock file",
        "cannot copy",
        "cannot write",
        "rsync: ended with",
        "cannot prepare",
        "apt-ftparchive: ended well, and says",
    ];
    steps.into_iter().filter(|step| told.contains(step)).collect()
}

#[test]
fn p5_a_disk_that_is_full_leaves_what_is_built_in_with_the_tree_that_readers_had() {
    let archive = Archive::new();
    let root = archive.path("root");
    let _disk = SmallDisk::mount(&root, 4 << 20);
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    let before = contents(&root.join("dists"));
    archive.upload("stable", "blast", "1.1");
    let mut seen = BTreeMap::new();
    // From no room at all to all that is needed, page by page.
    for left in 0.. {
        assert!(left < 100, "{seen:#?}");
        fill(&root.join("filler"), left * 4096);
        let run = archive.publish(&[]);
        if run.status == 0 {
            break;
        }
        assert!([1, 74].contains(&run.status) && run.stderr.contains("No space left on device"), "{run:?}");
        assert!(!archive.incoming("rejected").exists(), "{left}: it is not the upload's fault: {run:?}");
        assert_eq!(contents(&root.join("dists")), before, "{left}: {run:?}");
        steps_of(&run.stderr).into_iter().for_each(|step| *seen.entry(step).or_insert(0) += 1);
    }
    assert_eq!(seen.len(), 6, "{seen:#?}");
    assert!(archive.has("stable", "blast", "1.1"));
    archive.publish(&["fsck", "deb"]).expect_silence();
}

#[test]
fn p5_a_disk_that_is_full_for_a_moment_at_any_call_of_a_run_leaves_a_whole_tree() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "0");
    archive.publish(&[]).expect_silence();
    let dists = archive.path("root/dists");
    let (mut runs, mut failed, mut old) = (0, 0, 0);
    // The first calls of mkdir make what is there already.
    for (call, which) in [
        ("write", 1..=12),
        ("rename", 1..=11),
        ("linkat", 1..=5),
        ("symlink", 1..=2),
        ("mkdir", 7..=10),
        ("fsync", 8..=19),
    ] {
        for nth in which {
            let (before, live) = (contents(&dists), archive.live());
            let name = format!("p{runs}");
            runs += 1;
            archive.upload("stable", &name, "1");
            let run = trace::fail_alone_at(archive.command(&[]), call, nth, "ENOSPC");
            assert!([0, 1, 74].contains(&run.status), "{call} {nth}: {run:?}");
            failed += i32::from(run.status != 0);
            match archive.live() == live {
                true => assert_eq!(contents(&dists), before, "{call} {nth}: {run:?}"),
                false => archive.publish(&["fsck", "deb"]).expect_silence(),
            }
            old += i32::from(archive.live() == live);
            if run.status != 0 {
                archive.publish(&[]).expect(0);
            }
            assert!(archive.has("stable", &name, "1"), "{call} {nth}: {run:?}");
            assert!(!archive.incoming("rejected").exists(), "{call} {nth}: {run:?}");
        }
    }
    assert!(failed > 30 && old > 20, "{failed} {old}");
}

#[test]
fn p5_s1_12_a_full_disk_at_any_step_of_commands_leaves_a_whole_tree_and_the_next_run_goes_on() {
    let scene = Scene::new();
    scene.hurry("keep = 1");
    let root = scene.path("root");
    let _disk = SmallDisk::mount(&root, 1 << 20);
    let filler = root.join("filler");
    let accept = |version: &str| scene.accept_quickly("stable", "blast", version);
    accept("0");
    scene.publish(&[]).expect_silence();
    let mut failed = 0;
    for left in 0..10 {
        let before = contents(&root.join("dists"));
        let after = (left + 1).to_string();
        accept(&after);
        // All but so many pages of the disk.
        fill(&filler, left * 4096);
        let run = scene.publish(&[]);
        assert!([0, 1, 74].contains(&run.status), "{run:?}");
        failed += i32::from(run.status != 0);
        let is_new = scene.has("stable", "blast", &after);
        assert!(is_new || contents(&root.join("dists")) == before, "{left}: {run:?}");
        fs::remove_file(&filler).expect("a file");
        scene.publish(&[]).expect(0);
        assert!(scene.has("stable", "blast", &after), "{left}");
    }
    assert!((3..10).contains(&failed), "{failed}");
}

#[test]
fn p5_lowering_how_many_trees_are_kept_makes_room_on_a_full_disk() {
    let scene = Scene::new();
    let root = scene.path("root");
    let _disk = SmallDisk::mount(&root, 1 << 20);
    scene.hurry("");
    for version in ["1", "2", "3", "4"] {
        scene.accept_quickly("stable", "blast", version);
        scene.publish(&[]).expect_silence();
    }
    scene.accept_quickly("stable", "blast", "5");
    // Enough to take the lock.
    fill(&root.join("filler"), 4096);
    let run = scene.publish(&[]);
    assert!([1, 74].contains(&run.status), "{run:?}");
    scene.hurry("keep = 1");
    scene.publish(&[]).expect(0);
    assert!(scene.has("stable", "blast", "5"));
}

#[test]
fn p5_a_disk_that_one_of_the_programs_fills_leaves_the_tree_that_readers_had() {
    let fills = "dd if=/dev/zero of=\"$INTRAWARE_ROOT/filler\" bs=4k 2>/dev/null";
    for step in ["bin/accept", "bin/publisher", "pre/10-a", "post/10-z"] {
        let scene = Scene::new();
        let root = scene.path("root");
        let _disk = SmallDisk::mount(&root, 1 << 20);
        scene.hurry(&format!("process_accepted = [{:?}]", scene.path("bin/accept")));
        scene.program("bin/accept", "#!/bin/sh\nexit 0\n");
        scene.hook("pre/10-a", "");
        scene.hook("post/10-z", "");
        scene.accept_quickly("stable", "blast", "1.0");
        scene.publish(&[]).expect_silence();
        let before = contents(&root.join("dists"));
        scene.accept_quickly("stable", "blast", "1.1");
        let text = fs::read_to_string(scene.path(step)).expect("a program");
        scene.program(step, &text.replacen('\n', &format!("\n{fills}\n"), 1));
        let run = scene.publish(&[]).expect(74).complains(&["No space left on device"]);
        // Where there is room for as much as there was, it ends when the journal cannot be written: that of
        // the pass, or that its tree is in place.
        let is_new = contents(&root.join("dists")) != before;
        assert!(!is_new || scene.has("stable", "blast", "1.1"), "{step}: {run:?}");
        assert!(!is_new || step != "bin/accept", "{step}: {run:?}");
        fs::remove_file(root.join("filler")).expect("a file");
        scene.program(step, &text);
        scene.notes();
        scene.publish(&[]).expect(0);
        assert!(scene.has("stable", "blast", "1.1"), "{step}");
        // Whether the last hook has ended could not be noted, so it is told that it may have been run before.
        let again = if step == "post/10-z" { "yes" } else { "no" };
        assert_eq!(scene.notes().last(), Some(&format!("post/10-z 1 stable again={again}")), "{step}");
    }
}

#[test]
fn p5_a_full_disk_of_the_spool_changes_nothing_but_that_the_run_is_not_recorded() {
    let bench = Bench::builder().build();
    let root = bench.path("root");
    fs::create_dir(&root).expect("a directory");
    let text = fs::read_to_string(bench.path("etc/intraware.toml")).expect("a configuration");
    let tree = format!(
        "tree = [{{ name = \"deb\", root = {root:?}, suites = [\"s\"], check = \"none\", publisher = [\"/bin/true\"] }}]"
    );
    fs::write(bench.path("etc/intraware.toml"), format!("{tree}\n{text}")).expect("a configuration");
    let activity = bench.path("spool/activity");
    fs::create_dir_all(&activity).expect("a directory");
    let _disk = SmallDisk::mount(&activity, 64 << 10);
    fill(&activity.join("filler"), 0);
    bench.manage(&["publish", "--suite", "s"]).expect(0).complains(&["will not know of this run"]);
    assert!(root.join("dists").exists());
}

/// Fills a disk with a file, but for so many bytes.
fn fill(path: &Path, left: u64) {
    let mut file = fs::File::create(path).expect("a file");
    while file.write_all(&[1; 4096]).is_ok() {}
    let size = file.metadata().expect("a size").len();
    file.set_len(size.saturating_sub(left)).expect("a size");
}
