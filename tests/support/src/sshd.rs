//! A real OpenSSH server on a free loopback port, run as the current user.
//!
//! The port is ours and each accepted connection is handed to its own `sshd -i`, which reads its
//! configuration anew: no race for the port, no waiting for a daemon, and a test can exchange the host key or
//! forget the client between two connections to one address, as an attacker or an operator would.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// What an account on the server may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SFTP, and commands in a shell.
    Shell,
    /// SFTP alone, by `ForceCommand internal-sftp`.
    SftpOnly,
}

/// A running server. Dropping it ends it and every connection to it.
pub struct Sshd {
    dir: TempDir,
    addr: SocketAddr,
    user: String,
    access: Access,
    closing: Arc<AtomicBool>,
    children: Arc<Mutex<Vec<Child>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Sshd {
    /// Starts a server with an Ed25519 and an ECDSA host key that lets [`Sshd::client_key`] in.
    pub fn start(access: Access) -> Self {
        assert!(Path::new(SSHD).exists(), "{SSHD} is missing: install openssh-server");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let user = run(Command::new("id").arg("-un")).trim().to_owned();
        if user == "root" {
            fs::create_dir_all("/run/sshd").expect("the directory sshd separates its privileges in");
        }
        for (key, kind) in [
            ("host_ed25519", "ed25519"),
            ("host_ecdsa", "ecdsa"),
            ("other_ed25519", "ed25519"),
            ("client", "ed25519"),
            ("stranger", "ed25519"),
        ] {
            keygen(&dir.path().join(key), kind, "");
        }
        fs::create_dir(dir.path().join("site")).expect("the site's base");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the port's number");
        let mut sshd = Self {
            dir,
            addr,
            user,
            access,
            closing: Arc::default(),
            children: Arc::default(),
            accepting: None,
        };
        sshd.admit(&["client"]);
        sshd.present(&["host_ed25519", "host_ecdsa"]);
        fs::write(sshd.known_hosts(), sshd.known_host_lines(&["host_ed25519", "host_ecdsa"]))
            .expect("a known_hosts file");
        File::create(sshd.path("log")).expect("a log file");
        sshd.accepting = Some(sshd.accept(listener));
        sshd
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the account to log in as: the current user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the directory that tests use as the site's base.
    pub fn root(&self) -> PathBuf {
        self.path("site")
    }

    /// Returns the URL of [`Sshd::root`].
    pub fn url(&self) -> String {
        format!("sftp://{}@{}{}", self.user, self.addr, self.root().display())
    }

    /// Returns a known_hosts file with both host keys the server started with.
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// Returns the lines of a known_hosts file for these keys at this server's address.
    pub fn known_host_lines(&self, keys: &[&str]) -> String {
        let line = |key: &&str| format!("[{}]:{} {}", self.addr.ip(), self.addr.port(), self.public(key));
        keys.iter().map(line).collect()
    }

    /// Returns the private key file of the account.
    pub fn client_key(&self) -> PathBuf {
        self.path("client")
    }

    /// Returns a private key file that the server was not told about.
    pub fn stranger_key(&self) -> PathBuf {
        self.path("stranger")
    }

    /// Makes another key of the account, protected by `passphrase`, and admits it.
    pub fn protected_key(&self, passphrase: &str) -> PathBuf {
        keygen(&self.path("protected"), "ed25519", passphrase);
        self.admit(&["client", "protected"]);
        self.path("protected")
    }

    /// Starts an `ssh-agent` that holds these keys.
    pub fn agent(&self, keys: &[PathBuf]) -> Agent {
        let socket = self.path("agent");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent starts");
        let agent = Agent { child, socket };
        // The agent listens before it can be asked anything; there is nothing else to wait on.
        while !agent.socket.exists() {
            thread::yield_now();
        }
        for key in keys {
            run(Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &agent.socket));
        }
        agent
    }

    /// Presents another host key from the next connection on, or the first ones again.
    pub fn change_host_key(&self, changed: bool) {
        let keys: &[&str] = if changed { &["other_ed25519"] } else { &["host_ed25519", "host_ecdsa"] };
        self.present(keys);
    }

    /// Refuses the account's key from the next connection on, or admits it again.
    pub fn refuse_client(&self, refuse: bool) {
        self.admit(if refuse { &[] } else { &["client"] });
    }

    /// Returns the SHA-256 fingerprint of a key by its file's name, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self, key: &str) -> String {
        let line = run(Command::new("ssh-keygen").arg("-lf").arg(self.path(key)));
        line.split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    /// Returns everything the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("the server's log")
    }

    /// Kills the processes of all connections, as a crash of the server would.
    pub fn kill_connections(&self) {
        for mut child in self.children.lock().expect("no panic holds it").drain(..) {
            // One that has ended already is as dead as wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn public(&self, key: &str) -> String {
        fs::read_to_string(self.path(key).with_extension("pub")).expect("a public key")
    }

    fn admit(&self, keys: &[&str]) {
        let text: String = keys.iter().map(|key| self.public(key)).collect();
        fs::write(self.path("authorized_keys"), text).expect("an authorized_keys file");
    }

    fn present(&self, host_keys: &[&str]) {
        let mut config =
            host_keys.iter().map(|key| format!("HostKey {}\n", self.path(key).display())).collect::<String>();
        config.push_str(&format!(
            "AuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nLogLevel VERBOSE\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n",
            self.path("authorized_keys").display()
        ));
        if self.access == Access::SftpOnly {
            config.push_str("ForceCommand internal-sftp\n");
        }
        fs::write(self.path("sshd_config"), config).expect("a configuration");
    }

    fn accept(&self, listener: TcpListener) -> JoinHandle<()> {
        let (closing, children) = (Arc::clone(&self.closing), Arc::clone(&self.children));
        let (config, log) = (self.path("sshd_config"), self.path("log"));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.expect("an accepted connection");
                let child = serve(stream, &config, &log);
                let mut children = children.lock().expect("no panic holds it");
                children.retain_mut(|old| matches!(old.try_wait(), Ok(None)));
                children.push(child);
            }
        })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        self.kill_connections();
    }
}

/// A running `ssh-agent`. Dropping it ends it.
pub struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    /// Returns the socket it listens on.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands one connection to an `sshd` of its own.
fn serve(stream: TcpStream, config: &Path, log: &Path) -> Child {
    let log = OpenOptions::new().append(true).open(log).expect("the log");
    let out = stream.try_clone().expect("a second descriptor of the connection");
    Command::new(SSHD)
        .args(["-i", "-e", "-f"])
        .arg(config)
        .stdin(OwnedFd::from(stream))
        .stdout(OwnedFd::from(out))
        .stderr(log)
        .spawn()
        .expect("sshd starts")
}

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .stdin(Stdio::null()));
}

/// Runs a program that must succeed and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?} cannot be started: {err}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
