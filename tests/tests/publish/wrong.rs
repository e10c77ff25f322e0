//! Commands that are given what there is not, and trees of which one is broken.

use std::fs;

use rustix::fs::{FlockOperation, flock};

use crate::scene::Scene;

#[test]
fn s1_01_what_there_is_not_is_said_whatever_is_asked_of_it() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    for arguments in [
        &["fedora"][..],
        &["rollback", "fedora"],
        &["fsck", "fedora"],
        &["diff", "fedora"],
        &["snapshots", "fedora"],
    ] {
        scene.publish(arguments).expect(2).complains(&["no tree is called fedora; there is deb"]);
    }
    for arguments in [
        &["rollback"][..],
        &["rollback", "deb", "--to", "x"],
        &["rollback", "deb", "--to", "-1"],
        &["diff", "deb", "x"],
        &["diff", "deb", "1", "2", "3"],
        &["fsck", "deb", "deb"],
        &["snapshots"],
        &["--suite"],
        &["deb", "--suite", "sid"],
    ] {
        scene.publish(arguments).expect(2);
    }
    for to in [&[][..], &["--to", "1"], &["--to", "0"], &["--to", "99999999999999"]] {
        let run = scene.publish(&[&["rollback", "deb"], to].concat()).expect(78);
        run.complains(&["there is no such former tree; see `manage publish snapshots deb`"]);
    }
    assert_eq!(scene.live(), "1");
    scene.configure("check = \"none\"");
    scene.publish(&["fsck", "deb"]).expect(78).complains(&["check = \"none\""]);
    scene.configure("");
    // Whoever publishes meanwhile keeps its tree.
    let lock = fs::File::open(scene.path("root/.publish/lock")).expect("a lock");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("the lock");
    scene.publish(&["rollback", "deb"]).expect(75).complains(&["another run is at work"]);
    drop(lock);
    // A root that is not there is nothing that is in order.
    fs::rename(scene.path("root"), scene.path("away")).expect("a directory");
    for arguments in
        [&["fsck", "deb"][..], &["snapshots", "deb"], &["diff", "deb"], &["rollback", "deb"], &["--dry-run"]]
    {
        scene.publish(arguments).expect(78).complains(&["is not there; make it, or mend tree.root"]);
    }
}

#[test]
fn s1_01_a_tree_that_is_broken_keeps_no_other_from_being_published_or_looked_at() {
    let scene = Scene::new();
    let text = fs::read_to_string(scene.path("conf.toml")).expect("a configuration");
    let broken = scene.path("broken");
    fs::create_dir_all(broken.join(".publish")).expect("a directory");
    let first = format!(
        "[[tree]]\nname = \"broken\"\nroot = {broken:?}\nsuites = [\"s\"]\npublisher = [\"/bin/true\"]\n"
    );
    fs::write(scene.path("conf.toml"), format!("{first}{text}")).expect("a configuration");
    for (journal, says) in [
        ("{\"format\": 99}", "was written by a later version"),
        ("{", "cannot read"),
        ("\u{0}", "cannot read"),
    ] {
        fs::write(broken.join(".publish/journal.json"), journal).expect("a journal");
        scene.accept("stable", "blast", &format!("1.{}", journal.len()));
        let told = ["tree broken: ", says];
        let plan = scene.publish(&["--dry-run"]);
        assert!(plan.status != 0 && plan.stdout.contains("tree deb:\n  pass with priority 1:"), "{plan:?}");
        plan.complains(&told);
        let run = scene.publish(&[]);
        assert!(run.status != 0, "{run:?}");
        run.complains(&told);
        assert!(scene.has("stable", "blast", &format!("1.{}", journal.len())), "{says}");
        let status = scene.manage(&["status"]);
        assert!(status.status != 0 && status.stdout.starts_with("tree deb: "), "{status:?}");
    }
    // One that hangs or fails is told, and the other is published.
    fs::remove_file(broken.join(".publish/journal.json")).expect("a journal");
    let first = first.replace("/bin/true", "/bin/sleep\", \"60\", \"x") + "publisher_s = 1\n";
    fs::write(scene.path("conf.toml"), format!("{first}{text}")).expect("a configuration");
    fs::create_dir_all(broken.join(".publish/dirty")).expect("a directory");
    fs::write(broken.join(".publish/dirty/s"), "").expect("a request");
    scene.accept("stable-security", "forge", "2.0");
    scene.publish(&[]).expect(1).complains(&["tree broken: /bin/sleep: "]);
    assert!(scene.has("stable-security", "forge", "2.0"));
}
