//! `upload check`: what it says of a site, what it keeps of that, and what it leaves at the site.

use std::fs;
use std::thread;

use intraware_tests::support::ftpd::{Kind, Security};
use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Run};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Returns what a run says about what the site can do.
fn told(run: &Run) -> Vec<&str> {
    let about = |line: &&str| line.get(8..).is_some_and(|line| line.starts_with("site, "));
    run.stdout.lines().filter(about).filter(|line| !line.contains("answers in ")).collect()
}

/// Returns what stands in the base of the site.
fn left(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.site_file("")).expect("the site's base");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Returns the files in which the spool keeps what is known of sites.
fn kept(bench: &Bench) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(bench.path("spool/sites")).expect("a directory of the spool");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn known(bench: &Bench) -> Value {
    let files = kept(bench);
    assert_eq!(files.len(), 1, "{files:?}");
    serde_json::from_slice(&fs::read(&files[0]).expect("a file")).expect("JSON")
}

#[test]
fn the_limit_in_force_is_shown() {
    // Whatever the day and the time are, one of the two is in force until the other.
    let bench =
        Bench::builder().set_site("bandwidth_limit", vec!["Mon 00:00 3 MiB/s", "Thu 00:00 5 MiB/s"]).build();
    let lines = ["3 MiB/s until Thu 00:00", "5 MiB/s until Mon 00:00"];
    let is_in = |text: &str| {
        lines.iter().any(|line| text.contains(&format!("bandwidth_limit of site bench: now {line}")))
    };
    for run in [
        bench.upload(&["check"]).expect(0),
        bench.upload(&["run", "--dry-run"]).expect(0),
        bench.manage(&["config"]).expect(0),
    ] {
        assert!(is_in(&run.stdout), "{run:?}");
    }
}

#[test]
fn newcomer_m13_what_check_and_status_find_is_told_to_programs_with_the_number_of_its_form() {
    let bench = Bench::builder().build();
    bench.add_record("p1", "/elsewhere/p1");
    for run in [bench.manage(&["check", "--json"]).expect(0), bench.upload(&["check", "--json"]).expect(0)] {
        let told = run.json();
        assert_eq!((&told["format"], &told["status"]), (&json!(1), &json!(0)), "{run:?}");
        let spool = told["checks"].as_array().expect("a list").iter().find(|check| check["what"] == "spool");
        assert_eq!(spool.expect("the spool")["result"], "ok", "{run:?}");
    }
    fs::remove_dir(bench.site_file("")).expect("the site goes away");
    let run = bench.upload(&["check", "--json"]);
    let told = run.json();
    assert!(run.status != 0 && told["status"] == run.status, "{run:?}");
    assert!(
        told["checks"].as_array().expect("a list").iter().any(|check| check["result"] == "failed"),
        "{run:?}"
    );
    for run in [bench.manage(&["status", "--json"]), bench.manage(&["--dry-run", "--json"])] {
        assert!(run.json()["format"] == 1 && run.json()["builds"][0].is_object(), "{run:?}");
    }
    assert_eq!(bench.upload(&["status", "--json"]).expect(0).json(), json!({ "format": 1, "jobs": [] }));
}

#[test]
fn newcomer_m13_all_that_is_told_to_programs_is_an_object_with_the_number_of_its_form() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("README"), "p1").expect("a file"));
    bench.add_record("e1", "/elsewhere/e1");
    let manage: [(&[&str], &str); 10] = [
        (&["run", "--dry-run", "--json"], "builds"),
        (&["run", "--json"], "builds"),
        (&["status", "--json"], "builds"),
        (&["why", "p1", "--json"], "builds"),
        (&["verify", "--json"], "builds"),
        (&["check", "--json"], "checks"),
        (&["config", "--json"], "keys"),
        (&["records", "list", "--json"], "records"),
        (&["activity", "--json"], "runs"),
        (&["records", "show", "p1"], "name"),
    ];
    let upload: [(&[&str], &str); 4] = [
        (&["status", "--json"], "jobs"),
        (&["run", "--dry-run", "--json"], "jobs"),
        (&["run", "--json"], "builds"),
        (&["check", "--json"], "checks"),
    ];
    let runs = manage.map(|(arguments, list)| (bench.manage(arguments), list));
    for (run, list) in runs.into_iter().chain(upload.map(|(arguments, list)| (bench.upload(arguments), list)))
    {
        let told = run.json();
        assert!(told["format"] == 1 && !told[list].is_null(), "{list}: {run:?}");
    }
}

