//! Readers, who come at any time.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::scene::Scene;

/// Runs apt-get with a root of its own; nothing of the system's is read or changed.
fn apt(dir: &Path, root: &Path, keyring: &Path, arguments: &[&str]) -> String {
    for name in ["lists/partial", "cache/archives/partial", "etc"] {
        fs::create_dir_all(dir.join(name)).expect("a directory");
    }
    let source = |suite: &str| {
        format!("deb [arch=amd64 signed-by={}] copy:{} {suite} main\n", keyring.display(), root.display())
    };
    fs::write(dir.join("etc/sources.list"), source("stable") + &source("stable-security")).expect("a list");
    fs::write(dir.join("status"), "").expect("a file");
    let mut command = Command::new("apt-get");
    for (name, value) in [
        ("Dir::Etc::SourceList", "etc/sources.list"),
        ("Dir::Etc::SourceParts", "none"),
        ("Dir::Etc::Parts", "none"),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        command.arg("-o").arg(format!("{name}={}", dir.join(value).display()));
    }
    command.args([
        "-o",
        "APT::Architecture=amd64",
        "-o",
        "APT::Architectures=amd64",
        "-o",
        "APT::Sandbox::User=root",
    ]);
    command.args(["-o", "Acquire::Languages=none"]);
    let output = command.args(arguments).current_dir(dir).output().expect("apt-get");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !text.contains("\nW:") && !text.contains("\nE:"), "{text}");
    text
}

#[test]
fn s1_15_apt_accepts_the_tree_by_its_signature_and_finds_what_is_new() {
    let scene = Scene::new();
    scene.sign();
    scene.accept("stable", "blast", "1.0");
    scene.accept("stable-security", "blast", "0.9");
    scene.publish(&[]).expect_silence();
    let (dir, root, keyring) = (scene.path("apt"), scene.path("root"), scene.path("archive.gpg"));
    apt(&dir, &root, &keyring, &["update"]);
    apt(&dir, &root, &keyring, &["download", "blast"]);
    assert!(dir.join("blast_1.0_amd64.deb").exists());
    // Security is there while the normal pass still waits.
    scene.accept("stable-security", "blast", "1.1");
    scene.publish(&["--security-only"]).expect_silence();
    apt(&dir, &root, &keyring, &["update"]);
    apt(&dir, &root, &keyring, &["download", "blast"]);
    assert!(dir.join("blast_1.1_amd64.deb").exists());
}

/// Fetches Release and all that it names by digest, as one who has begun does, however long it takes.
fn fetch(dists: &Path) -> Result<(), String> {
    let text = fs::read_to_string(dists.join("stable/Release")).map_err(|e| format!("Release: {e}"))?;
    for line in
        text.lines().skip_while(|line| *line != "SHA256:").skip(1).take_while(|line| line.starts_with(' '))
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let dir = Path::new("stable").join(words[2]);
        let path = dists.join(dir.parent().expect("a directory")).join("by-hash/SHA256").join(words[0]);
        let found = fs::metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?.len();
        if found.to_string() != words[1] {
            return Err(format!("{}: {found} bytes", path.display()));
        }
    }
    Ok(())
}

#[test]
fn s1_15_readers_never_find_no_tree_or_half_of_one() {
    let scene = Scene::new();
    scene.accept("stable", "blast", "1");
    scene.publish(&[]).expect_silence();
    let (dists, end) = (scene.path("root/dists"), AtomicBool::new(false));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !end.load(Ordering::Relaxed) {
                        fetch(&dists).expect("a whole tree");
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for version in 2..12 {
            scene.accept("stable", "blast", &version.to_string());
            scene.publish(&[]).expect_silence();
        }
        end.store(true, Ordering::Relaxed);
        let reads: usize = readers.into_iter().map(|reader| reader.join().expect("no gap")).sum();
        assert!(reads > 100, "{reads}");
    });
    // Former trees are kept, and no more than is configured.
    assert_eq!(fs::read_dir(scene.path("root/.publish/trees")).expect("trees").count(), 4);
}
