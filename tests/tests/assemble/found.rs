//! Which fragments are taken, and what must be there.

use std::fs;
use std::os::unix::fs::symlink;

use intraware_tests::{Packages, Running};

use crate::of;

#[test]
fn s3_12_only_fragments_of_this_name_and_version_are_taken() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    let others =
        ["foo_1.0_1_ebb.tar.gz", "foo_1.01_ebb.tar.gz", "xfoo_1.0_ebb.tar.gz", "foo_1.0_flow.tar.gz.part"];
    others.iter().for_each(|name| packages.put_bytes(name, b"no archive at all"));
    packages.assemble(&[]).expect(0);
    let mut left = packages.left();
    left.sort();
    let mut others = others.map(str::to_owned).to_vec();
    others.sort();
    assert_eq!(left, others);
    let run = Running::start(packages.command(&["assemble", "foo", "1.0_1"])).wait().expect(1);
    assert!(run.stderr.contains("foo_1.0_1_ebb.tar.gz: the gzip stream is damaged"), "{run:?}");
}

#[test]
fn s3_12_without_a_fragment_nothing_is_made() {
    let packages = Packages::default();
    let says = ["no package fragments foo_1.0_<machine>.tar.gz in ", ".dpkg_archive/fragments"];
    packages.assemble(&[]).expect(1).complains(&says);
    assert_eq!(packages.all(), ["0755 .dpkg_archive/"]);
    packages.put("build_01", of("build_01"));
    let says = ["foo_1.0_build_01.tar.gz may be of another version, name the machine with --machines"];
    packages.assemble(&[]).expect(1).complains(&says);
    packages.assemble(&["--machines", "build_01"]).expect(0);
}

#[test]
fn s3_12_the_machines_that_must_be_there_are_named() {
    let packages = Packages::default();
    ["ebb", "flow"].into_iter().for_each(|machine| packages.put(machine, of(machine)));
    let run = packages.assemble(&["--machines", "ebb,flow,granite"]).expect(1);
    assert!(run.stderr.contains("error: no fragment of: granite; wait for"), "{run:?}");
    let run = packages.assemble(&["--machines", "ebb,moss"]).expect(1);
    let said = "error: no fragment of: moss; a fragment of a machine not named: flow; wait for";
    assert!(run.stderr.contains(said), "{run:?}");
    packages.assemble(&["--machines", "flow,ebb"]).expect(0);
}

#[test]
fn s3_09_each_directory_that_is_not_there_is_named() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    let gone = packages.path("gone");
    let gone = gone.to_str().unwrap();
    for (option, what) in [
        ("--srcpath", "the fragments' directory"),
        ("--srcdir", "the fragments' directory"),
        ("--output", "the output directory"),
        ("--tmpdir", "the temporary directory"),
    ] {
        let run = packages.assemble(&[option, gone]).expect(78);
        assert!(run.stderr.contains(&format!("{what} {gone} is not a directory; ")), "{run:?}");
    }
    let mut command = packages.command(&["assemble", "foo", "1.0"]);
    command.env_remove("GBE_DPKG");
    Running::start(command).wait().expect(2).complains(&["GBE_DPKG is not set"]);
    packages.manage(&["assemble", "foo"]).expect(2).complains(&["version is not given"]);
    packages
        .manage(&["assemble", "foo", "../x"])
        .expect(2)
        .complains(&["package version \"../x\" is not allowed"]);
    assert_eq!(packages.left(), ["foo_1.0_ebb.tar.gz"]);
}

#[test]
fn a_fragment_that_is_no_file_is_refused() {
    let packages = Packages::default();
    packages.put("ebb", of("ebb"));
    let path = packages.fragments().join("foo_1.0_flow.tar.gz");
    symlink("foo_1.0_ebb.tar.gz", &path).unwrap();
    packages.assemble(&[]).expect(1).complains(&["foo_1.0_flow.tar.gz: it is a link and not a file"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    packages.assemble(&[]).expect(1).complains(&["foo_1.0_flow.tar.gz: it is not a regular file"]);
    assert_eq!(packages.left().len(), 2);
}
