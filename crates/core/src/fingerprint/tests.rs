use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::tree::sample::Build;

fn fingerprint(build: &Build) -> Fingerprint {
    survey(&build.open(), &TreePolicy::default()).unwrap().fingerprint
}

fn sample() -> Build {
    let build = Build::new();
    for path in ["a", "b", "d/c"] {
        build.file(path);
    }
    symlink("a", build.at("link")).unwrap();
    build
}

#[test]
fn an_untouched_build_keeps_its_fingerprint() {
    let build = sample();
    let first = survey(&build.open(), &TreePolicy::default()).unwrap();
    assert_eq!((first.files, first.bytes, first.entries), (3, 21, 6));
    fs::read(build.at("a")).unwrap();
    assert_eq!(survey(&build.open(), &TreePolicy::default()).unwrap(), first);
    assert_eq!(first.fingerprint.to_string().len(), 64);
}

type Change = (&'static str, fn(&Build));

#[test]
fn every_change_changes_the_fingerprint() {
    let changes: [Change; 9] = [
        ("a file is added", |build| build.file("new")),
        ("a file is removed", |build| fs::remove_file(build.at("b")).unwrap()),
        ("a file is renamed", |build| fs::rename(build.at("d/c"), build.at("d/e")).unwrap()),
        ("a file is replaced by its like", |build| {
            let made = fs::metadata(build.at("a")).unwrap().modified().unwrap();
            fs::write(build.outside("x"), "content").unwrap();
            fs::rename(build.outside("x"), build.at("a")).unwrap();
            fs::File::open(build.at("a")).unwrap().set_modified(made).unwrap();
        }),
        ("bytes are overwritten and the mtime is set back", |build| {
            let made = fs::metadata(build.at("a")).unwrap().modified().unwrap();
            fs::write(build.at("a"), "CONTENT").unwrap();
            fs::File::open(build.at("a")).unwrap().set_modified(made).unwrap();
        }),
        ("a mode is changed", |build| {
            fs::set_permissions(build.at("a"), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("a link points elsewhere", |build| {
            fs::remove_file(build.at("link")).unwrap();
            symlink("b", build.at("link")).unwrap();
        }),
        ("an empty directory is added", |build| fs::create_dir(build.at("d/empty")).unwrap()),
        ("the build directory itself is touched", |build| {
            fs::set_permissions(build.at(""), fs::Permissions::from_mode(0o700)).unwrap();
        }),
    ];
    for (what, change) in changes {
        let build = sample();
        let before = fingerprint(&build);
        change(&build);
        assert_ne!(fingerprint(&build), before, "{what}");
    }
}

#[test]
fn a_survey_reads_no_file() {
    let build = sample();
    fs::set_permissions(build.at("a"), fs::Permissions::from_mode(0o000)).unwrap();
    let build = &build;
    intraware_test_support::unprivileged::run(|| survey(&build.open(), &TreePolicy::default()).map(|_| ()))
        .unwrap();
}

#[test]
fn one_thread_and_several_find_the_same() {
    for tops in [1, 5, 64, 130] {
        let build = Build::new();
        (0..tops).for_each(|top| build.file(format!("{top}/x")));
        let (dir, policy) = (build.open(), TreePolicy::default());
        let (walk, alone) = survey_part(Walk::new(&dir, &policy)).unwrap();
        let surveyed = survey(&dir, &policy).unwrap();
        let Prints { fingerprint, substance } = alone.finish();
        assert_eq!((surveyed.fingerprint, surveyed.substance), (fingerprint, substance));
        assert_eq!((surveyed.files, surveyed.entries), (tops, walk.finish().unwrap().entries));
    }
}
