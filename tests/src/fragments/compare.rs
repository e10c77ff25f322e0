//! One row: fragments are made, and assembled twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use intraware_tests::{Packages, seen};

use crate::build;
use crate::row::{Comes, FUNCTIONS, Row};

const REFERENCE: &str = "tests/clients/assemble_reference.pl";
const MACHINES: [&str; 2] = ["ebb", "flow"];
const LIST: &str = "built.files.packageAssembly.xml";

/// Makes the fragments of a row and compares what comes of them. Returns what did, or why the row does not
/// hold.
pub(crate) fn row(row: &Row) -> Result<String, String> {
    let packages = Packages::default();
    for machine in MACHINES {
        fragment(row, &packages, machine)?;
    }
    let original = original(&packages);
    let arguments = ["--keepFragments", "--original-modes", "--quiet"];
    let ours = packages.assemble(&arguments);
    let said = String::from_utf8_lossy(&original.stderr);
    let finds_list = !said.contains("the original finds no list");
    match (&row.comes, original.status.code(), ours.status) {
        (Comes::Same | Comes::SameUnlessByName, Some(0), 0) => {
            if finds_list != matches!(row.comes, Comes::Same) {
                return Err(format!("the original: {}", said.trim()));
            }
            same_packages(&packages)?;
            Ok(if finds_list { "the same package" } else { "the same, had the original found the list" }
                .into())
        }
        (Comes::Conflict, Some(1), 1) => {
            same_conflicts(&String::from_utf8_lossy(&original.stdout), &ours.stderr)
        }
        (Comes::Refused(why), Some(0), 1) if ours.stderr.contains(why) => Ok(format!("refused: {why}")),
        (_, theirs, status) => {
            Err(format!("the original ended with {theirs:?}: {said}, manage with {status}: {}", ours.stderr))
        }
    }
}

/// Has a machine build, list and archive.
fn fragment(row: &Row, packages: &Packages, machine: &str) -> Result<(), String> {
    let dir = packages.path(machine);
    let planted = fs::create_dir(&dir).and_then(|()| build::plant(&dir, machine, row.names));
    planted.map_err(|e| format!("cannot make a build: {e}"))?;
    let out = packages.fragments().join(format!("foo_1.0_{machine}.tar.gz"));
    let bash = |script: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-euc", &format!("{FUNCTIONS}\n{script}")]).current_dir(&dir);
        output(bash.env("OUT", &out).env("HOST", machine).env("LC_ALL", "C.UTF-8"))
    };
    bash(row.before)?;
    let list = output(Command::new("perl").arg(REFERENCE).arg("list").arg(&dir).args([machine, row.list]))?;
    let path = dir.join(format!("built.files.{machine}.xml"));
    fs::write(&path, list.stdout).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    bash(row.script).map(drop)
}

/// Assembles as the original does; whether that succeeds is in what is returned.
fn original(packages: &Packages) -> Output {
    let fragments = MACHINES.map(|machine| packages.fragments().join(format!("foo_1.0_{machine}.tar.gz")));
    let mut perl = Command::new("perl");
    perl.arg(REFERENCE).arg("assemble").arg(theirs(packages)).args(fragments);
    perl.output().expect("perl can be started")
}

fn theirs(packages: &Packages) -> PathBuf {
    packages.path("original")
}

fn output(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{:?} failed: {said}", command.get_program()));
    }
    Ok(output)
}

fn same_packages(packages: &Packages) -> Result<(), String> {
    let (theirs, ours) = (theirs(packages), packages.root().join("foo/1.0"));
    let listed =
        |dir: &Path| -> Vec<String> { seen(dir).into_iter().filter(|line| !line.contains(LIST)).collect() };
    differ("the package", &listed(&theirs), &listed(&ours))?;
    let entries = |dir: &Path| entries(&fs::read_to_string(dir.join(LIST)).unwrap_or_default());
    differ("the list", &entries(&theirs), &entries(&ours))
}

/// Returns the entries of a list, sorted, and what is before and behind them: without attributes that are
/// empty, and without the targets of links, which only `manage` tells.
fn entries(list: &str) -> Vec<String> {
    let is_compared = |line: &&str| !line.contains("=\"\"") && !line.starts_with("        target=\"");
    let full: String = list.split_inclusive('\n').filter(is_compared).collect();
    let mut entries: Vec<String> = full.split_inclusive("/>\n").map(str::to_owned).collect();
    // The first has the beginning of the list before it.
    if let Some(at) = entries.first().and_then(|first| first.find("  <file ")) {
        let first = entries.remove(0);
        entries.extend([first[..at].to_owned(), first[at..].to_owned()]);
    }
    entries.sort();
    entries
}

/// Compares the reports, path by path; `manage` says the reason besides.
fn same_conflicts(theirs: &str, ours: &str) -> Result<String, String> {
    let reports = |said: &str| {
        let lines = said.lines().filter(|line| {
            ["File Name:", "Entry Path:", "    Provided by:"].iter().any(|begin| line.starts_with(begin))
        });
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    let (theirs, ours) = (reports(theirs), reports(ours));
    differ("the report", &theirs, &ours)?;
    if theirs.is_empty() { Err("nothing is reported".into()) } else { Ok("the same report".into()) }
}

fn differ(what: &str, theirs: &[String], ours: &[String]) -> Result<(), String> {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).take(3).cloned().collect::<Vec<String>>()
    };
    if theirs == ours {
        return Ok(());
    }
    Err(format!("{what} differs; original {:?}, manage {:?}", only(theirs, ours), only(ours, theirs)))
}
