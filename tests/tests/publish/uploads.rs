//! Signed uploads, and what is refused of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use intraware_tests::apt::Apt;
use intraware_tests::archive::{Archive, names, ok};
use intraware_tests::web::Web;

use crate::scene::{contents, listing};

#[test]
fn s1_08_an_upload_goes_into_the_pool_and_its_suite_is_published() {
    let archive = Archive::new();
    let debs = ["blast", "libblast0"].map(|name| {
        archive.package(
            &archive.path("incoming"),
            name,
            "2:1.0-1",
            if name == "blast" { "amd64" } else { "all" },
        )
    });
    let text = archive.changes("stable", &[&debs[0]]);
    archive.sign_as(&archive.uploader, "blast.changes", &text);
    archive.sign_as(&archive.uploader, "lib.changes", &archive.changes("stable-security", &[&debs[1]]));
    archive.publish(&[]).expect_silence();
    assert!(archive.has("stable", "blast", "2:1.0-1"));
    assert!(archive.has("stable-security", "libblast0", "2:1.0-1"));
    let pool =
        ["pool/main/b/blast/blast_1.0-1_amd64.deb", "pool/main/libb/libblast0/libblast0_1.0-1_all.deb"];
    assert_eq!(archive.pool(), pool);
    assert_eq!(archive.waiting(), [""; 0]);
    let list = fs::read_to_string(archive.path("root/.publish/suites/stable")).expect("a list");
    assert_eq!(list, format!("main amd64 blast 2:1.0-1 {}\n", pool[0]));
}

#[test]
fn s1_08_uploads_of_one_source_come_in_by_their_versions() {
    let archive = Archive::new();
    for version in ["1.10", "1.9", "1.9~rc1"] {
        archive.upload("stable", "blast", version);
    }
    archive.publish(&[]).expect_silence();
    assert!(archive.has("stable", "blast", "1.10") && !archive.has("stable", "blast", "1.9"));
    assert_eq!(archive.pool().len(), 3);
}

#[test]
fn p5_s1_08_what_is_wrong_is_refused_with_the_reason_beside_it_and_the_others_go_on() {
    let archive = Archive::new();
    archive.upload("stable", "forge", "2.0");
    archive.publish(&[]).expect_silence();
    let (before, packages) = (listing(&archive.path("root/dists/")), contents(&archive.path("root/pool")));
    let indexes = contents(&archive.path("root/dists"));
    let live = archive.live();
    let text = |package: &str, version: &str| {
        let deb = archive.package(&archive.path("incoming"), package, version, "amd64");
        archive.changes("stable", &[&deb])
    };
    let sign = |name: &str, text: String| archive.sign_as(&archive.uploader, name, &text);
    // Wrong digest, of the same size.
    sign("digest.changes", text("digest", "1"));
    let mut deb = fs::read(archive.incoming("digest_1_amd64.deb")).expect("a package");
    *deb.last_mut().expect("bytes") ^= 1;
    fs::write(archive.incoming("digest_1_amd64.deb"), deb).expect("a package");
    // A signer that nobody knows, no signature, and one over another text.
    archive.sign_as(&archive.stranger, "stranger.changes", &text("stranger", "1"));
    fs::write(archive.incoming("unsigned.changes"), text("unsigned", "1")).expect("a file");
    sign("altered.changes", text("altered", "1"));
    let altered = fs::read_to_string(archive.incoming("altered.changes")).expect("a file");
    let altered = altered.replace("Distribution: stable", "Distribution: stable-security");
    fs::write(archive.incoming("altered.changes"), altered).expect("a file");
    // A path in a name.
    sign("path.changes", text("path", "1").replace("path_1_amd64.deb", "../path_1_amd64.deb"));
    // An older version than there is, and another file with the same version.
    sign("older.changes", text("forge", "1.9"));
    // Another suite, component, architecture, name.
    sign("suite.changes", text("suite", "1").replace("Distribution: stable", "Distribution: UNRELEASED"));
    sign("component.changes", text("component", "1").replace(" utils ", " contrib/utils "));
    let deb = archive.package(&archive.path("incoming"), "arch", "1", "s390x");
    sign("architecture.changes", archive.changes("stable", &[&deb]));
    let deb = archive.package(&archive.path("incoming"), "real", "1", "amd64");
    fs::rename(archive.incoming(&deb), archive.incoming("name_1_amd64.deb")).expect("a name");
    sign("name.changes", archive.changes("stable", &["name_1_amd64.deb"]));
    // A link, by which another file of this host would be published.
    sign("link.changes", text("link", "1"));
    fs::rename(archive.incoming("link_1_amd64.deb"), archive.path("link.deb")).expect("a name");
    std::os::unix::fs::symlink(archive.path("link.deb"), archive.incoming("link_1_amd64.deb"))
        .expect("a link");

    let run = archive.publish(&[]).expect(1);
    let reasons = [
        ("digest", "digest_1_amd64.deb has another SHA-256 than the upload says"),
        ("stranger", "whose key is not in the keyring"),
        ("unsigned", "it is not signed"),
        ("altered", "its signature is not good"),
        ("path", "\"../path_1_amd64.deb\" is no plain name of a file"),
        ("older", "forge 1.9: stable has 2.0 for amd64 already"),
        ("suite", "it is for \"UNRELEASED\"; the suites are stable-security, stable, testing"),
        ("component", "is for the component \"contrib\"; there is main"),
        ("architecture", "is for \"s390x\"; the tree has amd64"),
        ("name", "holds what should be called real_1_amd64.deb"),
        ("link", "link_1_amd64.deb is no regular file"),
    ];
    for (name, why) in reasons {
        let reason = archive.reason(&format!("{name}.changes"));
        assert!(reason.contains(why), "{name}: {reason}");
        assert!(run.stderr.contains(&format!("refused the upload {name}.changes: ")), "{}", run.stderr);
    }
    assert_eq!(listing(&archive.path("root/dists/")), before);
    assert_eq!(contents(&archive.path("root/dists")), indexes);
    assert_eq!(contents(&archive.path("root/pool")), packages);
    assert_eq!((archive.live(), archive.pool().len()), (live, 1));
    // What a stranger names may be somebody else's.
    assert!(archive.incoming("stranger_1_amd64.deb").exists());
    assert!(archive.incoming("rejected/digest_1_amd64.deb").exists());
    // They are told once, and the next upload comes in.
    archive.upload("stable", "forge", "2.1");
    archive.publish(&[]).expect_silence();
    assert!(archive.has("stable", "forge", "2.1"));
}

