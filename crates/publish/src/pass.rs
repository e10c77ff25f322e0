//! One pass: a new tree from the one in place, with some suites renewed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use intraware_config::{Publisher, TreeCheck};
use intraware_core::foreign;
use intraware_core::http::{Authorities, NoAnswer};
use intraware_core::lock::Lock;
use intraware_core::txlog::chain;

use crate::apt;
use crate::check::{self, Public};
use crate::command::{Commands, hooks, hooks_and_faults};
use crate::dates;
use crate::error::PublishError;
use crate::journal::{Due, Ended, GivenUp, Journal, Pass, Priority, Stage};
use crate::layout::Live;
use crate::outdated;

fn unusable(ca_file: Option<&Path>, error: &NoAnswer) -> PublishError {
    let path = foreign::path(ca_file.unwrap_or(Path::new("")));
    PublishError::Configuration(format!("tree.ca_file: cannot use {path}: {}", chain(error)))
}

/// What a pass works with.
pub(crate) struct Passes<'a> {
    pub(crate) commands: Commands<'a>,
    pub(crate) journal: &'a mut Journal,
    pub(crate) lock: &'a mut Lock,
    /// What went wrong without ending a pass.
    pub(crate) problems: &'a mut Vec<PublishError>,
    /// The suites of passes that have failed in this run.
    pub(crate) failed: &'a mut BTreeSet<String>,
}

