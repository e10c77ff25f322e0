//! How a tree stands, from its journal alone: nothing is run, no index is read.

use std::fmt;

use intraware_config::TreeConfig;
use intraware_core::foreign;
use intraware_core::lock::{self, Held};
use serde::Serialize;

use crate::error::PublishError;
use crate::journal::{Ended, GivenUp, Journal};
use crate::layout::{Layout, Live};
use crate::pipeline;

/// How a tree stands.
#[derive(Debug, Serialize)]
pub struct Standing {
    /// The tree.
    pub tree: String,
    /// The number of the one in place; none before the first.
    pub in_place: Option<u64>,
    /// The suites that the next run publishes.
    pub due: Vec<String>,
    /// The last pass that ended, of each priority, oldest first.
    pub ended: Vec<Ended>,
    /// The pass whose tree is in place, and which readers did not get by public_url.
    pub unseen: Option<Ended>,
    /// The last pass that was given up, of each priority of which none has ended since.
    pub given_up: Vec<GivenUp>,
    /// The number of the pass that is under way, or was when its run was killed.
    pub under_way: Option<u64>,
    /// Who holds its lock, if anybody.
    pub lock: Option<Held>,
}

/// Says how a tree stands.
pub fn standing(tree: &TreeConfig) -> Result<Standing, PublishError> {
    let layout = Layout::of(tree);
    let mut journal = Journal::load(&layout)?;
    let requests = pipeline::requests(tree, &layout)?;
    let is_due =
        |suite: &&str| journal.due.contains_key(*suite) || requests.iter().any(|other| other == suite);
    let due = tree.all_suites().filter(is_due).map(str::to_owned).collect();
    let lock = lock::holder(&layout.lock()).map_err(PublishError::io("look at", &layout.lock()))?;
    journal.ended.sort_by_key(|ended| ended.at);
    Ok(Standing {
        tree: tree.name.clone(),
        in_place: match layout.live()? {
            Live::Tree(number) => Some(number),
            Live::Nothing | Live::Directory => None,
        },
        due,
        ended: journal.ended,
        unseen: journal.unseen,
        given_up: journal.given_up,
        under_way: journal.pass.map(|pass| pass.number),
        lock,
    })
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tree = &self.tree;
        match self.in_place {
            Some(number) => writeln!(f, "tree {tree}: {number} is in place")?,
            None => writeln!(f, "tree {tree}: nothing was published yet")?,
        }
        for Ended { number, priority, suites, started, at, problems } in &self.ended {
            let (suites, took) = (suites.join(" "), at.duration_since(*started).as_secs_f64());
            write!(f, "  {at:.0}  published {suites} as {number}, priority {priority}, in {took:.1} s")?;
            problems.iter().try_for_each(|problem| write!(f, "; then {}", foreign::tame(problem)))?;
            writeln!(f)?;
        }
        for GivenUp { priority, suites, started: _, at, why } in &self.given_up {
            let (suites, why) = (suites.join(" "), foreign::tame(why));
            writeln!(f, "  {at:.0}  gave up {suites}, priority {priority}: {why}")?;
        }
        if let Some(Ended { number, suites, at, .. }) = &self.unseen {
            let suites = suites.join(" ");
            writeln!(
                f,
                "  {at:.0}  put {suites} in place as {number}, and readers do not get it by public_url"
            )?;
        }
        if !self.due.is_empty() {
            writeln!(f, "  due: {}", self.due.join(" "))?;
        }
        match (&self.lock, self.under_way) {
            (Some(holder), Some(number)) => writeln!(f, "  pass {number} is under way, by {holder}"),
            (Some(holder), None) => writeln!(f, "  its lock is held by {holder}"),
            (None, Some(number)) => writeln!(f, "  pass {number} was interrupted; the next run goes on"),
            (None, None) => Ok(()),
        }
    }
}
