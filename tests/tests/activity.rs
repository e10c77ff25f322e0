//! The record of every run of cron, on a spool that three hosts share.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use intraware_test_support::certificate::Certificates;
use intraware_test_support::watcher::{Mood, Watcher};
use intraware_tests::hosts::{age, on};
use intraware_tests::web::Web;
use intraware_tests::{Bench, Program};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

#[test]
fn s1_02_s1_03_each_run_is_recorded_and_what_is_missing_on_one_of_three_hosts_is_told() {
    let mut bench = Bench::builder().build();
    assert_eq!(bench.manage(&["activity"]).expect(0).stdout, "no run is known\n");
    bench.manage(&["activity", "--check"]).expect(78).complains(&["no run is expected", "[activity.expect]"]);
    let every = [
        ("manage run", "20 min"),
        ("manage run on ebb", "20 min"),
        ("manage run on granite", "20 min"),
        ("upload run on flow", "40 min"),
    ];
    every.iter().for_each(|(what, every)| bench.set(&format!("activity.expect.{what:?}"), *every));
    let told = bench.manage(&["activity", "--check"]).expect(1).stdout;
    assert_eq!(told.lines().filter(|line| line.contains(": silent: no run is known")).count(), 4, "{told}");

    let fill = |dir: &Path| fs::write(dir.join("name"), "p1").expect("a file");
    bench.add_build("p1", "p1", fill);
    for host in ["ebb", "flow", "granite"] {
        on(host, &bench, Program::Manage, &["run"]).expect(0);
    }
    on("flow", &bench, Program::Upload, &["run"]).expect(0);
    assert_eq!(bench.manage(&["activity", "--check"]).expect(0).stdout, "");

    // From now on there is no cron line on flow for upload, no store on ebb, and somebody has the lock when
    // granite wants it.
    let good = bench.path("var/records.db");
    let lock = bench.path("spool/locks/manage.lock");
    for minutes in [30, 15] {
        age(&bench, minutes);
        bench.set("records.sqlite.path", json!(bench.path("var/none/records.db")));
        assert_ne!(on("ebb", &bench, Program::Manage, &["run"]).status, 0);
        bench.set("records.sqlite.path", json!(good));
        on("flow", &bench, Program::Manage, &["run"]).expect(0);
        let held = File::open(&lock).expect("the lock file");
        flock(&held, FlockOperation::NonBlockingLockExclusive).expect("the lock");
        on("granite", &bench, Program::Manage, &["run"]).expect(0);
    }
    // What a person does on ebb does not stand for cron.
    on("ebb", &bench, Program::Manage, &["run", "--build", "p1"]).expect(0);

    let told = bench.manage(&["activity", "--check"]).expect(1).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("manage run on ebb: failing since "), "{told}");
    assert!(
        lines[0].contains(": 2 runs not good, the last one that failed on ebb with exit status "),
        "{told}"
    );
    assert!(lines[1].starts_with("manage run on granite: finds the lock taken since "), "{told}");
    assert!(lines[2].starts_with("upload run on flow: silent since "), "{told}");

    let findings = bench.manage(&["activity", "--check", "--json"]).expect(1).json();
    let is: Vec<&str> =
        findings["findings"].as_array().expect("a list").iter().filter_map(|f| f["is"].as_str()).collect();
    assert_eq!((findings["format"].as_u64(), is), (Some(1), vec!["failing", "locked", "silent"]));
    let runs = bench.manage(&["activity", "--json"]).expect(0).json();
    let runs = runs["runs"].as_array().expect("a list").clone();
    assert_eq!(runs.len(), 11, "{runs:#?}");
    for run in &runs {
        assert!(run["ended"].as_str() >= run["started"].as_str() && run["status"].is_u64(), "{run}");
    }
    let table = bench.manage(&["activity", "-n", "3"]).expect(0).stdout;
    assert!(
        table.lines().count() == 4 && table.contains("granite") && table.contains("only what was named"),
        "{table}"
    );
}

#[test]
fn s1_02_a_run_that_cannot_be_recorded_ends_as_it_would_have_ended() {
    let bench = Bench::builder().build();
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("name"), "p1").expect("a file"));
    fs::write(bench.path("spool/activity"), "").expect("a file in the way");
    for run in [bench.manage(&["run"]), bench.upload(&["run"])] {
        run.expect(0).complains(&["`manage activity` will not know of this run: "]);
    }
}

#[test]
fn s1_02_assemble_is_recorded_where_there_is_a_spool() {
    let bench = Bench::builder().build();
    let fragments = bench.path("fragments");
    fs::create_dir(&fragments).expect("a directory");
    let from = fragments.to_str().expect("text").to_owned();
    let to = bench.path("home").to_str().expect("text").to_owned();
    let arguments = ["assemble", "foo", "1.0", "--machines", "ebb", "--srcpath", &from, "--output", &to];
    let failed = bench.manage(&arguments);
    assert_ne!(failed.status, 0, "{failed:?}");
    let runs = bench.manage(&["activity", "--json"]).expect(0).json();
    assert_eq!(runs["runs"][0]["name"], "manage assemble");
    assert_eq!(runs["runs"][0]["status"], failed.status);
}

