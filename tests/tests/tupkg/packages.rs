//! Honest clients: what they are asked for, and what they get.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use intraware_tests::trace;

use crate::raw::{Raw, announce, md5};
use crate::scene::{PASSWORD, Scene, Tls, USER, content, private};

#[test]
fn s4_01_s4_02_s4_11_packages_go_over_tls_to_the_server_that_the_file_names() {
    let scene = Scene::new("");
    let server = scene.serve();
    scene.account(".tupkg", server.address(), Tls::Yes, "");
    let names = ["a.pkg.tar.xz", "gtk+-1@2_3.pkg.tar.xz"];
    for (seed, name) in names.iter().enumerate() {
        scene.package(name, 300_000, seed as u64);
    }
    let mut command = scene.upload(&["send"]);
    command.args(names);
    let run = intraware_tests::Running::start(command).wait().expect(0);
    assert_eq!(run.stdout.lines().filter(|line| line.ends_with("PASS")).count(), 2, "{run:?}");
    assert_eq!(run.stderr, "");
    for (seed, name) in names.iter().enumerate() {
        let path = scene.path("root/incoming/u1").join(name);
        assert!(fs::read(&path).expect("a package") == content(300_000, seed as u64), "{name}");
        assert_eq!(fs::metadata(&path).expect("a package").permissions().mode() & 0o777, 0o640);
    }
    let log = server.log();
    assert!(log.contains("u1/a.pkg.tar.xz: stored, 300000 bytes, md5 "), "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn s4_11_a_server_whose_certificate_does_not_fit_gets_no_password() {
    let scene = Scene::new("");
    let server = scene.serve();
    scene.package("a.pkg.tar.xz", 1000, 1);
    let text = |more: &str| {
        let (ip, port) = (server.address().ip(), server.address().port());
        format!("[tupkg]\nusername={USER}\npassword={PASSWORD}\nhost={ip}\nport={port}\n{more}\n")
    };
    let wrong = format!("certificate_sha256 = {}", "ab".repeat(32));
    for more in ["", &wrong] {
        let account = private(&scene.path("wrong"), &text(more));
        scene.send(&account, &["a.pkg.tar.xz"]).expect(77).complains(&["cannot set up TLS with 127.0.0.1:"]);
    }
    assert!(!server.log().contains("logged in"), "{}", server.log());
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(scene.path("server.pem"))
        .output()
        .expect("openssl");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let right = format!("certificate_sha256 = {}", shown.trim().split_once('=').expect("a fingerprint").1);
    let account = private(&scene.path("right"), &text(&right));
    scene.send(&account, &["a.pkg.tar.xz"]).expect(0);
}

#[test]
fn s4_01_a_package_that_is_none_is_not_sent_and_the_others_are() {
    let scene = Scene::new("");
    let server = scene.serve();
    let account = scene.account("account", server.address(), Tls::No, "");
    scene.package("whole.pkg.tar.xz", 1000, 1);
    fs::write(scene.path("packages/broken.pkg.tar.gz"), b"\x1f\x8bnothing").expect("a file");
    let run =
        scene.send(&account, &["broken.pkg.tar.gz", "whole.pkg.tar.xz", "missing.pkg.tar.gz"]).expect(1);
    run.complains(&[
        "broken.pkg.tar.gz: it is a damaged or unfinished .tar.gz",
        "missing.pkg.tar.gz: cannot read it: No such file",
    ]);
    assert_eq!(scene.incoming(), ["u1/whole.pkg.tar.xz"]);
}

#[test]
fn s4_04_s4_10_s4_15_a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let scene = Scene::new("limits.failure_pause_ms = 100");
    let server = scene.serve();
    scene.package("a.pkg.tar.xz", 1000, 1);
    let (ip, port) = (server.address().ip(), server.address().port());
    let mut said = Vec::new();
    for (user, password) in [(USER, "b0b"), ("nobody", PASSWORD)] {
        let text = format!("[tupkg]\nusername={user}\npassword={password}\nhost={ip}\nport={port}\ntls=no\n");
        let account = private(&scene.path("account"), &text);
        said.push(scene.send(&account, &["a.pkg.tar.xz"]).expect(77).stderr);
    }
    assert!(said[0] == said[1] && said[0].contains("the server says FAIL to the login"), "{said:?}");
    assert!(!server.log().contains("b0b"), "{}", server.log());
}

