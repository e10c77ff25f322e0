//! Publications one after the other, with runs that are killed at random moments.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use intraware_tests::support::dice::Dice;
use rustix::process::Signal;

use crate::world::Tree;

/// How a run ends that was killed.
const KILLED: i32 = -9;
/// What is published, in turn.
const SUITES: [&str; 4] = ["stable", "stable-security", "stable", "testing"];
/// After how many publications the tree is looked at as a whole.
const LOOK: usize = 25;

/// What was done, and how it went.
pub(crate) struct Rounds<'a> {
    tree: &'a Tree,
    pub(crate) publications: usize,
    pub(crate) kills: usize,
    /// How long a run takes that nobody kills.
    usual: Duration,
    /// What a person would have had to mend.
    pub(crate) repairs: Vec<String>,
    /// Hooks that have begun, each with its pass.
    begun: HashSet<String>,
}

impl<'a> Rounds<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        let scene = tree.scene();
        for name in ["pre/10-a", "post/10-y", "post/20-z"] {
            scene.program(
                name,
                &format!(
                    "#!/bin/sh\necho \"{name} of $INTRAWARE_PASS again=$INTRAWARE_AGAIN\" >>{}\n",
                    scene.path("notes").display()
                ),
            );
        }
        let (usual, begun) = (Duration::from_secs(1), HashSet::new());
        Self { tree, publications: 0, kills: 0, usual, repairs: Vec::new(), begun }
    }

    /// Publishes so often, and kills so many runs before that.
    pub(crate) fn make(&mut self, publications: usize, kills: usize, dice: &mut Dice) {
        let mut version = 0;
        // A run may be over before the moment in which it should be killed; but not always.
        let most = 4 * (publications + kills);
        while (self.publications < publications || self.kills < kills) && version < most {
            version += 1;
            let suite = SUITES[version % SUITES.len()];
            let text = version.to_string();
            self.tree.accept(suite, "blast", &text);
            if self.kills < kills && dice.below(3) > 0 {
                self.kill(dice);
            }
            let began = Instant::now();
            let run = self.tree.scene().publish(&[]);
            self.usual = (self.usual + began.elapsed()) / 2;
            if run.status != 0 {
                self.repairs.push(format!("{version}: the next run fails: {run:?}"));
            } else if !self.tree.has(suite, "blast", &text) {
                self.repairs.push(format!("{version}: is not published in {suite}: {run:?}"));
            } else {
                self.publications += 1;
            }
            self.look_at_hooks();
            if version % LOOK == 0 {
                let run = self.tree.scene().publish(&["fsck", "deb"]);
                if run.status != 0 {
                    self.repairs.push(format!("{version}: the tree is not whole: {run:?}"));
                }
            }
            if self.repairs.len() > 10 {
                return;
            }
        }
        if self.kills < kills {
            self.repairs.push(format!("only {} of {kills} runs could be killed", self.kills));
        }
    }

    /// Starts a run, and kills it after a random part of the time that one takes.
    fn kill(&mut self, dice: &mut Dice) {
        let mut running = self.tree.scene().start(&[]);
        let moment = self.usual.mul_f64(dice.below(1000) as f64 / 1000.0);
        if !running.ends_within(moment) {
            running.signal(Signal::KILL);
        }
        let run = running.wait();
        match run.status {
            KILLED => self.kills += 1,
            0 => {}
            _ => self.repairs.push(format!("a run fails: {run:?}")),
        }
    }

    /// A hook runs once for a pass, unless it is told.
    fn look_at_hooks(&mut self) {
        for note in self.tree.scene().notes() {
            let (what, again) = note.split_once(" again=").unwrap_or((&note, "?"));
            if !self.begun.insert(what.to_owned()) && again != "yes" {
                self.repairs.push(format!("{what} was run twice"));
            }
        }
    }
}
