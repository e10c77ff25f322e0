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
fn crates_use_each_other_as_the_page_of_the_design_says() {
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

/// Returns the lines of the table of steps, as the source has them: each function that names one to the log.
fn steps() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let dirs = ["crates/manage/src/*.rs", "crates/upload/src/*.rs", "crates/dispatch/src/*.rs"];
    let listed = Command::new("git").arg("ls-files").args(dirs).current_dir(root).output().expect("git");
    let files = String::from_utf8(listed.stdout).expect("UTF-8");
    let mut found = BTreeSet::new();
    for file in files.lines().filter(|file| !file.contains("tests")) {
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let constant = source.lines().find_map(|line| line.strip_prefix("const STEP: Step = Step::"));
        let mut function = "";
        for line in source.lines() {
            if let Some((_, after)) = line.split_once("fn ") {
                function =
                    after.split(|end: char| !end.is_alphanumeric() && end != '_').next().unwrap_or_default();
            }
            let named = line.split("Step::").skip(1).filter_map(|after| after.get(..2));
            let by_constant = constant.filter(|_| line.contains("STEP,")).and_then(|step| step.get(..2));
            for step in named.chain(by_constant).filter(|step| {
                step.starts_with(['M', 'U', 'C', 'D']) && step.ends_with(|end: char| end.is_ascii_digit())
            }) {
                if !function.is_empty() {
                    found.insert(format!("| {step} | `{function}` | `{file}` |"));
                }
            }
        }
    }
    found
}

#[test]
fn each_step_is_done_where_the_page_of_the_design_says() {
    let page = include_str!("../../../docs/design.md");
    let (_, table) = page.split_once("| step | function | file |\n|---|---|---|\n").expect("the table");
    let told: BTreeSet<String> =
        table.lines().take_while(|line| line.starts_with('|')).map(str::to_owned).collect();
    assert!(told.len() > 20);
    assert_eq!(told, steps());
}

#[test]
fn upload_is_built_without_openpgp_salesforce_and_what_archives() {
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
fn no_modules_use_each_other_in_a_circle() {
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