#[test]
fn s2_03_a_timetable_that_dispatches_no_more_is_noticed() {
    let mut bench = Bench::builder().build();
    let tree = bench.path("packages");
    fs::create_dir(&tree).expect("a directory");
    bench.set("dispatch.trees", json!([tree]));
    bench.set("activity.expect.\"upload dispatch\"", "20 min");
    let told = bench.manage(&["activity", "--check"]).expect(1).stdout;
    assert!(told.contains("upload dispatch on any host: silent: no run is known"), "{told}");
    let routes = bench.path("etc/general-dispatch-info.cfg");
    fs::write(&routes, "[a]\nhost = h\nlogin = u\npassword = x\nnetrc = /x\nknown_hosts = /x\n")
        .expect("routes");
    chmod(&routes, 0o600);
    // What people ask for stands for no run of the timetable.
    fs::write(bench.path("other"), "x").expect("a file");
    let (named, state) = (bench.path("other"), bench.path("state"));
    let [named, state] = [&named, &state].map(|path| path.to_str().expect("UTF-8"));
    let dispatch =
        |bench: &Bench, more: &[&str]| bench.upload(&[&["dispatch", "--state", state][..], more].concat());
    dispatch(&bench, &[named]).expect(78);
    dispatch(&bench, &["--scan", "--dry-run"]).expect(0);
    dispatch(&bench, &["--status"]).expect(0);
    bench.manage(&["activity", "--check"]).expect(1);
    dispatch(&bench, &["--scan"]).expect_silence();
    assert_eq!(bench.manage(&["activity", "--check"]).expect(0).stdout, "");
    let runs = bench.manage(&["activity", "--json"]).expect(0).json()["runs"].clone();
    assert_eq!((runs[1]["name"].as_str(), runs[1]["status"].as_u64()), (Some("upload dispatch"), Some(0)));
    // One that fails is recorded as well.
    fs::write(&routes, "[a]\n").expect("routes");
    dispatch(&bench, &["--scan"]).expect(78);
    let runs = bench.manage(&["activity", "--json"]).expect(0).json()["runs"].clone();
    assert_eq!(runs[2]["status"], 78);
}

fn chmod(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn s1_02_publish_is_recorded_with_its_passes_and_problems() {
    let mut bench = Bench::builder().build();
    let root = bench.path("root");
    fs::create_dir(&root).expect("a directory");
    let tree =
        |suite: &str| format!("{{ name = \"deb\", root = {root:?}, suites = [{suite:?}], check = \"none\"");
    let set = |bench: &Bench, publisher: &str| {
        let path = bench.path("etc/intraware.toml");
        let text = fs::read_to_string(&path).expect("a configuration");
        let text: String =
            text.lines().filter(|l| !l.starts_with("tree = ")).map(|l| format!("{l}\n")).collect();
        fs::write(path, format!("tree = [{}, publisher = [{publisher:?}] }}]\n{text}", tree("s")))
            .expect("a file");
    };
    bench.set("activity.textfile", json!(bench.path("var/x.prom")));
    set(&bench, "/bin/true");
    bench.manage(&["publish", "--suite", "s"]).expect_silence();
    bench.manage(&["publish"]).expect_silence();
    fs::write(root.join(".publish/dirty/s"), "").expect("a request");
    set(&bench, "/bin/false");
    bench.manage(&["publish"]).expect(1);
    let runs = bench.manage(&["activity", "--json"]).expect(0).json();
    let runs = runs["runs"].as_array().expect("a list");
    let seen = |run: &Value| {
        (
            run["name"] == "manage publish",
            run["status"].as_u64(),
            run["counts"].clone(),
            run["errors"].clone(),
        )
    };
    assert_eq!(seen(&runs[0]), (true, Some(0), json!({"passes": 1}), Value::Null));
    assert_eq!((runs[0]["is_partial"].clone(), seen(&runs[1]).1), (json!(true), Some(0)));
    assert_eq!(seen(&runs[2]), (true, Some(1), json!({"problems": 1}), json!({"build": 1})));
    let metrics = fs::read_to_string(bench.path("var/x.prom")).expect("metrics");
    for line in ["exit_status{run=\"manage publish\"} 1", "errors{run=\"manage publish\",kind=\"build\"} 1"] {
        assert!(metrics.contains(&format!("\nintraware_run_{line}\n")), "{line} is not in\n{metrics}");
    }
}

#[test]
fn s1_03_the_metrics_of_a_hosts_runs_appear_whole_and_change_no_outcome() {
    let mut bench = Bench::builder().build();
    let dir = bench.path("metrics");
    bench.set("activity.textfile", json!(dir.join("intraware.prom")));
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("name"), "p1").expect("a file"));
    let told = ["the metrics do not tell of this run: cannot write the metrics to"];
    on("ebb", &bench, Program::Manage, &["run"]).expect(0).complains(&told);
    fs::create_dir(&dir).expect("a directory");
    on("flow", &bench, Program::Manage, &["run"]).expect(0);
    on("ebb", &bench, Program::Upload, &["run"]).expect_silence();
    let text = fs::read_to_string(dir.join("intraware.prom")).expect("metrics");
    let size = fs::metadata(bench.path("site")).map(|_| bench.record("p1")).expect("a record");
    for line in [
        "builds{run=\"manage run\",state=\"done\"} 1".to_owned(),
        "builds{run=\"upload run\",state=\"done\"} 1".to_owned(),
        format!("bytes{{run=\"upload run\"}} {}", size["size"]),
        "exit_status{run=\"upload run\"} 0".to_owned(),
    ] {
        assert!(text.contains(&format!("\nintraware_run_{line}\n")), "{line} is not in\n{text}");
    }
    let mode = fs::metadata(dir.join("intraware.prom")).expect("metrics").permissions().mode();
    assert_eq!((mode & 0o777, fs::read_dir(&dir).expect("a directory").count()), (0o644, 1));
}

