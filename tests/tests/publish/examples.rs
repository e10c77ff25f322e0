//! The publishers that are shipped as examples, each with the configuration that stands beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use intraware_tests::apt::Apt;
use intraware_tests::archive::{names, ok};
use intraware_tests::web::Web;

use crate::newcomer::blocks;
use crate::scene::Scene;

/// A scene with a directory for what the page has in `/srv`, a key, and the configuration that begins like
/// this.
fn scene(begins: &str) -> Scene {
    let scene = Scene::new();
    scene.sign();
    for dir in
        ["srv/debian", "srv/rpm", "srv/incoming/stable", "srv/incoming/stable-security", "srv/reprepro/conf"]
    {
        fs::create_dir_all(scene.path(dir)).expect("a directory");
    }
    // Others can read a tree, and the page's keyring lies in it.
    fs::copy(scene.path("archive.gpg"), scene.path("srv/debian/archive.gpg")).expect("a keyring");
    let blocks = blocks();
    let block = blocks.iter().find(|block| block.starts_with(begins)).expect("a block of the page");
    let examples =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join("config/publish");
    let text = block
        .replace("/usr/local/bin", &examples.display().to_string())
        .replace("/var/lib/intraware/gnupg", &scene.path("gnupg").display().to_string())
        .replace("\"/srv/", &format!("\"{}/", scene.path("srv").display()));
    fs::write(scene.path("conf.toml"), text).expect("a configuration");
    scene
}

/// Makes a package for reprepro, and lets it arrive.
fn arrive(scene: &Scene, suite: &str, version: &str) -> PathBuf {
    let work = scene.path("work");
    fs::create_dir_all(work.join("DEBIAN")).expect("a directory");
    let control = format!(
        "Package: blast\nVersion: {version}\nArchitecture: amd64\nSection: utils\nPriority: optional\n\
         Maintainer: Ann <ann@example.com>\nDescription: a package\n"
    );
    fs::write(work.join("DEBIAN/control"), control).expect("a file");
    let to = scene.path("srv/incoming").join(suite).join(format!("blast_{version}_amd64.deb"));
    ok(Command::new("dpkg-deb").arg("--build").arg(&work).arg(&to));
    to
}

#[test]
fn s1_13_reprepro_publishes_by_the_example_and_apt_finishes_on_a_former_release() {
    let scene = scene(
        "[[tree]]\nname = \"debian\"\nroot = \"/srv/debian\"\nsuites = [\"stable\"]\nsecurity_suites = [\"stable-security\"]\nkeyring = \"/srv/debian/archive.gpg\"\nprocess_accepted",
    );
    let distributions = blocks().into_iter().find(|block| block.starts_with("Codename:")).expect("a block");
    fs::write(scene.path("srv/reprepro/conf/distributions"), distributions).expect("a file");
    arrive(&scene, "stable", "1.0");
    arrive(&scene, "stable-security", "0.9");
    scene.publish(&[]).expect_silence();
    let web = Web::serve(&scene.path("srv/debian"));
    let suites = ["stable", "stable-security"];
    let apt = Apt::new(scene.path("apt"), &web.url(), &scene.path("archive.gpg"), &suites);
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast"]).expect("a package");
    assert!(apt.takes("blast_1.0_amd64.deb"));
    // A pass that fails after the publisher, and what reprepro remembers of it, spoil nothing.
    let text = fs::read_to_string(scene.path("conf.toml")).expect("a configuration");
    let hooks = format!("pre_publication = {:?}\npublisher", scene.path("pre"));
    fs::write(scene.path("conf.toml"), text.replace("publisher", &hooks)).expect("a configuration");
    scene.hook("pre/10-a", "exit 1");
    arrive(&scene, "stable", "1.1");
    scene.publish(&[]).expect(1);
    scene.hook("pre/10-a", "");
    scene.publish(&[]).expect_silence();
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast"]).expect("a package");
    assert!(apt.takes("blast_1.1_amd64.deb"));
    // What former trees name by digest stays, and the former package as well.
    let dists = scene.path("srv/debian/dists/stable");
    let by_hash = || names(&dists.join("main/binary-amd64/by-hash/SHA256")).len();
    let (before, former) = (by_hash(), scene.path("srv/debian/pool/main/b/blast/blast_1.0_amd64.deb"));
    assert!(former.exists() && before >= 4, "{before}");
    for version in 2..9 {
        arrive(&scene, "stable", &format!("1.{version}"));
        scene.publish(&[]).expect_silence();
    }
    let (most, release) = (5 * 3, fs::read_to_string(dists.join("Release")).expect("a Release"));
    assert!(by_hash() <= most && release.contains("Acquire-By-Hash: yes"), "{} {release}", by_hash());
    // One that is no package is told, and keeps no other from coming in.
    let bad = scene.path("srv/incoming/stable/a.deb");
    fs::write(&bad, "x").expect("a file");
    let good = arrive(&scene, "stable-security", "2.0");
    scene.publish(&[]).expect(1).complains(&["accept-reprepro"]);
    assert!(bad.exists() && !good.exists());
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast"]).expect("a package");
    assert!(apt.takes("blast_2.0_amd64.deb"));
}

