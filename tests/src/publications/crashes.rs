//! A run that is killed at each of its durable calls, and by each program that it starts; and the next run.

use std::fs;

use intraware_tests::scene::Scene;
use intraware_tests::{Run, trace};

use crate::deeds::{self, HOOKS, Moment};
use crate::say::say;

/// How a run ends that was killed.
const KILLED: i32 = -9;

/// Durable calls that only publishing makes.
const MORE: [&str; 3] = ["symlink", "symlinkat", "syncfs"];

/// What is done before the priority is known.
const ACCEPT: &str = "bin/accept";
/// What renews the suites.
const PUBLISHER: &str = "bin/publisher";

/// What came of it.
#[derive(Default)]
pub(crate) struct Crashes {
    pub(crate) kills: usize,
    pub(crate) faults: Vec<String>,
    published: usize,
}

impl Crashes {
    /// Makes a tree with two passes due, over and over, and kills each time somewhere else.
    pub(crate) fn make(&mut self) {
        let scene = Scene::new();
        scene.hurry(&format!("process_accepted = [{:?}]", scene.path(ACCEPT)));
        deeds::make(&scene);
        scene.program(ACCEPT, &deeds::script(&scene, ACCEPT, "", "-"));
        let publisher = fs::read_to_string(scene.path(PUBLISHER)).expect("a script");
        let work = publisher.strip_prefix("#!/bin/sh\n").expect("a script of sh");
        scene.program(PUBLISHER, &deeds::script(&scene, PUBLISHER, work, "$INTRAWARE_PRIORITY"));
        self.accept(&scene);
        scene.publish(&[]).expect_silence();
        scene.notes();
        self.by_programs(&scene);
        self.at_calls(&scene);
    }

    fn by_programs(&mut self, scene: &Scene) {
        let in_passes = HOOKS.into_iter().chain([PUBLISHER]);
        let all = in_passes.flat_map(|name| [(name, "0"), (name, "1")]).chain([(ACCEPT, "-")]);
        for (name, priority) in all {
            for moment in [Moment::Begin, Moment::End] {
                let what = format!("{name} {priority} {moment:?}");
                self.accept(scene);
                deeds::tell(scene, name, priority, moment);
                let run = scene.publish(&[]);
                if run.status != KILLED {
                    self.faults.push(format!("{what}: nothing was killed: {run:?}"));
                }
                self.settle(scene, &what, run);
            }
        }
    }

    fn at_calls(&mut self, scene: &Scene) {
        for call in trace::DURABLE.into_iter().chain(MORE) {
            let before = self.kills;
            for nth in 1.. {
                self.accept(scene);
                let run = trace::kill_alone_at(scene.command(&[]), call, nth);
                let is_last = run.status != KILLED;
                self.settle(scene, &format!("{call} {nth}"), run);
                if is_last {
                    break;
                }
            }
            say(&format!("  {call}: {} kills", self.kills - before));
        }
    }

    /// Puts a package into each kind of suite.
    fn accept(&mut self, scene: &Scene) {
        self.published += 1;
        for suite in ["stable", "stable-security"] {
            scene.accept_quickly(suite, "blast", &self.published.to_string());
        }
    }

    /// The next run ends what was begun, and every hook of it was run, and once.
    fn settle(&mut self, scene: &Scene, what: &str, run: Run) {
        let killed = run.status == KILLED;
        self.kills += usize::from(killed);
        if !killed && run.status != 0 {
            self.faults.push(format!("{what}: it was not killed, and fails: {run:?}"));
        }
        let next = scene.publish(&[]);
        if next.status != 0 {
            self.faults.push(format!("{what}: the next run fails: {next:?}"));
        }
        let version = self.published.to_string();
        for suite in ["stable", "stable-security"] {
            if !scene.has(suite, "blast", &version) {
                self.faults.push(format!("{what}: {suite} is not published: {run:?} {next:?}"));
            }
        }
        let faults = deeds::faults(scene);
        self.faults.extend(faults.into_iter().map(|fault| format!("{what}: {fault}")));
    }
}
