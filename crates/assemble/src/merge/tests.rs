use intraware_core::digest::Hex;

use super::*;
use crate::nodes::{Content, Place};

fn file(content: u8, mode: u16) -> Node {
    Node::File(Content { md5: Hex([content; 16]), size: 1, mode, place: Place::among(0) })
}

fn link(target: &str) -> Node {
    Node::Link(target.into())
}

fn part(machine: &str, nodes: &[(&str, Node)]) -> Part {
    let mut contents = Contents::default();
    for (path, node) in nodes {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = if dir.is_empty() { TOP } else { contents.nodes.find(dir).unwrap() };
        contents.nodes.add(dir, name, node.clone()).unwrap();
    }
    contents.nodes.sort();
    Part { machine: MachineName::new(machine).unwrap(), contents }
}

/// Returns what becomes of a merge: the paths with their winners, and the differences.
fn merged(parts: &[Part], rules: &Rules) -> (Vec<String>, Vec<(String, What)>) {
    let merged = merge(parts, rules);
    let chosen = merged.chosen.iter().map(|one| {
        let also: Vec<u32> = merged.also(one).iter().map(|other| other.from).collect();
        format!("{} {} {also:?}", one.by.path(parts), one.by.from)
    });
    let differences = merged.differences.iter().map(|one| (one.path.clone(), one.what));
    (chosen.collect(), differences.collect())
}

#[test]
fn s3_15_s3_16_s3_17_s3_18_what_agrees_is_merged_and_what_does_not_is_told() {
    let parts = [
        part(
            "a",
            &[("d", Node::Directory), ("d/f", file(1, 0o644)), ("l", link("d")), ("m", file(1, 0o755))],
        ),
        part(
            "b",
            &[("d", Node::Directory), ("d/f", file(2, 0o644)), ("l", link("x")), ("m", file(1, 0o644))],
        ),
        part("c", &[("d", file(3, 0o644)), ("own", file(4, 0o644))]),
    ];
    let (chosen, differences) = merged(&parts, &Rules::default());
    assert_eq!(chosen, ["d 0 [1, 2]", "d/f 0 [1]", "l 0 [1]", "m 0 [1]", "own 2 []"]);
    let expected = [("d", What::Type), ("d/f", What::Content), ("l", What::Target), ("m", What::Mode)];
    assert_eq!(differences, expected.map(|(path, what)| (path.to_owned(), what)));
}

#[test]
fn s3_24_what_is_below_a_path_that_becomes_a_file_is_dropped() {
    let parts = [
        part("a", &[("d", file(1, 0o644))]),
        part(
            "b",
            &[
                ("d", Node::Directory),
                ("d-e", Node::Directory),
                ("d-e/x", file(2, 0o644)),
                ("d/e", Node::Directory),
                ("d/e/f", file(1, 0o644)),
            ],
        ),
    ];
    let (chosen, _) = merged(&parts, &Rules::default());
    assert_eq!(chosen, ["d 0 [1]", "d-e 1 []", "d-e/x 1 []"]);
}

#[test]
fn s3_21_rules_say_what_may_differ_and_who_wins() {
    let parts = [
        part("a", &[("descpkg", file(1, 0o644)), ("x", file(1, 0o644)), ("y", link("1"))]),
        part("b", &[("descpkg", file(2, 0o755)), ("x", file(2, 0o644)), ("y", link("2"))]),
    ];
    let mut rules = Rules::default();
    rules.allow("x", "last").unwrap();
    rules.allow("y", "b").unwrap();
    let (chosen, differences) = merged(&parts, &rules);
    assert_eq!(chosen, ["descpkg 0 [1]", "x 1 [0]", "y 1 [0]"]);
    assert_eq!(differences, []);
}

#[test]
fn s3_34_links_are_followed_within_the_package_alone() {
    let parts = [part(
        "a",
        &[
            ("d", Node::Directory),
            ("d/f", file(1, 0o644)),
            ("d/up", link("../top")),
            ("dead", link("d/nothing")),
            ("loop", link("loop")),
            ("out", link("..")),
            ("through-file", link("d/f/x")),
            ("to-d", link("d")),
            ("top", link("to-d/f")),
        ],
    )];
    let merged = merge(&parts, &Rules::default());
    let dead: Vec<String> = links::dead(&merged, &parts).into_iter().map(|link| link.path).collect();
    assert_eq!(dead, ["dead", "loop", "out", "through-file"]);
}
