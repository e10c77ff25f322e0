//! A site where packages are handed in: `upload serve` in a directory of its own, with one account.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use intraware_test_support::certificate::Certificates;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::builder::write_private;
use crate::program::Program;

/// The account, which is that of the directory `u1`, and its password.
const USER: &str = "intraware";
const PASSWORD: &str = "Tr0ub4dor-and-3";

/// Longer than a server takes to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a site's packages are called.
const NAMES: &str = r#"names = [".tar.gz", ".asc", ".MD5", ".SHA1", ".SHA256", ".filesize"]"#;

/// A running server, gone when dropped.
pub struct Desk {
    dir: TempDir,
    certificates: Certificates,
    settings: String,
    address: SocketAddr,
    child: Child,
}

impl Desk {
    /// Starts a server with these settings besides what it needs; tables come last in them.
    pub fn start(settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("desk-").tempdir().expect("a temporary directory");
        let certificates = Certificates::make(dir.path());
        let at = |name: &str| dir.path().join(name);
        let both = certificates.identity("server");
        let names = if settings.contains("names = ") { "" } else { NAMES };
        let settings = format!(
            "root = {:?}\naccounts = {:?}\ncertificate = {both:?}\nkey = {both:?}\n{names}\n{settings}\n",
            at("root"),
            at("accounts"),
        );
        write_settings(dir.path(), "127.0.0.1:0", &settings);
        let mut passwd = serve(dir.path())
            .args(["passwd", USER])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("upload");
        writeln!(passwd.stdin.take().expect("a pipe"), "{PASSWORD}").expect("a password");
        assert!(passwd.wait().expect("upload ends").success());
        let (child, address) = listen(dir.path());
        Self { dir, certificates, settings, address, child }
    }

    /// Kills the server.
    pub fn stop(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.child.kill();
        self.child.wait().expect("a child ends");
    }

    /// Starts it again, at the same address.
    pub fn start_again(&mut self) {
        self.stop();
        write_settings(self.dir.path(), &self.address.to_string(), &self.settings);
        let (child, address) = listen(self.dir.path());
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the password of the account.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Returns the certificates of its host and others.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Returns the site's URL, by this address.
    pub fn url(&self, address: SocketAddr) -> String {
        format!("tupkgs://{USER}@{address}")
    }

    /// Returns the directory of what has come in.
    pub fn incoming(&self) -> PathBuf {
        self.dir.path().join("root/incoming/u1")
    }

    /// Returns the names of what has come in.
    pub fn names(&self) -> Vec<String> {
        if self.incoming().exists() { crate::spool::names(&self.incoming()) } else { Vec::new() }
    }

    /// Returns the partial packages, the longest first: where a cut is noticed late, sidecars were announced
    /// as well.
    pub fn partial(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("root/accounts/u1/partial")).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort_by_key(|file| std::cmp::Reverse(fs::metadata(file).expect("a partial package").len()));
        files
    }

    /// Returns what it has said since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).expect("a log")
    }

    /// Waits until it has said this.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(begin.elapsed() < PATIENCE, "the server does not say {text:?}: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the values of a site's configuration, with the password in a file below `etc`.
    pub(crate) fn values(&self, name: &str, etc: &Path) -> BTreeMap<String, Value> {
        let secret = etc.join(format!("{name}.secret"));
        write_private(&secret, PASSWORD.as_bytes());
        let values = [
            ("name", json!(name)),
            ("url", json!(self.url(self.address))),
            ("password.file", json!(secret)),
            ("ca_file", json!(self.certificates.authority())),
        ];
        values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_settings(dir: &Path, listen: &str, settings: &str) {
    let text = format!("listen = [{listen:?}]\n{settings}");
    fs::write(dir.join("tupkgs.toml"), text).expect("settings");
}

fn serve(dir: &Path) -> Command {
    let mut command = Command::new(Program::Upload.path());
    command.args(["serve", "--settings"]).arg(dir.join("tupkgs.toml")).env_clear().current_dir(dir);
    command
}

/// Starts a server and waits until it says where it listens.
fn listen(dir: &Path) -> (Child, SocketAddr) {
    let log = dir.join("log");
    let stderr = File::create(&log).expect("a log");
    let mut child = serve(dir).stdin(Stdio::null()).stderr(stderr).spawn().expect("upload");
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(&log).expect("a log");
        let said = text.split_once("listening on ").and_then(|(_, rest)| rest.split_once('\n'));
        if let Some((address, _)) = said {
            return (child, address.parse().expect("an address"));
        }
        let has_ended = !matches!(child.try_wait(), Ok(None));
        assert!(begin.elapsed() < PATIENCE && !has_ended, "the server does not listen: {text}");
        thread::sleep(Duration::from_millis(5));
    }
}