#[test]
fn s4_03_s4_05_one_client_waits_for_no_other_on_any_of_several_ports() {
    let scene = Scene::new("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]");
    let server = scene.serve();
    let [first, second] = server.addresses() else { panic!("{:?}", server.addresses()) };
    let mut slow = Raw::logged_in(*first);
    slow.say(&announce("slow.pkg.tar.gz", 10, &md5(b"0123456789")));
    assert!(slow.hear().is_some());
    slow.send(b"01234");
    scene.package("a.pkg.tar.xz", 100_000, 1);
    scene.package("b.pkg.tar.xz", 100_000, 2);
    for (address, name) in [(*first, "a.pkg.tar.xz"), (*second, "b.pkg.tar.xz")] {
        let account = scene.account("account", address, Tls::Yes, "");
        scene.send(&account, &[name]).expect(0);
    }
    slow.send(b"56789");
    assert_eq!(slow.hear().as_deref(), Some("np=1&m1=PASS"));
    assert_eq!(scene.incoming(), ["u1/a.pkg.tar.xz", "u1/b.pkg.tar.xz", "u1/slow.pkg.tar.gz"]);
}

#[test]
fn s4_06_s4_07_s4_21_accounts_do_not_get_into_each_other_s_way() {
    let scene = Scene::new("");
    scene.add_account("other@example.net", "0ther", &["--directory", "other"]);
    let server = scene.serve();
    let name = "p.pkg.tar.gz";
    let (mine, theirs) = (b"mine".as_slice(), b"theirs".as_slice());
    let mut one = Raw::logged_in(server.address());
    one.say(&announce(name, mine.len(), &md5(mine)));
    assert!(one.hear().is_some());
    one.send(&mine[..2]);
    let mut two = Raw::connect(server.address());
    two.say("username=other@example.net&password=0ther");
    assert_eq!(two.hear().as_deref(), Some("result=PASS"));
    two.say(&announce(name, theirs.len(), &md5(theirs)));
    assert_eq!(two.hear().as_deref(), Some("numpkgs=1&name1=p.pkg.tar.gz&size1=0"));
    two.send(theirs);
    assert_eq!(two.hear().as_deref(), Some("np=1&m1=PASS"));
    one.send(&mine[2..]);
    assert_eq!(one.hear().as_deref(), Some("np=1&m1=PASS"));
    let read =
        |account: &str| fs::read(scene.path("root/incoming").join(account).join(name)).expect("a package");
    assert_eq!((read("u1"), read("other")), (mine.to_vec(), theirs.to_vec()));
}

#[test]
fn s4_13_s4_14_s4_19_a_connection_that_dies_keeps_what_has_arrived() {
    let scene = Scene::new("");
    let server = scene.serve();
    let account = scene.account("account", server.address(), Tls::Yes, "");
    let whole = content(1_000_000, 7);
    scene.package("p.pkg.tar.xz", 1_000_000, 7);
    scene.package("q.pkg.tar.xz", 50_000, 8);
    let mut raw = Raw::logged_in(server.address());
    raw.say(&announce("p.pkg.tar.xz", whole.len(), &md5(&whole)));
    assert!(raw.hear().is_some());
    raw.send(&whole[..600_000]);
    raw.finish();
    raw.rest();
    assert_eq!(scene.partial(), 600_000);
    let run = scene.send(&account, &["p.pkg.tar.xz", "q.pkg.tar.xz", "--json"]).expect(0).json()["packages"]
        .clone();
    let seen = |index: usize, key: &str| run[index][key].as_u64();
    assert_eq!((seen(0, "resumed_from"), seen(0, "sent")), (Some(600_000), Some(400_000)));
    assert_eq!((seen(1, "resumed_from"), seen(1, "sent")), (Some(0), Some(50_000)));
    assert!(fs::read(scene.path("root/incoming/u1/p.pkg.tar.xz")).expect("a package") == whole);
}

