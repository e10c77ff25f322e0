//! What the package becomes of what the machines provide; pure, and the same whatever order they came in.
//!
//! Machines are in the order of their names, and the first that provides a path wins, unless [`Rules`] say otherwise. What
//! the machines must agree on, path by path: its type; a file's content and permissions as they will be in the target; a
//! link's target. Contents are compared by MD5 and size, both of the bytes themselves.
//!
//! Where the machines disagree there is a winner nevertheless, so that a merge with errors allowed is as deterministic as
//! one without. What is below a path that becomes a file or a link is dropped with it.

pub mod links;
mod rules;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::MachineName;
use crate::reason::Reason;
use crate::unpack::{Contents, Held, Node};
pub use rules::{BadRule, LineEndings, Rules, Winner};

/// A fragment that agrees with its list.
pub(crate) struct Part {
    pub(crate) machine: MachineName,
    pub(crate) contents: Contents,
}

/// A path of the package, from the machine that won it.
pub(crate) struct Chosen<'p> {
    pub(crate) path: &'p str,
    pub(crate) held: &'p Held,
    /// Whose it is, by its index.
    pub(crate) from: usize,
    /// Who else provides it, in the machines' order.
    pub(crate) also: Vec<usize>,
}

/// A merge as it was decided.
pub(crate) struct Merged<'p> {
    /// Sorted by path, so that a directory is before what is in it.
    pub(crate) chosen: Vec<Chosen<'p>>,
    /// Paths that the machines disagree on.
    pub(crate) differences: Vec<Difference<'p>>,
}

/// A path that the machines disagree on.
pub(crate) struct Difference<'p> {
    pub(crate) path: &'p str,
    pub(crate) what: What,
    /// All that provide it, in the machines' order.
    pub(crate) provided: Vec<(usize, &'p Held)>,
}

/// What the machines disagree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// One has a file where another has a directory or a link.
    Type,
    /// The bytes of a file.
    Content,
    /// Who may write or execute a file.
    Mode,
    /// Where a link leads.
    Target,
}

/// A path that the machines disagree on, with all that is known of it, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The path in the package.
    pub path: String,
    /// What they disagree on.
    pub what: What,
    /// Who provides it, in the machines' order.
    pub providers: Vec<Provider>,
    /// What the difference comes down to.
    pub reason: Reason,
    /// Some lines of the difference between the first and the first that differs from it; escaped.
    pub diff: Vec<String>,
}

/// One machine's part in a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provider {
    /// The machine.
    pub machine: MachineName,
    /// `file`, `dir`, `link`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The MD5, the permissions or the target, whatever they disagree on; escaped.
    pub value: String,
    /// The other machines that have the same.
    pub same_as: Vec<MachineName>,
}

/// Decides for each path what becomes of it.
pub(crate) fn merge<'p>(parts: &'p [Part], rules: &Rules) -> Merged<'p> {
    let mut all: Vec<(&str, usize, &Held)> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        all.extend(part.contents.nodes.iter().map(|(path, held)| (&**path, index, held)));
    }
    all.sort_unstable_by_key(|(path, index, _)| (*path, *index));
    let mut merged = Merged { chosen: Vec::new(), differences: Vec::new() };
    let mut directories = BTreeSet::new();
    for provided in all.chunk_by(|a, b| a.0 == b.0) {
        let path = provided[0].0;
        let winner = winner(path, provided, parts, rules);
        let (_, from, held) = provided[winner];
        if let Some(what) = difference(provided, rules.may_differ(path)) {
            let provided = provided.iter().map(|(_, index, held)| (*index, *held)).collect();
            merged.differences.push(Difference { path, what, provided });
        }
        // Its parent comes before it, and is in every part that it is in.
        let is_inside = crate::path::parent(path).is_none_or(|parent| directories.contains(parent));
        if !is_inside {
            continue;
        }
        if held.node == Node::Directory {
            directories.insert(path);
        }
        let also = provided.iter().map(|(_, index, _)| *index).filter(|index| *index != from).collect();
        merged.chosen.push(Chosen { path, held, from, also });
    }
    merged
}