#[test]
fn s1_08_one_that_is_refused_does_not_keep_another_or_security_from_going_out() {
    let archive = Archive::new();
    let name = archive.upload("stable", "blast", "1.0");
    fs::write(archive.incoming("blast_1.0_amd64.deb"), vec![0; 1 << 20]).expect("a file");
    archive.upload("stable-security", "forge", "1.1");
    archive.publish(&[]).expect(1).complains(&["refused the upload blast_1.0_amd64.changes"]);
    assert!(archive.reason(&name).contains("another size"));
    assert!(archive.has("stable-security", "forge", "1.1"));
    assert_eq!(archive.live(), "2");
}

#[test]
fn s1_08_an_upload_waits_until_all_of_it_is_there_and_not_for_ever() {
    let archive = Archive::new();
    let name = archive.upload("stable", "blast", "1.0");
    let deb = archive.incoming("blast_1.0_amd64.deb");
    let (whole, changes) =
        (fs::read(&deb).expect("a package"), fs::read(archive.incoming(&name)).expect("a file"));
    // A part of the package; then nothing of it; then all of it, and a part of what names it.
    fs::write(&deb, &whole[..100]).expect("a file");
    archive.publish(&[]).expect_silence();
    fs::remove_file(&deb).expect("a file");
    archive.publish(&[]).expect_silence();
    let plan = archive.publish(&["--dry-run"]).expect(0);
    assert!(
        plan.stdout.contains("leave blast_1.0_amd64.changes: blast_1.0_amd64.deb has not arrived"),
        "{plan:?}"
    );
    fs::write(&deb, &whole).expect("a file");
    fs::write(archive.incoming(&name), &changes[..changes.len() - 100]).expect("a file");
    archive.publish(&[]).expect_silence();
    assert!(!archive.has("stable", "blast", "1.0") && archive.pool().is_empty());
    fs::write(archive.incoming(&name), &changes).expect("a file");
    let plan = archive.publish(&["--dry-run"]).expect(0);
    assert!(plan.stdout.contains("take in blast_1.0_amd64.changes for stable"), "{plan:?}");
    assert!(plan.stdout.contains("run apt-ftparchive stable"), "{plan:?}");
    archive.publish(&[]).expect_silence();
    assert!(archive.has("stable", "blast", "1.0"));
    // After a day it is given up.
    let late = archive.upload("stable", "blast", "1.1");
    fs::remove_file(archive.incoming("blast_1.1_amd64.deb")).expect("a file");
    ok(Command::new("touch").args(["-d", "25 hours ago"]).arg(archive.incoming(&late)));
    archive.publish(&[]).expect(1);
    assert!(archive.reason(&late).contains("blast_1.1_amd64.deb has not arrived, for 24 hours"));
}

