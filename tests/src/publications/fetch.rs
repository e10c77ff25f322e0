//! A real apt-get over HTTP, before and after many publications, and in the middle of a run.

use std::fs;
use std::time::{Duration, Instant};

use intraware_tests::apt::Apt;
use intraware_tests::scene::Scene;
use intraware_tests::web::Web;

/// How long a run may take to come to its normal pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publishes so often, has apt fetch before and after it, and then a package of security while the normal
/// pass waits. Returns what went wrong.
pub(crate) fn faults(scene: &Scene, publications: usize) -> Vec<String> {
    let web = Web::serve(&scene.path("root"));
    let keyring = scene.path("archive.gpg");
    let apt = Apt::new(scene.path("apt"), &web.url(), &keyring, &["stable", "stable-security"]);
    let mut faults = Vec::new();
    let mut look = |when: &str, version: &str| {
        faults.extend(fetch(&apt, version).err().map(|fault| format!("{when}: {fault}")));
    };
    accept(scene, "stable", "1");
    scene.publish(&[]).expect_silence();
    look("before", "1");
    for version in 2..=publications {
        accept(scene, "stable", &version.to_string());
        scene.publish(&[]).expect_silence();
    }
    look("after", &publications.to_string());
    let (began, go) = (scene.path("began"), scene.path("go"));
    let waits = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    scene.hook("pre/10-a", &format!("[ \"$1\" = 1 ] || exit 0\n: >{}\n{waits}", began.display()));
    let (normal, security) = (format!("{}.1", publications), format!("{}.2", publications));
    accept(scene, "stable", &normal);
    accept(scene, "stable-security", &security);
    let mut running = scene.start(&[]);
    let started = Instant::now();
    while !began.exists() && started.elapsed() < PATIENCE {
        running.ends_within(Duration::from_millis(50));
    }
    look("while the normal pass runs", &security);
    if !running.is_alive() || scene.has("stable", "blast", &normal) {
        faults.push("the normal pass had ended".into());
    }
    fs::write(&go, "").expect("a file");
    running.wait().expect_silence();
    faults
}

fn accept(scene: &Scene, suite: &str, version: &str) {
    scene.accept_source(suite, "blast", version);
    scene.accept(suite, "blast", version);
}

/// Has the package and its sources fetched, and fails if they are not of this version.
fn fetch(apt: &Apt, version: &str) -> Result<(), String> {
    apt.get(&["update"])?;
    apt.get(&["download", "blast"])?;
    apt.get(&["source", "--download-only", "blast"])?;
    for name in ["_amd64.deb", ".dsc", ".tar.xz"].map(|end| format!("blast_{version}{end}")) {
        if !apt.takes(&name) {
            return Err(format!("{name} did not come"));
        }
    }
    Ok(())
}
