//! Compares what a fragment holds with what its list says.

use std::io::BufRead;

use intraware_core::foreign::escape;

use super::Contents;
use crate::list::{self, Listed, ListedKind};
use crate::names::{self, MachineName};
use crate::nodes::{Id, Node, Nodes, Said};
use crate::refused::{Refused, Unread};

/// So many differences are told; more would not help anybody.
const TOLD: usize = 10;

/// Compares, and keeps in `contents` what the list says of each path.
pub(super) fn compare(
    list: impl BufRead,
    machine: &MachineName,
    contents: &mut Contents,
) -> Result<(), Unread> {
    let mut wrong = Wrong::default();
    let mut other_hosts = 0_usize;
    let mut odd = Vec::new();
    list::stream(list, |listed| {
        // The list itself cannot have its own digest, and the package needs no entry.
        if names::is_list(&listed.path) || listed.path.is_empty() {
            return Ok(());
        }
        other_hosts += usize::from(listed.host.as_deref().is_some_and(|host| host != machine.as_str()));
        if let ListedKind::Other(kind) = &listed.kind {
            odd.push(format!("unknown type {kind} of {}", escape(&listed.path)));
        }
        one(listed, &mut contents.nodes, &mut wrong);
        Ok(())
    })?;
    contents.nodes.sort();
    unlisted(&contents.nodes, &mut wrong);
    if other_hosts > 0 {
        contents.warnings.push(format!("its list names another machine in {other_hosts} entries"));
    }
    contents.warnings.extend(odd);
    Ok(wrong.into_result()?)
}

fn one(listed: Listed, nodes: &mut Nodes, wrong: &mut Wrong) {
    let shown = || escape(&listed.path);
    let Some(id) = nodes.find(&listed.path) else {
        return wrong.note(|| format!("{} is listed and not there", shown()));
    };
    let held = nodes.held_mut(id);
    if held.is_listed {
        return wrong.note(|| format!("{} is listed twice", shown()));
    }
    held.is_listed = true;
    match (&listed.kind, &held.node) {
        (ListedKind::Directory, Node::Directory) => {}
        (ListedKind::Link, Node::Link(target)) => {
            if listed.target.as_deref().is_some_and(|listed| *listed != **target) {
                wrong.note(|| {
                    format!("{} leads to {} and not where its list says", shown(), escape(target.as_bytes()))
                });
            }
        }
        (ListedKind::File(md5), Node::File(content)) => {
            if *md5 != content.md5 {
                wrong.note(|| format!("{} has the MD5 {}, listed is {md5}", shown(), content.md5));
            } else if listed.size.is_some_and(|size| size != content.size) {
                wrong.note(|| format!("{} has {} bytes, listed are others", shown(), content.size));
            }
        }
        (ListedKind::Other(_), _) => {}
        _ => wrong.note(|| format!("{} is of another type than listed", shown())),
    }
    let odd_type = match listed.kind {
        ListedKind::Other(kind) => Some(kind.into()),
        ListedKind::Directory | ListedKind::File(_) | ListedKind::Link => None,
    };
    nodes.say(id, Said { odd_type, more: listed.more });
}

/// A directory need not be listed if something is in it.
fn unlisted(nodes: &Nodes, wrong: &mut Wrong) {
    let is_fine = |id: Id| {
        let held = nodes.held(id);
        held.is_listed || held.node == Node::Directory && nodes.children(id).len() > 0
    };
    let mut stray: Vec<String> = nodes.all().filter(|id| !is_fine(*id)).map(|id| nodes.path(id)).collect();
    stray.sort_unstable();
    for path in stray {
        wrong.note(|| format!("{} is there and not listed", escape(path.as_bytes())));
    }
}

/// What does not agree.
#[derive(Default)]
struct Wrong {
    told: Vec<String>,
    count: usize,
}

impl Wrong {
    fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(what());
        }
    }

    fn into_result(self) -> Result<(), Refused> {
        if self.count == 0 {
            return Ok(());
        }
        let more = match self.count - self.told.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        Err(Refused(format!("it does not agree with its list: {}{more}", self.told.join("; "))))
    }
}