impl Passes<'_> {
    /// Makes a tree with these suites renewed, and puts it in place.
    ///
    /// If that fails, readers have the tree that they had, and the suites are due as before.
    pub(crate) fn run(
        &mut self,
        priority: Priority,
        suites: Vec<String>,
    ) -> Result<Option<Ended>, PublishError> {
        self.begin(priority, suites, None)
    }

    /// Puts a copy of a former tree in place, which is a pass like others but for the publisher and the hooks
    /// before it.
    ///
    /// A copy, because what is fetched by its digest by readers who began with the present tree must still be
    /// there.
    pub(crate) fn repeat(&mut self, number: u64) -> Result<Option<Ended>, PublishError> {
        let Commands { tree, layout, .. } = self.commands;
        let dists = layout.dists_in(&layout.tree(number));
        let suites =
            tree.all_suites().filter(|suite| dists.join(suite).is_dir()).map(str::to_owned).collect();
        self.begin(Priority::Low, suites, Some(number))
    }

    fn begin(
        &mut self,
        priority: Priority,
        suites: Vec<String>,
        repeats: Option<u64>,
    ) -> Result<Option<Ended>, PublishError> {
        let again = self.journal.lost.contains(&priority);
        let number = self.next_number()?;
        let started = self.commands.context.now();
        let pass = Pass { number, priority, suites, started, repeats, again, stage: Stage::Building };
        self.journal.last_number = number;
        self.journal.pass = Some(pass.clone());
        self.save()?;
        let made = self.make(&pass);
        // The switch itself may have worked, and something after it not. Where that cannot be found out, the
        // next run does.
        let in_place = self.commands.layout.live()? == Live::Tree(number);
        match made {
            Err(error) if in_place => self.problems.push(error),
            Err(error) => {
                // A signal is like a crash: what was begun comes anew.
                let thrown_away = self.throw_away(matches!(error, PublishError::Stopped(_)), &chain(&error));
                if let Err(other) = thrown_away {
                    // What came first says more.
                    self.problems.push(error);
                    return Err(other);
                }
                return Err(error);
            }
            Ok(()) => {}
        }
        self.note_in_place()?;
        self.finish()
    }

    /// Brings to an end what a run that was killed has left; returns the pass if it could be ended.
    pub(crate) fn recover(&mut self) -> Result<Option<Ended>, PublishError> {
        let layout = self.commands.layout;
        layout.tidy_switch()?;
        layout.clear_work()?;
        let Some(pass) = &self.journal.pass else { return Ok(None) };
        let in_place = layout.live()? == Live::Tree(pass.number);
        match (&pass.stage, in_place) {
            (Stage::Building, false) => {
                tracing::warn!(
                    "pass {} was interrupted before its tree was in place; it comes anew",
                    pass.number
                );
                self.throw_away(true, "its run was interrupted")?;
                Ok(None)
            }
            (Stage::Building, true) => {
                self.note_in_place()?;
                self.finish()
            }
            // Somebody may have put another one in place since; its hooks have to run all the same.
            (Stage::InPlace { .. }, _) => self.finish(),
        }
    }

    fn next_number(&self) -> Result<u64, PublishError> {
        let newest = self.commands.layout.trees()?.last().copied().unwrap_or_default();
        Ok(newest.max(self.journal.last_number) + 1)
    }

    fn save(&mut self) -> Result<(), PublishError> {
        self.journal.save(self.commands.layout)
    }

    fn throw_away(&mut self, comes_anew: bool, why: &str) -> Result<(), PublishError> {
        let Some(pass) = self.journal.pass.take() else { return Ok(()) };
        self.commands.layout.clear_work()?;
        self.commands.layout.remove_tree(pass.number)?;
        if comes_anew && !self.journal.lost.contains(&pass.priority) {
            self.journal.lost.push(pass.priority);
        }
        let Pass { number: _, priority, suites, started, repeats: _, again: _, stage: _ } = pass;
        let at = self.commands.context.now();
        self.journal.given_up.retain(|other| other.priority != priority);
        self.journal.given_up.push(GivenUp { priority, suites, started, at, why: why.to_owned() });
        self.save()
    }

    /// All up to the moment in which readers get the new tree.
    fn make(&mut self, pass: &Pass) -> Result<(), PublishError> {
        let Commands { layout, context, .. } = self.commands;
        let live = layout.live()?;
        if live == Live::Directory {
            layout.can_take_over()?;
        }
        let stage = layout.make_stage(pass.number)?;
        let new = layout.dists_in(&stage);
        match pass.repeats {
            None => {
                if live != Live::Nothing {
                    let live = layout.live_path();
                    let linked = format!("--link-dest={}", live.display());
                    let options =
                        if self.replaces_files() { vec!["--delete", &linked] } else { vec!["--delete"] };
                    self.copy(&options, &live, &new)?;
                }
                self.renew(pass, &stage)?;
            }
            Some(former) => {
                self.copy(&["--delete"], &layout.dists_in(&layout.tree(former)), &new)?;
                let digests = [
                    "--ignore-existing",
                    "--prune-empty-dirs",
                    "--include=*/",
                    "--include=**/by-hash/**",
                    "--exclude=*",
                ];
                self.copy(&digests, &layout.live_path(), &new)?;
            }
        }
        if live != Live::Nothing {
            dates::renew(&new, &layout.live_path(), &pass.suites, context.now())
                .map_err(PublishError::io("set the times of", &new))?;
        }
        let named = self.commands.shown("looking at the new tree", || self.look_at(pass, live, &stage))?;
        context.stop.check()?;
        let keep = || layout.keep_stage(pass.number, named.as_deref());
        self.commands.shown("flushing it to the disk", keep)?;
        self.lock.confirm()?;
        match live {
            Live::Nothing | Live::Tree(_) => layout.switch(pass.number),
            Live::Directory => layout.take_over(pass.number),
        }
    }

    /// Returns whether whoever works on the copy puts new files in the place of old ones, as ours does, so
    /// that one file may be in both trees. Commands and hooks may write over it, and readers would see that.
    fn replaces_files(&self) -> bool {
        let tree = self.commands.tree;
        matches!(tree.publisher, Publisher::Apt(_)) && tree.pre_publication.is_none()
    }

    fn copy(&self, options: &[&str], from: &Path, to: &Path) -> Result<(), PublishError> {
        let mut arguments: Vec<OsString> = vec!["-aH".into()];
        arguments.extend(options.iter().map(OsString::from));
        let mut from = from.as_os_str().to_owned();
        // What is in it, and not the link to it.
        from.push("/");
        arguments.extend(["--".into(), from, to.into()]);
        self.commands.system("rsync", arguments, self.commands.tree.copy_time).map(drop)
    }

    /// Has the suites renewed, and the hooks run that come before publication.
    fn renew(&self, pass: &Pass, stage: &Path) -> Result<(), PublishError> {
        let tree = self.commands.tree;
        match &tree.publisher {
            Publisher::Command(words) => {
                let environment = self.commands.of_pass(pass, stage, pass.again);
                self.commands.configured(words, &pass.suites, environment, stage, tree.publisher_time)?;
            }
            Publisher::Apt(config) => apt::renew(config, &self.commands, pass, stage)?,
        }
        for hook in hooks(tree.pre_publication.as_ref())? {
            self.commands.hook(&hook, pass, stage, pass.again)?;
        }
        match (&tree.publisher, &tree.check) {
            (Publisher::Command(_), TreeCheck::Apt { .. }) => {
                pass.suites.iter().try_for_each(|suite| outdated::remove(self.commands.layout, stage, suite))
            }
            // The one does it itself; of the other's suites nothing is known.
            (Publisher::Apt(_), _) | (_, TreeCheck::None) => Ok(()),
        }
    }

    /// Fails if readers could not use the suites of the pass. Returns the files of the pool that are new in
    /// them, if that is known.
    fn look_at(&self, pass: &Pass, live: Live, stage: &Path) -> Result<Option<Vec<PathBuf>>, PublishError> {
        let Commands { tree, layout, context } = self.commands;
        let TreeCheck::Apt { keyring } = &tree.check else { return Ok(None) };
        let mut named = Vec::new();
        let old = (live != Live::Nothing).then(|| layout.live_path());
        let new = layout.dists_in(stage);
        for suite in &pass.suites {
            let kind = match (pass.repeats, self.journal.due.get(suite), &tree.publisher) {
                (Some(_), _, _) => check::Kind::Former,
                // The one built in counts what it has written, and writes the same twice within a second.
                (None, Some(Due::Rest), _) | (None, _, Publisher::Apt(_)) => check::Kind::Renewed,
                (None, Some(Due::Both | Due::Normal) | None, Publisher::Command(_)) => check::Kind::Changed,
            };
            let suite = check::Suite { name: suite, stage, new: &new, old: old.as_deref(), kind };
            named.extend(suite.check(keyring.as_deref(), &self.commands, context.now())?);
        }
        Ok(Some(named))
    }

    /// Notes that readers have the new tree, and that its suites are published.
    fn note_in_place(&mut self) -> Result<(), PublishError> {
        let Some(pass) = &mut self.journal.pass else { return Ok(()) };
        pass.stage = Stage::InPlace { done: Vec::new(), begun: None };
        // What was asked for is not done by going back.
        let renewed = if pass.repeats.is_none() { &pass.suites[..] } else { &[] };
        for suite in renewed {
            match pass.priority {
                Priority::High => {
                    self.journal.due.insert(suite.clone(), Due::Rest);
                }
                Priority::Low => {
                    self.journal.due.remove(suite);
                }
            }
        }
        let priority = pass.priority;
        self.journal.lost.retain(|lost| *lost != priority);
        self.save()
    }

    /// Runs the hooks after publication that have not run, and ends the pass.
    fn finish(&mut self) -> Result<Option<Ended>, PublishError> {
        let Commands { tree, layout, context } = self.commands;
        let before = self.problems.len();
        // One that cannot be run keeps no other from it, as one that fails.
        let (found, faults) = hooks_and_faults(tree.post_publication.as_ref());
        self.problems.extend(faults);
        for hook in found {
            let name = hook.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(pass) = &mut self.journal.pass else { break };
            let Stage::InPlace { done, begun } = &mut pass.stage else { break };
            if done.contains(&name) {
                continue;
            }
            context.stop.check()?;
            let again = begun.as_ref() == Some(&name);
            *begun = Some(name.clone());
            let told = pass.clone();
            self.save()?;
            match self.commands.hook(&hook, &told, &layout.tree(told.number), again) {
                Ok(()) => {}
                // It was not begun after all.
                Err(error @ PublishError::Stopped(_)) => return Err(error),
                // The others are run all the same.
                Err(error) => self.problems.push(error),
            }
            if let Some(Stage::InPlace { done, begun }) =
                self.journal.pass.as_mut().map(|pass| &mut pass.stage)
            {
                done.push(name);
                *begun = None;
            }
            self.save()?;
        }
        self.end(before)
    }

    /// Ends the pass, in which all went wrong that comes after the first problems. Where readers are asked
    /// for, it has ended when they get its tree.
    fn end(&mut self, before: usize) -> Result<Option<Ended>, PublishError> {
        let at = self.commands.context.now();
        let pass = self
            .journal
            .pass
            .take()
            .ok_or_else(|| PublishError::Configuration("no pass is under way".into()))?;
        let Pass { number, priority, mut suites, started, repeats: _, again: _, stage: _ } = pass;
        let problems = self.problems[before..].iter().map(|problem| chain(problem)).collect();
        // What an earlier one has left unseen is seen in this tree.
        for suite in self.journal.unseen.take().into_iter().flat_map(|unseen| unseen.suites) {
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
        self.journal.unseen = Some(Ended { number, priority, suites, started, at, problems });
        if self.commands.tree.public_url.is_some() {
            self.save()?;
        }
        self.look_through_public()
    }

    /// Looks whether readers get the tree in place, if that was not seen yet; returns the pass that has ended
    /// with that.
    pub(crate) fn look_through_public(&mut self) -> Result<Option<Ended>, PublishError> {
        let Commands { tree, layout, context } = self.commands;
        let Some(mut ended) = self.journal.unseen.clone() else { return Ok(None) };
        if let Some(url) = &tree.public_url {
            let former = layout.trees()?.into_iter().rfind(|number| *number < ended.number);
            let old = former.map(|number| layout.dists_in(&layout.tree(number)));
            let (new, time) = (layout.dists_in(&layout.tree(ended.number)), tree.public_time);
            let authorities = Authorities::load(tree.ca_file.as_deref())
                .map_err(|error| unusable(tree.ca_file.as_deref(), &error))?;
            let (dists, old, stop) = (&tree.dists, old.as_deref(), &context.stop);
            let public = Public { url, dists, new: &new, old, time, authorities, stop };
            match self.commands.shown("waiting for public_url", || public.look(&ended.suites)) {
                Ok(()) => ended.at = context.now(),
                Err(error @ PublishError::Unseen { .. }) => {
                    self.problems.push(error);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        self.journal.unseen = None;
        self.journal.ended.retain(|other| other.priority != ended.priority);
        self.journal.given_up.retain(|other| other.priority != ended.priority);
        self.journal.ended.push(ended.clone());
        self.save()?;
        Ok(Some(ended))
    }

    /// Removes the oldest trees, but the newest few and the one in place. A fault here is no fault of the
    /// pass.
    pub(crate) fn prune(&mut self) {
        let layout = self.commands.layout;
        let removed = || -> Result<(), PublishError> {
            let live = layout.live()?;
            let mut others = layout.trees()?;
            others.retain(|number| live != Live::Tree(*number));
            let surplus = others.len().saturating_sub(self.commands.tree.keep);
            others[..surplus].iter().try_for_each(|number| layout.remove_tree(*number))
        };
        if let Err(error) = removed() {
            self.problems.push(error);
        }
    }
}
