//! Links that lead to nothing in the assembled package.
//!
//! A link may lead to what another machine provides, so this is asked of the merged package and not of a
//! fragment. Links on the way are followed, as the kernel will, up to as many as it follows.

use serde::Serialize;

use super::{Merged, Part};
use crate::names::MachineName;
use crate::nodes::Node;

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

/// Returns the dead links, in the order of their paths.
pub(crate) fn dead(merged: &Merged, parts: &[Part]) -> Vec<DeadLink> {
    let mut dead = Vec::new();
    for one in &merged.chosen {
        let Node::Link(target) = &one.by.held(parts).node else { continue };
        let path = one.by.path(parts);
        if !leads_somewhere(&path, merged, parts) {
            let machine = one.by.part(parts).machine.clone();
            dead.push(DeadLink { path, target: target.to_string(), machine });
        }
    }
    dead
}

fn leads_somewhere(path: &str, merged: &Merged, parts: &[Part]) -> bool {
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
        match merged.find(parts, &here).map(|found| &found.held(parts).node) {
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
