//! All that is done with one tree in one run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use intraware_config::{Accepted, TreeCheck, TreeConfig};
use intraware_core::lock::{self, Held, Holder, Lock, LockError};
use intraware_core::run::RunContext;
use jiff::Timestamp;
use serde::Serialize;

use crate::check;
use crate::command::Commands;
use crate::error::PublishError;
use crate::journal::{Due, Ended, Journal, Priority};
use crate::layout::{Layout, Live};
use crate::leftover;
use crate::pass::Passes;
use crate::upload;

/// What a person wants beside what is due.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Publish these suites, whether they are due or not, and no others.
    pub suites: Vec<String>,
    /// Leave the normal pass to a later run.
    pub security_only: bool,
}

/// A pass that has ended, for people.
pub type Finished = Ended;

/// What was done with a tree.
#[derive(Debug, Default)]
pub struct Report {
    /// The passes that have ended, in their order.
    pub passes: Vec<Finished>,
    /// What went wrong, in its order.
    pub problems: Vec<PublishError>,
    /// Another run has the lock; it goes round once more for this one.
    pub busy: Option<Held>,
    /// The suites of passes that have failed, which this run does not try again.
    failed: BTreeSet<String>,
}

/// How often a run goes round for requests that came meanwhile, before it leaves them to the next one.
const ROUNDS: usize = 100;

/// Publishes what is due in a tree.
pub fn publish(tree: &TreeConfig, wish: &Wish, context: &RunContext) -> Report {
    let layout = Layout::of(tree);
    let mut report = Report::default();
    let done = layout.make().and_then(|()| {
        // What is wanted is a request like others, so that it is not lost if another run has the lock.
        wish.suites.iter().try_for_each(|suite| touch(&layout.dirty().join(suite)))
    });
    let done = done.and_then(|()| {
        for _ in 0..ROUNDS {
            with_lock(tree, &layout, context, &mut report, |passes, done| rounds(passes, wish, done))?;
            // A run may have found the lock taken after the last look.
            if report.busy.is_some() || !layout.again().exists() {
                break;
            }
        }
        Ok(())
    });
    report.problems.extend(done.err());
    report
}

/// Puts a former tree in place: the one of this number, or else the last before the one in place. What is due
/// stays due, and is published from there by the next run.
pub fn roll_back(tree: &TreeConfig, number: Option<u64>, context: &RunContext) -> Report {
    let layout = Layout::of(tree);
    let mut report = Report::default();
    let done = layout.make().and_then(|()| {
        with_lock(tree, &layout, context, &mut report, |passes, done| {
            done.extend(passes.recover()?);
            let (live, trees) = (layout.live()?, layout.trees()?);
            let is_former = |other: &u64| match number {
                Some(number) => *other == number,
                None => matches!(live, Live::Tree(live) if *other < live),
            };
            let former = trees.into_iter().rfind(|other| is_former(other) && live != Live::Tree(*other));
            let former = former.ok_or_else(|| {
                PublishError::Configuration(format!(
                    "there is no such former tree; see `manage publish snapshots {}`",
                    tree.name
                ))
            })?;
            done.extend(passes.repeat(former)?);
            passes.prune();
            Ok(())
        })
    });
    report.problems.extend(done.err());
    report
}

/// A tree that is kept.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub made: Timestamp,
    /// Whether readers get it.
    pub is_live: bool,
    /// Where it lies, with links to what is beside dists: a root of its own.
    pub path: PathBuf,
}

/// Returns the trees that are kept, oldest first.
pub fn snapshots(tree: &TreeConfig) -> Result<Vec<Snapshot>, PublishError> {
    let layout = Layout::of(tree);
    layout.has_root()?;
    let live = layout.live()?;
    let mut found = Vec::new();
    for number in layout.trees()? {
        let path = layout.tree(number);
        let made = fs::metadata(&path)
            .and_then(|seen| seen.modified())
            .map_err(PublishError::io("look at", &path))?;
        let made = Timestamp::try_from(made).unwrap_or_default();
        found.push(Snapshot { number, made, is_live: live == Live::Tree(number), path });
    }
    Ok(found)
}

