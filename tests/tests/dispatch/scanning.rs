//! What is new in a tree.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use intraware_tests::support::sshd::{Access, Sshd};
use intraware_tests::trace::kill_at;
use intraware_tests::{Program, Running};
use rustix::process::Signal;

use crate::routes::SOURCE;
use crate::scene::{Scene, chmod};
use crate::sending::{day, names, section};

/// Makes a scene with a tree `in`, of which a file counts as settled at once.
fn scene(routes: &str) -> Scene {
    let scene = Scene::new(routes);
    fs::create_dir(scene.path("in")).expect("a directory");
    configure(&scene, "settle_s = 0");
    scene
}

fn configure(scene: &Scene, more: &str) {
    let tree = scene.path("in");
    scene.keep("intraware.toml", &format!("[dispatch]\ntrees = [\"{}\"]\n{more}\n", tree.display()));
}

#[test]
fn s2_03_what_is_new_in_the_tree_is_sent_and_what_was_there_is_not() {
    let sshd = Sshd::start(Access::Shell);
    let scene = scene(&section("[ab]", &sshd, ""));
    scene.keep("in/a-0", "old");
    scene.run(&["--scan"]).expect_silence();
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(names(&sshd.root()), [""; 0], "what was there before is taken as seen");
    let package = scene.keep("in/deep/a-1", "first");
    let dry = scene.run(&["--scan", "--dry-run"]).expect(0).stdout;
    assert!(dry.contains("a-1") && dry.contains("send") && !dry.contains("a-0"), "{dry}");
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a-1"]);
    // Another content of the same length and age under the same name is new.
    let modified = fs::metadata(&package).expect("a file").modified().expect("a time");
    fs::write(&package, "later").expect("a file");
    fs::File::options().write(true).open(&package).expect("a file").set_modified(modified).expect("a time");
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(fs::read_to_string(day(&sshd).join("a-1")).expect("a file"), "later");
    // What was touched, or was away in between, is not.
    let old = scene.path("in/a-0");
    fs::File::options().write(true).open(&old).expect("a file").set_modified(modified).expect("a time");
    scene.run(&["--scan"]).expect_silence();
    fs::rename(&old, scene.path("away")).expect("a rename");
    scene.run(&["--scan"]).expect_silence();
    fs::rename(scene.path("away"), &old).expect("a rename");
    scene.run(&["--scan"]).expect_silence();
    assert!(!names(&day(&sshd)).contains(&"a-0".to_owned()));
    // What was there before is known by its content.
    fs::write(&old, "new").expect("a file");
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(fs::read_to_string(day(&sshd).join("a-0")).expect("a file"), "new");
}

#[test]
fn s2_04_by_the_file_of_the_source_a_package_that_is_dropped_has_its_way() {
    let scene = scene(SOURCE);
    scene.run(&["--scan"]).expect_silence();
    scene.keep("in/example-1.2.tar.gz", "x");
    let planned = scene.run(&["--scan", "--dry-run", "--json"]).expect(0).json()["packages"][0].clone();
    assert_eq!((&planned["row"]["machine"], &planned["login"]), (&"10.8.6.2".into(), &"ibpsusr".into()));
    assert_eq!(
        (&planned["action"], &planned["row"]["package"]),
        (&"send".into(), &"example-1.2.tar.gz".into())
    );
}

