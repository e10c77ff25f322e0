//! Compares what a fragment holds with what its list says.

use std::ops::Bound;

use intraware_core::foreign::escape;

use super::{Contents, Node};
use crate::list::{self, Listed, ListedKind};
use crate::names::{self, MachineName};
use crate::refused::Refused;

/// So many differences are told; more would not help anybody.
const TOLD: usize = 10;

/// Compares, and keeps in `contents` what the list says of each path.
pub(super) fn compare(list: &[u8], machine: &MachineName, contents: &mut Contents) -> Result<(), Refused> {
    let mut wrong = Wrong::default();
    let mut other_hosts = 0_usize;
    let mut odd = Vec::new();
    list::read(list, |listed| {
        // The list itself cannot have its own digest, and the package needs no entry.
        if names::is_list(&listed.path) || listed.path.is_empty() {
            return Ok(());
        }
        other_hosts += usize::from(listed.host.as_deref().is_some_and(|host| host != machine.as_str()));
        if let ListedKind::Other(kind) = &listed.kind {
            odd.push(format!("unknown type {kind} of {}", escape(&listed.path)));
        }
        one(listed, contents, &mut wrong);
        Ok(())
    })?;
    unlisted(contents, &mut wrong);
    if other_hosts > 0 {
        contents.warnings.push(format!("its list names another machine in {other_hosts} entries"));
    }
    contents.warnings.extend(odd);
    wrong.into_result()
}

fn one(listed: Listed, contents: &mut Contents, wrong: &mut Wrong) {
    let shown = || escape(&listed.path);
    let Some(held) = contents.nodes.get_mut(listed.path.as_str()) else {
        return wrong.note(|| format!("{} is listed and not there", shown()));
    };
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
        (ListedKind::Other(kind), _) => held.odd_type = Some(kind.as_str().into()),
        _ => wrong.note(|| format!("{} is of another type than listed", shown())),
    }
    held.more = listed.more;
}

/// A directory need not be listed if something is in it.
fn unlisted(contents: &Contents, wrong: &mut Wrong) {
    for (path, held) in &contents.nodes {
        if held.is_listed {
            continue;
        }
        // What is below a directory comes right behind those that only begin like it.
        let inside = format!("{path}/");
        let is_needed = held.node == Node::Directory
            && contents
                .nodes
                .range::<str, _>((Bound::Included(&*inside), Bound::Unbounded))
                .next()
                .is_some_and(|(next, _)| next.starts_with(&inside));
        if !is_needed {
            wrong.note(|| format!("{} is there and not listed", escape(path.as_bytes())));
        }
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
