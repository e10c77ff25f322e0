//! What a run would do, and why. Nothing is changed, made, locked or run.

use std::fmt;
use std::path::PathBuf;

use intraware_config::{Accepted, Publisher, TreeConfig};
use intraware_core::foreign;
use intraware_core::lock::{self, Held};
use intraware_core::txlog::chain;
use intraware_run_parts::look;
use jiff::Timestamp;
use serde::Serialize;

use crate::error::PublishError;
use crate::journal::{Due, Journal, Priority, Stage};
use crate::layout::{Layout, Live};
use crate::pipeline::{self, Wish, due_in};
use crate::upload;

/// What would be done with a tree.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The tree.
    pub tree: String,
    /// Who publishes it now.
    pub busy: Option<Held>,
    /// What a run that was killed has left to be done, if it has.
    pub recover: Option<String>,
    /// The command that takes in what was accepted. What it would make due is not known.
    pub process_accepted: Vec<String>,
    /// What would be done with each upload that waits.
    pub uploads: Vec<String>,
    /// The passes, in their order.
    pub passes: Vec<PassPlan>,
}

/// One pass.
#[derive(Debug, Serialize)]
pub struct PassPlan {
    /// Which.
    pub priority: Priority,
    /// The suites.
    pub suites: Vec<String>,
    /// Why each of them.
    pub why: Vec<String>,
    /// The command that renews them.
    pub publisher: Vec<String>,
    /// The hooks before the tree is in place.
    pub pre: HookPlan,
    /// The hooks after that.
    pub post: HookPlan,
}

/// The hooks of a directory.
#[derive(Debug, Serialize, Clone, Default)]
pub struct HookPlan {
    /// What would be run, in this order.
    pub run: Vec<PathBuf>,
    /// What would be left out, and why.
    pub left: Vec<(PathBuf, String)>,
    /// Why none can be run.
    pub problem: Option<String>,
}

/// Says what [`crate::publish`] would do.
pub fn plan(tree: &TreeConfig, wish: &Wish, now: Timestamp) -> Result<Plan, PublishError> {
    let layout = Layout::of(tree);
    layout.has_root()?;
    let mut journal = Journal::load(&layout)?;
    let recover = recovery(&layout, &journal)?;
    let mut why: Vec<(String, &str)> = journal
        .due
        .iter()
        .map(|(suite, due)| {
            let reason = match due {
                Due::Both | Due::Normal => "is due since an earlier run",
                Due::Rest => "was published by the fast-track pass, and is due in the normal one",
            };
            (suite.clone(), reason)
        })
        .collect();
    let mut ask = |suites: &[String], reason: &'static str| {
        for suite in suites {
            journal.due.insert(suite.clone(), pipeline::due(tree, suite));
            why.retain(|(other, _)| other != suite);
            why.push((suite.clone(), reason));
        }
    };
    ask(&pipeline::requests(tree, &layout)?, "was asked for in .publish/dirty");
    let uploads = match &tree.accepted {
        Accepted::Uploads(config) => upload::look(config, tree, now)?,
        Accepted::Elsewhere | Accepted::Command(_) => Vec::new(),
    };
    let uploaded: Vec<String> =
        uploads.iter().filter_map(|upload| upload.suite()).map(str::to_owned).collect();
    ask(&uploaded, "has an upload that waits");
    ask(&wish.suites, "was asked for on the command line");
    let (pre, post) = (hooks(tree.pre_publication.as_ref()), hooks(tree.post_publication.as_ref()));
    let mut passes = Vec::new();
    for priority in [Priority::High, Priority::Low] {
        let suites = due_in(tree, &journal, wish, priority);
        // The fast-track pass leaves them to the normal one.
        if priority == Priority::High {
            journal.due.extend(suites.iter().map(|suite| (suite.clone(), Due::Rest)));
        }
        if suites.is_empty() || (priority == Priority::Low && wish.security_only) {
            continue;
        }
        let reason = |suite: &String| {
            let reason = why.iter().find(|(other, _)| other == suite).map_or("is due", |(_, reason)| reason);
            format!("{suite} {reason}")
        };
        let why = suites.iter().map(reason).collect();
        let publisher = match &tree.publisher {
            Publisher::Command(words) => words.iter().chain(&suites).cloned().collect(),
            Publisher::Apt(_) => ["apt-ftparchive".to_owned()].into_iter().chain(suites.clone()).collect(),
        };
        passes.push(PassPlan { priority, suites, why, publisher, pre: pre.clone(), post: post.clone() });
    }
    let busy = lock::holder(&layout.lock()).map_err(PublishError::io("look at", &layout.lock()))?;
    Ok(Plan {
        tree: tree.name.clone(),
        busy,
        recover,
        process_accepted: match &tree.accepted {
            Accepted::Command(words) => words.clone(),
            Accepted::Elsewhere | Accepted::Uploads(_) => Vec::new(),
        },
        uploads: uploads.iter().map(|upload| upload.told()).collect(),
        passes,
    })
}