#[test]
fn s2_03_with_all_what_was_there_is_sent_as_well() {
    let sshd = Sshd::start(Access::Shell);
    let scene = scene(&section("[ab]", &sshd, ""));
    scene.keep("in/a", "old");
    scene.run(&["--scan", "--all"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a"]);
    scene.keep("more/b", "old");
    scene.run(&["--scan", "--tree", "more"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a"]);
    scene.run(&["--scan", "--tree", "more/", "--all"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a", "b"]);
    scene.run(&["--scan", "a"]).expect(2);
    scene.run(&["--all"]).expect(2);
    scene.run(&["--tree", "in"]).expect(2).complains(&["--tree goes with --scan"]);
    fs::remove_file(scene.path("intraware.toml")).expect("a file");
    scene.run(&["--scan"]).expect(78).complains(&["intraware.toml"]);
    scene.run(&["--scan", "--tree", "in"]).expect_silence();
    scene.keep("intraware.toml", "[dispatch]\ntree = 1\n");
    scene.run(&["--scan"]).expect(78).complains(&["dispatch.tree", "did you mean dispatch.trees?"]);
    scene.keep("intraware.toml", "");
    scene.run(&["--scan"]).expect(78).complains(&["no tree to scan", "dispatch.trees"]);
}

#[test]
fn s2_03_a_file_that_still_grows_is_left_for_a_later_scan() {
    let sshd = Sshd::start(Access::Shell);
    let scene = scene(&section("[ab]", &sshd, ""));
    configure(&scene, "settle_s = 2");
    scene.run(&["--scan"]).expect_silence();
    let package = scene.keep("in/a", "");
    let mut file = fs::File::options().append(true).open(&package).expect("a file");
    let begun = Instant::now();
    for _ in 0..6 {
        file.write_all(b"piece ").expect("a write");
        scene.run(&["--scan"]).expect_silence();
        assert_eq!(names(&sshd.root()), [""; 0]);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(begun.elapsed() > Duration::from_secs(2));
    std::thread::sleep(Duration::from_secs(2));
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(fs::read_to_string(day(&sshd).join("a")).expect("a file"), "piece ".repeat(6));
    // By a clock that is behind, a file is of the future, and has settled when two scans find it the same.
    let package = scene.keep("in/b", "x");
    let written = fs::metadata(&package).expect("a file").modified().expect("a time");
    let future = written + Duration::from_secs(3600);
    fs::File::options().write(true).open(&package).expect("a file").set_modified(future).expect("a time");
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a"]);
    std::thread::sleep(Duration::from_secs(2));
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a", "b"]);
}

#[test]
fn s2_03_what_has_no_route_is_told_once_and_holds_up_nothing() {
    let sshd = Sshd::start(Access::Shell);
    let routes = section("[ab]", &sshd, "");
    let scene = scene(&routes);
    scene.run(&["--scan"]).expect_silence();
    for name in ["a", "other", "b\nb", "x/b", "y/b"] {
        scene.keep(&format!("in/{name}"), name);
    }
    let said =
        ["in/other: ", "no section matches the package other", "control characters", "b is named twice"];
    scene.run(&["--scan"]).expect(78).complains(&said);
    assert_eq!(names(&day(&sshd)), ["a"]);
    scene.run(&["--scan"]).expect_silence();
    scene.run(&["--scan", "--dry-run"]).expect(78).complains(&said);
    // Touched, it is the same content; another one is told anew.
    let other = scene.path("in/other");
    fs::File::options()
        .write(true)
        .open(&other)
        .expect("a file")
        .set_modified(std::time::UNIX_EPOCH)
        .expect("a time");
    scene.run(&["--scan"]).expect_silence();
    fs::write(&other, "another").expect("a file");
    scene.run(&["--scan"]).expect(78).complains(&["no section matches the package other"]);
    // What stood in the way is mended.
    fs::remove_file(scene.path("in/x/b")).expect("a file");
    scene.keep("general-dispatch-info.cfg", &routes.replace("[[ab]]", "[[abo]]"));
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["a", "b", "other"]);
    // Routes that cannot be used are told in each run, and what was found meanwhile is not lost.
    scene.keep("in/a-2", "x");
    scene.keep("general-dispatch-info.cfg", "[a]\nhots = 1\n");
    scene.run(&["--scan"]).expect(78).complains(&["hots"]);
    scene.run(&["--scan"]).expect(78).complains(&["hots"]);
    scene.keep("general-dispatch-info.cfg", &routes);
    scene.run(&["--scan"]).expect_silence();
    assert!(names(&day(&sshd)).contains(&"a-2".to_owned()));
}

#[test]
fn s2_03_links_hidden_names_and_what_is_no_file_are_passed_over() {
    let sshd = Sshd::start(Access::Shell);
    let scene = scene(&section(".*", &sshd, ""));
    scene.run(&["--scan"]).expect_silence();
    let outside = scene.keep("outside/secret", "x");
    symlink(&outside, scene.path("in/link")).expect("a link");
    symlink(scene.path("outside"), scene.path("in/directory")).expect("a link");
    symlink("..", scene.path("in/loop")).expect("a link");
    for name in [".hidden", ".git/config", "-rf", "$(touch x).tgz", "a \"b\" 'c'"] {
        scene.keep(&format!("in/{name}"), "x");
    }
    let fifo = Command::new("mkfifo").arg(scene.path("in/fifo")).status().expect("mkfifo");
    assert!(fifo.success());
    scene.run(&["--scan"]).expect_silence();
    assert_eq!(names(&day(&sshd)), ["$(touch x).tgz", "-rf", "a \"b\" 'c'"]);
}

#[test]
fn s2_03_what_cannot_be_read_is_told_and_not_taken_for_gone() {
    let nowhere =
        "[a]\nhost = 127.0.0.1:1\nlogin = u\npassword = x\nprotocol = sftp\nknown_hosts = /dev/null\n";
    let scene = scene(nowhere);
    scene.keep("in/deep/a-1", "x");
    scene.keep("in/deeper/a-2", "x");
    let nobody = "nobody";
    let hand_over = || {
        let chown = Command::new("chown").args(["-R", nobody]).arg(scene.path("")).status();
        assert!(chown.expect("chown").success());
    };
    hand_over();
    scene.run_as(nobody, &["--scan"]).expect_silence();
    for mode in [0o000, 0o400] {
        chmod(&scene.path("in/deep"), mode);
        for _ in 0..2 {
            let run = scene.run_as(nobody, &["--scan"]).expect(77).complains(&["cannot look at", "in/deep/"]);
            assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        }
        chmod(&scene.path("in/deep"), 0o700);
        scene.run_as(nobody, &["--scan"]).expect_silence();
    }
    // The same of a file is told once, and then it is tried quietly.
    let file = scene.keep("in/a-3", "x");
    hand_over();
    chmod(&file, 0o000);
    scene.run_as(nobody, &["--scan"]).expect(77).complains(&["cannot read", "in/a-3"]);
    scene.run_as(nobody, &["--scan"]).expect_silence();
    // A tree that is not there changes nothing that is known of it.
    fs::rename(scene.path("in"), scene.path("away")).expect("a rename");
    scene.run_as(nobody, &["--scan"]).expect(78).complains(&["cannot scan the tree", "/in: No such file"]);
    fs::create_dir(scene.path("in")).expect("a directory");
    hand_over();
    scene.run_as(nobody, &["--scan"]).expect_silence();
    fs::remove_dir(scene.path("in")).expect("a directory");
    fs::rename(scene.path("away"), scene.path("in")).expect("a rename");
    scene.run_as(nobody, &["--scan"]).expect_silence();
    chmod(&file, 0o644);
    scene.run_as(nobody, &["--scan"]).expect(69).complains(&["a-3@127.0.0.1:1"]);
}

#[test]
fn s2_03_a_watcher_sends_what_comes_and_ends_when_it_is_asked_to() {
    let sshd = Sshd::start(Access::Shell);
    let scene = scene(&section("[ab]", &sshd, ""));
    configure(&scene, "settle_s = 0\nevery_s = 1");
    scene.keep("in/a-0", "x");
    let mut watcher = scene.start(&["--watch"]);
    let seen = scene.path(".local/state/intraware/dispatch/seen.sqlite");
    until(|| seen.exists());
    std::thread::sleep(Duration::from_millis(1500));
    scene.keep("in/a", "content");
    until(|| fs::read_dir(sshd.root()).expect("a directory").next().is_some());
    until(|| names(&day(&sshd)) == ["a"]);
    scene.keep("in/other", "content");
    std::thread::sleep(Duration::from_secs(3));
    watcher.signal(Signal::TERM);
    let ended = watcher.wait().expect(0);
    assert_eq!(ended.stderr.matches("no section matches the package other").count(), 1, "{ended:?}");
}

fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn s2_03_a_scan_reads_only_what_has_changed() {
    let sshd = Sshd::start(Access::Shell);
    let scene = scene(&section("[ab]", &sshd, ""));
    for n in 0..300 {
        scene.keep(&format!("in/{}/a-{n}", n % 7), &n.to_string());
    }
    scene.run(&["--scan"]).expect_silence();
    fs::write(scene.path("in/3/a-3"), "changed").expect("a file");
    let trace = scene.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=openat,open,openat2,read,pread64", "-o"]).arg(&trace);
    command.arg(Program::Upload.path());
    Running::start(scene.within(command, &["--scan"])).wait().expect(0);
    let text = fs::read_to_string(&trace).expect("a trace");
    let opened = |line: &&str| {
        line.contains("open") && !line.contains("O_DIRECTORY") && is_in_tree(line, &scene.path("in"))
    };
    let files: Vec<&str> = text.lines().filter(opened).collect();
    assert!(!files.is_empty() && files.iter().all(|line| line.contains("a-3\"")), "{files:#?}");
    let read = text.lines().filter(|line| line.contains("read") && is_in_tree(line, &scene.path("in")));
    assert!(read.into_iter().all(|line| line.contains("/a-3>")));
}

fn is_in_tree(line: &str, tree: &Path) -> bool {
    line.contains(&format!("{}/", tree.display()))
}

#[test]
fn s2_03_a_scan_that_is_killed_at_any_moment_loses_nothing() {
    let nowhere =
        "[a]\nhost = 127.0.0.1:1\nlogin = u\npassword = x\nprotocol = sftp\nknown_hosts = /dev/null\n";
    let planned = |scene: &Scene| {
        let rows = scene.run(&["--status", "--json"]).expect(0).json()["packages"].clone();
        let rows = rows.as_array().into_iter().flatten();
        rows.map(|row| (row["package"].to_string(), row["size"].as_u64())).collect::<Vec<_>>()
    };
    let (new, changed) = (("\"a-new\"".to_owned(), Some(1)), ("\"a-1\"".to_owned(), Some(7)));
    for call in ["pwrite64", "fdatasync", "unlink", "openat"] {
        for nth in (1..).step_by(if call == "openat" { 8 } else { 3 }) {
            // First in the scan that takes what is there as seen, then in one that finds something.
            let scene = scene(nowhere);
            scene.keep("in/a-1", "old");
            let command = || scene.within(Command::new(Program::Upload.path()), &["--scan"]);
            let first = kill_at(command(), call, nth).status;
            scene.run(&["--scan"]).expect_silence();
            assert!(planned(&scene).is_empty(), "{call} {nth}");
            scene.keep("in/a-new", "x");
            scene.keep("in/a-1", "changed");
            let second = kill_at(command(), call, nth).status;
            scene.run(&["--scan"]);
            assert_eq!(planned(&scene), [changed.clone(), new.clone()], "{call} {nth}");
            if first != -9 && second != -9 {
                break;
            }
        }
    }
}