/// Makes an RPM package in the pool of a suite, and asks for that.
fn roll(scene: &Scene, suite: &str, version: &str) {
    let spec = format!(
        "Name: blast\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%files\n"
    );
    fs::write(scene.path("blast.spec"), spec).expect("a file");
    let pool = scene.path("srv/rpm/pool").join(suite);
    let define = |name: &str, value: &str| format!("{name} {value}");
    let mut build = Command::new("rpmbuild");
    build.args(["--quiet", "-bb"]).env("HOME", scene.path("work"));
    for (name, value) in [
        ("_topdir", scene.path("rpmbuild").display().to_string()),
        ("_rpmdir", pool.display().to_string()),
        ("_rpmfilename", "%{NAME}-%{VERSION}.%{ARCH}.rpm".to_owned()),
    ] {
        build.arg("--define").arg(define(name, &value));
    }
    ok(build.arg(scene.path("blast.spec")));
    let dirty = scene.path("srv/rpm/.publish/dirty");
    fs::create_dir_all(&dirty).expect("a directory");
    fs::write(dirty.join(suite), "").expect("a request");
}

/// Runs dnf with a root, a configuration and a cache of its own.
fn dnf(scene: &Scene, url: &str, arguments: &[&str]) -> String {
    let dir = scene.path("dnf");
    fs::create_dir_all(&dir).expect("a directory");
    let at = dir.display();
    let key = scene.path("archive.asc");
    ok(Command::new("gpg")
        .arg("--homedir")
        .arg(scene.path("gnupg"))
        .args(["--batch", "--yes", "--armor"])
        .arg("--output")
        .arg(&key)
        .arg("--export"));
    let key = key.display();
    let text = format!(
        "[main]\nreposdir={at}/none\ncachedir={at}/cache\npersistdir={at}/persist\nlogdir={at}/log\n\
         varsdir={at}/none\nplugins=0\nmetadata_expire=0\n[el9]\nname=el9\nbaseurl={url}dists/el9\n\
         gpgcheck=0\nrepo_gpgcheck=1\ngpgkey=file://{key}\n"
    );
    fs::write(dir.join("dnf.conf"), text).expect("a configuration");
    let mut dnf = Command::new("dnf");
    dnf.arg("--config").arg(dir.join("dnf.conf")).arg("--installroot").arg(dir.join("root"));
    dnf.args(["--releasever", "9", "--quiet", "-y"]).args(arguments).env("HOME", scene.path("work"));
    String::from_utf8(ok(&mut dnf).stdout).expect("text")
}

/// Returns what a repomd.xml names, below the suite.
fn named(suite: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(suite.join("repodata/repomd.xml")).expect("a repomd.xml");
    let name = |line: &str| Some(suite.join(line.split_once("<location href=\"")?.1.split_once('"')?.0));
    text.lines().filter_map(name).collect()
}

#[test]
fn s1_13_createrepo_publishes_by_the_example_and_dnf_finds_and_fetches() {
    let scene = scene("[[tree]]\nname = \"rpm\"");
    fs::create_dir_all(scene.path("work")).expect("a directory");
    for suite in ["el9", "el9-security"] {
        roll(&scene, suite, "1.0");
    }
    scene.publish(&[]).expect_silence();
    let web = Web::serve(&scene.path("srv/rpm"));
    let found = dnf(&scene, &web.url(), &["repoquery", "blast"]);
    assert_eq!(found, "blast-0:1.0-1.noarch\n");
    let suite = scene.path("srv/rpm/dists/el9");
    let first = named(&suite);
    assert!(first.len() == 3 && first.iter().all(|path| path.exists()), "{first:?}");
    // Who has begun with a former one can finish for as many generations as trees are kept, and no longer.
    for version in 1..=4 {
        assert!(first.iter().all(|path| path.exists()), "{version}");
        // createrepo_c knows a generation's age to the second only: of two of one second it removes either.
        thread::sleep(Duration::from_secs(1));
        roll(&scene, "el9", &format!("1.{version}"));
        scene.publish(&["--suite", "el9"]).expect_silence();
    }
    assert!(first.iter().all(|path| !path.exists()), "{:?}", names(&suite.join("repodata")));
    assert!(dnf(&scene, &web.url(), &["repoquery", "--latest-limit=1", "blast"]).contains("blast-0:1.4-1"));
    let into = scene.path("dnf/fetched");
    let into_text = into.display().to_string();
    dnf(&scene, &web.url(), &["install", "--downloadonly", "--downloaddir", &into_text, "blast"]);
    assert_eq!(names(&into), ["blast-1.4.noarch.rpm"]);
    // A package that cannot be read stops the pass.
    let live = fs::read_link(scene.path("srv/rpm/dists")).expect("a link");
    fs::write(scene.path("srv/rpm/pool/el9/bad.rpm"), "x").expect("a file");
    fs::set_permissions(scene.path("srv/rpm/pool/el9/bad.rpm"), fs::Permissions::from_mode(0o644))
        .expect("a mode");
    scene.publish(&["--suite", "el9"]).expect(1).complains(&["publish-rpms: ended with exit status: 2"]);
    assert_eq!(fs::read_link(scene.path("srv/rpm/dists")).expect("a link"), live);
}
