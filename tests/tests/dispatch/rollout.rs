//! Machines take turns: canaries, batches, groups, and times in which nothing begins.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use intraware_tests::Run;
use intraware_tests::support::sshd::{Access, Sshd};
use serde_json::Value;

use crate::scene::Scene;

/// Several machines that one key logs in to; packages get into `/site/in`.
struct Fleet {
    machines: Vec<Sshd>,
    scene: Scene,
}

impl Fleet {
    fn of(number: usize) -> Self {
        let machines: Vec<Sshd> = (0..number).map(|_| Sshd::start(Access::Chrooted)).collect();
        let scene = Scene::new("");
        let first = machines[0].client_key();
        for machine in &machines[1..] {
            let keys = |key: std::path::PathBuf| key.with_file_name("authorized_keys");
            fs::copy(keys(first.clone()), keys(machine.client_key())).expect("a copy");
        }
        let known: String =
            machines.iter().map(|machine| machine.known_host_lines(&["host_ed25519"])).collect();
        scene.keep("known", &known);
        Self { machines, scene }
    }

    fn host(&self, machine: usize) -> String {
        self.machines[machine].addr().to_string()
    }

    /// Writes a section for these machines, below what is there.
    fn section(&self, name: &str, hosts: &[String], more: &str) {
        let path = self.scene.path("general-dispatch-info.cfg");
        let before = fs::read_to_string(path).expect("routes");
        let (user, key) = (self.machines[0].user(), self.machines[0].client_key());
        let section = format!(
            "[{name}]\nhost = {}\nlogin = {user}\nprivate_key = {}\nknown_hosts = ~/known\ndest_dir = /site/in\n\
             protocol = sftp\n{more}\n",
            hosts.join(" "),
            key.display()
        );
        self.scene.keep("general-dispatch-info.cfg", &(before + &section));
    }

    /// Has nothing be put into the directory of a machine, or everything again.
    fn spoil(&self, machine: usize, is_spoilt: bool) {
        let dir = self.machines[machine].root().join("in");
        match is_spoilt {
            true => fs::write(dir, "no directory").expect("a file"),
            false => fs::remove_file(dir).expect("a file"),
        }
    }

    /// Returns what each machine has got.
    fn got(&self) -> Vec<Vec<String>> {
        let names = |machine: &Sshd| {
            let Ok(entries) = fs::read_dir(machine.root().join("in")) else { return Vec::new() };
            let mut names: Vec<String> = entries
                .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
                .collect();
            names.sort();
            names
        };
        self.machines.iter().map(names).collect()
    }

    /// Returns how many connections a machine was asked for.
    fn connections(&self, machine: usize) -> usize {
        self.machines[machine].log().matches("Connection from").count()
    }

    fn waits(&self, package: &str, machine: usize) -> Value {
        let label = format!("{package}@{}", self.host(machine));
        self.scene.run(&["--why", &label, "--json"]).expect(0).json()["packages"][0]["waits"].clone()
    }
}

/// A machine that is away: whoever connects is left without an answer at once. Counts who does.
fn away() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (addr, count) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (addr, count)
}

#[test]
fn s2_01_a_canary_that_fails_keeps_all_other_machines_untouched() {
    let fleet = Fleet::of(3);
    let hosts: Vec<String> = (0..3).map(|machine| fleet.host(machine)).collect();
    fleet.section("app-.*", &hosts, "canary = 1");
    fleet.spoil(0, true);
    fleet.scene.keep("app-1", "content");
    let dry = fleet.scene.run(&["--dry-run", "app-1"]).expect(0).stdout;
    assert_eq!(dry.matches(&format!("send, waits for the canary {}", hosts[0])).count(), 2, "{dry}");
    let run: Run = fleet.scene.run(&["app-1"]);
    assert!(run.status != 0, "{run:?}");
    let told = format!(
        "app-1: not sent to 2 further machines; it waits for a person: the canary {} has failed",
        hosts[0]
    );
    let run = run.complains(&[&told]);
    assert!(!run.stderr.contains(&hosts[1]), "{run:?}");
    assert_eq!((fleet.connections(1), fleet.connections(2)), (0, 0));
    // Neither does the next run.
    fleet.scene.run(&[]).expect_silence();
    assert_eq!((fleet.connections(0), fleet.connections(1), fleet.connections(2)), (1, 0, 0));
    let status = fleet.scene.run(&["--status"]).expect(0).stdout;
    assert_eq!(status.matches("planned, waits for a person: the canary").count(), 2, "{status}");
    let why = fleet.scene.run(&["--why", &format!("app-1@{}", hosts[1])]).expect(0).stdout;
    assert!(why.contains(&format!("the canary {} has failed", hosts[0])), "{why}");
    let retry = format!("app-1@{}", hosts[0]);
    assert!(why.contains(&format!("`upload dispatch --retry {retry}`")), "{why}");
    fleet.spoil(0, false);
    fleet.scene.run(&["--retry", &retry]).expect_silence();
    fleet.scene.run(&[]).expect_silence();
    assert_eq!(fleet.got(), [["app-1"], ["app-1"], ["app-1"]]);
}

