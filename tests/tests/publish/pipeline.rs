//! The whole pipeline in its order, as its programs see it.

use std::fs;

use crate::scene::{Scene, contents};

/// Begins a line in the notes.
const NOTES: &str = "note() { echo \"$*\" >>NOTES; }\n";

#[test]
fn s1_08_s1_09_s1_10_s1_11_s1_12_s1_13_s1_14_s1_15_s1_16_s1_17_each_step_comes_in_its_order() {
    let scene = Scene::new();
    let notes = NOTES.replace("NOTES", &scene.path("notes").display().to_string());
    let accept = |suites: &str| {
        let asks = format!("for suite in {suites}; do : >\"$INTRAWARE_DIRTY/$suite\"; done");
        scene.program("bin/accept", &format!("#!/bin/sh\n{notes}\nnote accept $#\n{asks}\n"));
    };
    let publisher = fs::read_to_string(scene.path("bin/publisher")).expect("a script");
    // A Release of the same packages differs by its date, which has seconds.
    let tells = format!("{notes}\nnote publisher \"$@\"\nsleep 1.1");
    scene.program("bin/publisher", &publisher.replacen('\n', &format!("\n{tells}\n"), 1));
    scene.configure(&format!("process_accepted = [{:?}]", scene.path("bin/accept")));
    // Whether a suite is another one than readers have now, in the tree that the hook is for.
    let live = "$INTRAWARE_ROOT/dists";
    let differs = format!(
        "{notes}\nfor suite in stable-security stable testing; do\n  \
         if cmp -s \"$INTRAWARE_DISTS/$suite/Release\" \"{live}/$suite/Release\"; then d=\"$d same\"; else d=\"$d other\"; fi\ndone"
    );
    let hook = |name: &str| scene.program(name, &format!("#!/bin/sh\n{differs}\nnote {name} \"$@\" $d\n"));
    // All three are there once, and dirty is what was asked for since.
    for suite in ["stable-security", "stable", "testing"] {
        scene.accept(suite, "blast", "1.0");
    }
    scene.program("bin/accept", "#!/bin/sh\n");
    scene.publish(&[]).expect_silence();
    scene.notes();
    let testing = contents(&scene.path("root/dists/testing"));
    for suite in ["stable-security", "stable"] {
        scene.accept(suite, "blast", "1.1");
        fs::remove_file(scene.path("root/.publish/dirty").join(suite)).expect("a request");
    }
    accept("stable stable-security");
    ["pre/10-a", "pre/20-b", "post/10-y", "post/20-z"].into_iter().for_each(hook);
    scene.publish(&[]).expect_silence();
    assert_eq!(
        scene.notes(),
        [
            "accept 0",
            "publisher stable-security",
            "pre/10-a 0 other same same",
            "pre/20-b 0 other same same",
            "post/10-y 0 same same same",
            "post/20-z 0 same same same",
            "publisher stable-security stable",
            "pre/10-a 1 other other same",
            "pre/20-b 1 other other same",
            "post/10-y 1 same same same",
            "post/20-z 1 same same same",
        ]
    );
    assert_eq!(contents(&scene.path("root/dists/testing")), testing, "what is not dirty is as it was");
}

#[test]
fn s1_12_a_tree_is_made_where_no_reader_looks_by_rsync() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.accept("testing", "blast", "2.0");
    scene.publish(&[]).expect_silence();
    let before = contents(&scene.path("root/dists"));
    scene.accept("stable", "blast", "1.1");
    let (copy, live) = (scene.path("copy"), scene.path("root/dists"));
    let hook = format!(
        "cp -rL \"$INTRAWARE_DISTS\" {}\ncase $INTRAWARE_DISTS in \"$INTRAWARE_ROOT/.publish/work/\"*) ;; *) exit 4;; esac\n\
         cp -rL {} {}.live",
        copy.display(),
        live.display(),
        copy.display(),
    );
    scene.hook("pre/10-a", &hook);
    let (run, calls) = intraware_tests::trace::calls(scene.command(&[]), "execve");
    run.expect_silence();
    let rsync: Vec<&String> = calls.iter().filter(|call| call.contains("/rsync\"")).collect();
    assert!(rsync.len() == 1 && rsync[0].contains("/root/dists/"), "{calls:#?}");
    let (made, seen) = (contents(&copy), contents(&copy.with_extension("live")));
    assert_eq!(seen, before, "readers have what they had while the new one is made");
    assert_eq!(contents(&live), made, "what the hook has seen is what readers get");
    let testing = |of: &std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        of.iter()
            .filter(|(path, _)| path.starts_with("testing/"))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect()
    };
    assert_eq!(testing(&made), testing(&before));
    assert!(!testing(&made).is_empty() && made != before);
}
