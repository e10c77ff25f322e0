//! Several sites: which builds go where, that none shows what another does not have yet, and what is left
//! when one is away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::support::relay::Fault;
use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Program, trace};
use serde_json::{Value, json};

const SIZE: usize = 300_000;

/// Bytes that do not compress much.
fn fill(dir: &Path) {
    let mut state = 1_u32;
    let bytes: Vec<u8> = (0..SIZE)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    fs::write(dir.join("noise"), bytes).expect("a file");
}

/// Returns the files below a directory, sorted.
fn files(base: &Path) -> Vec<String> {
    let output =
        Command::new("find").arg(base).args(["-type", "f", "-printf", "%P\\n"]).output().expect("find");
    let mut files: Vec<String> =
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    files.sort();
    files
}

/// Checks that two sites hold the same files.
#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let status = Command::new("diff").arg("-r").args([one, other]).status().expect("diff starts");
    assert!(status.success(), "{} and {} differ", one.display(), other.display());
}

fn receipts(bench: &Bench, jobs: &[String]) -> Vec<Value> {
    let read = |job: &String| {
        let text = fs::read(bench.path("spool/sent").join(job).join("receipt.json")).expect("a receipt");
        serde_json::from_slice(&text).expect("JSON")
    };
    jobs.iter().map(read).collect()
}

/// Returns the partial files below a directory.
fn parts(base: &Path) -> Vec<PathBuf> {
    files(base).iter().filter(|file| file.ends_with(".part")).map(|file| base.join(file)).collect()
}

