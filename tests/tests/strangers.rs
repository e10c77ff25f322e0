//! A spool that belongs to one user, and programs that another one starts, or has started before.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::{Bench, Program, Run, Running};

/// A user whom every Debian has, and who stands for the programs' own.
const OWNER: (&str, u32) = ("daemon", 1);

/// How often a situation is tried: each time it ends the same way.
const TIMES: usize = 6;

fn fill(dir: &Path) {
    fs::write(dir.join("name"), dir.display().to_string()).expect("a file");
}

/// Returns a path and all that is below it.
fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let deeper = entries.filter(|path| !path.is_symlink()).flat_map(|path| below(&path));
    [path.to_owned()].into_iter().chain(deeper).collect()
}

/// Gives the whole bench to its owner.
fn give(bench: &Bench) {
    for path in below(&bench.path("")) {
        chown(path, Some(OWNER.1), Some(OWNER.1)).expect("root gives files away");
    }
}

/// Makes a company that works as a user of its own, with one build delivered and one that waits for `upload`.
fn company() -> Bench {
    company_with(&[]).0
}

/// Makes such a company with records of further builds, and returns their ids.
fn company_with(more: &[&str]) -> (Bench, Vec<String>) {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", fill);
    bench.deliver();
    bench.add_build("p2", "p2", fill);
    bench.manage(&["run"]).expect_silence();
    let more = more.iter().map(|name| bench.add_build(name, name, fill)).collect();
    give(&bench);
    (bench, more)
}

/// Runs a program as the spool's owner.
fn as_owner(bench: &Bench, program: Program, arguments: &[&str]) -> Run {
    let plain = bench.command(program, arguments);
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", OWNER.0, "--regid", OWNER.0, "--clear-groups"]);
    command.arg(plain.get_program()).args(plain.get_args());
    command.env_clear().current_dir(bench.path("home"));
    Running::start(command).wait()
}

/// Returns all that a write would change, file by file.
fn state(bench: &Bench) -> BTreeMap<PathBuf, (u64, u32, u64, i64, i64)> {
    let about = |path: PathBuf| {
        let seen = fs::symlink_metadata(&path).expect("a file");
        (path, (seen.ino(), seen.uid(), seen.size(), seen.mtime(), seen.mtime_nsec()))
    };
    below(&bench.path("")).into_iter().map(about).collect()
}

#[test]
fn f_06_whoever_is_not_the_spools_owner_is_told_so_and_writes_nothing() {
    let bench = company();
    let writes: [(Program, &[&str]); 10] = [
        (Program::Manage, &["run"]),
        (Program::Manage, &["run", "--build", "p2"]),
        (Program::Manage, &["hold", "p2"]),
        (Program::Manage, &["unhold", "p2"]),
        (Program::Manage, &["retry", "p2"]),
        (Program::Manage, &["init"]),
        (Program::Manage, &["records", "set", "p2", "--status", "empty"]),
        (Program::Manage, &["records", "add", "--name", "p3", "--path", "/builds/p3"]),
        (Program::Upload, &["run"]),
        (Program::Upload, &["run", "--job", "p2"]),
    ];
    let said = ["belongs to daemon (1)", "this process is root (0)", "`su -s /bin/sh daemon -c '/"];
    let before = state(&bench);
    for _ in 0..TIMES {
        for (program, arguments) in writes {
            Running::start(bench.command(program, arguments)).wait().expect(77).complains(&said);
        }
        for program in [Program::Manage, Program::Upload] {
            let check = Running::start(bench.command(program, &["check"])).wait().expect(77);
            let failed: Vec<&str> = check.stdout.lines().filter(|line| line.starts_with("FAILED")).collect();
            assert!(failed.len() == 1 && said.iter().all(|part| failed[0].contains(part)), "{check:?}");
        }
    }
    assert_eq!(state(&bench), before);

    // Who only looks may be anybody.
    let looks: [(Program, &[&str]); 6] = [
        (Program::Manage, &["status"]),
        (Program::Manage, &["why", "p2"]),
        (Program::Manage, &["--dry-run"]),
        (Program::Manage, &["log"]),
        (Program::Upload, &["status"]),
        (Program::Upload, &["--dry-run"]),
    ];
    for (program, arguments) in looks {
        let run = Running::start(bench.command(program, arguments)).wait().expect(0);
        assert!(run.stdout.contains("p2") && run.stderr.is_empty(), "{run:?}");
    }
    assert_eq!(state(&bench), before);

    as_owner(&bench, Program::Upload, &["run"]).expect_silence();
    as_owner(&bench, Program::Manage, &["run"]).expect_silence();
    bench.assert_delivered("p2");
}

