//! Which paths may differ between machines, and who wins them.
//!
//! A pattern is compared with the whole path, name by name: `*` stands for any part of a name, `?` for one
//! character of it, and `**` as a name for any number of names. Where several patterns match, the longest
//! decides.

use intraware_core::foreign;

use crate::names::MachineName;

/// What may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Longest pattern first, and then by its letters.
    patterns: Vec<(String, Winner)>,
    /// What becomes of text that differs in its line ends alone.
    pub line_endings: LineEndings,
}

/// Who wins a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Winner {
    /// The first machine by name.
    First,
    /// The last machine by name.
    Last,
    /// This one where it provides the path, else the first.
    Machine(MachineName),
}

/// What becomes of text that differs in its line ends alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEndings {
    /// It is the same, and the winner's line ends are taken.
    Same,
    /// It is a conflict.
    Conflict,
}

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule for \"{pattern}\" is wrong: {why}")]
pub struct BadRule {
    pattern: String,
    why: String,
}

/// What may differ without any configuration: files that are generated on each machine.
const BUILT_IN: [&str; 2] = ["descpkg", "*/**/version*.h"];

impl Default for Rules {
    fn default() -> Self {
        let patterns = BUILT_IN.map(|pattern| (pattern.to_owned(), Winner::First)).to_vec();
        let mut rules = Self { patterns, line_endings: LineEndings::Same };
        rules.sort();
        rules
    }
}

impl Rules {
    /// Adds a pattern and who wins what it matches: `first`, `last`, or a machine's name.
    pub fn allow(&mut self, pattern: &str, winner: &str) -> Result<(), BadRule> {
        let bad = |why: String| BadRule { pattern: foreign::escape(pattern), why };
        let winner = match winner {
            "first" => Winner::First,
            "last" => Winner::Last,
            name => Winner::Machine(MachineName::new(name).map_err(|e| bad(e.to_string()))?),
        };
        if pattern.split('/').any(|name| matches!(name, "" | "." | "..")) {
            let why = "a pattern is a path below the package, without empty, \".\" and \"..\" names";
            return Err(bad(why.to_owned()));
        }
        self.patterns.retain(|(known, _)| known != pattern);
        self.patterns.push((pattern.to_owned(), winner));
        self.sort();
        Ok(())
    }

    /// Returns whether machines may provide different things at `path`.
    pub(crate) fn may_differ(&self, path: &str) -> bool {
        self.of(path).is_some()
    }

    /// Returns who wins `path`.
    pub(crate) fn winner(&self, path: &str) -> &Winner {
        self.of(path).unwrap_or(&Winner::First)
    }

    fn of(&self, path: &str) -> Option<&Winner> {
        self.patterns.iter().find(|(pattern, _)| matches(pattern, path)).map(|(_, winner)| winner)
    }

    fn sort(&mut self) {
        self.patterns.sort_by(|(a, _), (b, _)| (b.len(), a).cmp(&(a.len(), b)));
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (first, more) = split(pattern);
    let (name, rest) = split(path);
    if first == "**" {
        let Some(more) = more else { return true };
        // `**` for no name, or for this one and perhaps further ones.
        return matches(more, path) || rest.is_some_and(|rest| matches(pattern, rest));
    }
    in_name(first.as_bytes(), name.as_bytes())
        && match (more, rest) {
            (None, None) => true,
            (Some(more), Some(rest)) => matches(more, rest),
            (Some(_), None) | (None, Some(_)) => false,
        }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

/// Compares one name, going back to the last `*` where the rest does not fit.
fn in_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, n) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_21_descpkg_and_versions_in_a_subdirectory_may_differ() {
        let rules = Rules::default();
        for path in ["descpkg", "include/version.h", "a/b/c/version_x.h", "a/version.h"] {
            assert!(rules.may_differ(path), "{path}");
        }
        for path in ["version.h", "a/descpkg", "descpkg2", "a/xversion.h", "a/version.hpp", "version/a.h"] {
            assert!(!rules.may_differ(path), "{path}");
        }
    }

    #[test]
    fn the_longest_pattern_decides_who_wins() {
        let mut rules = Rules::default();
        rules.allow("doc/**", "last").unwrap();
        rules.allow("doc/*/build.log", "ebb").unwrap();
        rules.allow("descpkg", "last").unwrap();
        let ebb = Winner::Machine(MachineName::new("ebb").unwrap());
        let winners =
            ["doc/a/b/c", "doc/x/build.log", "descpkg", "bin/x"].map(|path| rules.winner(path).clone());
        assert_eq!(winners, [Winner::Last, ebb, Winner::Last, Winner::First]);
        assert!(rules.allow("/a", "first").is_err() && rules.allow("a", "no machine").is_err());
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, yes) in [
            ("a*b?", "axxbc", true),
            ("a*b?", "axxb", false),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("**/x", "x", true),
            ("**/x", "a/b/x", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/c/d", false),
            ("*a*a*a*", "aabaab", true),
        ] {
            assert_eq!(matches(pattern, path), yes, "{pattern} {path}");
        }
    }
}