#[test]
fn s1_08_a_source_comes_in_with_all_its_parts_and_the_next_one_uses_those_in_the_pool() {
    let archive = Archive::new();
    let source = |version: &str, with_orig: bool| {
        let dir = archive.path("source");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("blast/debian/source")).expect("a directory");
        fs::write(dir.join("blast/blast.c"), "int main;\n").expect("a file");
        let written = dir.join("blast/debian");
        let put = |name: &str, text: &str| fs::write(written.join(name), text).expect("a file");
        put("source/format", "3.0 (quilt)\n");
        put(
            "control",
            "Source: blast\nMaintainer: Ann <a@example.com>\nStandards-Version: 4.6.0\n\nPackage: blast\nArchitecture: any\nDescription: x\n",
        );
        put(
            "changelog",
            &format!(
                "blast ({version}) stable; urgency=low\n\n  * x\n\n -- Ann <a@example.com>  Tue, 01 Dec 2026 00:00:00 +0000\n"
            ),
        );
        let orig = dir.join("blast_1.0.orig.tar.xz");
        if !archive.path("orig").exists() {
            ok(Command::new("tar")
                .args(["--exclude=debian", "-cJf"])
                .arg(&orig)
                .arg("blast")
                .current_dir(&dir));
            fs::copy(&orig, archive.path("orig")).expect("a copy");
        }
        fs::copy(archive.path("orig"), &orig).expect("a copy");
        ok(Command::new("dpkg-source").args(["-b", "blast"]).current_dir(&dir));
        let mut make = Command::new("dpkg-genchanges");
        let text =
            ok(make.args(["-S", if with_orig { "-sa" } else { "-sd" }]).current_dir(dir.join("blast")));
        for name in names(&dir).iter().filter(|name| with_orig || !name.contains("orig")) {
            fs::copy(dir.join(name), archive.incoming(name)).expect("a copy");
        }
        archive.sign_as(&archive.uploader, "source.changes", &String::from_utf8_lossy(&text.stdout));
    };
    // A revision whose upstream part is nowhere.
    source("1.0-2", false);
    archive.publish(&[]).expect(1);
    assert!(
        archive.reason("source.changes").contains("blast_1.0.orig.tar.xz"),
        "{}",
        archive.reason("source.changes")
    );
    source("1.0-1", true);
    archive.publish(&[]).expect_silence();
    source("1.0-2", false);
    archive.publish(&[]).expect_silence();
    let web = Web::serve(&archive.path("root"));
    let apt = Apt::new(archive.path("apt"), &web.url(), &archive.path("archive.gpg"), &["stable"]);
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["source", "--download-only", "blast"]).expect("its sources");
    assert!(apt.takes("blast_1.0-2.dsc") && apt.takes("blast_1.0.orig.tar.xz"));
    let index = archive.read("stable/main/source/Sources");
    assert!(index.contains("Version: 1.0-2\n") && !index.contains("Version: 1.0-1\n"), "{index}");
    assert!(index.contains("blast_1.0.orig.tar.xz"), "{index}");
    assert_eq!(archive.waiting(), [""; 0]);
}

#[test]
fn s1_08_after_a_crash_the_same_upload_comes_anew() {
    let archive = Archive::new();
    let name = archive.upload("stable", "blast", "1.0");
    let kept = ["blast_1.0_amd64.changes", "blast_1.0_amd64.deb"]
        .map(|name| (archive.incoming(name), fs::read(archive.incoming(name)).expect("a file")));
    archive.publish(&[]).expect_silence();
    let (live, list) =
        (archive.live(), fs::read(archive.path("root/.publish/suites/stable")).expect("a list"));
    // It had come as far as the pool; then also the package was gone.
    for files in [&kept[..], &kept[..1]] {
        files.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("a file"));
        archive.publish(&["--suite", "testing"]).expect_silence();
        assert_eq!(fs::read(archive.path("root/.publish/suites/stable")).expect("a list"), list);
        assert_eq!(archive.waiting(), [""; 0], "{name}");
    }
    assert_ne!(archive.live(), live);
}

#[test]
fn p5_s1_08_an_upload_for_which_there_is_no_room_stays_where_it_is_and_keeps_no_other_out() {
    let archive = Archive::new();
    let root = archive.path("root");
    let mount =
        |options: &str| ok(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&root));
    mount("size=3m,mode=755");
    let _mounted = Mounted(root.clone());
    archive.upload("stable", "blast", "1.0");
    archive.publish(&[]).expect_silence();
    let (live, pool) = (archive.live(), archive.pool());
    let deb = archive.package(&archive.path("incoming"), "blast", "1.1", "amd64");
    let big = archive.path("package/usr/share/big");
    ok(Command::new("dd").args(["if=/dev/urandom", "bs=1M", "count=4"]).arg(format!("of={}", big.display())));
    ok(Command::new("dpkg-deb").arg("--build").arg(archive.path("package")).arg(archive.incoming(&deb)));
    archive.sign_as(&archive.uploader, "blast.changes", &archive.changes("stable", &[&deb]));
    archive.publish(&[]).expect(74).complains(&["cannot copy", "No space left on device"]);
    assert_eq!((archive.live(), archive.pool()), (live, pool));
    assert_eq!(archive.waiting(), ["blast.changes", "blast_1.1_amd64.deb"]);
    // It keeps no other from coming in, least of all one for security.
    archive.upload("stable-security", "forge", "1.1");
    archive.publish(&[]).expect(74).complains(&["cannot copy", "No space left on device"]);
    assert!(archive.has("stable-security", "forge", "1.1") && archive.has("stable", "blast", "1.0"));
    assert_eq!(archive.waiting(), ["blast.changes", "blast_1.1_amd64.deb"]);
    mount("remount,size=30m");
    archive.publish(&[]).expect_silence();
    assert!(archive.has("stable", "blast", "1.1"));
}

/// A mounted directory. Dropping it ends that.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // The directory is thrown away as a whole; nothing else can be done here.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
