//! What a difference between two contents comes down to, for people who must decide what to do about it.
//!
//! Both contents are brought into a form in which line ends, times, or paths and host names are all the same;
//! where that makes them equal, nothing else differs. What looks like a time or a path is guessed,
//! generously: a wrong guess changes a word in a report, and only line ends, which are not guessed, can make
//! a difference none.

mod diff;
mod places;
mod times;

use std::fmt;

use serde::{Serialize, Serializer};

pub(crate) use diff::diff;

/// Contents larger than this are not looked into.
pub(crate) const MAX: u64 = 4 << 20;

/// What a difference comes down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing else differs than these.
    Only(Vec<Cause>),
    /// Types differ.
    Types,
    /// Link targets differ.
    Targets,
    /// Permissions differ.
    Modes,
    /// Contents differ.
    Contents,
}

/// What may be all that differs between two contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// LF, CR LF or CR at the ends of lines.
    LineEndings,
    /// Dates and times.
    Times,
    /// A path of the machine's, or its name.
    Places,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only(causes) => match causes.as_slice() {
                [Cause::Places] => f.write_str("only an embedded path or host name differs"),
                causes => {
                    let words: Vec<String> = causes.iter().map(Cause::to_string).collect();
                    write!(f, "only {} differ", words.join(" and "))
                }
            },
            Self::Types => f.write_str("types differ"),
            Self::Targets => f.write_str("link targets differ"),
            Self::Modes => f.write_str("modes differ"),
            Self::Contents => f.write_str("contents differ"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEndings => "line endings",
            Self::Times => "times",
            Self::Places => "an embedded path or host name",
        })
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns whether contents are text: without NUL bytes.
pub(crate) fn is_text(content: &[u8]) -> bool {
    !content.contains(&0)
}

/// Compares two contents that differ; `hosts` are the names of all machines.
pub(crate) fn compare(a: &[u8], b: &[u8], hosts: &[&str]) -> Reason {
    const SETS: [&[Cause]; 7] = [
        &[Cause::LineEndings],
        &[Cause::Times],
        &[Cause::Places],
        &[Cause::LineEndings, Cause::Times],
        &[Cause::LineEndings, Cause::Places],
        &[Cause::Times, Cause::Places],
        &[Cause::LineEndings, Cause::Times, Cause::Places],
    ];
    let are_text = is_text(a) && is_text(b);
    let form = |content: &[u8], causes: &[Cause]| {
        let mut form = content.to_vec();
        // Paths before times, since there are dates in paths.
        for (cause, bring) in [
            (Cause::LineEndings, lines as fn(&[u8], &[&str]) -> Vec<u8>),
            (Cause::Places, places::without),
            (Cause::Times, times::without),
        ] {
            if causes.contains(&cause) {
                form = bring(&form, hosts);
            }
        }
        form
    };
    let fits = |causes: &&&[Cause]| {
        (are_text || !causes.contains(&Cause::LineEndings)) && form(a, causes) == form(b, causes)
    };
    SETS.iter().find(fits).map_or(Reason::Contents, |causes| Reason::Only(causes.to_vec()))
}

/// Returns the content with `mark` for each thing that `find` tells the length of. A thing begins where no
/// word goes on, of such bytes as `is_word` says.
fn marked(
    content: &[u8],
    mark: &[u8],
    is_word: impl Fn(u8) -> bool,
    find: impl Fn(&[u8]) -> Option<usize>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut at = 0;
    while at < content.len() {
        let begins = at == 0 || !is_word(content[at - 1]);
        match begins.then(|| find(&content[at..])).flatten() {
            Some(length) => {
                out.extend_from_slice(mark);
                at += length;
            }
            None => {
                out.push(content[at]);
                at += 1;
            }
        }
    }
    out
}

/// Returns text in which every line ends with LF.
fn lines(text: &[u8], _hosts: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'\r' if text.get(i + 1) == Some(&b'\n') => {}
            b'\r' => out.push(b'\n'),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(a: &str, b: &str) -> String {
        compare(a.as_bytes(), b.as_bytes(), &["ebb", "flow"]).to_string()
    }

    #[test]
    fn s3_35_line_endings_are_compared_in_a_machine_independent_way() {
        assert_eq!(reason("a\nb\n", "a\r\nb\r\n"), "only line endings differ");
        assert_eq!(reason("a\nb\n", "a\rb\r"), "only line endings differ");
        assert_eq!(reason("a\nb\n", "a\r\nc\r\n"), "contents differ");
        // In what is no text, CR is a byte like any other.
        assert_eq!(reason("\0a\n", "\0a\r\n"), "contents differ");
    }

    #[test]
    fn times_paths_and_host_names_are_told_from_other_contents() {
        let times = "only times differ";
        assert_eq!(reason("Built 2026-11-21T16:17:10Z.", "Built 2026-11-20T03:00:59Z."), times);
        assert_eq!(reason("on Sat Nov 21 16:16:10 UTC 2026\n", "on Fri Nov 20 1:02:03 CET 2025\n"), times);
        assert_eq!(reason("t=1763741830;", "t=1763741999;"), times);
        assert_eq!(reason("21/11/2026 4:16 PM", "1/2/2025 11:30 AM"), times);
        let places = "only an embedded path or host name differs";
        assert_eq!(reason("built on EBB by x", "built on flow by x"), places);
        assert_eq!(reason("\0/home/a/src/x.c\0", "\0/data/build/7/x.c\0"), places);
        assert_eq!(reason("f=\"C:\\a\\b\"", "f=\"D:\\c\\d\\e\""), places);
        let both = "only times and an embedded path or host name differ";
        assert_eq!(reason("ebb 10:00:01", "flow 10:00:02"), both);
        assert_eq!(
            reason("ebb 10:00\n", "flow 10:01\r\n"),
            "only line endings and times and an embedded path or host name differ"
        );
        for (a, b) in [
            ("v1.2.3", "v1.2.4"),
            ("size 12", "size 13"),
            ("//foo", "//bar"),
            ("ebbs", "flows"),
            ("may 5x", "june 5x"),
        ] {
            assert_eq!(reason(a, b), "contents differ", "{a} {b}");
        }
    }
}