#[test]
fn s1_03_a_service_that_watches_jobs_hears_start_success_and_exit_status() {
    let mut bench = Bench::builder().build();
    let watcher = Watcher::start(Mood::Answers(200));
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("name"), "p1").expect("a file"));
    bench.set("activity.ping_url", watcher.url("/ping/s3cret/{run}.{host}"));
    on("ebb", &bench, Program::Manage, &["run"]).expect_silence();
    let path = "/ping/s3cret/manage-run.ebb";
    assert_eq!(watcher.heard(), [format!("{path}/start"), path.to_owned()]);
    let held = File::open(bench.path("spool/locks/manage.lock")).expect("the lock file");
    flock(&held, FlockOperation::NonBlockingLockExclusive).expect("the lock");
    on("ebb", &bench, Program::Manage, &["run"]).expect(0);
    assert_eq!(watcher.heard(), [format!("{path}/start"), format!("{path}/log")]);
    drop(held);
    bench.set("records.sqlite.path", json!(bench.path("var/none/records.db")));
    let failed = on("ebb", &bench, Program::Manage, &["run"]);
    assert_eq!(watcher.heard(), [format!("{path}/start"), format!("{path}/{}", failed.status)]);
    assert_ne!(failed.status, 0);
    // What a person does by hand is nothing that cron has done.
    on("ebb", &bench, Program::Manage, &["run", "--build", "p1"]);
    assert_eq!(watcher.heard(), [""; 0]);
    let shown = bench.manage(&["config"]).expect(0).stdout;
    assert!(shown.contains("activity.ping_url") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn s1_03_a_service_that_watches_jobs_may_have_a_certificate_of_an_authority_of_our_own() {
    let mut bench = Bench::builder().build();
    let dir = bench.path("keys");
    fs::create_dir(&dir).expect("a directory");
    let keys = Certificates::make(&dir);
    let web = Web::serve_tls(&dir, &keys.identity("server"));
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("name"), "p1").expect("a file"));
    bench.set("activity.ping_url", format!("https://{}/ping", web.address()));
    bench.manage(&["run"]).expect(0).complains(&["was not told of this run", "UnknownIssuer"]);
    bench.set("activity.ca_file", json!(dir.join("none.pem")));
    bench.manage(&["run"]).expect(0).complains(&["was not told of this run", "the ca_file cannot be used"]);
    // It is spoken to, and knows no such job.
    bench.set("activity.ca_file", json!(keys.authority()));
    bench.manage(&["run"]).expect(0).complains(&["it answers with status 404"]);
}

#[test]
fn s1_03_a_service_that_does_not_answer_changes_no_outcome_and_its_secret_is_not_told() {
    let mut bench = Bench::builder().build();
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("name"), "p1").expect("a file"));
    let (refuses, hangs) = (Watcher::start(Mood::Answers(404)), Watcher::start(Mood::Hangs));
    let nobody = "http://127.0.0.1:1/s3cret".to_owned();
    for (url, why) in [
        (refuses.url("/s3cret"), "it answers with status 404"),
        (nobody, "the connection failed: Connection refused"),
        (hangs.url("/s3cret"), "no whole answer within the time allowed"),
    ] {
        bench.set("activity.ping_url", url);
        let started = std::time::Instant::now();
        let run = bench.manage(&["run", "-vv"]).expect(0);
        let run = run.complains(&["was not told of this run: ", why, "http://127.0.0.1:"]);
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
        // Five seconds for each of the two signals, and a slow machine.
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{why}");
    }
    bench.set("activity.ping_url", "https://ann:s3cret@hc.example/x");
    let run = bench.manage(&["run"]).expect(78).complains(&["activity.ping_url: must be https://HOST/PATH"]);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
}