#[test]
fn a_build_is_delivered_to_every_site_and_completed_when_it_is_right_at_all() {
    let mut bench = Bench::builder().sshd(Access::Shell).build();
    let mirror = bench.add_site("mirror");
    bench.add_build("p7", "blast/5.1/p7", fill);
    let plan = bench.manage(&["run", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains("put the sidecars to mirror and bench, queue for upload as"), "{plan}");
    bench.manage(&["run"]).expect_silence();
    assert_eq!((files(&mirror).len(), files(&bench.site_file("")).len()), (5, 5), "sidecars come first");
    let plan = bench.upload(&["run", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains(" bytes as blast/5.1/p7/p7.tar.gz to mirror and bench"), "{plan}");
    let plan = bench.upload(&["run", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(plan["jobs"][0]["verdict"], json!({ "do": "deliver", "to": ["mirror", "bench"], "then": [] }));
    bench.upload(&["run"]).expect_silence();
    let receipts = receipts(&bench, &bench.spool_listing().sent);
    let sites: Vec<_> =
        receipts[0]["receipts"].as_array().expect("a list").iter().map(|r| &r["site"]).collect();
    assert_eq!((&receipts[0]["format"], sites), (&json!(2), vec![&json!("mirror"), &json!("bench")]));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_same(&mirror, &bench.site_file(""));
    let why = bench.manage(&["why", "p7"]).expect(0).stdout;
    assert!(why.contains(", delivered to mirror 20") && why.contains(", delivered to bench 20"), "{why}");
    assert_eq!(files(&bench.path("spool/released")).len(), 2, "it is released at both");
}

#[test]
fn while_one_site_is_away_no_other_shows_the_payload_and_what_they_have_is_only_proven_again() {
    let mut bench = Bench::builder()
        .sshd(Access::Shell)
        .set_site("connect_timeout_s", 2)
        .set_site("io_timeout_s", 2)
        .build();
    let mirror = bench.add_site("mirror");
    let relay = bench.relay(Fault::None);
    bench.add_build("p7", "blast/p7", fill);
    bench.manage(&["run"]).expect_silence();
    relay.set(Fault::Mute);
    bench.upload(&["run"]).expect(75).complains(&["p7", "at site bench", "in the time allowed"]);
    assert!(!bench.payload("p7").exists());
    assert!(!mirror.join("blast/p7/p7.tar.gz").exists(), "one site shows what the other does not have");
    let part = parts(&mirror);
    assert_eq!(part.len(), 1, "what the mirror has got stays there");
    let size = fs::metadata(&part[0]).expect("a file").len();
    let status = bench.manage(&["status"]).expect(0).stdout;
    assert!(status.contains("site bench"), "{status}");
    relay.set(Fault::None);
    bench.upload(&["run"]).expect_silence();
    let receipt = &receipts(&bench, &bench.spool_listing().sent)[0]["receipts"][0];
    assert_eq!((&receipt["sent"], &receipt["resumed_from"]), (&json!(0), &json!(size)), "{receipt}");
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_same(&mirror, &bench.site_file(""));
}

#[test]
fn a_payload_that_is_missing_at_one_site_is_delivered_there_again() {
    let mut bench = Bench::builder().build();
    let mirror = bench.add_site("mirror");
    bench.add_build("p7", "blast/p7", fill);
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    fs::remove_file(mirror.join("blast/p7/p7.tar.gz")).expect("removed");
    bench.manage(&["run"]).expect(1).complains(&["the payload is missing (site mirror)"]);
    assert_eq!(bench.record("p7")["released"], false);
    bench.deliver();
    bench.assert_delivered("p7");
    assert_same(&mirror, &bench.site_file(""));
}

#[test]
fn each_site_takes_the_builds_that_its_pattern_matches_and_one_that_none_takes_is_an_error() {
    let mut bench = Bench::builder().set_site("builds", "^blast/").build();
    let mirror = bench.add_site("mirror");
    bench.set_other_site("mirror", "builds", "/5[.]1/");
    bench.add_build("both", "blast/5.1/both", fill);
    bench.add_build("own", "blast/5.2/own", fill);
    bench.add_build("other", "forge/5.1/other", fill);
    bench.add_build("none", "forge/5.2/none", fill);
    let [first, second, third] = bench.cycle();
    first.expect(1).complains(&["none", "no required site takes forge/5.2/none", "`builds`"]);
    second.expect_silence();
    // The first failure costs no pause.
    third.expect(1);
    let payloads = |base: &Path| -> Vec<String> {
        files(base).into_iter().filter(|file| file.ends_with(".tar.gz")).collect()
    };
    let own = ["blast/5.1/both/both.tar.gz", "blast/5.2/own/own.tar.gz"];
    assert_eq!(payloads(&bench.site_file("")), own);
    assert_eq!(payloads(&mirror), ["blast/5.1/both/both.tar.gz", "forge/5.1/other/other.tar.gz"]);
    for name in ["both", "own", "other"] {
        assert_eq!(bench.status(name).0, "Completed", "{name}");
    }
    let (status, detail) = bench.status("none");
    assert!(status == "Error" && detail.contains("no required site takes"), "{status}: {detail}");
    // What was correct is the build, so it goes out as soon as the configuration is.
    bench.set_site("builds", "");
    bench.manage(&["run", "--build", "none"]).expect(0);
    bench.upload(&["run"]).expect_silence();
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("none").0, "Completed");
}

#[test]
fn upload_killed_between_the_renames_at_two_sites_is_gone_on_with() {
    let mut bench = Bench::builder().build();
    let mirror = bench.add_site("mirror");
    let mut between = 0;
    for nth in 1..=3 {
        let name = format!("p{nth}");
        bench.add_build(&name, &format!("blast/{name}"), fill);
        bench.manage(&["run"]).expect_silence();
        let run = trace::kill_at(bench.command(Program::Upload, &["run"]), "renameat2", nth);
        let payload = format!("blast/{name}/{name}.tar.gz");
        let shown = [mirror.join(&payload).exists(), bench.site_file(&payload).exists()];
        match nth {
            1 => assert_eq!((run.status, shown), (-9, [false, false])),
            2 => assert_eq!((run.status, shown), (-9, [true, false])),
            _ => drop(run.clone().expect(0)),
        }
        if shown == [true, false] {
            between += 1;
            let part = parts(&bench.site_file(""));
            assert_eq!(part.len(), 1, "the other has it whole under its temporary name");
            let size = |path: &Path| fs::metadata(path).expect("a file").len();
            assert_eq!(size(&part[0]), size(&mirror.join(&payload)));
        }
        bench.cycle().into_iter().for_each(|run| drop(run.expect(0)));
        bench.assert_delivered(&name);
    }
    assert_eq!(between, 1);
    assert_same(&mirror, &bench.site_file(""));
}

/// A bench with a directory as its own site, and a mirror that may lag and cannot be written to.
fn with_a_lagging_mirror() -> (Bench, PathBuf) {
    let mut bench = Bench::builder().build();
    let mirror = bench.add_site("mirror");
    bench.set_other_site("mirror", "required", false);
    fs::rename(&mirror, bench.path("away")).expect("the mirror goes away");
    bench.add_build("p7", "blast/p7", fill);
    (bench, mirror)
}

#[test]
fn a_site_that_may_lag_delays_nothing_and_is_caught_up() {
    let (bench, mirror) = with_a_lagging_mirror();
    bench.manage(&["run"]).expect_silence();
    let plan = bench.upload(&["run", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains(" to bench, and then to mirror"), "{plan}");
    // A warning, and no more.
    bench.upload(&["run"]).expect(0).complains(&["WARN", "site mirror lags, all others have it"]);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("p7").0, "Completed");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 1, 0, 0], "the payload is kept for the mirror");
    let status = bench.manage(&["status"]).expect(0).stdout;
    assert!(
        status.contains("mirror lags") && status.contains("site mirror cannot be reached since 20"),
        "{status}"
    );
    let why = bench.manage(&["why", "p7"]).expect(0).stdout;
    assert!(
        why.contains("mirror may get it until 20") && why.contains("1 failed delivery to mirror"),
        "{why}"
    );
    fs::rename(bench.path("away"), &mirror).expect("the mirror is back");
    bench.upload(&["run"]).expect_silence();
    assert_same(&mirror, &bench.site_file(""));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0]);
    assert_eq!(files(&bench.path("spool/released")).len(), 2, "it is released at both");
    bench.deliver();
}