#[test]
fn newcomer_m13_tables_begin_with_what_a_row_is_about_and_end_with_the_words() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("README"), "p1").expect("a file"));
    bench.manage(&["run"]).expect_silence();
    let tables = [
        (bench.manage(&["status"]), "BUILD RECORD STATUS SPOOL DELIVERED NEXT TRY NOTE", "p1"),
        (bench.manage(&["records", "list"]), "BUILD RECORD STATUS PRIORITY PATH NOTE", "p1"),
        (bench.manage(&["activity"]), "RUN HOST EXIT ENDED TOOK NOTE", "manage run"),
        (bench.upload(&["status"]), "BUILD JOB STATUS SIZE PREPARED NOTE", "p1"),
    ];
    for (run, header, first) in tables {
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>().join(" "), header, "{run:?}");
        assert!(lines[1].starts_with(first), "{run:?}");
    }
}

#[test]
fn what_a_directory_can_do_is_told_and_kept() {
    let bench = Bench::builder().build();
    bench.manage(&["check"]);
    assert!(kept(&bench).is_empty(), "only `upload` probes");
    let run = bench.upload(&["check"]).expect(0);
    let expected = [
        "ok      site, proof: hashes files, gives back what it was sent",
        "ok      site, resuming: appends, keeps what is behind, writes ahead, cuts files",
        "ok      site, names: a rename refuses taken names; names may have up to 255 bytes, all characters",
        "ok      site, files: right size at once, stay, flushed to disk, free space known",
        "ok      site, connections: 8 at once, more were not tried",
        "ok      site, what it can do: kept in the spool",
    ];
    assert_eq!(told(&run), expected, "{run:?}");
    assert!(run.stdout.contains("ok      site, probe: answers in ") && run.stderr.is_empty(), "{run:?}");
    assert!(left(&bench).is_empty());
    let known = known(&bench);
    assert_eq!((&known["format"], &known["site"]), (&json!(1), &json!("bench")));
    assert_eq!(known["abilities"]["connections"], json!({ "at-least": 8 }));
    // The same is not told as a change.
    assert_eq!(told(&bench.upload(&["check"]).expect(0)), expected);
}

#[test]
fn what_has_changed_at_a_site_is_told() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    bench.upload(&["check"]).expect(0);
    bench.set_site("exec_hash", false);
    bench.sshd().limit_connections(3);
    let run = bench.upload(&["check"]).expect(0);
    let told = told(&run);
    assert!(told[0].starts_with("note    site, proof: since "), "{run:?}");
    assert!(told[0].ends_with("it was: hashes files, gives back what it was sent"));
    assert_eq!(told[1], "ok      site, proof: does not hash, gives back what it was sent");
    assert_eq!(told[6], "ok      site, connections: 3 at once, one more was refused", "{run:?}");
    assert_eq!(known(&bench)["abilities"]["connections"], json!({ "at-most": 3 }));
    assert!(left(&bench).is_empty());
}

#[test]
fn a_site_to_which_nothing_can_be_delivered_fails_the_check() {
    let mut bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Explicit).build();
    bench.ftpd().configure("download_enable=NO");
    let run = bench.upload(&["check"]).expect(78);
    let failed: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert!(failed.len() == 1 && failed[0].contains("set verify = \"size\""), "{run:?}");
    assert!(run.stdout.contains("site, proof: does not hash, gives nothing back"), "{run:?}");
    assert_eq!(known(&bench)["abilities"]["reads"], "withheld");
    bench.set_site("verify", "size");
    bench.upload(&["check"]).expect(0);
    assert!(left(&bench).is_empty());
}

