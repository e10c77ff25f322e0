//! A tree is published when readers get it, by whatever stands between.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::scene::Scene;
use intraware_tests::support::certificate::Certificates;
use intraware_tests::web::Web;

/// Brings the mirror, which readers ask, to what is in place.
fn bring(scene: &Scene) {
    let mut rsync = Command::new("rsync");
    rsync.args(["-a", "--copy-links", "--delete"]).arg(scene.path("root/dists")).arg(scene.path("mirror"));
    assert!(rsync.status().expect("rsync").success());
}

fn status(scene: &Scene) -> String {
    scene.manage(&["status"]).expect(0).stdout
}

#[test]
fn s1_15_a_pass_is_done_when_readers_get_its_tree_and_the_next_run_looks_again() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("mirror")).expect("a directory");
    let web = Web::serve(&scene.path("mirror"));
    let sync = format!("rsync -a --copy-links \"$INTRAWARE_ROOT/dists\" {}", scene.path("mirror").display());
    scene.configure(&format!("public_url = {:?}\npublic_s = 2\n", web.url()));
    scene.hook("post/10-sync", &sync);
    scene.accept("stable", "blast", "1.0");
    scene.publish(&[]).expect_silence();
    // The second within the same second is one that has changed all the same.
    scene.accept("stable", "blast", "1.1");
    scene.publish(&[]).expect_silence();

    scene.hook("post/10-sync", "");
    scene.accept("stable", "blast", "1.2");
    let told = ["suite stable is in place, but not for readers of public_url: Release, as a cache has it,"];
    scene.publish(&[]).expect(1).complains(&told);
    assert!(scene.has("stable", "blast", "1.2") && status(&scene).contains("put stable in place as 3"));
    scene.notes();
    scene
        .publish(&["--dry-run"])
        .expect(0)
        .stdout
        .contains("pass 3 is in place")
        .then_some(())
        .expect("a plan");
    scene.publish(&[]).expect(1).complains(&told);
    assert_eq!((scene.live(), scene.notes()), ("3".to_owned(), Vec::new()));
    bring(&scene);
    scene.publish(&[]).expect_silence();
    assert_eq!((scene.live(), scene.notes()), ("3".to_owned(), Vec::new()));
    assert!(status(&scene).contains("published stable as 3") && !status(&scene).contains("do not get it"));

    // An index that lags behind its Release, and a security suite whose normal pass comes all the same.
    scene.hook(
        "post/10-sync",
        &format!("{sync}; rm -r {}/dists/*/main/*/by-hash", scene.path("mirror").display()),
    );
    scene.accept("stable-security", "blast", "1.3");
    scene.publish(&[]).expect(1).complains(&["by-hash/SHA256/", "status 404"]);
    assert_eq!(scene.live(), "5");
}

#[test]
fn s1_15_a_mirror_that_lags_for_a_while_is_waited_for() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("mirror")).expect("a directory");
    let web = Web::serve(&scene.path("mirror"));
    scene.configure(&format!("public_url = {:?}\npublic_s = 60\n", web.url()));
    scene.accept("stable", "blast", "1.0");
    let run = scene.start(&[]);
    let until = Instant::now() + Duration::from_secs(60);
    while scene.live().is_empty() {
        assert!(Instant::now() < until, "nothing is put in place");
        thread::sleep(Duration::from_millis(20));
    }
    bring(&scene);
    run.wait().expect_silence();
    // A former tree has another Release than the one that readers have, and an older one.
    scene.accept("stable", "blast", "1.1");
    let sync = format!("rsync -a --copy-links \"$INTRAWARE_ROOT/dists\" {}", scene.path("mirror").display());
    scene.hook("post/10-sync", &sync);
    scene.publish(&[]).expect_silence();
    scene.publish(&["rollback", "deb"]).expect_silence();
    assert!(scene.has("stable", "blast", "1.0"));
}

#[test]
fn s1_15_public_url_may_have_a_certificate_of_an_authority_of_our_own() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("keys")).expect("a directory");
    let keys = Certificates::make(&scene.path("keys"));
    let web = Web::serve_tls(&scene.path("root"), &keys.identity("server"));
    let configure = |more: &str| {
        scene.configure(&format!("public_url = \"https://{}\"\npublic_s = 1\n{more}", web.address()));
    };
    configure("");
    scene.accept("stable", "blast", "1.0");
    scene
        .publish(&[])
        .expect(1)
        .complains(&["is in place, but not for readers of public_url", "UnknownIssuer"]);
    for (file, says) in [("none.pem", "No such file"), ("conf.toml", "it holds no certificate")] {
        configure(&format!("ca_file = {:?}", scene.path(file)));
        scene.publish(&[]).expect(78).complains(&["tree.ca_file: cannot use ", file, says]);
    }
    configure(&format!("ca_file = {:?}", keys.authority()));
    scene.publish(&[]).expect_silence();
    assert!(status(&scene).contains("published stable as 1"));
    // The name counts all the same.
    let other = Web::serve_tls(&scene.path("root"), &keys.identity("elsewhere"));
    let url = format!("public_url = \"https://{}\"\npublic_s = 1\n", other.address());
    scene.configure(&format!("{url}ca_file = {:?}", keys.authority()));
    scene.accept("stable", "blast", "1.1");
    scene
        .publish(&[])
        .expect(1)
        .complains(&["is in place, but not for readers of public_url", "not valid for name"]);
    scene.configure("ca_file = \"/x\"");
    scene.publish(&[]).expect(78).complains(&["tree.ca_file", "has no meaning without tree.public_url"]);
}
