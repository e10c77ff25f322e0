//! The publisher that is built in.

use std::fs;
use std::process::Command;

use intraware_tests::apt::Apt;
use intraware_tests::archive::{Archive, names, ok};
use intraware_tests::web::Web;

#[test]
fn s1_13_apt_finds_packages_contents_and_sources_and_believes_them() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    archive.upload("stable-security", "forge", "1.1");
    archive.publish(&[]).expect_silence();
    let web = Web::serve(&archive.path("root"));
    let suites = ["stable", "stable-security"];
    let apt = Apt::new(archive.path("apt"), &web.url(), &archive.path("archive.gpg"), &suites);
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast", "forge"]).expect("packages");
    assert!(apt.takes("blast_1.0_amd64.deb") && apt.takes("forge_1.1_amd64.deb"));
    let release = archive.read("stable/Release");
    for line in
        ["Suite: stable", "Codename: stable", "Origin: Example", "Architectures: amd64", "Components: main"]
    {
        assert!(release.lines().any(|other| other == line), "{line} is missing:\n{release}");
    }
    assert!(release.contains("Acquire-By-Hash: yes") && !release.contains("MD5Sum"), "{release}");
    let contents = ok(Command::new("zcat").arg(archive.path("root/dists/stable/main/Contents-amd64.gz")));
    assert!(String::from_utf8_lossy(&contents.stdout).contains("usr/share/blast"), "{contents:?}");
    // What stays the same is not written anew.
    let modified = || {
        let sources = archive.path("root/dists/stable/main/source/Sources.xz");
        fs::metadata(sources).and_then(|seen| seen.modified()).expect("an index")
    };
    let before = modified();
    archive.upload("stable", "blast", "1.1");
    archive.publish(&[]).expect_silence();
    assert_eq!(modified(), before);
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast"]).expect("a package");
    assert!(apt.takes("blast_1.1_amd64.deb"));
}

#[test]
fn s1_13_indexes_by_digest_stay_as_long_as_a_kept_tree_names_them() {
    let archive = Archive::new();
    let mut digests = Vec::new();
    for version in 1..7 {
        archive.upload("stable", "blast", &version.to_string());
        archive.publish(&[]).expect_silence();
        let release = archive.read("stable/Release");
        let line = release.lines().find(|line| line.ends_with("main/binary-amd64/Packages.xz"));
        digests.push(line.expect("a line").split_whitespace().next().expect("a digest").to_owned());
    }
    let found = names(&archive.path("root/dists/stable/main/binary-amd64/by-hash/SHA256"));
    let is_there: Vec<bool> = digests.iter().map(|digest| found.contains(digest)).collect();
    // Of the six, the last one, the three that are kept, and the one that was kept while it was made.
    assert_eq!(is_there, [false, true, true, true, true, true]);
}

#[test]
fn s1_13_a_package_that_is_missing_in_an_index_stops_the_pass() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    let live = archive.live();
    // It is told of one, and not of the other; and ends with 0 both times.
    let list = archive.path("root/.publish/suites/stable");
    let whole = fs::read_to_string(&list).expect("a list");
    fs::write(&list, format!("{whole}main amd64 gone 1 pool/gone_1_amd64.deb\n")).expect("a list");
    archive.ask("stable");
    archive.publish(&[]).expect(1).complains(&["apt-ftparchive"]);
    fs::write(&list, whole).expect("a list");
    fs::remove_file(archive.path("root/.publish/cache/packages.db")).expect("a database");
    fs::remove_file(archive.path("root/pool/main/b/blast/blast_1.0_amd64.deb")).expect("a package");
    archive.publish(&[]).expect(1).complains(&["apt-ftparchive", "blast_1.0_amd64.deb"]);
    assert_eq!(archive.live(), live);
}

#[test]
fn s1_13_a_spoiled_memory_of_packages_is_given_up() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    let memory = archive.path("root/.publish/cache/packages.db");
    let whole = fs::read(&memory).expect("a database");
    for spoiled in [&whole[..whole.len() / 2 + 7], &b"x"[..], &[0x5a; 16384][..]] {
        fs::write(&memory, spoiled).expect("a file");
        archive.ask("stable");
        archive.publish(&[]).expect(0);
        assert_eq!(fs::metadata(&memory).expect("a database").len(), whole.len() as u64);
    }
}

#[test]
fn s1_13_without_a_key_that_can_sign_nothing_is_published() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    fs::remove_file(archive.path("archive.asc")).expect("a key");
    archive.publish(&[]).expect(78).complains(&["archive.asc"]);
    assert_eq!(archive.live(), "");
}

#[test]
fn s1_13_a_suite_may_be_asked_for_twice_within_a_second() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    for _ in 0..6 {
        archive.publish(&["--suite", "stable"]).expect_silence();
    }
    assert_eq!(archive.live(), "7");
}

#[test]
fn s1_13_everybody_may_read_all_that_is_published() {
    let archive = Archive::new();
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    for kind in ["f", "d"] {
        let closed = Command::new("find")
            .arg("-H")
            .args([&archive.path("root/dists"), &archive.path("root/pool")])
            .args(["-type", kind, "!", "-perm", if kind == "f" { "644" } else { "755" }])
            .output();
        let closed = closed.expect("find starts");
        assert_eq!(String::from_utf8_lossy(&closed.stdout), "", "{closed:?}");
    }
}
