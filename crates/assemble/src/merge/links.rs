//! Links that lead to nothing in the assembled package.
//!
//! A link may lead to what another machine provides, so this is asked of the merged package and not of a fragment. Links on
//! the way are followed, as the kernel will, up to as many as it follows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Chosen;
use crate::names::MachineName;
use crate::unpack::Node;

/// As many links as Linux follows in one path.
const MOST: usize = 40;

/// A link to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLink {
    /// The link.
    pub path: String,
    /// Where it leads.
    pub target: String,
    /// Whose it is.
    pub machine: MachineName,
}

impl std::fmt::Display for DeadLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, target) =
            (intraware_core::foreign::escape(&self.path), intraware_core::foreign::escape(&self.target));
        write!(f, "Dead link: {path} leads to {target}, which no machine provides ({})", self.machine)
    }
}

/// Returns the dead links, sorted by path, as indices into `chosen`.
pub(crate) fn dead(chosen: &[Chosen<'_>]) -> Vec<usize> {
    if chosen.iter().all(|one| !matches!(one.held.node, Node::Link(_))) {
        return Vec::new();
    }
    let nodes: BTreeMap<&str, &Node> = chosen.iter().map(|one| (one.path, &one.held.node)).collect();
    let is_dead = |one: &Chosen<'_>| match &one.held.node {
        Node::Link(_) => !leads_somewhere(one.path, &nodes),
        Node::Directory | Node::File(_) => false,
    };
    chosen.iter().enumerate().filter(|(_, one)| is_dead(one)).map(|(index, _)| index).collect()
}

fn leads_somewhere(path: &str, nodes: &BTreeMap<&str, &Node>) -> bool {
    let mut to_go: Vec<&str> = path.rsplit('/').collect();
    let mut here = String::new();
    let mut followed = 0;
    while let Some(name) = to_go.pop() {
        match name {
            "" | "." => continue,
            ".." if here.is_empty() => return false,
            ".." => {
                here.truncate(here.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let before = here.len();
        if !here.is_empty() {
            here.push('/');
        }
        here.push_str(name);
        match nodes.get(here.as_str()) {
            None => return false,
            Some(Node::Directory) => {}
            Some(Node::File(_)) => return to_go.iter().all(|name| matches!(*name, "" | ".")),
            Some(Node::Link(target)) => {
                followed += 1;
                if followed > MOST {
                    return false;
                }
                here.truncate(before);
                to_go.extend(target.rsplit('/'));
            }
        }
    }
    true
}