/// Returns the index among `provided` of the one that wins.
fn winner(path: &str, provided: &[(&str, usize, &Held)], parts: &[Part], rules: &Rules) -> usize {
    match rules.winner(path) {
        Winner::First => 0,
        Winner::Last => provided.len() - 1,
        Winner::Machine(name) => {
            provided.iter().position(|(_, index, _)| parts[*index].machine == *name).unwrap_or(0)
        }
    }
}

fn difference(provided: &[(&str, usize, &Held)], may_differ: bool) -> Option<What> {
    let (first, others) = provided.split_first()?;
    let first = first.2;
    let mut what = None;
    for (_, _, other) in others {
        let one = match (&first.node, &other.node) {
            _ if first.odd_type != other.odd_type => Some(What::Type),
            (Node::Directory, Node::Directory) => None,
            (Node::Link(a), Node::Link(b)) => (a != b && !may_differ).then_some(What::Target),
            (Node::File(_), Node::File(_)) if may_differ => None,
            (Node::File(a), Node::File(b)) if (a.md5, a.size) != (b.md5, b.size) => Some(What::Content),
            (Node::File(a), Node::File(b)) => (a.mode != b.mode).then_some(What::Mode),
            _ => Some(What::Type),
        };
        // The gravest is told: types before contents before permissions.
        what = match (what, one) {
            (Some(What::Type), _) | (_, Some(What::Type)) => Some(What::Type),
            (Some(What::Content), _) | (_, Some(What::Content)) => Some(What::Content),
            (known, new) => known.or(new),
        };
    }
    what
}

impl Difference<'_> {
    /// Returns each machine's part, for people.
    pub(crate) fn providers(&self, parts: &[Part]) -> Vec<Provider> {
        let value = |held: &Held| match (self.what, &held.node) {
            (What::Type, node) => held.odd_type.as_deref().unwrap_or_else(|| kind(node)).to_owned(),
            (What::Mode, Node::File(content)) => format!("{:04o}", content.mode),
            (_, Node::File(content)) => content.md5.to_string(),
            (_, Node::Link(target)) => intraware_core::foreign::escape(target.as_bytes()),
            (_, Node::Directory) => String::new(),
        };
        let values: Vec<String> = self.provided.iter().map(|(_, held)| value(held)).collect();
        let same = |own: usize| {
            let others =
                self.provided.iter().enumerate().filter(|(i, _)| *i != own && values[*i] == values[own]);
            others.map(|(_, (index, _))| parts[*index].machine.clone()).collect()
        };
        let provider = |(i, (index, held)): (usize, &(usize, &Held))| Provider {
            machine: parts[*index].machine.clone(),
            kind: kind(&held.node),
            value: values[i].clone(),
            same_as: same(i),
        };
        self.provided.iter().enumerate().map(provider).collect()
    }
}

/// Returns the word for what something is.
pub(crate) fn kind(node: &Node) -> &'static str {
    match node {
        Node::Directory => "dir",
        Node::File(_) => "file",
        Node::Link(_) => "link",
    }
}

impl Conflict {
    /// Returns it in lines for people.
    pub fn lines(&self) -> Vec<String> {
        let path = intraware_core::foreign::escape(&self.path);
        let head = if self.what == What::Type { "Entry Path" } else { "File Name" };
        let mut lines = vec![format!("{head}: {path}")];
        let width = self.providers.iter().map(|p| p.machine.as_str().len()).max().unwrap_or(0).max(8);
        for provider in &self.providers {
            let machine = provider.machine.as_str();
            let who = if provider.same_as.is_empty() {
                format!("Unique to: {machine}")
            } else {
                let names: Vec<&str> = provider.same_as.iter().map(MachineName::as_str).collect();
                format!("Same as: {}", names.join(", "))
            };
            let value = match self.what {
                What::Type => format!(" Type: {:<8}", provider.value),
                What::Mode => format!(" Mode: {}", provider.value),
                What::Target => format!(" Target: {}", provider.value),
                What::Content => String::new(),
            };
            lines.push(format!("    Provided by: {machine:<width$}{value} {who}"));
        }
        lines.push(format!("    Reason: {}", self.reason));
        lines.extend(self.diff.iter().map(|line| format!("    {line}")));
        lines
    }
}

#[cfg(test)]
mod tests;
