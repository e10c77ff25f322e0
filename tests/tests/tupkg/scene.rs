//! A server in a directory of its own, accounts, packages, and clients.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::certificate::Certificates;
use intraware_tests::{Program, Run, Running};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The account that each scene has, and its password. Its directory is `u1`.
pub(crate) const USER: &str = "bfinch@example.net";
pub(crate) const PASSWORD: &str = "B0b";

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    certificates: Certificates,
}

/// What a client is told about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Yes,
    No,
}

impl Scene {
    /// Makes a server's directory, with `settings` besides what it needs.
    pub(crate) fn new(settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::make(dir.path());
        let scene = Self { dir, certificates };
        fs::create_dir(scene.path("packages")).expect("a directory");
        scene.configure(settings);
        scene.add_account(USER, PASSWORD, &[]);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the file of the server's certificate and key.
    pub(crate) fn key(&self) -> PathBuf {
        self.certificates.identity("server")
    }

    /// Writes the server's settings. `settings` comes before, so that it may have tables of its own if it
    /// ends with them.
    pub(crate) fn configure(&self, settings: &str) {
        let both = self.certificates.identity("server");
        let listen = if settings.contains("listen = ") { "" } else { "listen = [\"127.0.0.1:0\"]\n" };
        let text = format!(
            "{listen}root = {:?}\naccounts = {:?}\ncertificate = {both:?}\nkey = {both:?}\n{settings}\n",
            self.path("root"),
            self.path("accounts"),
        );
        fs::write(self.path("tupkgs.toml"), text).expect("settings");
    }

    pub(crate) fn upload(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Program::Upload.path());
        command.args(arguments).env_clear().env("HOME", self.dir.path()).current_dir(self.path("packages"));
        command
    }

    fn serve_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.upload(&["serve", "--settings"]);
        command.arg(self.path("tupkgs.toml")).args(arguments);
        command
    }

    pub(crate) fn add_account(&self, user: &str, password: &str, more: &[&str]) {
        let mut command = self.serve_command(&["passwd", user]);
        let mut child =
            command.args(more).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("upload");
        writeln!(child.stdin.take().expect("a pipe"), "{password}").expect("a password");
        assert!(child.wait().expect("upload ends").success());
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn serve(&self) -> Server {
        self.serve_by(self.serve_command(&[]))
    }

    pub(crate) fn serve_by(&self, mut command: Command) -> Server {
        let number = (0..).find(|n| !self.path(&format!("log.{n}")).exists()).expect("a free name");
        let log = self.path(&format!("log.{number}"));
        let stderr = File::create(&log).expect("a log");
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn().expect("upload");
        let mut server = Server { child, log, addresses: Vec::new() };
        server.wait_for("listening on ");
        // All are there when the first is, but for the time of a few writes.
        thread::sleep(Duration::from_millis(20));
        let log = server.log();
        let addresses = log.lines().filter_map(|line| line.split("listening on ").nth(1));
        server.addresses = addresses.map(|address| address.parse().expect("an address")).collect();
        server
    }

    pub(crate) fn serve_command_for_systemd(&self) -> Command {
        self.serve_command(&[])
    }

    /// Writes an account file for a server at this address.
    pub(crate) fn account(&self, name: &str, address: SocketAddr, tls: Tls, more: &str) -> PathBuf {
        let protection = match tls {
            Tls::Yes => format!("ca_file = {}", self.certificates.authority().display()),
            Tls::No => "tls = no".to_owned(),
        };
        let text = format!(
            "[tupkg]\nusername = {USER}\npassword = {PASSWORD}\nhost = {}\nport = {}\n{protection}\n{more}\n",
            address.ip(),
            address.port()
        );
        private(&self.path(name), &text)
    }

    /// Makes a package of so many bytes that do not compress, of a format that is not looked into further.
    pub(crate) fn package(&self, name: &str, size: usize, seed: u64) -> PathBuf {
        let path = self.path("packages").join(name);
        fs::write(&path, content(size, seed)).expect("a package");
        path
    }

    /// Runs `upload send`.
    pub(crate) fn send(&self, account: &Path, arguments: &[&str]) -> Run {
        self.start_send(account, arguments).wait()
    }

    pub(crate) fn start_send(&self, account: &Path, arguments: &[&str]) -> Running {
        let mut command = self.upload(&["send", "--account"]);
        command.arg(account).args(["--pause", "0.1"]).args(arguments);
        Running::start(command)
    }

    /// Returns what lies in incoming, as `ACCOUNT/NAME`, in order.
    pub(crate) fn incoming(&self) -> Vec<String> {
        self.below("root/incoming")
    }

    /// Returns the files below a directory of the scene, in order.
    pub(crate) fn below(&self, name: &str) -> Vec<String> {
        let (base, mut found) = (self.path(name), Vec::new());
        let mut dirs = vec![base.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    found.push(path.strip_prefix(&base).expect("below it").display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// Returns how many bytes the account's partial packages have.
    pub(crate) fn partial(&self) -> u64 {
        let dir = self.path("root/accounts/u1/partial");
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn private(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
    path.to_owned()
}

/// Returns bytes that begin as `.xz` does and do not compress.
pub(crate) fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = b"\xfd7zXZ\0".to_vec();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    addresses: Vec<SocketAddr>,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns what it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            let has_ended = !matches!(self.child.try_wait(), Ok(None));
            assert!(
                begin.elapsed() < PATIENCE && !has_ended,
                "the server does not say {text:?}: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child");
    }

    /// Stops it, and waits until none of its threads does anything more.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let tasks = PathBuf::from(format!("/proc/{}/task", self.id()));
        let is_stopped = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        let begin = Instant::now();
        while !fs::read_dir(&tasks).expect("a process").flatten().all(is_stopped) {
            assert!(begin.elapsed() < PATIENCE, "the server does not stop");
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Kills it, and waits until it is dead.
    pub(crate) fn reap(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.child.kill();
        self.child.wait().expect("a child ends");
    }

    /// Waits for its end, and returns its exit status and what it said.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("a child ends");
        (status.code(), self.log())
    }

    /// Returns the most memory that it had, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.reap();
    }
}
