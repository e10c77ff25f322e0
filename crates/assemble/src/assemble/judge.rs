//! What the machines' disagreements come down to: looks into the contents that differ, and only into those.

use std::fs::File;
use std::io::{self, Read as _};

use intraware_core::foreign;
use rustix::fs::{Mode, OFlags};

use crate::merge::links::{self, DeadLink};
use crate::merge::{Conflict, Difference, LineEndings, Merged, Part, Rules, What};
use crate::names::MachineName;
use crate::partial::{Partial, contents};
use crate::reason::{self, Cause, Reason};
use crate::unpack::{Content, Held, Node};

/// What is said of a merge.
pub(super) struct Judged {
    pub(super) conflicts: Vec<Conflict>,
    pub(super) dead: Vec<DeadLink>,
    /// Differences that are none by the rules; escaped.
    pub(super) notes: Vec<String>,
}

pub(super) fn judge(
    merged: &Merged<'_>,
    parts: &[Part],
    partial: &Partial,
    rules: &Rules,
) -> io::Result<Judged> {
    let mut judged = Judged { conflicts: Vec::new(), dead: Vec::new(), notes: Vec::new() };
    for difference in &merged.differences {
        let (reason, diff) = match difference.what {
            What::Type => (Reason::Types, Vec::new()),
            What::Target => (Reason::Targets, Vec::new()),
            What::Mode => (Reason::Modes, Vec::new()),
            What::Content => look(difference, parts, partial)?,
        };
        let conflict = |what, reason, diff| {
            let difference =
                Difference { what, path: difference.path, provided: difference.provided.clone() };
            let providers = difference.providers(parts);
            Conflict { path: difference.path.to_owned(), what, providers, reason, diff }
        };
        let is_settled =
            reason == Reason::Only(vec![Cause::LineEndings]) && rules.line_endings == LineEndings::Same;
        if !is_settled {
            judged.conflicts.push(conflict(difference.what, reason, diff));
        } else if have_other_modes(difference) {
            judged.conflicts.push(conflict(What::Mode, Reason::Modes, Vec::new()));
        } else {
            let (path, first) = (foreign::escape(difference.path), &parts[difference.provided[0].0].machine);
            judged.notes.push(format!("{path}: {reason}; those of {first} are taken"));
        }
    }
    for index in links::dead(&merged.chosen) {
        let one = &merged.chosen[index];
        if let Node::Link(target) = &one.held.node {
            let machine = parts[one.from].machine.clone();
            judged.dead.push(DeadLink { path: one.path.to_owned(), target: target.to_string(), machine });
        }
    }
    Ok(judged)
}

fn have_other_modes(difference: &Difference<'_>) -> bool {
    let mut modes = files(difference).map(|(_, content)| content.mode);
    let first = modes.next();
    modes.any(|mode| Some(mode) != first)
}

fn files<'d>(difference: &'d Difference<'_>) -> impl Iterator<Item = (usize, &'d Content)> {
    difference.provided.iter().filter_map(|(index, held): &(usize, &Held)| match &held.node {
        Node::File(content) => Some((*index, content)),
        Node::Directory | Node::Link(_) => None,
    })
}

/// Compares each content with the first machine's. All of the difference must come down to the same few causes.
fn look(difference: &Difference<'_>, parts: &[Part], partial: &Partial) -> io::Result<(Reason, Vec<String>)> {
    let hosts: Vec<&str> = parts.iter().map(|part| MachineName::as_str(&part.machine)).collect();
    let mut seen: Vec<&Content> = Vec::new();
    let mut first: Vec<u8> = Vec::new();
    let (mut causes, mut diff): (Vec<Cause>, Vec<String>) = (Vec::new(), Vec::new());
    for (index, content) in files(difference) {
        if seen.iter().any(|known| (known.md5, known.size) == (content.md5, content.size)) {
            continue;
        }
        if content.size > reason::MAX {
            return Ok((Reason::Contents, diff));
        }
        let bytes = read(partial, index, content)?;
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

fn read(partial: &Partial, index: usize, content: &Content) -> io::Result<Vec<u8>> {
    let path = format!("{}/{}", contents(index), content.blob);
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(partial.fd(), path, how, Mode::empty())?;
    let mut bytes = Vec::new();
    File::from(file).take(reason::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