#[test]
fn s2_01_batches_stop_at_a_failure_and_each_machine_has_one_connection_a_run() {
    let fleet = Fleet::of(3);
    let hosts: Vec<String> = (0..3).map(|machine| fleet.host(machine)).collect();
    fleet.section("app-.*", &hosts, "batch = 1\npause = 300 ms");
    fleet.spoil(1, true);
    for package in ["app-1", "app-2", "app-3"] {
        fleet.scene.keep(package, package);
    }
    let run = fleet.scene.run(&["app-1", "app-2", "app-3", "--json"]);
    assert!(run.status != 0, "{run:?}");
    let all: Vec<String> = ["app-1", "app-2", "app-3"].map(str::to_owned).into();
    assert_eq!(fleet.got(), [all.clone(), vec![], vec![]]);
    assert_eq!((fleet.connections(0), fleet.connections(2)), (1, 0));
    let rows = run.json()["packages"].clone();
    let waits = rows.as_array().into_iter().flatten().filter(|row| !row["waits"].is_null()).count();
    assert_eq!(waits, 3, "{rows}");
    assert_eq!(fleet.waits("app-1", 2)["stopped"], serde_json::json!({ "failed": 1, "of": 3 }));
    fleet.spoil(1, false);
    fleet.scene.run(&["--retry", &format!("@{}", hosts[1])]).expect_silence();
    let begun = std::time::Instant::now();
    fleet.scene.run(&[]).expect_silence();
    assert!(begun.elapsed().as_millis() >= 300, "a pause lies between the second machine and the third");
    assert_eq!(fleet.got(), [all.clone(), all.clone(), all]);
    assert_eq!(fleet.connections(2), 1);
}

#[test]
fn s2_01_a_machine_that_is_away_costs_one_attempt_a_run_and_is_no_failure() {
    let fleet = Fleet::of(2);
    let (dead, attempts) = away();
    let hosts = [dead.to_string(), fleet.host(0), fleet.host(1)];
    fleet.section("app-.*", &hosts, "canary = 1\nbatch = 1");
    let packages: Vec<String> = (0..9).map(|number| format!("app-{number}")).collect();
    packages.iter().for_each(|package| drop(fleet.scene.keep(package, package)));
    let arguments: Vec<&str> = packages.iter().map(String::as_str).collect();
    fleet.scene.run(&arguments).expect(75).complains(&[&format!("app-0@{dead}: ")]);
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    // The next machine was the canary in its place.
    assert_eq!(fleet.got(), [packages.clone(), packages.clone()]);
    let rows = fleet.scene.run(&["--status", "--json"]).expect(0).json()["packages"].clone();
    let of_dead: Vec<&Value> =
        rows.as_array().into_iter().flatten().filter(|row| row["machine"] == hosts[0]).collect();
    assert_eq!(of_dead.len(), 9);
    assert!(of_dead.iter().all(|row| row["state"] == "planned" && row["failures"] == 0), "{rows}");
    // Within some minutes it is the same fault; no run adds a pause to it.
    assert_eq!(fleet.scene.run(&[]).status, 75);
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[test]
fn s2_01_production_gets_what_all_machines_of_the_test_group_have() {
    let fleet = Fleet::of(3);
    fleet.section(
        "app to the test machines",
        &[fleet.host(0), fleet.host(1)],
        "packages = app-.*\ngroup = test",
    );
    fleet.section("app-.*", &[fleet.host(2)], "after = test");
    fleet.spoil(1, true);
    fleet.scene.keep("app-1", "content");
    let dry = fleet.scene.run(&["--dry-run", "app-1"]).expect(0).stdout;
    let lacks = format!("send, waits for the group test: app-1@{} is not done", fleet.host(0));
    assert!(dry.contains(&lacks), "{dry}");
    assert!(fleet.scene.run(&["app-1"]).status != 0);
    assert_eq!(fleet.got(), [vec!["app-1".to_owned()], vec![], vec![]]);
    assert_eq!(fleet.connections(2), 0);
    let label = format!("app-1@{}", fleet.host(1));
    assert_eq!(fleet.waits("app-1", 2)["group"], serde_json::json!({ "group": "test", "lacks": label }));
    fleet.spoil(1, false);
    fleet.scene.run(&["--retry", &label]).expect_silence();
    fleet.scene.run(&[]).expect_silence();
    assert_eq!(fleet.got(), [["app-1"], ["app-1"], ["app-1"]]);
    // Another content begins at the test machines again.
    fleet.scene.keep("app-1", "another content");
    let dry = fleet.scene.run(&["--dry-run", "app-1"]).expect(0).stdout;
    assert!(dry.contains(&lacks), "{dry}");
}

#[test]
fn s2_01_nothing_is_sent_while_it_is_frozen_and_it_is_told_until_when() {
    let fleet = Fleet::of(1);
    let freeze = "freeze = 2020-01-01..2098-12-31\ntime_zone = Europe/Berlin";
    fleet.section("app-.*", &[fleet.host(0)], freeze);
    fleet.scene.keep("app-1", "content");
    let told = "nothing, waits until 2098-12-31T23:00:00Z, as it is frozen (2020-01-01..2098-12-31)";
    let dry = fleet.scene.run(&["--dry-run", "app-1"]).expect(0).stdout;
    assert!(dry.contains(told), "{dry}");
    fleet.scene.run(&["app-1"]).expect_silence();
    fleet.scene.run(&[]).expect_silence();
    assert_eq!(fleet.connections(0), 0);
    let status = fleet.scene.run(&["--status"]).expect(0).stdout;
    assert!(status.contains("planned, waits until 2098-12-31T23:00:00Z"), "{status}");
    assert_eq!(fleet.waits("app-1", 0)["frozen"]["until"], "2098-12-31T23:00:00Z");
    let routes = fleet.scene.path("general-dispatch-info.cfg");
    let text = fs::read_to_string(&routes).expect("routes").replace(freeze, "");
    fleet.scene.keep("general-dispatch-info.cfg", &text);
    fleet.scene.run(&[]).expect_silence();
    assert_eq!(fleet.got(), [["app-1"]]);
}
