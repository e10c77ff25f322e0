//! What two expressions have in common, found out and not guessed.
//!
//! An expression is made into an automaton over bytes, and two of them are run side by side through all names
//! that there can be, the shortest first. So whether a name matches both is certain, and the name that is
//! told is a real one. Where an automaton would be too large, nothing is told.

use std::collections::{HashMap, VecDeque};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, Input, MatchKind};

/// So large an automaton may be, in bytes.
const LARGEST: usize = 16 << 20;

/// So many pairs of states are looked at.
const MOST: usize = 50_000;

/// All names that an expression matches.
pub(crate) struct Names(dense::DFA<Vec<u32>>);

/// A state of an automaton, and whether it has matched on the way to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct At {
    state: StateID,
    has_matched: bool,
}

impl Names {
    /// Returns the names of an expression, if it can be told.
    pub(crate) fn of(expression: &str) -> Option<Self> {
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(LARGEST))
            .determinize_size_limit(Some(LARGEST));
        dense::Builder::new().configure(config).build(expression).ok().map(Self)
    }

    fn begin(&self) -> Option<At> {
        let state = self.0.start_state_forward(&Input::new("").anchored(Anchored::Yes)).ok()?;
        Some(At { state, has_matched: self.0.is_match_state(state) })
    }

    fn next(&self, at: At, byte: u8) -> At {
        let state = self.0.next_state(at.state, byte);
        At { state, has_matched: at.has_matched || self.0.is_match_state(state) }
    }

    /// Returns whether a name that ends here is one of them. An automaton tells a match a byte late.
    fn has(&self, at: At) -> bool {
        at.has_matched || self.0.is_match_state(self.0.next_eoi_state(at.state))
    }

    /// Returns whether no longer name is one of them.
    fn is_over(&self, at: At) -> bool {
        !at.has_matched && self.0.is_dead_state(at.state)
    }

    /// Returns the shortest name of these that is among the `others` too, or is not.
    pub(crate) fn example(&self, others: &Self, is_among: bool) -> Example {
        let (Some(a), Some(b)) = (self.begin(), others.begin()) else { return Example::Unknown };
        let mut seen: HashMap<(At, At), Option<(usize, u8)>> = HashMap::from([((a, b), None)]);
        let mut all = vec![(a, b)];
        let mut waiting = VecDeque::from([0]);
        while let Some(index) = waiting.pop_front() {
            let (a, b) = all[index];
            if index > 0 && self.has(a) && others.has(b) == is_among {
                return Example::Name(name(&all, &seen, index));
            }
            for byte in BYTES.iter().copied().filter(|byte| index > 0 || *byte != b'.') {
                let next = (self.next(a, byte), others.next(b, byte));
                let is_over = self.is_over(next.0) || (is_among && others.is_over(next.1));
                if is_over || seen.contains_key(&next) {
                    continue;
                }
                if all.len() == MOST {
                    return Example::Unknown;
                }
                seen.insert(next, Some((index, byte)));
                waiting.push_back(all.len());
                all.push(next);
            }
        }
        Example::None
    }
}

/// A name that was looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Example {
    /// This is one.
    Name(String),
    /// There is none.
    None,
    /// It cannot be told.
    Unknown,
}

/// Returns the bytes that led to a pair of states.
fn name(all: &[(At, At)], seen: &HashMap<(At, At), Option<(usize, u8)>>, mut index: usize) -> String {
    let mut bytes = Vec::new();
    while let Some(Some((before, byte))) = seen.get(&all[index]) {
        bytes.push(*byte);
        index = *before;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The bytes of names, those first that people use.
const BYTES: [u8; 222] = {
    let mut bytes = [0; 222];
    let mut count = 0;
    let first = b"abcdefghijklmnopqrstuvwxyz0123456789-._ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut i = 0;
    while i < first.len() {
        bytes[count] = first[i];
        count += 1;
        i += 1;
    }
    let mut byte: usize = 0x20;
    while byte < 0x100 {
        let is_first = matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'A'..=b'Z');
        if !is_first && byte != b'/' as usize && byte != 0x7f {
            bytes[count] = byte as u8;
            count += 1;
        }
        byte += 1;
    }
    assert!(count == bytes.len());
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn example(a: &str, b: &str, is_among: bool) -> Example {
        Names::of(a).unwrap().example(&Names::of(b).unwrap(), is_among)
    }

    fn both(a: &str, b: &str) -> Option<String> {
        match example(a, b, true) {
            Example::Name(name) => Some(name),
            Example::None => None,
            Example::Unknown => panic!("{a} and {b}: not told"),
        }
    }

    #[test]
    fn s2_04_the_shortest_name_that_two_expressions_share_is_found() {
        assert_eq!(both("app", "app-test").as_deref(), Some("app-test"));
        assert_eq!(both("app-[0-9]+$", "app-[a-z]+$"), None);
        assert_eq!(both(r"app-\d+\.tgz$", ".*gz$").as_deref(), Some("app-0.tgz"));
        assert_eq!(both("^a$", "a").as_deref(), Some("a"));
        assert_eq!(both("[ä]$", "ä").as_deref(), Some("ä"));
        assert_eq!(both("a|b", "b|c").as_deref(), Some("b"));
        assert_eq!(both(r"\.x", ".*"), None, "no package is called so");
        assert_eq!(both("a/b", ".*"), None);
        assert_eq!(both("a$b", ".*"), None);
    }

    #[test]
    fn s2_04_an_expression_that_another_covers_leaves_no_name() {
        assert_eq!(example("app-1", "app", false), Example::None);
        assert_eq!(example("app", "app-1", false), Example::Name("app".into()));
        assert_eq!(example("a|b", "a", false), Example::Name("b".into()));
    }
}