#[test]
fn a_site_that_lags_too_long_is_given_up_once_and_loudly() {
    let (mut bench, _) = with_a_lagging_mirror();
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect(0);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.spool_listing().counts(), [0, 0, 1, 0, 0]);
    bench.set("spool.keep_days", 0);
    bench.manage(&["run"]).expect(1).complains(&["p7", "site mirror did not get it within spool.keep_days"]);
    bench.manage(&["run"]).expect_silence();
    assert_eq!(bench.status("p7").0, "Completed");
}

#[test]
fn a_site_that_may_lag_gets_it_in_the_same_run_and_never_before_the_others() {
    let mut bench = Bench::builder().build();
    let mirror = bench.add_site("mirror");
    bench.set_other_site("mirror", "required", false);
    bench.add_build("p7", "blast/p7", fill);
    bench.manage(&["run"]).expect_silence();
    assert!(files(&mirror).is_empty(), "nothing is there yet");
    bench.upload(&["run"]).expect_silence();
    assert_same(&mirror, &bench.site_file(""));
    bench.manage(&["run"]).expect_silence();
    bench.assert_delivered("p7");
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 1, 0]);
}

#[test]
fn f_20_a_directory_on_a_file_system_without_modes_or_under_a_strict_filter_is_delivered_to() {
    for (calls, error) in [
        ("fchmod,fchmodat", "EPERM"),
        ("fchmod,fchmodat", "EOPNOTSUPP"),
        ("renameat2", "ENOSYS"),
        ("renameat2", "EPERM"),
        ("openat2", "ENOSYS"),
        ("openat2", "EPERM"),
    ] {
        let bench = Bench::builder().build();
        bench.add_build("p7", "blast/5.1/p7", fill);
        let what = format!("{calls} fails with {error}");
        let manage = || trace::refuse(bench.command(Program::Manage, &["run"]), calls, error);
        assert_eq!(manage().status, 0, "{what}");
        let sets_modes = !calls.starts_with("fchmod");
        let check = trace::refuse(bench.command(Program::Upload, &["check"]), calls, error);
        assert_eq!(check.status, 0, "{what}: {check:?}");
        assert_eq!(check.stdout.contains("site, files: modes cannot be set there"), !sets_modes, "{check:?}");
        let run = trace::refuse(bench.command(Program::Upload, &["run"]), calls, error);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{what}: cron would mail it: {run:?}");
        assert_eq!(manage().status, 0, "{what}");
        assert_eq!(bench.status("p7").0, "Completed", "{what}");
        assert!(bench.site_file("blast/5.1/p7/p7.tar.gz").exists(), "{what}");
    }
}
