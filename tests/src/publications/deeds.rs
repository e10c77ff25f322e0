//! Programs of a tree that note what they were run for, and kill the run that has started them when they are
//! told.

use std::collections::BTreeMap;
use std::fs;

use intraware_tests::scene::Scene;

/// All hooks, in the order of a pass.
pub(crate) const HOOKS: [&str; 4] = ["pre/10-a", "pre/20-b", "post/10-y", "post/20-z"];

/// When a program kills who has started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before it has done anything, and it lives on.
    Begin,
    /// When it has done all, and then it ends.
    End,
}

/// Makes the hooks.
pub(crate) fn make(scene: &Scene) {
    for name in HOOKS {
        scene.program(name, &script(scene, name, "", "$1"));
    }
}

/// Returns a script that does something, notes it, and kills as it is told.
pub(crate) fn script(scene: &Scene, name: &str, work: &str, priority: &str) -> String {
    let (victim, notes) = (scene.path("victim"), scene.path("notes"));
    let (victim, notes) = (victim.display(), notes.display());
    let kills = |moment: Moment, then: &str| {
        format!(
            "if [ \"$told\" = \"{name} {priority} {moment:?}\" ]; then rm {victim}; kill -9 $PPID; {then} fi\n"
        )
    };
    format!(
        "#!/bin/sh\nset -eu\ntold=$(cat {victim} 2>/dev/null || :)\n{}{work}\n\
         echo \"{name} {priority} again=${{INTRAWARE_AGAIN-no}}\" >>{notes}\n{}",
        kills(Moment::Begin, "sleep 100;"),
        kills(Moment::End, ""),
    )
}

/// Has a program kill its run.
pub(crate) fn tell(scene: &Scene, name: &str, priority: &str, moment: Moment) {
    fs::write(scene.path("victim"), format!("{name} {priority} {moment:?}")).expect("a file");
}

/// Returns what is wrong with the hooks that were run since one pass of each priority became due: each must
/// have been run, and again only if it was told.
pub(crate) fn faults(scene: &Scene) -> Vec<String> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for note in scene.notes() {
        let (what, again) = note.split_once(" again=").unwrap_or((&note, ""));
        let (first, further) = counts.entry(what.to_owned()).or_default();
        *if again == "yes" { further } else { first } += 1;
    }
    let mut faults = Vec::new();
    for name in HOOKS {
        for priority in 0..2 {
            let what = format!("{name} {priority}");
            match counts.get(&what) {
                None => faults.push(format!("{what} was not run")),
                Some((first, _)) if *first > 1 => faults.push(format!("{what} was run twice and not told")),
                // After a crash in a hook of its own, and not at any other time, it runs once more.
                Some((first, further)) if first + further > 2 => {
                    faults.push(format!("{what} was run thrice"))
                }
                Some(_) => {}
            }
        }
    }
    faults
}