#[test]
fn a_probe_that_is_killed_is_cleaned_up_after_by_the_next() {
    let mut bench = Bench::builder().sshd(Access::SftpOnly).build();
    let relay = bench.relay(Fault::StallAfter(60_000));
    let mut running = bench.spawn_upload(&["check"]);
    // It has put the first byte, removed it, and hangs in the file that it puts then.
    while running.is_alive() && relay.sent() < 60_000 {
        thread::yield_now();
    }
    running.signal(Signal::KILL);
    assert_eq!(running.wait().status, -9);
    let names = left(&bench);
    assert!(names.len() == 1 && names[0].starts_with(".intraware-probe."), "{names:?}");
    let others = [".intraware-probe.elsewhere", ".p1.tar.gz.0123456789ab.part"];
    others.iter().for_each(|name| fs::write(bench.site_file(name), "x").expect("a file"));
    relay.set(Fault::None);
    bench.upload(&["check"]).expect(0);
    let mut names = left(&bench);
    names.sort();
    assert_eq!(names, others);
}

#[test]
fn what_is_kept_and_cannot_be_used_is_said_and_found_out_again() {
    let bench = Bench::builder().build();
    bench.upload(&["check"]).expect(0);
    let file = kept(&bench).remove(0);
    let right = fs::read_to_string(&file).expect("a file");
    fs::write(&file, &right[..right.len() / 2]).expect("a file");
    bench.upload(&["check"]).expect(0).complains(&["what is known of site bench cannot be used"]);
    assert_eq!(known(&bench)["abilities"], serde_json::from_str::<Value>(&right).expect("JSON")["abilities"]);
    let newer = right.replace("\"format\": 1", "\"format\": 2");
    fs::write(&file, &newer).expect("a file");
    let run = bench.upload(&["check"]).expect(78);
    assert!(run.stdout.contains("update the program on this host"), "{run:?}");
    assert_eq!(fs::read_to_string(&file).expect("a file"), newer);
}

#[test]
fn g_2_what_a_key_signs_is_verified_by_the_programs_that_customers_have() {
    let bench = Bench::builder().build();
    let run = bench.manage(&["check"]);
    let line = run.stdout.lines().find(|line| line.contains("signing key: ")).expect("a line about the key");
    assert!(line.starts_with("ok      ") && line.ends_with("; gpg verifies it, gpgv verifies it"), "{run:?}");
    let key = bench.path("etc/signing-key.asc");
    let run = bench.manage(&["check-key", key.to_str().expect("a path")]).expect(0);
    assert!(run.stdout.ends_with("\nsigned with it: gpg verifies it, gpgv verifies it\n"), "{run:?}");
    fs::write(&key, "no key").expect("a file");
    let run = bench.manage(&["check-key", key.to_str().expect("a path")]).expect(77);
    assert!(run.stderr.contains("the file holds no OpenPGP key"), "{run:?}");
}

#[test]
fn f_23_a_site_where_nothing_can_be_removed_is_noted_and_fails_no_check() {
    let bench = Bench::builder().ftpd(Kind::Vsftpd, Security::Explicit).build();
    bench.upload(&["check"]).expect(0);
    bench.ftpd().configure("cmds_denied=DELE");
    for _ in 0..3 {
        let run = bench.upload(&["check"]).expect(0);
        assert!(run.stdout.contains("note    site, probe: nothing can be removed there"), "{run:?}");
        assert_eq!(left(&bench), [".intraware-probe.removal"]);
        assert_eq!(kept(&bench).len(), 0, "what was known before may be wrong by now");
    }
    bench.add_build("p1", "blast/p1", |dir| fs::write(dir.join("setup.sh"), "exec true").expect("a file"));
    bench.deliver();
    bench.assert_delivered("p1");
}
