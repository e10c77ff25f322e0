//! How the servers are started.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::certificate::Certificates;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::room::{PASSWORD, Room, USER, run};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that serves all connections. Dropping it kills it and what it has started.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it, and waits until it listens at this port.
    pub(crate) fn start(mut command: Command, port: u16, log: &Path) -> Self {
        use std::os::unix::process::CommandExt as _;
        let file = File::create(log).expect("a log");
        let twin = file.try_clone().expect("a second descriptor");
        let shown = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(file).stderr(twin).process_group(0);
        let mut daemon = Self(command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}")));
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let said = || fs::read_to_string(log).unwrap_or_default();
            assert!(daemon.0.try_wait().is_ok_and(|ended| ended.is_none()), "{shown} ended: {}", said());
            assert!(began.elapsed() < PATIENCE, "{shown} does not listen: {}", said());
            thread::sleep(Duration::from_millis(20));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended is as dead as wanted.
        let group = Pid::from_child(&self.0);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

pub(crate) fn python(peers: &Path, script: &str, port: u16, room: &Room) -> Command {
    ours(Command::new(peers.join("venv/bin/python")), script, port, room)
}

pub(crate) fn node(peers: &Path, script: &str, port: u16, room: &Room) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", peers.join("node/node_modules"));
    ours(command, script, port, room)
}

/// Adds the arguments that all scripts in `tests/third_party` take.
fn ours(mut command: Command, script: &str, port: u16, room: &Room) -> Command {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party");
    command.arg(dir.join(script)).arg(port.to_string()).arg(room.dir());
    command
}

pub(crate) fn rust(peers: &Path, program: &str, port: u16, room: &Room) -> Command {
    let mut command = Command::new(peers.join("rust/release").join(program));
    command.arg(port.to_string()).arg(room.dir());
    command
}

pub(crate) fn libunftp_tls(peers: &Path, port: u16, room: &Room) -> Command {
    fs::create_dir(room.at("tls")).expect("a directory");
    let certificates = Certificates::make(&room.at("tls"));
    fs::copy(certificates.authority(), room.at("authority")).expect("a certificate");
    for name in ["certificate", "key"] {
        fs::copy(certificates.identity("server"), room.at(name)).expect("a certificate and its key");
    }
    let mut command = rust(peers, "libunftp", port, room);
    command.arg("--tls");
    command
}

pub(crate) fn debian(peers: &Path, path: &str) -> PathBuf {
    peers.join("debian").join(path)
}

pub(crate) fn dropbear(peers: &Path, room: &Room) -> Command {
    let key = room.at("dropbear_key");
    if !key.exists() {
        run(Command::new(debian(peers, "usr/bin/dropbearconvert"))
            .args(["openssh", "dropbear"])
            .arg(room.at("host_key"))
            .arg(&key));
    }
    let mut command = room.seeing("passwd.root", &debian(peers, "usr/sbin/dropbear"));
    // For inetd, no passwords.
    command.args(["-i", "-s", "-r"]).arg(key);
    command
}

pub(crate) fn tinysshd(peers: &Path, room: &Room) -> Command {
    let keys = room.at("tinysshd_keys");
    if !keys.exists() {
        run(Command::new(debian(peers, "usr/sbin/tinysshd-makekey")).arg(&keys));
        let public = run(Command::new(debian(peers, "usr/sbin/tinysshd-printkey")).arg(&keys));
        fs::write(room.at("host_key.pub"), public).expect("a host key");
    }
    let mut command = room.seeing("passwd.root", &debian(peers, "usr/sbin/tinysshd"));
    let files = debian(peers, "usr/lib/openssh/sftp-server");
    command.arg("-x").arg(format!("sftp={}", files.display())).arg(keys);
    command
}

pub(crate) fn mysecureshell(peers: &Path) -> String {
    let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party/mysecureshell/serve");
    format!("{} {}", serve.display(), debian(peers, "usr/bin/mysecureshell").display())
}

pub(crate) fn lsh(peers: &Path, port: u16, room: &Room) -> Command {
    let (seed, key) = (room.at("lsh_seed"), room.at("lsh_host_key"));
    run(Command::new(debian(peers, "usr/bin/lsh-make-seed")).arg("--sloppy").arg("-o").arg(&seed));
    let script = "\"$1/lsh-keygen\" --server -l 2048 | \"$1/lsh-writekey\" --server -o \"$2\"";
    let mut keygen = Command::new("sh");
    keygen.args(["-c", script, "sh"]).arg(debian(peers, "usr/bin")).arg(&key);
    run(keygen.env("LSH_YARROW_SEED_FILE", &seed));
    let mut command = room.seeing("passwd.root", &debian(peers, "usr/sbin/lshd"));
    command.env("LSH_YARROW_SEED_FILE", seed);
    // In this order: an interface takes the port that was named before it.
    command.args([&format!("--port={port}"), "--interface=127.0.0.1"]);
    command.arg(format!("--host-key={}", key.display()));
    command
}

pub(crate) fn inetutils(peers: &Path, room: &Room) -> Command {
    room.seeing("passwd.nobody", &debian(peers, "usr/sbin/ftpd"))
}

pub(crate) fn busybox(peers: &Path, room: &Room) -> Command {
    let mut command = Command::new(peers.join("busybox/busybox"));
    command.args(["ftpd", "-w"]).arg(room.at("site"));
    command
}

pub(crate) fn rclone(peers: &Path, port: u16, room: &Room) -> Command {
    let mut command = Command::new(peers.join("venv/bin/rclone"));
    // Else it does not see for minutes what others put there behind its back.
    command.args(["serve", "ftp", "--config=/dev/null", "--dir-cache-time=0"]);
    command.args(["--user", USER, "--pass", PASSWORD, "--addr"]);
    command.arg(format!("127.0.0.1:{port}")).arg(room.at("site"));
    command
}