fn recovery(layout: &Layout, journal: &Journal) -> Result<Option<String>, PublishError> {
    let unseen = journal.unseen.as_ref().map(|ended| {
        format!("pass {} is in place, and readers did not get it by public_url: look again", ended.number)
    });
    let Some(pass) = &journal.pass else { return Ok(unseen) };
    let number = pass.number;
    Ok(Some(match &pass.stage {
        Stage::Building if layout.live()? != Live::Tree(number) => {
            format!("pass {number} was interrupted before its tree was in place: throw that away")
        }
        Stage::Building => {
            format!("pass {number} was interrupted just after its tree was in place: run its hooks")
        }
        Stage::InPlace { done, begun } => {
            let begun = begun.as_ref().map_or(String::new(), |name| format!(", in {name}"));
            format!(
                "pass {number} was interrupted after {} of its last hooks{begun}: run the others",
                done.len()
            )
        }
    }))
}

fn hooks(dir: Option<&PathBuf>) -> HookPlan {
    let Some(dir) = dir else { return HookPlan::default() };
    match look(dir) {
        Ok(listing) => HookPlan {
            run: listing.hooks.into_iter().map(|hook| hook.path).collect(),
            left: listing.left.into_iter().map(|left| (left.path, left.why.to_string())).collect(),
            problem: None,
        },
        Err(error) => {
            HookPlan { problem: Some(format!("{}: {}", dir.display(), chain(&error))), ..Default::default() }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tree {}:", self.tree)?;
        if let Some(holder) = &self.busy {
            writeln!(f, "  its lock is held by {holder}")?;
        }
        if let Some(recover) = &self.recover {
            writeln!(f, "  {recover}")?;
        }
        if !self.process_accepted.is_empty() {
            let words = words(&self.process_accepted);
            writeln!(f, "  run {words}, which may make more suites due")?;
        }
        self.uploads.iter().try_for_each(|upload| writeln!(f, "  {}", foreign::tame(upload)))?;
        if self.passes.is_empty() {
            writeln!(f, "  no suite is due: nothing is published")?;
        }
        self.passes.iter().try_for_each(|pass| pass.fmt(f))
    }
}

impl fmt::Display for PassPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  pass with priority {}:", self.priority)?;
        self.why.iter().try_for_each(|why| writeln!(f, "    {why}"))?;
        writeln!(f, "    run {}", words(&self.publisher))?;
        self.pre.show(f, self.priority)?;
        writeln!(f, "    look at the new tree, and put it in place")?;
        self.post.show(f, self.priority)
    }
}

impl HookPlan {
    fn show(&self, f: &mut fmt::Formatter<'_>, priority: Priority) -> fmt::Result {
        if let Some(problem) = &self.problem {
            writeln!(f, "    cannot run hooks: {}", foreign::escape(problem))?;
        }
        for hook in &self.run {
            writeln!(f, "    run {} {priority}", foreign::path(hook))?;
        }
        for (path, why) in &self.left {
            writeln!(f, "    leave out {}: {why}", foreign::path(path))?;
        }
        Ok(())
    }
}

fn words(words: &[String]) -> String {
    foreign::escape(words.join(" "))
}
