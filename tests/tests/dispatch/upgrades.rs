//! Upgrades at real machines: what is run there, once, and what is known of it.

use std::fs;
use std::path::{Path, PathBuf};

use intraware_tests::support::relay::{Fault, Relay};
use intraware_tests::support::sshd::{Access, Sshd};
use serde_json::Value;

use crate::scene::{CANARY, Scene, chmod};
use crate::sending::section;

/// A machine with programs that its upgrade is made of, and a home directory of packages for it.
pub(crate) struct World {
    pub(crate) sshd: Sshd,
    pub(crate) scene: Scene,
}

impl World {
    /// Makes one whose section has these keys besides `command` and `marker_dir`.
    pub(crate) fn new(more: &str) -> Self {
        let sshd = Sshd::start(Access::Shell);
        let at = sshd.root();
        let dir = at.parent().expect("a directory").join("app");
        fs::create_dir(&dir).expect("a directory");
        let more = more.replace("APP", dir.to_str().expect("UTF-8"));
        let keys = format!(
            "command = [\"{0}/upgrade\", \"{{path}}\"]\nmarker_dir = {0}/markers\n{more}",
            dir.display()
        );
        let world = Self { scene: Scene::new(&section(".*", &sshd, &keys)), sshd };
        world.program("upgrade", "echo \"$1\" >>ran; cat \"$1\"; cat");
        world
    }

    pub(crate) fn app(&self) -> PathBuf {
        self.sshd.root().parent().expect("a directory").join("app")
    }

    /// Writes a program at the machine; it runs in the directory of all of them.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.app().join(name);
        fs::write(&path, format!("#!/bin/sh\ncd {} || exit 99\n{script}\n", self.app().display()))
            .expect("a program");
        chmod(&path, 0o755);
    }

    /// Returns the lines of a file that programs at the machine have written.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.app().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns how far a package is.
    pub(crate) fn state(&self, package: &str) -> String {
        let rows = self.scene.run(&["--status", "--json"]).expect(0).json()["packages"].clone();
        let row = rows.as_array().into_iter().flatten().find(|row| row["package"] == package).cloned();
        row.unwrap_or(Value::Null)["state"].as_str().unwrap_or("nothing").to_owned()
    }

    pub(crate) fn label(&self, package: &str) -> String {
        format!("{package}@{}", self.sshd.addr())
    }

    pub(crate) fn why(&self, package: &str) -> String {
        self.scene.run(&["--why", &self.label(package)]).expect(0).stdout
    }

    /// Returns the directory of the machine's markers.
    pub(crate) fn markers(&self) -> PathBuf {
        let mut found = fs::read_dir(self.app().join("markers")).expect("a directory");
        found.next().expect("one for the machine").expect("an entry").path()
    }

    /// Returns what the transaction log has.
    pub(crate) fn log(&self) -> String {
        let dir = self.scene.path(".local/state/intraware/dispatch/log");
        let files = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
        files.map(|file| fs::read_to_string(file).expect("a log")).collect()
    }
}

#[test]
fn s2_13_the_upgrade_is_run_once_and_its_end_is_known() {
    let world = World::new("");
    world.scene.keep("app-1.tgz", "content of it\n");
    let run = world.scene.run(&["--dry-run", "app-1.tgz"]).expect(0);
    assert!(run.stdout.contains("send") && world.lines("ran").is_empty());
    world.scene.run(&["app-1.tgz"]).expect_silence();
    let ran = world.lines("ran");
    assert!(ran.len() == 1 && ran[0].starts_with('/') && ran[0].ends_with("/app-1.tgz"), "{ran:?}");
    assert_eq!(world.state("app-1.tgz"), "done");
    let why = world.why("app-1.tgz");
    assert!(why.contains("upgrade ended with 0") && why.contains("it said: content of it"), "{why}");
    assert!(world.log().contains("it said: content of it"));
    // Nothing repeats it.
    world.scene.run(&[]).expect_silence();
    world.scene.run(&["app-1.tgz"]).expect_silence();
    assert_eq!(world.lines("ran").len(), 1);
    // A dispatcher that knows nothing asks the machine.
    let other =
        Scene::new(&fs::read_to_string(world.scene.path("general-dispatch-info.cfg")).expect("routes"));
    other.keep("app-1.tgz", "content of it\n");
    other.run(&["app-1.tgz"]).expect_silence();
    assert_eq!(world.lines("ran").len(), 1);
    assert!(world.markers().join("10000001").exists() && !world.markers().join("10000002").exists());
    // Another content is another package.
    world.scene.keep("app-1.tgz", "new\n");
    world.scene.run(&["app-1.tgz"]).expect_silence();
    assert_eq!((world.lines("ran").len(), world.state("app-1.tgz")), (2, "done".to_owned()));
}

