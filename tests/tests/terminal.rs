//! Nothing that others wrote steers a terminal or forges a line: names, paths and reasons from records, names
//! of files, words of servers.
//!
//! Everything that the programs can say is looked at, text and JSON.

use std::fs;
use std::path::Path;

use intraware_tests::support::salesforce::{Fault, On};
use intraware_tests::{BUILD, Bench, Run};
use serde_json::json;

fn fill(dir: &Path) {
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
}

/// What steers a terminal or fakes a line, in a name.
const STEERING: &str = "p\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\u{202e}drowssap\u{7f}\r\nerror: forged";

/// Returns the first character of a text that a terminal would obey, with what stands around it.
fn obeyed(text: &str) -> Option<String> {
    let steers = |c: char| {
        c.is_control() && c != '\n' && c != '\t'
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    let at = text.find(steers)?;
    Some(
        text[..at]
            .chars()
            .rev()
            .take(60)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .chain(text[at..].chars().take(60))
            .collect(),
    )
}

/// Checks that nothing that was said so far steers a terminal or begins a line of its own.
#[track_caller]
fn assert_tame(runs: &[Run]) {
    assert!(!runs.is_empty());
    for run in runs {
        for text in [&run.stdout, &run.stderr] {
            if let Some(found) = obeyed(text) {
                panic!("a terminal obeys this: {found:?}\nin {run:?}");
            }
            assert!(!text.lines().any(|line| line.starts_with("error: forged")), "a forged line: {run:?}");
        }
    }
}

/// Says everything in text and JSON, without colors of our own.
fn say_all_plainly(bench: &Bench, build: &str) -> Vec<Run> {
    let manage: [&[&str]; 12] = [
        &["run", "--dry-run"],
        &["run", "--dry-run", "--json"],
        &["-vv", "run"],
        &["run", "--json"],
        &["-vv", "--log-format", "json", "run", "--build", build],
        &["status"],
        &["status", "--json"],
        &["why", build],
        &["log"],
        &["log", "--json"],
        &["hold", build, "--reason", STEERING],
        &["check"],
    ];
    let upload: [&[&str]; 5] = [
        &["status"],
        &["status", "--json"],
        &["run", "--dry-run"],
        &["run", "--dry-run", "--json"],
        &["-vv", "run"],
    ];
    let mut runs: Vec<Run> = manage.iter().map(|arguments| bench.manage(arguments)).collect();
    runs.extend(upload.iter().map(|arguments| bench.upload(arguments)));
    let held: [&[&str]; 4] =
        [&["status"], &["status", "--json"], &["run", "--dry-run", "--json"], &["why", build]];
    runs.extend(held.iter().map(|arguments| bench.manage(arguments)));
    runs.push(bench.manage(&["unhold", build]));
    runs.push(bench.manage(&["-vv", "run"]));
    runs
}

#[test]
fn names_and_paths_of_records_do_not_steer_a_terminal() {
    let bench = Bench::builder().salesforce().build();
    let id = bench.add_build("p1", "p1", fill);
    bench.salesforce().force(BUILD, &id, json!({ "Name": STEERING }));
    let path = format!("{}/{STEERING}", bench.build_root().display());
    let bad = bench.add_record("p2", &path);
    let mut runs = say_all_plainly(&bench, &id);
    runs.extend(say_all_plainly(&bench, &bad));
    runs.push(bench.manage(&["run", "--build", STEERING]));
    runs.push(bench.manage(&["why", "no such\u{1b}[31m"]));
    runs.push(bench.upload(&["run", "--job", STEERING]));
    assert_tame(&runs);
    assert!(runs.iter().any(|run| run.stdout.contains("\\x1b[31mred")), "the name is not shown at all");
    let log =
        fs::read_dir(bench.path("spool/log")).expect("the log").map(|file| file.expect("a file").path());
    log.for_each(|file| assert_eq!(obeyed(&fs::read_to_string(&file).expect("a log")), None));
    let (status, detail) = bench.status("p2");
    assert_eq!((status.as_str(), obeyed(&detail)), ("Error", None));
}

#[test]
fn names_of_files_do_not_steer_a_terminal() {
    let bench = Bench::builder().build();
    let steering = STEERING.replace('\u{9b}', "");
    bench.add_build("p1", "p1", |dir| {
        fs::create_dir(dir.join(&steering)).expect("a directory");
        let pipe = std::process::Command::new("mkfifo").arg(dir.join(&steering).join(&steering)).status();
        assert!(pipe.is_ok_and(|status| status.success()), "mkfifo");
    });
    bench.add_build("p2", "p2", fill);
    bench.manage(&["run", "--build", "p2"]).expect_silence();
    // In the spool, and at the site, beside what belongs there.
    for dir in ["spool/staged", "spool/upload", "spool/work", "site/p2"] {
        fs::create_dir(bench.path(dir).join(&steering)).expect("a directory");
        fs::write(bench.path(dir).join(format!(".p2.tar.gz.{steering}.part")), "").expect("a file");
    }
    let mut runs = say_all_plainly(&bench, "p1");
    runs.extend(say_all_plainly(&bench, "p2"));
    assert_tame(&runs);
    let (status, detail) = bench.status("p1");
    assert_eq!((status.as_str(), obeyed(&detail)), ("Error", None));
    assert!(detail.contains("\\x1b[31mred"), "{detail}");
}

#[test]
fn words_of_a_server_do_not_steer_a_terminal() {
    let bench = Bench::builder().salesforce().build();
    bench.add_build("p1", "p1", fill);
    let mut runs = Vec::new();
    for (on, fault) in [
        (
            On::Login,
            Fault::Answer(400, json!({ "error": STEERING, "error_description": STEERING }).to_string()),
        ),
        (
            On::Describe,
            Fault::Answer(404, json!([{ "errorCode": STEERING, "message": STEERING }]).to_string()),
        ),
        (On::Query, Fault::Answer(400, json!([{ "errorCode": STEERING, "message": STEERING }]).to_string())),
        (On::Query, Fault::Answer(502, STEERING.to_owned())),
        (On::Query, Fault::Answer(200, STEERING.to_owned())),
        (On::Update, Fault::Answer(400, json!([{ "errorCode": "X", "message": STEERING }]).to_string())),
    ] {
        let _ = fs::remove_dir_all(bench.path("var"));
        fs::create_dir(bench.path("var")).expect("an empty cache");
        bench.salesforce().clear_faults();
        bench.salesforce().inject(fault, on, 0, 1000);
        let before = runs.len();
        runs.extend([bench.manage(&["check"]), bench.manage(&["-vv", "run"])]);
        runs.extend([bench.manage(&["--log-format", "json", "-vv", "run"]), bench.manage(&["status"])]);
        assert!(runs[before..].iter().any(|run| run.status != 0), "{on:?} is asked for nothing");
    }
    assert_tame(&runs);
    assert!(
        runs.iter().any(|run| run.stderr.contains("\\x1b[31mred")),
        "what the server says is not shown at all"
    );
}