/// Looks at all suites that readers get now, down to every file of the pool, and returns what is wrong.
///
/// It takes no lock: a tree that is replaced meanwhile stays for a while.
pub fn look_over(tree: &TreeConfig, context: &RunContext) -> Result<Vec<PublishError>, PublishError> {
    let layout = Layout::of(tree);
    let TreeCheck::Apt { keyring } = &tree.check else {
        let message = "with check = \"none\" nothing is known of the tree that could be looked at";
        return Err(PublishError::Configuration(message.into()));
    };
    layout.has_root()?;
    let stage = match layout.live()? {
        Live::Nothing => return Ok(Vec::new()),
        Live::Tree(number) => layout.tree(number),
        Live::Directory => layout.root().to_owned(),
    };
    let new = layout.dists_in(&stage);
    let commands = Commands { tree, layout: &layout, context };
    let mut wrong = Vec::new();
    for name in tree.all_suites().filter(|suite| new.join(suite).exists()) {
        let suite = check::Suite { name, stage: &stage, new: &new, old: None, kind: check::Kind::Former };
        wrong.extend(suite.check(keyring.as_deref(), &commands, context.now()).err());
    }
    Ok(wrong)
}

/// Does some work with the lock of a tree; nothing, if another run has it.
fn with_lock(
    tree: &TreeConfig,
    layout: &Layout,
    context: &RunContext,
    report: &mut Report,
    work: impl FnOnce(&mut Passes<'_>, &mut Vec<Ended>) -> Result<(), PublishError>,
) -> Result<(), PublishError> {
    let killed = killed_holder(&layout.lock());
    let mut lock = match take(layout, context)? {
        Ok(lock) => lock,
        Err(holder) => {
            report.busy = Some(Held(holder));
            return Ok(());
        }
    };
    if let Some(run) = killed {
        end_leftovers(&run)?;
    }
    let commands = Commands { tree, layout, context };
    let mut journal = Journal::load(layout)?;
    let mut passes = Passes {
        commands,
        journal: &mut journal,
        lock: &mut lock,
        problems: &mut report.problems,
        failed: &mut report.failed,
    };
    work(&mut passes, &mut report.passes)
}

/// Takes the lock. Who finds it taken leaves a note and looks again, since the holder may have looked for
/// notes before that.
fn take(layout: &Layout, context: &RunContext) -> Result<Result<Lock, Option<Holder>>, PublishError> {
    match Lock::take(&layout.lock(), context) {
        Ok(lock) => return Ok(Ok(lock)),
        Err(LockError::Busy(_)) => touch(&layout.again())?,
        Err(error) => return Err(error.into()),
    }
    match Lock::take(&layout.lock(), context) {
        Ok(lock) => Ok(Ok(lock)),
        Err(LockError::Busy(holder)) => Ok(Err(holder)),
        Err(error) => Err(error.into()),
    }
}

/// Returns the run that held the lock and did not let it go by itself: its name stands there while nobody
/// holds the lock, and was not just taken out by a run that has ended in this moment.
fn killed_holder(path: &Path) -> Option<String> {
    let named = || -> Option<String> {
        let holder: Holder = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        Some(holder.identity.run)
    };
    let run = named()?;
    let is_free = lock::holder(path).ok()?.is_none();
    (is_free && named().as_ref() == Some(&run)).then_some(run)
}

fn end_leftovers(run: &str) -> Result<(), PublishError> {
    match leftover::end(run) {
        (0, _) => Ok(()),
        (count, true) => {
            tracing::warn!("killed {count} processes that the run {run} had left when it was killed");
            Ok(())
        }
        (count, false) => {
            let told = format!("{count} processes of it cannot be killed; nothing is done while they live");
            Err(PublishError::Command { what: format!("the killed run {run}"), told })
        }
    }
}

fn rounds(passes: &mut Passes<'_>, wish: &Wish, done: &mut Vec<Ended>) -> Result<(), PublishError> {
    done.extend(passes.recover()?);
    // Who has lowered `keep` since may need the room now.
    passes.prune();
    let layout = passes.commands.layout;
    for _ in 0..ROUNDS {
        forget(&layout.again())?;
        let count = done.len();
        round(passes, wish, done)?;
        if done.len() > count || passes.journal.unseen.is_some() {
            passes.prune();
        }
        // What has failed keeps nothing else that has come meanwhile waiting; it is not tried again at once.
        if !layout.again().exists() && requests(passes.commands.tree, layout)?.is_empty() {
            break;
        }
    }
    // Nothing was published, which would have been looked at.
    if !passes.problems.iter().any(|problem| matches!(problem, PublishError::Unseen { .. })) {
        done.extend(passes.look_through_public()?);
    }
    Ok(())
}

fn round(passes: &mut Passes<'_>, wish: &Wish, done: &mut Vec<Ended>) -> Result<(), PublishError> {
    let tree = passes.commands.tree;
    match process_accepted(passes) {
        Ok(()) => {}
        Err(error @ PublishError::Stopped(_)) => return Err(error),
        // What is due already is published all the same.
        Err(error) => passes.problems.push(error),
    }
    take_requests(passes)?;
    for priority in [Priority::High, Priority::Low] {
        if priority == Priority::Low && wish.security_only {
            break;
        }
        let mut suites = due_in(tree, passes.journal, wish, priority);
        suites.retain(|suite| !passes.failed.contains(suite));
        if suites.is_empty() {
            continue;
        }
        match passes.run(priority, suites.clone()) {
            Ok(ended) => done.extend(ended),
            Err(error @ (PublishError::Command { .. } | PublishError::Tree { .. })) => {
                passes.problems.push(error);
                passes.failed.extend(suites);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Has what was accepted put into the pool, and its suites asked for.
fn process_accepted(passes: &mut Passes<'_>) -> Result<(), PublishError> {
    let Commands { tree, layout, .. } = passes.commands;
    match &tree.accepted {
        Accepted::Elsewhere => Ok(()),
        Accepted::Command(words) => {
            let environment = passes.commands.common();
            passes.commands.configured(words, &[], environment, layout.root(), tree.accepted_time)
        }
        Accepted::Uploads(config) => upload::take_all(config, &passes.commands, passes.problems),
    }
}

/// Returns the suites of a pass, those of security first.
pub(crate) fn due_in(tree: &TreeConfig, journal: &Journal, wish: &Wish, priority: Priority) -> Vec<String> {
    let is_wanted = |suite: &str| wish.suites.is_empty() || wish.suites.iter().any(|wanted| wanted == suite);
    let is_due = |suite: &str| match (journal.due.get(suite), priority) {
        (Some(Due::Both), Priority::High) => true,
        (Some(Due::Normal | Due::Rest), Priority::Low) => true,
        // A suite whose own pass has failed would spoil this one.
        (Some(Due::Both), Priority::Low) | (Some(Due::Normal | Due::Rest), Priority::High) | (None, _) => {
            false
        }
    };
    tree.all_suites().filter(|suite| is_wanted(suite) && is_due(suite)).map(str::to_owned).collect()
}

/// Returns how a requested suite is due.
pub(crate) fn due(tree: &TreeConfig, suite: &str) -> Due {
    if tree.security_suites.iter().any(|other| other == suite) { Due::Both } else { Due::Normal }
}

/// Takes the requests over into the journal. What they are about was there before them, and is read after
/// this.
fn take_requests(passes: &mut Passes<'_>) -> Result<(), PublishError> {
    let Commands { tree, layout, .. } = passes.commands;
    let requests = requests(tree, layout)?;
    if requests.is_empty() {
        return Ok(());
    }
    for suite in &requests {
        passes.journal.due.insert(suite.clone(), due(tree, suite));
    }
    passes.journal.save(layout)?;
    requests.iter().try_for_each(|suite| forget(&layout.dirty().join(suite)))
}

/// Returns the suites that somebody has asked for. What is no suite stays, and is told.
pub(crate) fn requests(tree: &TreeConfig, layout: &Layout) -> Result<Vec<String>, PublishError> {
    let dir = layout.dirty();
    let mut found = Vec::new();
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(PublishError::io("read", &dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(PublishError::io("read", &dir))?;
        match entry.file_name().to_str().and_then(|name| tree.all_suites().find(|suite| *suite == name)) {
            Some(suite) => found.push(suite.to_owned()),
            None => {
                let path = intraware_core::foreign::path(&entry.path()).to_string();
                tracing::warn!("{path} asks for a suite that the tree {} has not; remove it", tree.name);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn touch(path: &Path) -> Result<(), PublishError> {
    File::options().create(true).append(true).open(path).map(drop).map_err(PublishError::io("make", path))
}

fn forget(path: &Path) -> Result<(), PublishError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(PublishError::io("remove", path)),
    }
}
