//! Several hosts that share one spool, and time that passes for what is known of their runs.

use std::fs;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{Bench, Program, Run, Running};

/// Runs a program on a host of that name: so the kernel calls it for this program, and for nothing else.
pub fn on(host: &str, bench: &Bench, program: Program, arguments: &[&str]) -> Run {
    let inner = bench.command(program, arguments);
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--user", "--map-root-user", "--uts", "/bin/sh", "-c"]);
    command.arg("hostname \"$0\" && exec \"$@\"").arg(host).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(bench.path("home"));
    Running::start(command).wait()
}

/// Lets all that is known of runs have happened so much earlier.
pub fn age(bench: &Bench, minutes: i64) {
    for entry in fs::read_dir(bench.path("spool/activity")).expect("the runs") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("runs");
        let earlier = |line: &str| {
            let mut run: Value = serde_json::from_str(line).expect("a run");
            for key in ["started", "ended"] {
                let at: Timestamp = run[key].as_str().expect("a time").parse().expect("a time");
                run[key] = json!(at - SignedDuration::from_mins(minutes));
            }
            format!("{run}\n")
        };
        fs::write(path, text.lines().map(earlier).collect::<String>()).expect("runs");
    }
}
