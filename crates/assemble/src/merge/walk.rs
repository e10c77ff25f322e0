//! The machines' directories, side by side.

use super::{Merged, Part, Provided, Rules};
use crate::nodes::Node;

/// Decides about all that is in a directory, which `dirs` provide, in the machines' order. It may be that the
/// package has no such directory: then nothing is chosen, and what differs is told nevertheless.
///
/// It calls itself, as deep as a path has names: at most 2048, of some hundred bytes each.
pub(super) fn directory(
    merged: &mut Merged,
    parts: &[Part],
    rules: &Rules,
    dirs: &[Provided],
    is_inside: bool,
) {
    if let [one] = dirs {
        // Nobody else has anything here, and the names are in their order.
        for id in one.part(parts).contents.nodes.children(one.id) {
            path(merged, parts, rules, &[Provided { id, ..*one }], is_inside);
        }
        return;
    }
    let mut all: Vec<(&str, Provided)> = Vec::new();
    for dir in dirs {
        let nodes = &dir.part(parts).contents.nodes;
        all.extend(nodes.children(dir.id).map(|id| (nodes.name(id), Provided { id, ..*dir })));
    }
    all.sort_unstable_by_key(|(name, one)| (*name, one.from));
    let mut provided = Vec::new();
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        provided.clear();
        provided.extend(same.iter().map(|(_, one)| *one));
        path(merged, parts, rules, &provided, is_inside);
    }
}

fn path(merged: &mut Merged, parts: &[Part], rules: &Rules, provided: &[Provided], is_inside: bool) {
    let is_directory = |one: &Provided| one.held(parts).node == Node::Directory;
    let winner = merged.decide(parts, rules, provided, is_inside);
    if let [one] = provided {
        if is_directory(one) {
            directory(merged, parts, rules, provided, is_inside);
        }
        return;
    }
    let dirs: Vec<Provided> = provided.iter().copied().filter(is_directory).collect();
    if !dirs.is_empty() {
        directory(merged, parts, rules, &dirs, is_inside && is_directory(&winner));
    }
}
