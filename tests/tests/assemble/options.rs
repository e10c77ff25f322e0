//! Options, environment, banner, and what is cleaned up.

use std::fs;
use std::process::Command;

use intraware_tests::{Packages, Run, Running};

use crate::{common, of};

#[test]
fn s3_04_all_options_have_their_names_and_three_levels_of_help() {
    let packages = Packages::default();
    let short = packages.manage(&["assemble", "-h"]).expect(0).stdout;
    let long = packages.manage(&["assemble", "--help"]).expect(0).stdout;
    let man = packages.manage(&["assemble", "--man"]).expect(0).stdout;
    for option in [
        "pname",
        "pversion",
        "srcpath",
        "srcdir",
        "mergeErrors",
        "predelete",
        "keepFragments",
        "testArchive",
        "tmpdir",
        "output",
        "machines",
        "verbose",
    ] {
        assert!(
            short.contains(&format!("--{option}")) && long.contains(&format!("--{option}")),
            "{option}: {short}"
        );
    }
    assert!(short.len() < long.len() && man.starts_with(".ie") && man.contains("GBE_DPKG"), "{man}");
    packages.put("ebb", of("ebb"));
    let all = [
        "assemble",
        "--pname",
        "foo",
        "--pversion=1.0",
        "--nomergeErrors",
        "--nopredelete",
        "--nokeepFragments",
        "-vv",
        "--threads",
        "3",
    ];
    packages.manage(&all).expect(0).complains(&["3 files of ", "bin.ebb/tool from ebb"]);
    packages.manage(&["assemble", "foo", "1.0", "--pname", "foo"]).expect(2);
}

#[test]
fn s3_05_s3_06_s3_07_the_environment_says_where_the_archive_is() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    let output = packages.path("out");
    fs::create_dir(&output).unwrap();
    // What is given goes before what the environment says.
    packages.assemble(&["--keepFragments", "--output", output.to_str().unwrap()]).expect(0);
    assert!(output.join("foo/1.0/bin.ebb/tool").exists() && !packages.root().join("foo").exists());
    packages.assemble(&[]).expect(0);
    assert_eq!(packages.read("bin.ebb/tool"), "program of ebb\n");
}

#[test]
fn s3_08_the_test_archive_is_an_archive_of_its_own() {
    let packages = Packages::default();
    let test = packages.root().join(".dpkg_archive/test_dpkg");
    packages
        .assemble(&["--testArchive"])
        .expect(78)
        .complains(&["test_dpkg/.dpkg_archive/fragments is not a directory"]);
    packages.put("ebb", of("ebb"));
    fs::create_dir_all(test.join(".dpkg_archive")).unwrap();
    fs::rename(packages.fragments(), test.join(".dpkg_archive/fragments")).unwrap();
    let run = packages.assemble(&["--testArchive"]).expect(0);
    assert!(run.stdout.contains("Opt:testArchive     = Enabled"), "{run:?}");
    assert!(test.join("foo/1.0/descpkg").exists());
}

#[test]
fn s3_10_a_temporary_directory_is_kept_and_without_one_nothing_is() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb").file("x", 0o644, "1\n"));
    packages.put("flow", of("flow").file("x", 0o644, "2\n"));
    let work = packages.path("work");
    fs::create_dir(&work).unwrap();
    packages.assemble(&["--tmpdir", work.to_str().unwrap()]).expect(1);
    let mut dirs = fs::read_dir(&work).unwrap();
    let dir = dirs.next().unwrap().unwrap().path();
    assert!(dirs.next().is_none());
    assert!(fs::read_to_string(dir.join("built.files.flow.xml")).unwrap().contains("bin.flow/tool"));
    assert!(fs::read_to_string(dir.join("differences.txt")).unwrap().contains("File Name: x\n"));
    // A second run has its own.
    packages.assemble(&["--tmpdir", work.to_str().unwrap(), "--mergeErrors"]).expect(0);
    assert_eq!(fs::read_dir(&work).unwrap().count(), 2);
    let top: Vec<String> = packages
        .all()
        .into_iter()
        .filter(|line| line.matches('/').count() < 2 || line.contains("/."))
        .collect();
    assert_eq!(top, ["0755 .dpkg_archive/", "0755 foo/"]);
}

