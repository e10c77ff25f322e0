//! What is said, and what happens, when the machines contradict each other.

use intraware_tests::Packages;
use intraware_tests::fragment::Archive;

use crate::{common, of};

/// Puts a fragment for each machine.
fn packages(fragments: [(&str, Archive); 3]) -> Packages {
    let packages = Packages::default();
    fragments.into_iter().for_each(|(machine, archive)| packages.put(machine, archive));
    packages
}

/// Assembles, and checks that nothing was published and the fragments are there.
#[track_caller]
fn refused(packages: &Packages, says: &[&str]) -> String {
    let before = packages.all();
    let run = packages.assemble(&[]).expect(1).complains(says);
    assert_eq!(packages.all(), before, "{run:?}");
    assert_eq!(packages.left().len(), 3);
    run.stderr
}

#[test]
fn s3_15_types_that_differ_are_a_conflict() {
    let packages = packages([
        ("ebb", common().dir("x").file("x/y", 0o644, "1")),
        ("flow", common().file("x", 0o644, "2")),
        ("granite", common().link("x", "include")),
    ]);
    let lines = [
        "Entry Path: x\n",
        "    Provided by: ebb      Type: dir      Unique to: ebb\n",
        "    Provided by: flow     Type: file     Unique to: flow\n",
        "    Provided by: granite  Type: link     Unique to: granite\n",
        "    Reason: types differ\n",
    ];
    refused(&packages, &lines);
}

#[test]
fn s3_16_s3_22_s3_23_s3_25_all_conflicts_are_reported_with_who_has_the_same() {
    let with = |machine: &str, content: &str| {
        of(machine).dir("lib").file("lib/x", 0o644, content).file(
            "lib/y",
            0o644,
            format!("{content}{content}"),
        )
    };
    let packages = packages([
        ("ebb", with("ebb", "one\n")),
        ("flow", with("flow", "two\n")),
        ("granite", with("granite", "one\n")),
    ]);
    let said = refused(&packages, &[]);
    let expected = "\
File Name: lib/x
    Provided by: ebb      Same as: granite
    Provided by: flow     Unique to: flow
    Provided by: granite  Same as: ebb
    Reason: contents differ
    @@ line 1
    -one
    +two
File Name: lib/y
    Provided by: ebb      Same as: granite
    Provided by: flow     Unique to: flow
    Provided by: granite  Same as: ebb
    Reason: contents differ
    @@ line 1
    -one
    -one
    +two
    +two
error: 2 paths differ between machines; nothing was published
";
    assert_eq!(said, expected);
}

#[test]
fn s3_23_each_difference_has_its_reason() {
    let texts = [
        ("times", "made at 10:00:01\n", "made at 10:00:02\n", "only times differ"),
        (
            "place",
            "in /home/ebb/src/a.c\n",
            "in /home/flow/src/a.c\n",
            "only an embedded path or host name differs",
        ),
        ("host", "on ebb\n", "on flow\n", "only an embedded path or host name differs"),
        ("real", "a\n", "b\n", "contents differ"),
        ("binary", "\0a", "\0b", "contents differ"),
    ];
    let side = |first: bool, target: &str, mode: u32| {
        let archive = common().link("link", target).file("mode", mode, "m");
        texts
            .iter()
            .fold(archive, |archive, (name, a, b, _)| archive.file(name, 0o644, if first { a } else { b }))
    };
    let packages = packages([
        ("ebb", side(true, "include", 0o755)),
        ("flow", side(false, "include/a.h", 0o644)),
        ("granite", common()),
    ]);
    let said =
        refused(&packages, &["Target: include ", "Target: include/a.h ", "Mode: 0755 ", "Mode: 0644 "]);
    let reason = |name: &str| {
        let (_, after) = said.split_once(&format!("File Name: {name}\n")).expect("a conflict");
        after.lines().find_map(|line| line.strip_prefix("    Reason: ")).expect("a reason").to_owned()
    };
    for (name, _, _, why) in texts {
        assert_eq!(reason(name), why, "{name}");
    }
    assert_eq!([reason("link"), reason("mode")], ["link targets differ", "modes differ"]);
}

#[test]
fn s3_24_with_merge_errors_allowed_they_are_warnings_and_the_first_machine_wins() {
    let packages = packages([
        ("ebb", common().file("x", 0o644, "1").file("z", 0o644, "1")),
        ("flow", common().file("x", 0o644, "2").dir("z").file("z/below", 0o644, "2")),
        ("granite", common().link("dead", "nothing")),
    ]);
    packages.assemble(&["--mergeErrors", "--nomergeErrors"]).expect(1);
    let run = packages.assemble(&["--mergeErrors"]).expect(0);
    for warning in ["WARN File Name: x", "WARN Entry Path: z", "WARN Dead link: dead leads to nothing"] {
        assert!(run.stderr.contains(warning), "{run:?}");
    }
    assert_eq!([packages.read("x"), packages.read("z")], ["1", "1"]);
    assert!(packages.left().is_empty());
}

#[test]
fn s3_34_dead_links_are_found_in_the_merged_package() {
    let packages = packages([
        ("ebb", common().dir("d").link("d/to-flow", "../only-flow").link("chain", "d/to-flow")),
        ("flow", common().file("only-flow", 0o644, "x")),
        ("granite", common().link("here", "gone").link("loop1", "loop2").link("loop2", "loop1")),
    ]);
    let said = refused(&packages, &["Dead link: here leads to gone, which no machine provides (granite)"]);
    assert!(
        said.contains("Dead link: loop1") && !said.contains("chain") && !said.contains("to-flow"),
        "{said}"
    );
    assert!(said.ends_with("error: 3 links lead to nothing; nothing was published\n"), "{said}");
}

#[test]
fn s3_35_text_that_differs_in_its_line_ends_alone_is_the_same() {
    let packages = packages([
        ("ebb", common().file("t", 0o644, "a\nb\n")),
        ("flow", common().file("t", 0o644, "a\r\nb\r\n")),
        ("granite", common().file("t", 0o644, "a\rb\r")),
    ]);
    let config = packages.path("strict.toml");
    std::fs::write(&config, "[assemble]\nline_endings = \"conflict\"\n").unwrap();
    let strict = packages.assemble(&["--config", config.to_str().unwrap()]).expect(1);
    assert!(strict.stderr.contains("Reason: only line endings differ\nerror:"), "{strict:?}");
    packages.assemble(&[]).expect(0).complains(&["t: only line endings differ; those of ebb are taken"]);
    assert_eq!(packages.read("t"), "a\nb\n");
}

#[test]
fn s3_24_what_is_reported_is_in_the_json_too() {
    let packages = packages([
        ("ebb", common().file("x", 0o644, "1")),
        ("flow", common().file("x", 0o644, "2")),
        ("granite", common()),
    ]);
    let refused = packages.assemble(&["--json"]).expect(1).json();
    assert_eq!(refused["conflicts"][0]["path"], "x");
    assert_eq!(refused["conflicts"][0]["reason"], "contents differ");
    let assembled = packages.assemble(&["--json", "--mergeErrors"]).expect(0).json();
    assert_eq!(assembled["conflicts"][0]["providers"][1]["machine"], "flow");
    let entries = assembled["entries"].as_array().unwrap();
    let x = entries.iter().find(|entry| entry["path"] == "x").unwrap();
    assert_eq!((x["machine"].as_str(), x["also"][0].as_str()), (Some("ebb"), Some("flow")));
    assert_eq!(assembled["fragments_deleted"], true);
}