#[test]
fn f_06_a_spool_that_may_not_be_looked_into_names_its_owner() {
    let bench = company();
    chown(bench.path("spool"), Some(0), Some(0)).expect("root takes the directory");
    for _ in 0..TIMES {
        for (program, arguments) in
            [(Program::Manage, "run"), (Program::Manage, "status"), (Program::Upload, "run")]
        {
            let said = ["belongs to root (0)", "this process is daemon (1)", "who may not look into it"];
            as_owner(&bench, program, &[arguments]).expect(77).complains(&said);
        }
    }
}

#[test]
fn f_06_what_another_user_has_left_in_the_spool_stops_one_build_or_none_and_says_how_it_is_given_back() {
    let (bench, more) = company_with(&["p3", "p4"]);
    let (held, kept) = (&more[0], &more[1]);
    let released = fs::read_dir(bench.path("spool/released")).expect("notes").next().expect("one of p1");
    as_owner(&bench, Program::Upload, &["check"]).expect(0);
    let sites = fs::read_dir(bench.path("spool/sites")).expect("notes").next().expect("one of the site");
    let roots = [
        bench.path(&format!("spool/holds/{held}.json")),
        bench.path(&format!("spool/retry/{kept}.json")),
        released.expect("an entry").path(),
        sites.expect("an entry").path(),
    ];
    for path in &roots {
        fs::write(path, "{}").expect("a note of root's");
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        chown(path, Some(0), Some(0)).expect("root takes it");
    }
    let advice = |path: &Path| format!("so as root: `chown daemon {}`", path.display());
    for _ in 0..TIMES {
        let run = as_owner(&bench, Program::Manage, &["run"]).expect(0);
        assert!(
            run.stderr.contains(&advice(&roots[0])) && run.stderr.contains("its build is held"),
            "{run:?}"
        );
        as_owner(&bench, Program::Upload, &["run"]).expect(0);
    }
    // All but the one that is held have gone on.
    as_owner(&bench, Program::Manage, &["run"]).expect(0);
    for name in ["p2", "p4"] {
        bench.assert_delivered(name);
    }
    assert_eq!(bench.status("p3").0, "");
    let why = as_owner(&bench, Program::Manage, &["why", "p3"]).expect(0);
    assert!(why.stdout.contains("the note of a hold cannot be read"), "{why:?}");
    as_owner(&bench, Program::Manage, &["unhold", "p3"]).expect(0);
    as_owner(&bench, Program::Upload, &["check"]).expect(0);
    let run = as_owner(&bench, Program::Manage, &["run"]).expect(0);
    assert!(!run.stderr.contains("holds/"), "{run:?}");
}

#[test]
fn f_06_a_lock_and_a_log_of_another_user_are_named_with_what_gives_them_back() {
    let bench = company();
    let lock = bench.path("spool/locks/manage.lock");
    let logs = || fs::read_dir(bench.path("spool/log")).expect("logs").map(|log| log.expect("a log").path());
    chown(&lock, Some(0), Some(0)).expect("root takes the lock");
    for log in logs() {
        chown(log, Some(0), Some(0)).expect("root takes the log");
    }
    for _ in 0..TIMES {
        let advice = format!("so as root: `chown daemon {}`", lock.display());
        let run = as_owner(&bench, Program::Manage, &["run"]).expect(74);
        run.complains(&["cannot use the lock file", &advice]);
    }
    let log = logs().next().expect("this host's log");
    let advice = format!("so as root: `chown daemon {}`", log.display());
    let said = ["the transaction log could not be written", &advice];
    as_owner(&bench, Program::Upload, &["run"]).expect(74).complains(&said);
    // The log of one host is not that of the others.
    let other = bench.path("spool/log/other.jsonl");
    fs::copy(&log, &other).expect("a log of another host");
    chown(&other, Some(OWNER.1), Some(OWNER.1)).expect("root gives it away");
    let shown = as_owner(&bench, Program::Manage, &["log", "-n", "1"]).expect(0);
    assert!(!shown.stdout.is_empty() && shown.stderr.contains(&advice), "{shown:?}");

    give(&bench);
    as_owner(&bench, Program::Manage, &["run"]).expect_silence();
    bench.assert_delivered("p2");
}
