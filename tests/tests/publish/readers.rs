//! Readers, who come at any time.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use intraware_tests::apt::Apt;
use intraware_tests::web::Web;

use crate::passes::wait_for;
use crate::scene::Scene;

/// Has both a package and its sources fetched.
fn fetches(apt: &Apt, version: &str) {
    apt.get(&["update"]).expect("a tree that apt accepts");
    apt.get(&["download", "blast"]).expect("a package");
    apt.get(&["source", "--download-only", "blast"]).expect("its sources");
    for name in ["amd64.deb", ".dsc", ".tar.xz"] {
        let separator = if name.starts_with('.') { "" } else { "_" };
        let name = format!("blast_{version}{separator}{name}");
        assert!(apt.takes(&name), "{name}");
    }
}

#[test]
fn s1_10_s1_15_apt_over_http_accepts_the_tree_and_finds_security_while_the_normal_pass_runs() {
    let scene = Scene::new();
    scene.sign();
    let accept = |suite: &str, version: &str| {
        scene.accept_source(suite, "blast", version);
        scene.accept(suite, "blast", version);
    };
    accept("stable", "1.0");
    accept("stable-security", "0.9");
    scene.publish(&[]).expect_silence();
    let web = Web::serve(&scene.path("root"));
    let keyring = scene.path("archive.gpg");
    let apt = Apt::new(scene.path("apt"), &web.url(), &keyring, &["stable", "stable-security"]);
    fetches(&apt, "1.0");
    let (began, go) = (scene.path("began"), scene.path("go"));
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    scene.hook("pre/10-a", &format!("[ \"$1\" = 1 ] || exit 0\n: >{}\n{wait}", began.display()));
    accept("stable", "1.1");
    accept("stable-security", "1.2");
    let running = scene.start(&[]);
    wait_for(&began);
    fetches(&apt, "1.2");
    fs::write(&go, "").expect("a file");
    running.wait().expect_silence();
    fetches(&apt, "1.2");
    assert!(scene.has("stable", "blast", "1.1"));
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
