//! System calls of the programs, seen and spoiled by a real `strace`.
//!
//! strace sees what the kernel is asked for, not what the program believes it does. It can also kill the
//! program as it enters its n-th call of a kind: the call is then not made, and everything before it was.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Run, Running};

const STRACE: &str = "/usr/bin/strace";

/// The calls that change what is on a disk, by name. Opening a file makes one too, and the next of these
/// follows.
pub const DURABLE: [&str; 18] = [
    "mkdir",
    "mkdirat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fchmod",
    "chmod",
    "write",
    "pwrite64",
    "writev",
];

/// Runs a program and kills it as it enters its `nth` call of `name`; returns what became of it: status -9 if
/// it got that far.
pub fn kill_at(command: Command, name: &str, nth: usize) -> Run {
    let only = format!("trace={name}");
    let inject = format!("inject={name}:signal=SIGKILL:when={nth}");
    let options = ["-f", "-qq", "-o", "/dev/null", "-e", &only, "-e", &inject];
    Running::start(under_strace(command, &options)).wait()
}

/// Does the same to the program alone: what it starts is not seen, and lives on when it is killed.
pub fn kill_alone_at(command: Command, name: &str, nth: usize) -> Run {
    let only = format!("trace={name}");
    let inject = format!("inject={name}:signal=SIGKILL:when={nth}");
    Running::start(under_strace(command, &["-qq", "-o", "/dev/null", "-e", &only, "-e", &inject])).wait()
}

/// Runs a program of which the `nth` call of `name` alone fails with this error, and is not made. What it
/// starts is not seen.
pub fn fail_alone_at(command: Command, name: &str, nth: usize, error: &str) -> Run {
    let (only, inject) = (format!("trace={name}"), format!("inject={name}:error={error}:when={nth}"));
    Running::start(under_strace(command, &["-qq", "-o", "/dev/null", "-e", &only, "-e", &inject])).wait()
}

/// Runs a program whose every call of `names` (as `strace -e` takes them) fails with this error, and is not
/// made.
pub fn refuse(command: Command, names: &str, error: &str) -> Run {
    let (only, inject) = (format!("trace={names}"), format!("inject={names}:error={error}"));
    Running::start(under_strace(command, &["-f", "-qq", "-o", "/dev/null", "-e", &only, "-e", &inject]))
        .wait()
}

/// Runs a program and returns what became of it, with one line for each of its calls of `names` (as `strace
/// -e` takes them), the paths of descriptors included.
pub fn calls(command: Command, names: &str) -> (Run, Vec<String>) {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = log.path().to_str().expect("a temporary file's name is text").to_owned();
    let only = format!("trace={names}");
    let options = ["-f", "-qq", "-y", "-s", "256", "-o", &path, "-e", &only, "-e", "signal=none"];
    let run = Running::start(under_strace(command, &options)).wait();
    let text = std::fs::read_to_string(log.path()).expect("what strace has written");
    (run, text.lines().map(str::to_owned).collect())
}

/// Watches a running process and all its threads until `during` is over, and returns the same lines.
pub fn calls_of(process: u32, names: &str, during: impl FnOnce()) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let (only, process) = (format!("trace={names}"), process.to_string());
    let mut watch = Command::new(STRACE);
    watch
        .args(["-f", "-y", "-s", "256", "-e", &only, "-e", "signal=none", "-p", &process, "-o"])
        .arg(log.path());
    let mut strace = watch.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("strace starts");
    // Kept to the end: it tells of each new thread, and would die of nobody reading that.
    let mut said = BufReader::new(strace.stderr.take().expect("a pipe")).lines();
    let first = said.next().expect("it says what it does").expect("text");
    assert!(first.contains("attached"), "{first}");
    during();
    kill_process(Pid::from_child(&strace), Signal::INT).expect("a child");
    strace.wait().expect("strace ends");
    let text = std::fs::read_to_string(log.path()).expect("what strace has written");
    text.lines().map(str::to_owned).collect()
}

/// Returns the command line of `command` under strace, in the same directory and environment.
fn under_strace(command: Command, options: &[&str]) -> Command {
    assert!(Path::new(STRACE).exists(), "{STRACE} is missing: install strace");
    let mut traced = Command::new(STRACE);
    traced.args(options).arg("--").arg(command.get_program()).args(command.get_args()).env_clear();
    traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        traced.current_dir(dir);
    }
    traced.stdin(Stdio::null());
    traced
}
