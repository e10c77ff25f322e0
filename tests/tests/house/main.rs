//! The house itself: which crate may use which, against the table in docs/design.md; that no modules use each
//! other in a circle; that what this page points to is there, each step as well; and how wide comments are.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What follows the table's head.
const HEAD: &str = "| crate | uses of ours |\n|---|---|\n";

fn cargo(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let ran = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root)
        .output();
    let ran = ran.expect("cargo");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// Returns what each crate below crates/ uses of the others.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let all: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version=1"])).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let packages = all["packages"].as_array().expect("packages").iter();
    let ours = packages.filter(|package| text(&package["manifest_path"]).contains("/crates/"));
    ours.map(|package| {
        let used = package["dependencies"].as_array().expect("dependencies").iter();
        // What is optional is for tests of others.
        let used = used
            .filter(|used| used["kind"].is_null() && used["path"].is_string() && used["optional"] != true);
        (text(&package["name"]), used.map(|used| text(&used["name"])).collect())
    })
    .collect()
}

/// Returns the table of the page.
fn told() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../../docs/design.md");
    let (_, table) = page.split_once(HEAD).expect("the table");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let name = names(cells[0]).pop_first().expect("a crate");
        (name, names(cells[1]))
    })
    .collect()
}

#[test]
fn house_h1_crates_use_each_other_as_the_page_of_the_design_says() {
    let uses = uses();
    assert!(uses.len() > 10, "{uses:?}");
    assert_eq!(uses, told());
}

#[test]
fn where_to_change_something_is_there() {
    let page = include_str!("../../../docs/design.md");
    let (_, table) = page.split_once("## To change something\n").expect("the table");
    let (table, _) = table.split_once("\n## ").expect("an end");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let paths: Vec<&str> =
        table.split('`').skip(1).step_by(2).filter(|word| word.starts_with("crates/")).collect();
    let missing: Vec<&&str> =
        paths.iter().filter(|path| !path.contains('*') && !root.join(path).exists()).collect();
    assert!(paths.len() > 20 && missing.is_empty(), "{missing:?}");
}

/// Every step that the log can name, but for the words of other events.
fn steps() -> BTreeSet<String> {
    let source = include_str!("../../../crates/core/src/txlog/step.rs");
    let words = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split(' ').next());
    let is_numbered = |word: &&str| word.len() == 2 && word.ends_with(|end: char| end.is_ascii_digit());
    words.filter(is_numbered).map(str::to_owned).collect()
}

#[test]
fn each_step_is_done_where_the_page_of_the_design_says() {
    let page = include_str!("../../../docs/design.md");
    let (_, table) = page.split_once("| step | function | file |\n|---|---|---|\n").expect("the table");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let mut told = BTreeSet::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> =
            row.trim_matches('|').split('|').map(|cell| cell.trim_matches([' ', '`'])).collect();
        let [step, function, file] = cells[..] else { panic!("{row}") };
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let body = source.split_once(&format!("fn {function}")).map(|(_, body)| body);
        let body = body.and_then(|body| body.split("\n    }\n").next()).unwrap_or_default();
        let names_it = body.contains(&format!("Step::{step}"))
            || (body.contains("STEP,") && source.contains(&format!("STEP: Step = Step::{step};")));
        assert!(names_it, "{row}");
        told.insert(step.to_owned());
    }
    assert!(told.len() > 10);
    assert_eq!(told, steps());
}

#[test]
fn house_h1_upload_is_built_without_openpgp_salesforce_and_what_archives() {
    let tree = cargo(&["tree", "--package=intraware-upload", "--edges=normal", "--prefix=none"]);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("ssh2") && names.contains("intraware-core"), "{tree}");
    let heavy =
        ["sequoia-openpgp", "rsforce", "libdeflater", "intraware-store-sqlite", "intraware-store-salesforce"];
    let found: Vec<&&str> = heavy.iter().filter(|name| names.contains(**name)).collect();
    assert_eq!(found, Vec::<&&str>::new());
    // Dispatching keeps its state in SQLite; nothing else of upload's does.
    let tree = cargo(&[
        "tree",
        "--package=intraware-upload",
        "--edges=normal",
        "--prefix=depth",
        "--invert=rusqlite",
    ]);
    let users: Vec<&str> = tree.lines().filter_map(|line| line.strip_prefix('1')).collect();
    assert!(users.len() == 1 && users[0].starts_with("intraware-dispatch "), "{tree}");
}

#[test]
fn house_h1_no_modules_use_each_other_in_a_circle() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").join("crates");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(crates).expect("the crates") {
        let path = entry.expect("a crate").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        found.extend(circles::of(&path.join("src")).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The widest a comment may be, in characters; a row of a table is as wide as it must be.
const WIDEST: usize = 110;

#[test]
fn comments_are_no_wider_than_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root).output().expect("git");
    let files = String::from_utf8(listed.stdout).expect("UTF-8");
    let mut wide = Vec::new();
    for file in files.lines() {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let comments = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//"));
        let bad = comments.filter(|(_, line)| line.chars().count() > WIDEST && !line.contains("//! |"));
        wide.extend(bad.map(|(index, _)| format!("{file}:{}", index + 1)));
    }
    assert!(files.lines().count() > 500 && wide.is_empty(), "{wide:?}");
}
