//! What the programs say: one cause in one line, what waits and what would help, and that it fits the
//! terminal.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use intraware_tests::support::salesforce::{Fault, On};
use intraware_tests::support::sshd::Access;
use intraware_tests::{BUILD, Bench, Program, Running};
use serde_json::json;

fn small(dir: &Path) {
    fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {}\n", dir.display())).expect("a file");
}

fn add(bench: &Bench, names: &[&str]) {
    names.iter().for_each(|name| drop(bench.add_build(name, &format!("blast/{name}"), small)));
}

/// Returns the URL of a site at which nobody listens.
fn nobody(bench: &Bench) -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = bench.sshd().addr().to_string();
    bench.sshd().url().replace(&there, &free.local_addr().expect("an address").to_string())
}

const AWAY: &str = "site bench cannot be reached since 20";
const DELIVER: &str = "unblock   put right what that says, then: upload run --job 1.";
const UNBLOCK: &str = "unblock   put right what that says, then: upload check";

#[test]
fn newcomer_b3_why_and_dry_run_know_that_a_site_is_away() {
    let bench = Bench::builder().sshd(Access::Shell).build();
    add(&bench, &["sent", "q1"]);
    bench.manage(&["run", "--build", "sent"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    bench.sshd().change_host_key(true);
    bench.manage(&["run"]).expect(77);
    add(&bench, &["new"]);
    // One is staged, one is new.
    for name in ["q1", "new"] {
        let why = bench.manage(&["why", name]).expect(0).stdout;
        for part in [AWAY, "checking the host key", UNBLOCK] {
            assert!(why.contains(part), "{part}: {why}");
        }
        assert!(!why.contains("nothing does"), "{why}");
    }
    let plan = bench.manage(&["run", "--dry-run"]).expect(77);
    assert!(
        plan.stdout.lines().any(|line| line.starts_with("q1 (") && line.contains(": waits: site bench")),
        "{plan:?}"
    );
    assert!(
        plan.stdout.lines().any(|line| line.starts_with("new (") && line.contains("and waits then: ")),
        "{plan:?}"
    );
    bench.sshd().change_host_key(false);
    bench.upload(&["check"]).expect(0);
    let why = bench.manage(&["why", "q1"]).expect(0).stdout;
    assert!(
        why.contains(
            "unblock   nothing needed; the next run goes on by itself. At once: manage run --build "
        ),
        "{why}"
    );
}

#[test]
fn newcomer_b3_why_and_dry_run_try_the_signing_key() {
    let bench = Bench::builder().build();
    add(&bench, &["p1"]);
    fs::write(bench.path("etc/signing-key.asc"), "no key").expect("a key");
    let why = bench.manage(&["why", "p1"]).expect(0).stdout;
    assert!(why.contains("next      waits: cannot sign: ") && why.contains("; archive "), "{why}");
    assert!(why.contains("unblock   put right what that says, then: manage check"), "{why}");
    let plan = bench.manage(&["run", "--dry-run"]);
    assert!(plan.status == 77 && plan.stdout.contains("waits: cannot sign: "), "{plan:?}");
}

#[test]
fn newcomer_b6_b7_a_site_that_failed_once_is_not_said_to_be_left_alone_and_builds_wait_for_it() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    add(&bench, &["q1"]);
    bench.manage(&["run"]).expect_silence();
    let url = nobody(&bench);
    bench.set_site("url", url);
    bench.upload(&["run"]).expect(69);
    let status = bench.manage(&["status"]).expect(0).stdout;
    for part in [
        AWAY,
        "each run tries again, from the second failure on after pauses",
        "waits for site bench (cannot be reached)",
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(!status.contains("left alone"), "{status}");
    let line = &bench.manage(&["status", "--json"]).expect(0).json()["builds"][0];
    assert_eq!(line["waits_for"], json!(["bench"]));
    let why = bench.manage(&["why", "q1"]).expect(0).stdout;
    assert!(why.contains("waits for `upload`") && why.contains(AWAY) && why.contains(DELIVER), "{why}");
    let plan = bench.upload(&["run", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains(AWAY), "{plan}");
}

#[test]
fn newcomer_m1_m4_one_cause_is_one_line_with_its_cause_before_its_remedy() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    add(&bench, &["q1", "s1", "s2"]);
    bench.manage(&["run"]).expect_silence();
    let url = nobody(&bench);
    bench.set_site("url", url);
    let run = bench.upload(&["run"]).expect(69);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    run.clone().complains(&[
        "connecting to site bench (127.0.0.1:",
        "): Connection refused; look whether the server and the network are up; 3 builds wait: q1 (",
        "s1 (",
        "s2 (",
    ]);
    assert!(!run.stderr.contains("os error"), "{run:?}");
}

#[test]
fn newcomer_m2_who_does_not_answer_has_a_name() {
    let bench = Bench::builder().salesforce().build();
    add(&bench, &["p1"]);
    bench.salesforce().inject(Fault::Disconnect, On::AnyCall, 0, u32::MAX);
    let said = bench.manage(&["run"]).stderr;
    assert!(said.contains("Salesforce at 127.0.0.1:"), "{said}");
}

#[test]
fn newcomer_m10_why_says_which_rule_leaves_a_record_out() {
    let mut bench = Bench::builder().salesforce().build();
    let id = bench.add_build("rel1", "blast/rel1", small);
    bench.salesforce().edit(BUILD, &id, json!({ "build_type__c": "Release Build" }));
    let why = || bench.manage(&["why", "rel1"]).expect(0).stdout;
    let told = "its build type is \"Release Build\", and records.values.build_type takes \"Patch Build\"";
    assert!(why().contains(told), "{}", why());
    bench.salesforce().edit(BUILD, &id, json!({ "build_type__c": null }));
    assert!(why().contains("it has no build type"), "{}", why());
    bench.salesforce().edit(BUILD, &id, json!({ "build_type__c": "Patch Build", "Build_Path__c": null }));
    assert!(why().contains("it has no build path"), "{}", why());
    let path = bench.build_root().join("blast/rel1");
    bench.salesforce().edit(BUILD, &id, json!({ "Build_Path__c": path }));
    bench.set("records.filter.Name", "other");
    let why = bench.manage(&["why", "rel1"]).expect(0).stdout;
    assert!(why.contains("its Name is \"rel1\", and records.filter takes \"other\""), "{why}");
}

#[test]
fn newcomer_b11_status_fits_80_columns_and_shows_first_what_is_not_completed() {
    let bench = Bench::builder().salesforce().build();
    let ids: Vec<String> = ["forge-2.0-t1", "p2", "p3"]
        .iter()
        .map(|name| bench.add_build(name, &format!("blast/{name}"), small))
        .collect();
    bench.deliver();
    add(&bench, &["zeta"]);
    let bad = bench.add_record("e1", "/nowhere/e1");
    bench.manage(&["run"]).expect(1);
    let status = bench.manage(&["status"]).expect(0).stdout;
    assert!(!status.contains("forge-2.0-t1") && status.contains("zeta") && status.contains(&bad), "{status}");
    assert!(status.contains("3 Completed in 30 days, 1 Error, 1 waiting"), "{status}");
    let all = bench.manage(&["status", "--all"]).expect(0).stdout;
    assert!(ids.iter().all(|id| all.contains(id)), "{all}");
    assert!(all.find("zeta") < all.find("forge-2.0-t1"), "{all}");
    let narrow = bench.on_terminal(80, Program::Manage, &["status", "--all"]).expect(0).stdout;
    let widest = narrow.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{narrow}");
    assert!(narrow.contains("forge-2.0-t1  Completed") && !narrow.contains("RECORD"), "{narrow}");
    assert!(
        !narrow.contains(&ids[0]) && narrow.contains("In Process") && narrow.contains("/nowhere/e1"),
        "{narrow}"
    );
    let wide = bench.on_terminal(220, Program::Manage, &["status", "--all"]).expect(0).stdout;
    assert!(wide.contains("RECORD") && wide.contains(&ids[0]), "{wide}");
}

#[test]
fn newcomer_m18_check_says_a_line_for_each_thing_and_fields_when_asked() {
    let bench = Bench::builder().salesforce().build();
    let check = bench.manage(&["check"]).expect(0).stdout;
    for part in [
        "ok      record store: login at ",
        "ok      record store: API version ",
        "fields, each as it should be",
    ] {
        assert!(check.lines().any(|line| line.contains(part)), "{part}: {check}");
    }
    assert!(check.lines().all(|line| line.len() < 300), "{check}");
    assert!(!check.contains("(fields.md5)"), "{check}");
    assert!(check.lines().any(|line| line.contains("free space") && line.ends_with("iB")), "{check}");
    assert!(bench.manage(&["check", "-v"]).expect(0).stdout.contains("(fields.md5)"));
}

#[test]
fn newcomer_d4_d5_builds_are_named_to_run_as_to_other_commands() {
    let bench = Bench::builder().build();
    add(&bench, &["p1", "p2", "p3"]);
    bench.manage(&["run", "p1", "p2"]).expect_silence();
    assert_eq!(["p1", "p2", "p3"].map(|name| bench.status(name).0), ["In Process", "In Process", ""]);
    bench.upload(&["run", "p1"]).expect_silence();
    assert_eq!(bench.spool_listing().sent.len(), 1);
    bench.manage(&["run", "--build", "p3", "--build", "p1"]).expect_silence();
    assert_eq!(["p1", "p3"].map(|name| bench.status(name).0), ["Completed", "In Process"]);
    bench.manage(&["--build", "p1", "status"]).expect(2).complains(&["belong behind the subcommand"]);
}

#[test]
fn newcomer_d6_why_says_a_reason_once() {
    let bench = Bench::builder().build();
    bench.add_record("e1", "/nowhere/e1");
    bench.manage(&["run"]).expect(1);
    let why = bench.manage(&["why", "e1"]).expect(0).stdout;
    assert_eq!(why.matches("no build root holds it").count(), 1, "{why}");
}

#[test]
fn newcomer_d7_a_run_says_that_the_version_of_the_interface_is_wrong() {
    let mut bench = Bench::builder().salesforce().build();
    add(&bench, &["p1"]);
    bench.set("records.salesforce.api_version", "99.0");
    bench
        .manage(&["run"])
        .expect(78)
        .complains(&["no API version 99.0", "set records.salesforce.api_version to one from"]);
}

#[test]
fn newcomer_d9_a_person_reads_a_reason_once_and_a_total() {
    let bench = Bench::builder().build();
    add(&bench, &["p1"]);
    bench.add_record("e1", "/nowhere/e1");
    let run = bench.on_terminal(120, Program::Manage, &["run"]);
    assert_eq!(run.stdout.matches("no build root holds it").count(), 1, "{run:?}");
    assert!(run.stdout.contains("2 builds in ") && run.stdout.contains(" s: 1 ok, 1 not"), "{run:?}");
}

#[test]
fn newcomer_m17_bash_completes_the_names_of_builds_in_the_spool() {
    let bench = Bench::builder().build();
    add(&bench, &["forge-1", "forge-2", "other"]);
    bench.manage(&["run"]).expect_silence();
    for program in ["manage", "upload"] {
        let which = if program == "manage" { Program::Manage } else { Program::Upload };
        let script = Running::start(bench.command(which, &["completions", "bash"])).wait().expect(0).stdout;
        let file = bench.path("completions");
        fs::write(&file, script).expect("a file");
        let complete = |words: &str| {
            let ask = format!(
                "{program}() {{ {} --config {} \"$@\"; }}; . {}; COMP_WORDS=({program} {words} fo); \
                 COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _{program}_builds {program} fo; echo \"${{COMPREPLY[@]}}\"",
                which.path().display(),
                bench.path("etc/intraware.toml").display(),
                file.display()
            );
            let mut bash = std::process::Command::new("/bin/bash");
            bash.args(["--norc", "-c", &ask]).current_dir(bench.path("home"));
            Running::start(bash).wait().expect(0).stdout
        };
        assert_eq!(complete("run"), "forge-1 forge-2\n");
        assert_eq!(complete(if program == "manage" { "--build" } else { "--job" }), "forge-1 forge-2\n");
    }
}

#[test]
fn newcomer_d3_hold_release_and_retry_say_what_they_did_and_who_said_it() {
    let bench = Bench::builder().build();
    add(&bench, &["p7"]);
    let seen = |arguments: &[&str]| bench.on_terminal(120, Program::Manage, arguments).expect(0).stdout;
    let held = seen(&["hold", "p7", "--reason", "wrong licence"]);
    assert!(
        held.starts_with("held: p7 (1), both programs leave it alone; `manage unhold p7` lifts it"),
        "{held}"
    );
    assert!(seen(&["unhold", "p7"]).starts_with("held no longer: p7 (1), the next run goes on with it"));
    let mut command = bench.command(Program::Manage, &["hold", "p7", "--reason", "wrong licence"]);
    command.env("SUDO_USER", "anna");
    // Nothing for those who are no person.
    Running::start(command).wait().expect_silence();
    let why = bench.manage(&["why", "p7"]).expect(0).stdout;
    assert!(why.contains("held since 20") && why.contains("Z by anna: wrong licence"), "{why}");
    // The word of before.
    bench
        .manage(&["release", "p7"])
        .expect(0)
        .complains(&["`manage release BUILD` is `manage unhold BUILD` now"]);
    bench.manage(&["unhold", "p7"]).expect(0).complains(&["was not held here"]);
    bench.add_record("e1", "/nowhere/e1");
    bench.manage(&["run", "e1"]).expect(1);
    assert!(seen(&["retry", "e1"]).starts_with("forgotten: the failures of e1 (2), the next run tries it"));
    assert!(bench.manage(&["log", "--build", "p7"]).expect(0).stdout.contains("p7 (1) hold: "));
}