#[test]
fn s3_11_a_banner_says_what_is_used_and_which_dangerous_options_are_on() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    let mut command =
        packages.command(&["assemble", "foo", "1.0", "--predelete", "--mergeErrors", "--keepFragments"]);
    command.env("GBE_ABT", "daemon\u{1b}[2J");
    let run = Running::start(command).wait().expect(0);
    let root = packages.root();
    let root = root.display();
    let lines = [
        format!("Working dir   = [{root}/foo]\n"),
        format!("Fragment dir  = [{root}/.dpkg_archive/fragments]\n"),
        format!("Repository    = [{root}]\n"),
        format!("Target dir    = [{root}/foo/1.0]\n"),
        "DPKG_NAME     = [foo]\nDPKG_VERSION  = [1.0]\nGBE_ABT       = [daemon\\x1b[2J]\n\n".to_owned(),
        "Opt:mergeErrors     = Allowed\nOpt:keepFragments   = Enabled\nOpt:preDelete       = Enabled\n---"
            .to_owned(),
    ];
    for line in lines {
        assert!(run.stdout.contains(&line), "{line}: {run:?}");
    }
    let plain = packages.assemble(&["--predelete", "--quiet"]).expect(0);
    assert_eq!(plain.stdout, "");
}

#[test]
fn s3_26_an_existing_target_is_an_error_unless_it_is_deleted_first() {
    let packages = Packages::default();
    let target = packages.root().join("foo/1.0");
    fs::create_dir_all(target.join("old")).unwrap();
    packages.put("ebb", of("ebb"));
    let before = packages.all();
    packages.assemble(&[]).expect(1).complains(&["foo/1.0 exists; remove it, or assemble with --predelete"]);
    assert_eq!(packages.all(), before);
    packages.assemble(&["--predelete"]).expect(0);
    assert!(!target.join("old").exists() && target.join("descpkg").exists());
    // Whatever it is.
    fs::remove_dir_all(&target).unwrap();
    std::os::unix::fs::symlink("elsewhere", &target).unwrap();
    packages.put("ebb", of("ebb"));
    packages.assemble(&[]).expect(1).complains(&["exists"]);
    packages.assemble(&["--predelete"]).expect(0);
    assert!(target.join("descpkg").exists() && !target.is_symlink());
}

#[test]
fn s3_31_fragments_go_when_the_target_stands_and_on_errors_only_if_asked() {
    let packages = Packages::default();
    let put = || {
        packages.put("ebb", common().file("x", 0o644, "1"));
        packages.put("flow", common().file("x", 0o644, "2"));
    };
    put();
    packages.assemble(&[]).expect(1);
    assert_eq!(packages.left().len(), 2);
    packages.assemble(&["--delete-on-error", "--keepFragments"]).expect(1);
    assert_eq!(packages.left().len(), 2);
    packages.assemble(&["--delete-on-error"]).expect(1);
    assert_eq!(packages.left(), [""; 0]);
    put();
    packages.assemble(&["--mergeErrors", "--keepFragments"]).expect(0);
    assert_eq!(packages.left().len(), 2);
    packages.assemble(&["--mergeErrors", "--predelete"]).expect(0);
    assert_eq!(packages.left(), [""; 0]);
}

#[test]
fn s3_32_on_error_nothing_is_left_not_even_the_name() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    packages.put_bytes("foo_1.0_flow.tar.gz", b"\x1f\x8b no");
    packages.assemble(&[]).expect(1);
    assert_eq!(packages.all(), ["0755 .dpkg_archive/"]);
    // Another version keeps the name.
    fs::create_dir_all(packages.root().join("foo/0.9")).unwrap();
    packages.assemble(&[]).expect(1);
    assert_eq!(packages.all(), ["0755 .dpkg_archive/", "0755 foo/", "0755 foo/0.9/"]);
}

#[test]
fn a_second_assembly_of_the_package_does_not_wait() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    let lock = packages.root().join(".foo_1.0.lock");
    let file = fs::File::create(&lock).unwrap();
    file.try_lock().unwrap();
    packages
        .assemble(&["--delete-on-error"])
        .expect(75)
        .complains(&["the assembly of foo_1.0 is locked: held by"]);
    assert_eq!(packages.left(), ["foo_1.0_ebb.tar.gz"]);
    drop(file);
    packages.assemble(&[]).expect(0);
    assert!(!lock.exists());
}

/// Assembles the fragments of a hundred machines in a process that may have so many files open.
fn with_open_files(limit: &str) -> (Packages, Run) {
    let packages = Packages::default();
    for machine in 0..100 {
        packages.put(&format!("m{machine:03}"), common());
    }
    let plain = packages.command(&["assemble", "foo", "1.0"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh"]);
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.env("GBE_DPKG", packages.root()).current_dir(packages.path("home"));
    let run = Running::start(command).wait();
    (packages, run)
}

#[test]
fn newcomer_more_fragments_than_the_usual_limit_on_open_files_are_assembled() {
    let (packages, run) = with_open_files("-Sn 64");
    run.expect(0);
    assert_eq!(packages.read("include/a.h"), "int a;\n");
}

#[test]
fn newcomer_more_fragments_than_files_may_be_open_name_the_limit_and_what_raises_it() {
    let (packages, run) = with_open_files("-n 64");
    run.expect(74).complains(&["no more than 64 files open, and each fragment takes two", "`ulimit -n`"]);
    assert_eq!(packages.left().len(), 100);
}
