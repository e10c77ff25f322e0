//! New trees that readers must not get, and old ones that are taken over.

use std::fs;
use std::process::Command;

use intraware_tests::trace;

use crate::scene::Scene;

#[test]
fn s1_13_a_tree_that_readers_could_not_use_is_not_put_in_place() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    let release = scene.read("stable/Release");
    for (hook, says) in [
        ("echo x >>\"$INTRAWARE_DISTS/stable/main/binary-amd64/Packages.gz\"", "Packages.gz has "),
        ("rm -r \"$INTRAWARE_DISTS\"/stable/main/binary-amd64/by-hash", "Packages as by-hash/SHA256/"),
        ("rm \"$INTRAWARE_DISTS/stable/Release\"", "has left no Release that can be read"),
        (
            "rm \"$INTRAWARE_DISTS\"/stable/main/binary-amd64/Packages*",
            "is named by Release and is not there",
        ),
        (
            "mv \"$INTRAWARE_ROOT/pool/stable/\"*_1.1_* \"$INTRAWARE_ROOT/away.deb\"",
            "_1.1_amd64.deb is not there",
        ),
    ] {
        scene.accept("stable", "blast", "1.1");
        scene.hook("pre/10-a", hook);
        let run = scene.publish(&[]).expect(1);
        run.complains(&["tree deb: suite stable: ", says]);
        assert_eq!((scene.live(), scene.read("stable/Release")), ("1".to_owned(), release.clone()), "{says}");
    }
    scene.hook("pre/10-a", "");
    scene.accept("stable", "blast", "1.1");
    scene.publish(&[]).expect_silence();
    assert!(scene.has("stable", "blast", "1.1"));
}

#[test]
fn s1_13_a_publisher_that_writes_nothing_is_noticed() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.program("bin/publisher", "#!/bin/sh\nexit 0\n");
    scene.accept("stable", "blast", "1.1");
    scene.publish(&[]).expect(1).complains(&["the publisher has left its Release as it was"]);
    assert_eq!(scene.live(), "1");
}

#[test]
fn s1_14_what_is_not_signed_is_not_published() {
    let scene = Scene::new();
    scene.sign();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    assert!(scene.read("stable/InRelease").contains("BEGIN PGP SIGNATURE"));
    scene.accept("stable", "blast", "1.1");
    scene.hook("pre/10-a", "rm \"$INTRAWARE_DISTS/stable/InRelease\"");
    scene.publish(&[]).expect(1).complains(&["there is no InRelease that can be read"]);
    scene.hook("pre/10-a", "sed -i s/^Suite:.*/Suite:\\ x/ \"$INTRAWARE_DISTS/stable/InRelease\"");
    scene.publish(&[]).expect(1).complains(&["its signature is not good: gpgv ended with"]);
    assert!(scene.has("stable", "blast", "1.0"));
}

#[test]
fn s1_15_a_directory_that_stands_there_is_taken_over_in_one_step() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("root/dists/old")).expect("a directory");
    fs::write(scene.path("root/dists/old/Release"), "Suite: old\n").expect("a file");
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    assert_eq!((scene.read("old/Release"), scene.live()), ("Suite: old\n".to_owned(), "1".to_owned()));
    assert!(scene.has("stable", "blast", "1.0"));
    assert!(scene.path("root/.publish/taken-over/old/Release").exists());
}

#[test]
fn s1_15_a_directory_that_was_put_there_again_is_taken_over_again() {
    let scene = Scene::new();
    for version in ["1.0", "1.1"] {
        let _ = fs::remove_file(scene.path("root/dists"));
        fs::create_dir_all(scene.path("root/dists/old")).expect("a directory");
        fs::write(scene.path("root/dists/old/Release"), version).expect("a file");
        scene.accept("stable", "blast", version);
        scene.publish(&[]).expect_silence();
        assert!(scene.has("stable", "blast", version));
    }
    for (name, version) in [("taken-over", "1.0"), ("taken-over.2", "1.1")] {
        let kept = scene.path("root/.publish").join(name).join("old/Release");
        assert_eq!(fs::read_to_string(kept).expect("a file"), version);
    }
}

#[test]
fn s1_15_where_names_cannot_be_exchanged_a_directory_is_taken_over_by_the_commands_that_are_told() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("root/dists/old")).expect("a directory");
    fs::write(scene.path("root/dists/old/Release"), "Suite: old\n").expect("a file");
    scene.hook("pre/10-a", "");
    scene.accept("stable", "blast", "1.0");
    let publish = || trace::refuse(scene.command(&[]), "renameat2", "EINVAL");
    let run = publish().expect(78).complains(&["this file system cannot exchange it for a link"]);
    let (_, told) = run.stderr.split_once("run: ").expect("commands");
    let typed = Command::new("sh").args(["-ec", told]).status().expect("sh");
    assert!(typed.success(), "{told}");
    assert_eq!(scene.read("old/Release"), "Suite: old\n", "readers have what they had");
    assert_eq!(scene.notes(), [""; 0], "nothing was made in vain");
    publish().expect_silence();
    assert!(scene.has("stable", "blast", "1.0") && scene.read("old/Release") == "Suite: old\n");
}

