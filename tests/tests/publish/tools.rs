//! What people look at trees with.

use std::fs;

use intraware_tests::scene::Scene;
use serde_json::json;

#[test]
fn s1_05_the_status_of_a_tree_is_its_last_passes_and_how_they_ended() {
    let scene = Scene::new();
    assert_eq!(scene.manage(&["status"]).expect(0).stdout, "tree deb: nothing was published yet\n");
    scene.accept("stable-security", "blast", "1.0");
    scene.accept("testing", "blast", "2.0");
    scene.publish(&[]).expect_silence();
    let told = scene.manage(&["status"]).expect(0).stdout;
    assert!(told.starts_with("tree deb: 2 is in place\n"), "{told}");
    assert!(told.contains("Z  published stable-security as 1, priority 0, in "), "{told}");
    assert!(told.contains("Z  published stable-security testing as 2, priority 1, in "), "{told}");
    scene.accept("testing", "blast", "2.1");
    fs::write(scene.path("root/broken-testing"), "").expect("a file");
    scene.publish(&[]).expect(1);
    let told = scene.manage(&["status"]).expect(0).stdout;
    assert!(
        told.contains("Z  gave up testing, priority 1: ") && told.contains("testing is broken"),
        "{told}"
    );
    assert!(told.contains("\n  due: testing\n") && told.contains("as 2, priority 1"), "{told}");
    let shown = scene.manage(&["status", "--json"]).expect(0).json();
    let tree = &shown["trees"][0];
    assert_eq!(
        (&shown["format"], &tree["in_place"], &tree["due"]),
        (&json!(1), &json!(2), &json!(["testing"]))
    );
    assert_eq!(tree["ended"][1]["suites"], json!(["stable-security", "testing"]));
    assert_eq!(tree["given_up"][0]["priority"], json!("low"));
    // One that ends well is the last there is, also if a hook fails behind it.
    fs::remove_file(scene.path("root/broken-testing")).expect("a file");
    scene.hook("post/10-a", "exit 3");
    scene.publish(&[]).expect(1);
    let told = scene.manage(&["status"]).expect(0).stdout;
    assert!(told.starts_with("tree deb: 4 is in place\n") && !told.contains("gave up"), "{told}");
    assert!(
        told.contains("published testing as 4, priority 1, in ") && told.contains("10-a: ended with"),
        "{told}"
    );
}

#[test]
fn s1_15_two_trees_are_compared_by_packages_and_versions() {
    let scene = Scene::new();
    scene.publish(&["diff", "deb"]).expect(78).complains(&["there are no such two trees"]);
    scene.accept("stable", "blast", "1.0");
    scene.accept("testing", "crane", "2.0");
    scene.publish(&[]).expect_silence();
    fs::remove_file(scene.path("root/pool/stable/blast_1.0_amd64.deb")).expect("a package");
    scene.accept("stable", "blast", "1.1");
    scene.publish(&[]).expect_silence();
    scene.accept_source("stable", "blast", "1.1");
    scene.publish(&[]).expect_silence();
    let diff = |numbers: &[&str]| scene.publish(&[&["diff", "deb"], numbers].concat()).expect(0).stdout;
    assert_eq!(diff(&[]), "stable  blast  source  - -> 1.1\n");
    assert_eq!(diff(&["1"]), "stable  blast  amd64  1.0 -> 1.1\nstable  blast  source  - -> 1.1\n");
    assert_eq!(diff(&["2", "1"]), "stable  blast  amd64  1.1 -> 1.0\n");
    assert_eq!(diff(&["2", "2"]), "");
    let shown = scene.publish(&["diff", "deb", "--json"]).expect(0).json();
    assert_eq!(
        (&shown["from"], &shown["to"], &shown["changes"][0]["new"]),
        (&json!(2), &json!(3), &json!(["1.1"]))
    );
    scene.publish(&["diff", "deb", "9"]).expect(78).complains(&["see `manage publish snapshots deb`"]);
}

#[test]
fn s1_01_a_terminal_shows_which_program_is_at_work_and_since_when() {
    let scene = Scene::new();
    scene.hurry("");
    scene.hook("pre/10-a", "sleep 1.5");
    scene.accept_quickly("stable", "blast", "1.0");
    let run = scene.publish_on_terminal(&[]).expect(0);
    let shown = run.stdout.split(['\r', '\n']).filter(|part| part.contains("tree deb: 10-a"));
    assert!(shown.filter(|part| part.contains('1') && part.contains('s')).count() > 3, "{run:?}");
    let left = run.stdout.lines().last().unwrap_or_default();
    assert!(left.contains("tree deb: published stable as 1"), "{run:?}");
    scene.accept_quickly("stable", "blast", "1.1");
    let quiet = scene.publish_on_terminal(&["--quiet"]).expect(0);
    assert!(!quiet.stdout.contains("10-a"), "{quiet:?}");
}
