//! What the machines' disagreements come down to: looks into the contents that differ, and only into those.

use std::io;

use intraware_core::foreign;

use crate::merge::links::{self, DeadLink};
use crate::merge::{Conflict, Difference, LineEndings, Merged, Part, Rules, What};
use crate::names::MachineName;
use crate::nodes::{Content, Node};
use crate::reason::{self, Cause, Reason};

/// What is said of a merge.
pub(super) struct Judged {
    pub(super) conflicts: Vec<Conflict>,
    pub(super) dead: Vec<DeadLink>,
    /// Differences that are none by the rules; escaped.
    pub(super) notes: Vec<String>,
}

pub(super) fn judge(merged: &Merged, parts: &[Part], rules: &Rules) -> io::Result<Judged> {
    let mut judged = Judged { conflicts: Vec::new(), dead: Vec::new(), notes: Vec::new() };
    for difference in &merged.differences {
        let (reason, diff) = match difference.what {
            What::Type => (Reason::Types, Vec::new()),
            What::Target => (Reason::Targets, Vec::new()),
            What::Mode => (Reason::Modes, Vec::new()),
            What::Content => look(difference, parts)?,
        };
        let conflict = |what, reason, diff| {
            let Difference { path, provided, .. } = difference;
            let difference = Difference { what, path: path.clone(), provided: provided.clone() };
            Conflict { providers: difference.providers(parts), path: difference.path, what, reason, diff }
        };
        let is_settled =
            reason == Reason::Only(vec![Cause::LineEndings]) && rules.line_endings == LineEndings::Same;
        if !is_settled {
            judged.conflicts.push(conflict(difference.what, reason, diff));
        } else if have_other_modes(difference, parts) {
            judged.conflicts.push(conflict(What::Mode, Reason::Modes, Vec::new()));
        } else {
            let (path, first) =
                (foreign::escape(&difference.path), &difference.provided[0].part(parts).machine);
            judged.notes.push(format!("{path}: {reason}; those of {first} are taken"));
        }
    }
    judged.dead = links::dead(merged, parts);
    Ok(judged)
}

fn have_other_modes(difference: &Difference, parts: &[Part]) -> bool {
    let mut modes = files(difference, parts).map(|(_, content)| content.mode);
    let first = modes.next();
    modes.any(|mode| Some(mode) != first)
}

fn files<'p>(difference: &Difference, parts: &'p [Part]) -> impl Iterator<Item = (&'p Part, &'p Content)> {
    difference.provided.iter().filter_map(|one| match &one.held(parts).node {
        Node::File(content) => Some((one.part(parts), content)),
        Node::Directory | Node::Link(_) => None,
    })
}

/// Compares each content with the first machine's. All of the difference must come down to the same few
/// causes.
fn look(difference: &Difference, parts: &[Part]) -> io::Result<(Reason, Vec<String>)> {
    let hosts: Vec<&str> = parts.iter().map(|part| MachineName::as_str(&part.machine)).collect();
    let mut seen: Vec<&Content> = Vec::new();
    let mut first: Vec<u8> = Vec::new();
    let (mut causes, mut diff): (Vec<Cause>, Vec<String>) = (Vec::new(), Vec::new());
    for (part, content) in files(difference, parts) {
        if seen.iter().any(|known| (known.md5, known.size) == (content.md5, content.size)) {
            continue;
        }
        if content.size > reason::MAX {
            return Ok((Reason::Contents, diff));
        }
        let Some(kept) = &part.contents.kept else { continue };
        let bytes = kept.read(content)?;
        if seen.is_empty() {
            first = bytes;
        } else {
            let reason = reason::compare(&first, &bytes, &hosts);
            if diff.is_empty() && reason::is_text(&first) && reason::is_text(&bytes) {
                diff = reason::diff(&first, &bytes);
            }
            let Reason::Only(more) = reason else { return Ok((reason, diff)) };
            causes.extend(more);
        }
        seen.push(content);
    }
    causes.sort_unstable();
    causes.dedup();
    if causes == [Cause::LineEndings] {
        // Lines that look the same help nobody.
        diff.clear();
    }
    Ok((Reason::Only(causes), diff))
}