#[test]
fn s2_13_a_failed_upgrade_is_told_and_run_again_only_when_a_person_says_so() {
    let world = World::new("");
    world.program("upgrade", "echo x >>ran; printf 'no \\033[31mspace\\n' >&2; exit 3");
    world.scene.keep("a", "content");
    world.scene.run(&["a"]).expect(1).complains(&[
        "its upgrade has failed",
        "upgrade ended with 3",
        "no \\x1b[31mspace",
    ]);
    assert_eq!(world.state("a"), "failed");
    let retry = format!("upload dispatch --retry {}", world.label("a"));
    assert!(world.why("a").contains(&retry), "{}", world.why("a"));
    world.scene.run(&[]).expect_silence();
    world.scene.run(&["a"]).expect(1).complains(&["naming it does not repeat that", &retry]);
    assert_eq!(world.lines("ran").len(), 1);
    world.program("upgrade", "echo x >>ran");
    world.scene.run(&["--retry", &world.label("a")]).expect_silence();
    world.scene.run(&[]).expect_silence();
    assert_eq!((world.lines("ran").len(), world.state("a")), (2, "done".to_owned()));
    assert!(world.why("a").contains("try 2"));
}

#[test]
fn s2_13_what_hangs_is_ended_with_all_that_it_has_started() {
    let world = World::new("command_timeout_s = 2");
    world.program("upgrade", "sleep 4711 & sleep 4711");
    world.scene.keep("a", "content");
    world.scene.run(&["a"]).expect(1).complains(&["upgrade was ended when its time was over (143)"]);
    let left = std::process::Command::new("pgrep").args(["-f", "^sleep 4711$"]).output().expect("pgrep");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn s2_13_d3_where_an_upgrade_hangs_a_run_begins_no_other_one() {
    let world = World::new("command_timeout_s = 2");
    world.program("upgrade", "echo \"${1##*/}\" >>ran; sleep 4712");
    ["a", "b", "c"].iter().for_each(|name| drop(world.scene.keep(name, name)));
    let told = [
        "upgrade was ended when its time was over",
        "2 further packages not sent; they wait for the next run",
    ];
    world.scene.run(&["a", "b", "c"]).expect(1).complains(&told);
    assert_eq!(world.lines("ran"), ["a"]);
    let states = ["a", "b", "c"].map(|name| world.state(name));
    assert_eq!(states, ["failed", "planned", "planned"]);
    // The next run tries one more.
    world.scene.run(&[]).expect(1).complains(&["b@"]);
    assert_eq!(world.lines("ran"), ["a", "b"]);
    world.program("upgrade", "echo \"${1##*/}\" >>ran");
    world.scene.run(&[]).expect_silence();
    assert_eq!(
        (world.lines("ran"), world.state("c")),
        (["a", "b", "c"].map(String::from).to_vec(), "done".into())
    );
}

#[test]
fn s2_13_the_upgrade_counts_when_its_check_has_ended_with_0() {
    let world = World::new("check = [\"APP/check\", \"{path}\"]");
    world.program("check", "echo \"$1\" >>checked; exit \"$(cat bad || echo 0)\"");
    for name in ["a", "b"] {
        world.scene.keep(name, name);
    }
    world.scene.run(&["a"]).expect_silence();
    assert_eq!((world.state("a"), world.lines("checked").len()), ("done".to_owned(), 1));
    fs::write(world.app().join("bad"), "7").expect("a file");
    world.scene.run(&["b"]).expect(1).complains(&["upgrade ended with 0, check ended with 7"]);
    assert_eq!(world.state("b"), "failed");
}

#[test]
fn s2_13_a_failed_upgrade_is_rolled_back_to_what_ran_before() {
    let world =
        World::new("rollback = [\"APP/undo\", \"{previous}\", \"{version}\"]\nversion = [\"APP/version\"]");
    world.program("version", "cat current");
    world.program("upgrade", "basename \"$1\" >current; case $1 in *bad) exit 1 ;; esac");
    world.program("undo", "echo \"$1 $2\" >>back; echo \"$2\" >current");
    ["good", "bad"].iter().for_each(|name| drop(world.scene.keep(name, name)));
    // Nothing was there before, so there is nothing to go back to.
    world.scene.run(&["bad"]).expect(1).complains(&["no rollback, since nothing"]);
    assert!(world.lines("back").is_empty());
    world.scene.run(&["good"]).expect_silence();
    world.scene.run(&["--retry", "bad"]).expect_silence();
    let told = ["before it: good", "upgrade ended with 1", "rollback ended with 0"];
    world.scene.run(&[]).expect(1).complains(&told);
    let back = world.lines("back");
    assert!(back.len() == 1 && back[0].ends_with("/good good"), "{back:?}");
    assert_eq!(world.lines("current"), ["good"]);
    let why = world.why("bad");
    assert!(told.iter().all(|told| why.contains(told)), "{why}");
}

#[test]
fn s2_13_d4_a_canary_whose_upgrade_fails_is_rolled_back_and_no_other_machine_is_touched() {
    let world = World::new("rollback = [\"APP/undo\", \"{previous}\"]\ncanary = 1");
    world.program("upgrade", "echo \"${1##*/}\" >>ran; case $1 in *bad) exit 4 ;; esac");
    world.program("undo", "echo \"${1##*/}\" >>back");
    let relay = Relay::start(world.sshd.addr(), Fault::None);
    let second = twice(&world, &relay);
    ["good", "bad"].iter().for_each(|name| drop(world.scene.keep(name, name)));
    world.scene.run(&["good"]).expect_silence();
    assert_eq!(world.lines("ran"), ["good", "good"]);
    let before = relay.accepted();
    let told = ["its upgrade has failed: upgrade ended with 4, rollback ended with 0"];
    world.scene.run(&["bad"]).expect(1).complains(&told);
    world.scene.run(&[]).expect_silence();
    assert_eq!(
        (world.lines("ran"), world.lines("back")),
        (lines(&["good", "good", "bad"]), lines(&["good"]))
    );
    assert_eq!(relay.accepted(), before, "the other machine was not even connected to");
    assert!(world.why("bad").contains("upgrade ended with 4, rollback ended with 0"));
    let why = world.scene.run(&["--why", &format!("bad@{second}")]).expect(0).stdout;
    assert!(why.contains("planned") && why.contains("the canary"), "{why}");
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Has the section go to the machine by two names, with markers for each; returns the second name.
fn twice(world: &World, relay: &Relay) -> String {
    let (first, second) = (world.sshd.addr(), relay.addr());
    let line = world.sshd.known_host_lines(&["host_ed25519"]);
    let other = line.replace(&format!(":{}", first.port()), &format!(":{}", second.port()));
    let known = world.scene.keep("known", &format!("{line}{other}"));
    let routes = fs::read_to_string(world.scene.path("general-dispatch-info.cfg")).expect("routes");
    let routes = routes.replace(&*world.sshd.known_hosts().to_string_lossy(), &known.to_string_lossy());
    let routes = routes.replace("/markers", "/markers/{host}");
    let routes = routes.replace(&format!("host = {first}"), &format!("host = {first}, {second}"));
    world.scene.keep("general-dispatch-info.cfg", &routes);
    second.to_string()
}

#[test]
fn s2_13_where_no_command_can_be_run_that_is_said_before_anything_is_sent() {
    let base = "[a]\nhost = h\nlogin = u\npassword = canary-4711\n";
    for protocol in ["ftps", "ftp\nallow_plaintext = yes"] {
        let scene =
            Scene::new(&format!("{base}protocol = {protocol}\ncommand = [\"/opt/up\", \"{{path}}\"]\n"));
        scene.keep("a", "content");
        for arguments in [&["check"][..], &["a"], &["route", "a"]] {
            scene.run(arguments).expect(78).complains(&[".cfg:5: [a] protocol: FTP runs no commands"]);
        }
    }
    let wrong = [
        ("command = /opt/up {path}", "command: must be a list"),
        ("command = [\"up\"]", "command: must begin with the absolute path"),
        ("command = [\"/up\", \"{pth}\"]", "command: knows only {path}"),
        ("command = [\"/up\", \"a\\nb\"]", "command: must not hold control characters"),
        ("check = [\"/up\"]", "check: needs a command beside it"),
        ("command = [\"/up\"]\nrollback = [\"/r\", \"{version}\"]", "version: must be set"),
        ("marker_dir = ../x", "marker_dir: must be a directory"),
    ];
    for (line, said) in wrong {
        Scene::new(&format!("{base}{line}\n")).run(&["check"]).expect(78).complains(&[said]);
    }
    // Of what is not there SSH is asked, and nothing else.
    let sshd = Sshd::start(Access::SftpOnly);
    let scene = Scene::new(&section("a", &sshd, "command = [\"/bin/true\"]"));
    scene.keep("a", "content");
    let run = scene.run(&["a"]);
    assert!(run.status == 78, "{run:?}");
    let label = format!("a@{}", sshd.addr());
    assert!(scene.run(&["--why", &label]).expect(0).stdout.contains("failed"));
}

#[test]
fn s2_13_versions_names_the_machines_of_a_section_that_differ() {
    let world = World::new("version = [\"APP/version\"]");
    world.program("version", "cat current");
    world.program("upgrade", "basename \"$1\" >current");
    // The same machine by two names, with markers for each.
    let relay = Relay::start(world.sshd.addr(), Fault::None);
    let (first, second) = (world.sshd.addr().to_string(), relay.addr().to_string());
    let line = world.sshd.known_host_lines(&["host_ed25519"]);
    let other = line.replace(&format!(":{}", world.sshd.addr().port()), &format!(":{}", relay.addr().port()));
    let known = world.scene.keep("known", &format!("{line}{other}"));
    let routes = fs::read_to_string(world.scene.path("general-dispatch-info.cfg")).expect("routes");
    let routes = routes.replace(&*world.sshd.known_hosts().to_string_lossy(), &known.to_string_lossy());
    let routes = routes.replace("/markers", "/markers/{host}");
    world.scene.keep("general-dispatch-info.cfg", &routes);
    assert!(!world.scene.run(&["versions"]).expect(0).stdout.contains("differs"));
    world.scene.keep("app-1", "app-1");
    world.scene.run(&["app-1"]).expect_silence();
    let rows = world.scene.run(&["versions", "--json"]).expect(0).json()["machines"].clone();
    assert_eq!((rows[0]["package"].as_str(), rows[0]["version"].as_str()), (Some("app-1"), Some("app-1")));
    let both = routes.replace(&format!("host = {first}"), &format!("host = {first}, {second}"));
    world.scene.keep("general-dispatch-info.cfg", &both);
    let shown = world.scene.run(&["versions"]).expect(1).stdout;
    let line = shown.lines().find(|line| line.contains(&second)).expect("a line");
    assert!(line.contains("differs") && shown.matches("differs").count() == 1, "{shown}");
    world.scene.run(&["app-1"]).expect_silence();
    assert!(!world.scene.run(&["versions"]).expect(0).stdout.contains("differs"));
    relay.set(Fault::CutAfter(0));
    let run = world.scene.run(&["versions"]);
    assert!(run.status != 0 && run.stdout.contains("not known"), "{run:?}");
}

#[test]
fn s2_14_d5_names_and_words_are_never_commands_and_no_secret_is_left_anywhere() {
    let hostile = [
        "a'; touch x #.tar.gz",
        "$(touch x).tgz",
        "-rf",
        "a \"b\" `touch x`.tgz",
        "ä b.tgz",
        "{version}",
        "a\\b*",
    ];
    let world = World::new("rollback = [\"APP/undo\", \"{path}\"]");
    let routes = fs::read_to_string(world.scene.path("general-dispatch-info.cfg")).expect("routes");
    world.scene.keep("general-dispatch-info.cfg", &format!("{routes}password = {CANARY}\n"));
    world.program("upgrade", "printf '%s\\n' \"${1##*/}\" >>ran; [ ! -e \"$OLDPWD/x\" ] || echo x >>ran; ps axww >>seen; env >>seen; exit 5");
    world.program("undo", "printf '%s\\n' \"${1##*/}\" >>back");
    hostile.iter().for_each(|name| drop(world.scene.keep(name, "content")));
    let mut arguments = vec!["-vv", "--"];
    arguments.extend(hostile);
    world.scene.run(&arguments).expect(1);
    let mut wanted: Vec<String> = hostile.iter().map(|name| (*name).to_owned()).collect();
    wanted.sort();
    for file in ["ran", "back"] {
        let mut ran = world.lines(file);
        ran.sort();
        assert_eq!(ran, wanted, "{file}");
    }
    world.scene.keep("a\nb", "content");
    world.scene.run(&["a\nb"]).expect(1).complains(&["rename it"]);
    for dir in [world.app(), world.scene.path("")] {
        assert!(!dir.join("x").exists(), "{}", dir.display());
    }
    fs::remove_file(world.scene.path("general-dispatch-info.cfg")).expect("routes");
    assert_nowhere(&world.app());
    assert_nowhere(&world.scene.path(""));
}

/// Checks that no file below a directory has the secret of the test.
fn assert_nowhere(dir: &Path) {
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            assert_nowhere(&entry);
        } else {
            let text = fs::read(&entry).expect("a file");
            assert!(!String::from_utf8_lossy(&text).contains(CANARY), "{}", entry.display());
        }
    }
}
