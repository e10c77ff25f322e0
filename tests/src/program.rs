//! The two programs as processes: where they are, how they are started, what became of them.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Prepares and confirms.
    Manage,
    /// Delivers.
    Upload,
}

impl Program {
    /// Returns the program's file in the target directory that this test was built into.
    ///
    /// # Panics
    /// If it is missing or older than one of its sources.
    pub fn path(self) -> &'static Path {
        static PATHS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
        let (name, path) = match self {
            Self::Manage => ("manage", &PATHS[0]),
            Self::Upload => ("upload", &PATHS[1]),
        };
        path.get_or_init(|| {
            let this = std::env::current_exe().expect("a test knows its own file");
            // target/PROFILE/deps/TEST-HASH or target/PROFILE/PROGRAM, and the programs are in
            // target/PROFILE.
            let dir = this.parent().expect("a directory");
            let dir = if dir.ends_with("deps") { dir.parent().expect("a target directory") } else { dir };
            let path = dir.join(name);
            if let Err(why) = check_fresh(&path) {
                panic!("{} {why}: `cargo build --workspace` first", path.display());
            }
            path
        })
    }
}

/// Compares a program with the sources that cargo has noted beside it, in the form of a rule for make.
fn check_fresh(program: &Path) -> Result<(), String> {
    let modified = |path: &Path| fs::metadata(path).and_then(|seen| seen.modified());
    let made = modified(program).map_err(|_| "is missing".to_owned())?;
    let rule = fs::read_to_string(program.with_extension("d")).map_err(|e| format!("has no rule: {e}"))?;
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let is_newer = |source: &&str| {
        let source = source.replace('\0', " ");
        modified(Path::new(&source)).unwrap_or(SystemTime::UNIX_EPOCH) > made
    };
    sources.split_whitespace().find(is_newer).map_or(Ok(()), |source| Err(format!("is older than {source}")))
}

/// Longer than any run in any test takes; a program that hangs is a failure and not an endless test.
const PATIENCE: Duration = Duration::from_secs(100);

/// A program that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    shown: String,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Starts a command with nothing on standard input and its output kept.
    pub fn start(mut command: Command) -> Self {
        // Files and not pipes: nobody has to read for the program to go on.
        let (stdout, stderr) = (file(), file());
        let shown = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(twin(&stdout)).stderr(twin(&stderr));
        let child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        Self { child, shown, stdout, stderr }
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_alive() {
            kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("{}: {error}", self.shown));
        }
    }

    /// Returns whether it has not ended yet.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end, but no longer than this; returns whether it has ended.
    pub fn ends_within(&mut self, time: Duration) -> bool {
        if !self.is_alive() {
            return true;
        }
        let end = pidfd_open(self.pid(), PidfdFlags::empty()).expect("a descriptor of a child");
        let time = Timespec::try_from(time).expect("no test waits for years");
        poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&time)).expect("poll") == 1
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(mut self) -> Run {
        let ended = self.ends_within(PATIENCE);
        assert!(ended, "{} does not end; so far it says: {}", self.shown, text(&mut self.stderr));
        let ended = self.child.wait().expect("a child ends");
        let status = ended.code().unwrap_or_else(|| -ended.signal().unwrap_or_default());
        let (stdout, stderr) = (text(&mut self.stdout), text(&mut self.stderr));
        Run { status, stdout, stderr, shown: self.shown.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What became of a program.
#[derive(Clone)]
pub struct Run {
    /// The exit status, or minus the signal that ended it.
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    shown: String,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr, shown } = self;
        write!(f, "{shown}\nstatus {status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

impl Run {
    /// Checks the exit status and returns the run.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert!(self.status == status, "expected status {status}: {self:?}");
        self
    }

    /// Checks that it did all it should and had nothing to say, as a run under cron must not.
    #[track_caller]
    pub fn expect_silence(self) {
        let is_silent = self.status == 0 && self.stdout.is_empty() && self.stderr.is_empty();
        assert!(is_silent, "expected silent success: {self:?}");
    }

    /// Checks that standard error has each of `parts`, and returns the run.
    #[track_caller]
    pub fn complains(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "expected {part:?} on standard error: {self:?}");
        }
        self
    }

    /// Returns standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

fn file() -> File {
    tempfile::tempfile().expect("a temporary file")
}

fn twin(file: &File) -> File {
    file.try_clone().expect("a second descriptor")
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a program's output");
    String::from_utf8_lossy(&bytes).into_owned()
}
