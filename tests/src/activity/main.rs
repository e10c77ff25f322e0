//! Three hosts of which one has lost its cron line, one fails always, and one always finds the lock taken:
//! each must be named by `manage activity --check`, and the metrics of each must be what Prometheus and its
//! node_exporter take. `tests/activity`, which unpacks both, says how to call it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use intraware_tests::hosts::{age, on};
use intraware_tests::{Bench, Program};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

/// Sees that hosts whose runs are missing are named, and that Prometheus takes the metrics
#[derive(Debug, Parser)]
#[command(name = "tests/activity")]
struct Options {
    /// Where prometheus and prometheus-node-exporter are unpacked
    #[arg(long, value_name = "DIRECTORY", default_value = "target/prometheus")]
    prometheus: PathBuf,
}

/// What a host must show in the end, in the metrics that its node_exporter gives out.
const SHOWN: [(&str, &str); 6] = [
    ("ebb", "intraware_run_exit_status{run=\"manage run\"} 78"),
    ("ebb", "intraware_run_errors{kind=\"configuration\",run=\"manage run\"} 1"),
    ("granite", "intraware_run_found_lock_taken{run=\"manage run\"} 1"),
    ("flow", "intraware_run_builds{run=\"upload run\",state=\"done\"} 1"),
    ("flow", "intraware_run_exit_status{run=\"manage run\"} 0"),
    ("flow", "node_textfile_scrape_error 0"),
];

fn main() -> ExitCode {
    let options = Options::parse();
    let mut bench = Bench::builder().build();
    let mut misses = Vec::new();
    go_through_the_day(&mut bench, &mut misses);
    for host in ["ebb", "flow", "granite"] {
        let dir = bench.path(&format!("metrics/{host}"));
        let text = fs::read_to_string(dir.join("intraware.prom")).expect("metrics");
        say(&format!("promtool check metrics, of {host}: "));
        match check(&options.prometheus.join("usr/bin/promtool"), &text) {
            said if said.is_empty() => say("nothing to say\n"),
            said => misses.push(format!("{host}: promtool: {said}")),
        }
        let scraped =
            Exporter::start(&options.prometheus.join("usr/bin/prometheus-node-exporter"), &dir).scrape();
        let ours = scraped.lines().filter(|line| line.starts_with("intraware_run_")).count();
        say(&format!("node_exporter of {host}: {ours} samples of ours\n"));
        for (_, line) in SHOWN.iter().filter(|(of, _)| *of == host) {
            if !scraped.lines().any(|other| other == *line) {
                misses.push(format!("{host}: node_exporter does not show {line}"));
            }
        }
    }
    misses.iter().for_each(|miss| say(&format!("MISSED: {miss}\n")));
    ExitCode::from(u8::from(!misses.is_empty()))
}

/// Each host's cron works; then none does as it should, for three quarters of an hour.
fn go_through_the_day(bench: &mut Bench, misses: &mut Vec<String>) {
    for (what, every) in [
        ("manage run on ebb", "20 min"),
        ("manage run on granite", "20 min"),
        ("upload run on flow", "40 min"),
    ] {
        bench.set(&format!("activity.expect.{what:?}"), every);
    }
    bench.add_build("p1", "p1", |dir| fs::write(dir.join("name"), "p1").expect("a file"));
    let run = |bench: &mut Bench, host: &str, program| {
        let dir = bench.path(&format!("metrics/{host}"));
        fs::create_dir_all(&dir).expect("a directory");
        // As each host has a disk of its own.
        bench.set("activity.textfile", json!(dir.join("intraware.prom")));
        on(host, bench, program, &["run"]).status
    };
    for host in ["ebb", "flow", "granite"] {
        assert_eq!(run(bench, host, Program::Manage), 0);
    }
    assert_eq!(run(bench, "flow", Program::Upload), 0);
    let told = bench.manage(&["activity", "--check"]);
    if told.status != 0 {
        misses.push(format!("all is well, and it says: {}", told.stdout));
    }
    let good = bench.path("var/records.db");
    for minutes in [30, 15] {
        age(bench, minutes);
        bench.set("records.sqlite.path", json!(bench.path("var/none/records.db")));
        assert_ne!(run(bench, "ebb", Program::Manage), 0);
        bench.set("records.sqlite.path", json!(good));
        assert_eq!(run(bench, "flow", Program::Manage), 0);
        let held = File::open(bench.path("spool/locks/manage.lock")).expect("the lock file");
        flock(&held, FlockOperation::NonBlockingLockExclusive).expect("the lock");
        assert_eq!(run(bench, "granite", Program::Manage), 0);
    }
    let told = bench.manage(&["activity", "--check"]);
    say(&told.stdout);
    let begins = ["manage run on ebb: failing since", "manage run on granite: finds the lock taken since"];
    for begin in begins.into_iter().chain(["upload run on flow: silent since"]) {
        if told.status != 1 || !told.stdout.lines().any(|line| line.starts_with(begin)) {
            misses.push(format!("`manage activity --check` does not say: {begin}"));
        }
    }
}

/// Returns what promtool has to say of metrics; nothing, if they are as they should be.
fn check(promtool: &Path, metrics: &str) -> String {
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool");
    child.stdin.take().expect("a pipe").write_all(metrics.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}

/// A node_exporter of one host, with the collector of text files alone.
struct Exporter {
    child: Child,
    port: u16,
}

impl Exporter {
    fn start(program: &Path, dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let mut command = Command::new(program);
        command.args(["--collector.disable-defaults", "--collector.textfile"]);
        command.arg(format!("--collector.textfile.directory={}", dir.display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stderr(Stdio::null());
        Self { child: command.spawn().expect("node_exporter"), port }
    }

    fn scrape(&self) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < until, "node_exporter does not listen: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(text: &str) {
    // A reader that has gone is no reason to stop.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