#[test]
fn s1_13_readers_must_be_able_to_ask_by_the_strongest_digest_that_release_has() {
    let scene = Scene::new();
    let weaker = fs::read_to_string(scene.path("bin/publisher")).expect("a script");
    let weaker = weaker.replace("-o APT::FTPArchive::Release::SHA512=no", "");
    scene.program("bin/publisher", &weaker);
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect(1).complains(&["as by-hash/SHA512/", "is not there"]);
    let by_hash = "$INTRAWARE_DISTS/stable/main/*/by-hash";
    let adds = format!(
        "for dir in {by_hash}; do\n    mkdir $dir/SHA512\n    for file in $dir/SHA256/*; do\n        \
         cp $file $dir/SHA512/$(sha512sum <$file | cut -d' ' -f1)\n    done\ndone"
    );
    scene.hook("pre/10-a", &adds);
    scene.publish(&[]).expect_silence();
}

#[test]
fn s1_01_what_is_wrong_with_the_configuration_is_said() {
    let scene = Scene::new();
    scene.configure("kep = 3");
    scene.publish(&[]).expect(78).complains(&["tree.kep: is not a known key; did you mean tree.keep?"]);
    scene.configure("");
    fs::remove_dir_all(scene.path("root")).expect("a directory");
    scene.publish(&[]).expect(78).complains(&["is not there; make it, or mend tree.root"]);
    fs::write(scene.path("conf.toml"), "").expect("a file");
    scene.publish(&[]).expect(78).complains(&["there is no [[tree]] in the configuration"]);
}

#[test]
fn s1_15_a_former_tree_can_be_put_back_and_readers_of_the_present_one_can_finish() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.accept("stable", "blast", "1.1");
    scene.publish(&[]).expect_silence();
    let digests = |scene: &Scene| {
        let dir = scene.path("root/dists/stable/main/binary-amd64/by-hash/SHA256");
        let mut names: Vec<_> =
            fs::read_dir(dir).expect("digests").map(|e| e.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let before = digests(&scene);
    scene.accept("stable", "blast", "1.2");
    scene.hook("post/10-z", "");
    scene.publish(&["rollback", "deb"]).expect_silence();
    assert!(scene.has("stable", "blast", "1.0") && !scene.has("stable", "blast", "1.1"));
    assert_eq!((scene.live(), digests(&scene)), ("3".to_owned(), before));
    assert_eq!(scene.notes(), ["post/10-z 1 stable again=no"]);
    let shown = scene.publish(&["snapshots", "deb", "--json"]).expect(0).json();
    let numbers: Vec<_> =
        shown["snapshots"].as_array().expect("a list").iter().map(|one| one["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
    scene.publish(&["rollback", "deb", "--to", "9"]).expect(78).complains(&["there is no such former tree"]);
    // What was due still is.
    scene.publish(&[]).expect_silence();
    assert!(scene.has("stable", "blast", "1.2"));
}

#[test]
fn s1_15_indexes_by_digest_of_a_command_stay_as_long_as_a_kept_tree_names_them() {
    let scene = Scene::new();
    let mut digests = Vec::new();
    for version in 1..7 {
        scene.accept("stable", "blast", &version.to_string());
        scene.publish(&[]).expect_silence();
        let release = scene.read("stable/Release");
        let line = release.lines().find(|line| line.ends_with("main/binary-amd64/Packages.gz"));
        digests.push(line.expect("a line").split_whitespace().next().expect("a digest").to_owned());
    }
    let by_hash = scene.path("root/dists/stable/main/binary-amd64/by-hash/SHA256");
    let is_there: Vec<bool> = digests.iter().map(|digest| by_hash.join(digest).exists()).collect();
    // As with what is built in: the last one, the three that are kept, and the one that was kept while it was
    // made.
    assert_eq!(is_there, [false, true, true, true, true, true]);
}

#[test]
fn s1_15_the_tree_that_readers_get_can_be_looked_at() {
    let scene = Scene::new();
    scene.sign();
    scene.publish(&["fsck", "deb"]).expect_silence();
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    scene.publish(&["fsck", "deb"]).expect_silence();
    let deb = scene.path("root/pool/stable/blast_1.0_amd64.deb");
    let mut bytes = fs::read(&deb).expect("a package");
    bytes[100] ^= 1;
    fs::write(&deb, bytes).expect("a package");
    let run = scene.publish(&["fsck", "deb"]).expect(1);
    run.complains(&["suite stable: pool/stable/blast_1.0_amd64.deb has another SHA-256"]);
}

#[test]
fn s1_13_indexes_that_are_there_as_xz_alone_are_looked_at_as_well() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1.0");
    let text = fs::read_to_string(scene.path("bin/publisher")).expect("a script");
    let xz = "find \"dists/$suite\" -name Packages -exec xz -kf {} +\n    find \"dists/$suite\" \\( -name Packages -o -name Packages.gz \\) -delete\n    rm -f";
    let by_hash = text
        .replacen("    rm -f", &format!("    {xz}"), 1)
        .replace("-o APT::FTPArchive::Release::Acquire-By-Hash=yes", "");
    assert_ne!(text, by_hash);
    scene.program("bin/publisher", &by_hash);
    scene.publish(&[]).expect_silence();
    assert!(scene.path("root/dists/stable/main/binary-amd64/Packages.xz").exists());
    let live = scene.live();
    let spoil = format!("s/^SHA256: .*/SHA256: {}/; s/^Version: .*/&+/", "0".repeat(64));
    let spoil = format!(
        "    sed -i '{spoil}' \"dists/$suite/main/binary-amd64/Packages\"\n    apt-ftparchive sources"
    );
    scene.program("bin/publisher", &by_hash.replace("    apt-ftparchive sources", &spoil));
    scene.ask("stable");
    scene.publish(&[]).expect(1).complains(&["suite stable: ", "another SHA-256"]);
    assert_eq!(scene.live(), live);
}