#[test]
fn s4_16_s4_20_a_package_with_a_wrong_digest_is_removed_and_comes_anew() {
    let scene = Scene::new("");
    let server = scene.serve();
    let account = scene.account("account", server.address(), Tls::Yes, "");
    let whole = content(100_000, 7);
    scene.package("p.pkg.tar.xz", whole.len(), 7);
    // Somebody has sent other bytes under its name, size and MD5.
    let mut raw = Raw::logged_in(server.address());
    raw.say(&announce("p.pkg.tar.xz", whole.len(), &md5(&whole)));
    assert!(raw.hear().is_some());
    raw.send(&content(50_000, 8));
    raw.finish();
    raw.rest();
    let run = scene.send(&account, &["p.pkg.tar.xz", "--json"]).expect(0).json()["packages"].clone();
    // The first session ends with FAIL, and the second begins at the first byte.
    assert_eq!((run[0]["sessions"].as_u64(), run[0]["sent"].as_u64()), (Some(2), Some(150_000)));
    assert!(server.log().contains("u1/p.pkg.tar.xz: its digest is not the one announced; removed"));
    assert!(fs::read(scene.path("root/incoming/u1/p.pkg.tar.xz")).expect("a package") == whole);
}

#[test]
fn s4_12_more_packages_than_fit_into_one_session_are_sent_in_several() {
    let scene = Scene::new("limits.packages = 10\nlimits.files = 1000");
    let server = scene.serve();
    let account = scene.account("account", server.address(), Tls::No, "");
    let names: Vec<String> = (0..150).map(|n| format!("{n}.pkg.tar.xz")).collect();
    for (seed, name) in names.iter().enumerate() {
        scene.package(name, 100, seed as u64);
    }
    let arguments: Vec<&str> = names.iter().map(String::as_str).collect();
    scene.send(&account, &arguments).expect(0);
    assert_eq!(scene.incoming().len(), 150);
}

#[test]
fn s4_07_s4_21_what_was_stored_is_not_stored_twice_and_never_replaced() {
    let scene = Scene::new("");
    let server = scene.serve();
    let account = scene.account("account", server.address(), Tls::Yes, "");
    scene.package("p.pkg.tar.xz", 1000, 1);
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    let run = scene.send(&account, &["p.pkg.tar.xz", "--json"]).expect(0).json()["packages"].clone();
    assert_eq!(run[0]["sent"].as_u64(), Some(0));
    // Another program has taken it on.
    fs::remove_file(scene.path("root/incoming/u1/p.pkg.tar.xz")).expect("a package");
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    assert_eq!(scene.incoming(), [""; 0]);
    // Another content under the same name, and then a third while that waits.
    scene.package("p.pkg.tar.xz", 1000, 2);
    scene.package("q.pkg.tar.xz", 1000, 4);
    scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    scene.package("p.pkg.tar.xz", 1000, 3);
    let run = scene.send(&account, &["p.pkg.tar.xz", "q.pkg.tar.xz"]).expect(1);
    run.complains(&[
        "p.pkg.tar.xz: the server refuses it: a package of that name and with another content waits there",
    ]);
    assert_eq!(scene.incoming(), ["u1/p.pkg.tar.xz", "u1/q.pkg.tar.xz"]);
    assert!(fs::read(scene.path("root/incoming/u1/p.pkg.tar.xz")).expect("a package") == content(1000, 2));
}

/// A kill leaves to the kernel what it has not written to the disk yet, so only the order of the calls tells.
#[test]
fn s4_20_s4_21_a_package_is_on_the_disk_before_it_has_its_name_and_the_name_before_pass_is_said() {
    let scene = Scene::new("");
    let server = scene.serve();
    scene.package("p.pkg.tar.xz", 100_000, 1);
    let account = scene.account("account", server.address(), Tls::No, "");
    let calls = trace::calls_of(server.id(), "write,fsync,link,linkat,sendto", || {
        scene.send(&account, &["p.pkg.tar.xz"]).expect(0);
    });
    let last = |words: [&str; 2]| {
        let found = calls.iter().rposition(|call| words.iter().all(|word| call.contains(word)));
        found.unwrap_or_else(|| panic!("there is no {words:?}: {calls:#?}"))
    };
    let order = [
        last(["write(", "/partial/"]),
        last(["fsync(", "/partial/"]),
        last(["link", "/incoming/u1/p.pkg.tar.xz"]),
        last(["fsync(", "/incoming/u1>"]),
        last(["sendto(", "PASS"]),
    ];
    assert!(order.is_sorted(), "{order:?}: {calls:#?}");
}
