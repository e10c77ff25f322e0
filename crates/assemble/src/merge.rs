//! What the package becomes of what the machines provide; pure, and the same whatever order they came in.
//!
//! Machines are in the order of their names, and the first that provides a path wins, unless [`Rules`] say
//! otherwise. What the machines must agree on, path by path: its type; a file's content and permissions as
//! they will be in the target; a link's target. Contents are compared by MD5 and size, both of the bytes
//! themselves.
//!
//! Where the machines disagree there is a winner nevertheless, so that a merge with errors allowed is as
//! deterministic as one without. What is below a path that becomes a file or a link is dropped with it.
//!
//! The machines' directories are gone through side by side, each directory's names in their order, and what
//! is in a directory comes right behind it. What was decided is kept as numbers of nodes; paths are made when
//! somebody asks for them.

pub mod links;
pub mod rules;
mod walk;

use serde::Serialize;

use crate::names::MachineName;
use crate::nodes::{Held, Id, Node, Said, TOP};
use crate::reason::Reason;
use crate::unpack::Contents;
pub use rules::{BadRule, LineEndings, Rules, Winner};

/// A fragment that agrees with its list.
pub(crate) struct Part {
    pub(crate) machine: MachineName,
    pub(crate) contents: Contents,
}

/// What one machine has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provided {
    /// Whose it is, by its index.
    pub(crate) from: u32,
    pub(crate) id: Id,
}

/// A path of the package, from the machine that won it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    pub(crate) by: Provided,
    /// Where in the merge it is said who else provides it, and how many do.
    also: u32,
    others: u32,
}

/// A merge as it was decided.
pub(crate) struct Merged {
    /// A directory is before what is in it, and names are in their order.
    pub(crate) chosen: Vec<Chosen>,
    /// Paths that the machines disagree on.
    pub(crate) differences: Vec<Difference>,
    /// Who else provides what was chosen.
    also: Vec<Provided>,
    /// Of each machine's nodes, whether it was chosen.
    taken: Vec<Vec<bool>>,
}

/// A path that the machines disagree on.
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) what: What,
    /// All that provide it, in the machines' order.
    pub(crate) provided: Vec<Provided>,
}

impl Provided {
    pub(crate) fn part(self, parts: &[Part]) -> &Part {
        &parts[self.from as usize]
    }

    pub(crate) fn held(self, parts: &[Part]) -> &Held {
        self.part(parts).contents.nodes.held(self.id)
    }

    pub(crate) fn said(self, parts: &[Part]) -> Option<&Said> {
        self.part(parts).contents.nodes.said(self.id)
    }

    pub(crate) fn path(self, parts: &[Part]) -> String {
        self.part(parts).contents.nodes.path(self.id)
    }

    /// Returns the type of the list's that is none of ours.
    pub(crate) fn odd_type(self, parts: &[Part]) -> Option<&str> {
        self.said(parts)?.odd_type.as_deref()
    }
}

impl Merged {
    /// Returns who else provides what was chosen, in the machines' order.
    pub(crate) fn also(&self, one: &Chosen) -> &[Provided] {
        &self.also[one.also as usize..][..one.others as usize]
    }

    /// Returns what is at a path of the package.
    pub(crate) fn find(&self, parts: &[Part], path: &str) -> Option<Provided> {
        parts.iter().zip(&self.taken).zip(0..).find_map(|((part, taken), from)| {
            let id = part.contents.nodes.find(path)?;
            taken[id.index()].then_some(Provided { from, id })
        })
    }
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
pub(crate) fn merge(parts: &[Part], rules: &Rules) -> Merged {
    let taken = parts.iter().map(|part| vec![false; part.contents.nodes.len()]).collect();
    let mut merged = Merged { chosen: Vec::new(), differences: Vec::new(), also: Vec::new(), taken };
    let all: Vec<Provided> = (0..parts.len() as u32).map(|from| Provided { from, id: TOP }).collect();
    walk::directory(&mut merged, parts, rules, &all, true);
    merged
}

impl Merged {
    /// Decides about a path; returns the one that wins.
    fn decide(&mut self, parts: &[Part], rules: &Rules, provided: &[Provided], is_inside: bool) -> Provided {
        let [winner] = *provided else {
            let path = provided[0].path(parts);
            let winner = provided[winner(&path, provided, parts, rules)];
            if let Some(what) = difference(provided, parts, rules.may_differ(&path)) {
                self.differences.push(Difference { path, what, provided: provided.to_vec() });
            }
            self.choose(provided, winner, is_inside);
            return winner;
        };
        self.choose(provided, winner, is_inside);
        winner
    }

    fn choose(&mut self, provided: &[Provided], by: Provided, is_inside: bool) {
        if is_inside {
            // Numbers of nodes are numbers of 32 bits, and so are those of their sum in any memory.
            let also = self.also.len() as u32;
            self.also.extend(provided.iter().filter(|one| **one != by));
            self.chosen.push(Chosen { by, also, others: provided.len() as u32 - 1 });
            self.taken[by.from as usize][by.id.index()] = true;
        }
    }
}

/// Returns the index among `provided` of the one that wins.
fn winner(path: &str, provided: &[Provided], parts: &[Part], rules: &Rules) -> usize {
    match rules.winner(path) {
        Winner::First => 0,
        Winner::Last => provided.len() - 1,
        Winner::Machine(name) => {
            provided.iter().position(|one| one.part(parts).machine == *name).unwrap_or(0)
        }
    }
}

fn difference(provided: &[Provided], parts: &[Part], may_differ: bool) -> Option<What> {
    let (first, others) = provided.split_first()?;
    let mut what = None;
    for other in others {
        let one = match (&first.held(parts).node, &other.held(parts).node) {
            _ if first.odd_type(parts) != other.odd_type(parts) => Some(What::Type),
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

impl Difference {
    /// Returns each machine's part, for people.
    pub(crate) fn providers(&self, parts: &[Part]) -> Vec<Provider> {
        let value = |one: &Provided| match (self.what, &one.held(parts).node) {
            (What::Type, node) => one.odd_type(parts).unwrap_or_else(|| kind(node)).to_owned(),
            (What::Mode, Node::File(content)) => format!("{:04o}", content.mode),
            (_, Node::File(content)) => content.md5.to_string(),
            (_, Node::Link(target)) => intraware_core::foreign::escape(target.as_bytes()),
            (_, Node::Directory) => String::new(),
        };
        let values: Vec<String> = self.provided.iter().map(value).collect();
        let same = |own: usize| {
            let others =
                self.provided.iter().enumerate().filter(|(i, _)| *i != own && values[*i] == values[own]);
            others.map(|(_, one)| one.part(parts).machine.clone()).collect()
        };
        let provider = |(i, one): (usize, &Provided)| Provider {
            machine: one.part(parts).machine.clone(),
            kind: kind(&one.held(parts).node),
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
