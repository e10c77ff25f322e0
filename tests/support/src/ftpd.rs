//! Real FTP servers on free loopback ports: ProFTPD, vsftpd and Pure-FTPd, in the clear and over TLS.
//!
//! Their account is a virtual one, or, for vsftpd, one that only its own processes see: the files of accounts
//! are mounted over the system's in a mount namespace, and nothing outside changes. All of them write as
//! `nobody`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::certificate::Certificates;
use crate::inetd::Inetd;
use crate::{proftpd, run, unpacked};

/// The user and the group that the servers write as: `nobody` and `nogroup`.
pub(crate) const NOBODY: u32 = 65_534;

/// An address of this host that is not the usual one.
pub const NAMESAKE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The account's name and password.
pub(crate) const USER: &str = "upload";
pub(crate) const PASSWORD: &str = "canary-ftp-7d21";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ProFTPD: offers MLST, which takes links for what they lead to, and hashes.
    ProFtpd,
    /// vsftpd: offers little, and no MLST.
    Vsftpd,
    /// Pure-FTPd: offers MLST, locks the account in, and cuts a file where a transfer begins.
    PureFtpd,
}

/// How a server protects its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Plain,
    /// By TLS after `AUTH TLS`, without which it lets nobody in; data connections must go on with that
    /// session.
    Explicit,
    /// By TLS from the first byte on; else the same.
    Implicit,
}

/// A running server. Dropping it ends it and every connection to it.
pub struct Ftpd {
    // Ended before its files go.
    inetd: Inetd,
    dir: TempDir,
    kind: Kind,
    security: Security,
    certificates: Certificates,
    data_port: Option<u16>,
}

impl Ftpd {
    /// Starts a server.
    pub fn start(kind: Kind, security: Security) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, None, kind, security)
    }

    /// Starts a server at [`NAMESAKE`], with this port and the next for data connections: whoever relays the
    /// control connection gets them too, at the same ports of the relay's address, and need not understand
    /// what is said.
    pub fn start_behind(data_port: u16, kind: Kind, security: Security) -> Self {
        Self::start_at(NAMESAKE, Some(data_port), kind, security)
    }

    fn start_at(address: Ipv4Addr, data_port: Option<u16>, kind: Kind, security: Security) -> Self {
        assert!(
            kind != Kind::PureFtpd || security != Security::Implicit,
            "Pure-FTPd speaks TLS after AUTH TLS only"
        );
        let dir = tempfile::tempdir().expect("a temporary directory");
        // The servers' own user has to pass through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("a directory of ours");
        for name in ["site", "empty", "tls"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        chown(dir.path().join("site"), Some(NOBODY), Some(NOBODY)).expect("run this test as root");
        let certificates = Certificates::make(&dir.path().join("tls"));
        let at = dir.path().to_owned();
        let serve = move || serve(kind, security, data_port, &at);
        let inetd = Inetd::start_at(address, &dir.path().join("log"), serve);
        let ftpd = Self { inetd, dir, kind, security, certificates, data_port };
        ftpd.make_account();
        ftpd.present("server");
        ftpd.configure("");
        ftpd
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.inetd.addr()
    }

    /// Returns how it protects its connections.
    pub fn security(&self) -> Security {
        self.security
    }

    /// Returns how many connections were made to it, those for data not counted.
    pub fn accepted(&self) -> usize {
        self.inetd.accepted()
    }

    /// Returns the account.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// Returns the account's password.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Returns the directory that tests use as the site's base.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("site")
    }

    /// Returns the path by which the server's account knows [`Ftpd::root`].
    pub fn base(&self) -> String {
        match self.kind {
            Kind::PureFtpd => "/".to_owned(),
            Kind::ProFtpd | Kind::Vsftpd => self.root().display().to_string(),
        }
    }

    /// Returns the URL of [`Ftpd::root`].
    pub fn url(&self) -> String {
        let scheme = if self.security == Security::Plain { "ftp" } else { "ftps" };
        format!("{scheme}://{USER}@{}{}", self.addr(), self.base())
    }

    /// Returns the certificates it has.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Presents another certificate from the next connection on: `server`, or `elsewhere`, or `ca`, which
    /// nobody has signed but itself.
    pub fn present(&self, identity: &str) {
        let (from, to) = (self.certificates.identity(identity), self.file("identity"));
        fs::copy(from, to).expect("a certificate");
    }

    /// Adds lines to the configuration, which counts from the next connection on and more than what is there.
    /// Those of Pure-FTPd are arguments.
    pub fn configure(&self, lines: &str) {
        let ports = self.data_ports();
        let text = match self.kind {
            Kind::ProFtpd => proftpd_conf(self.security, self.dir.path(), &(ports + lines)),
            // It goes by the last of two lines about one thing.
            Kind::Vsftpd => vsftpd_conf(self.security, self.dir.path()) + &ports + lines + "\n",
            Kind::PureFtpd => lines.to_owned(),
        };
        fs::write(self.file("conf"), text).expect("a configuration");
    }

    /// Serves no more than so many connections at once, those for data not counted.
    pub fn limit_connections(&self, most: usize) {
        self.inetd.limit(most);
    }

    /// Kills the processes of all connections, as a crash of the server would.
    pub fn kill_connections(&self) {
        self.inetd.kill_connections();
        if self.kind == Kind::PureFtpd {
            forget_the_dead();
        }
    }

    /// The same for the connections of these clients alone.
    pub fn kill_connections_of(&self, clients: &[SocketAddr]) {
        self.inetd.kill_connections_of(clients);
    }

    /// Returns everything the server has logged.
    pub fn log(&self) -> String {
        ["log", "server.log", "tls.log"]
            .map(|name| fs::read_to_string(self.file(name)).unwrap_or_default())
            .concat()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data_ports(&self) -> String {
        match (self.kind, self.data_port) {
            (Kind::ProFtpd, Some(port)) => format!("PassivePorts {port} {}\n", port + 1),
            (Kind::Vsftpd, Some(port)) => format!("pasv_min_port={port}\npasv_max_port={}\n", port + 1),
            (Kind::PureFtpd, _) | (_, None) => String::new(),
        }
    }

    fn make_account(&self) {
        let hash = password_hash();
        let account = format!("{USER}:x:{NOBODY}:{NOBODY}::{}:/bin/sh\n", self.root().display());
        match self.kind {
            Kind::ProFtpd => proftpd::make_account(&self.file("users"), &hash, &self.root()),
            Kind::Vsftpd => {
                let system = |name: &str| fs::read_to_string(name).expect("a file of the system's accounts");
                fs::write(self.file("passwd"), system("/etc/passwd") + &account).expect("accounts");
                let line = format!("{USER}:{hash}:19000:0:99999:7:::\n");
                write_private(&self.file("shadow"), &(system("/etc/shadow") + &line));
            }
            Kind::PureFtpd => {
                let line =
                    format!("{USER}:{hash}:{NOBODY}:{NOBODY}::{}/./::::::::::::\n", self.root().display());
                write_private(&self.file("users"), &line);
                run(Command::new(unpacked("usr/bin/pure-pw"))
                    .arg("mkdb")
                    .arg(self.file("users.pdb"))
                    .arg("-f")
                    .arg(self.file("users"))
                    .stdin(Stdio::null()));
            }
        }
    }
}

/// Removes Pure-FTPd's notes of connections whose process was killed. It counts those as connected whose
/// number another process has by now.
fn forget_the_dead() {
    for note in fs::read_dir("/var/run/pure-ftpd").into_iter().flatten().flatten() {
        let name = note.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("client-")?.parse::<u32>().ok());
        let is_alive = |number| {
            fs::read_to_string(format!("/proc/{number}/comm")).is_ok_and(|name| name.trim() == "pure-ftpd")
        };
        if number.is_some_and(|number| !is_alive(number)) {
            // Somebody else may have been quicker.
            let _ = fs::remove_file(note.path());
        }
    }
}

/// Makes the server of one connection.
fn serve(kind: Kind, security: Security, data_port: Option<u16>, dir: &Path) -> Command {
    match kind {
        Kind::ProFtpd => proftpd::serve(&dir.join("conf")),
        Kind::Vsftpd => {
            let script =
                "mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /etc/shadow && exec \"$0\" \"$3\"";
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", script]).arg(unpacked("usr/sbin/vsftpd"));
            command.args(["passwd", "shadow", "conf"].map(|name| dir.join(name)));
            command
        }
        Kind::PureFtpd => {
            let mut command = Command::new(unpacked("usr/sbin/pure-ftpd"));
            let database = format!("puredb:{}", dir.join("users.pdb").display());
            // No names looked up, no anonymous account, no load limit, no syslog, 500 connections a host.
            command.args(["-l", &database, "-H", "-E", "-m", "1000", "-f", "none", "-C", "500", "-c", "500"]);
            if let Some(port) = data_port {
                command.args(["-p", &format!("{port}:{}", port + 1)]);
            }
            match security {
                Security::Plain => command.arg("--tls=0"),
                Security::Explicit | Security::Implicit => command.arg("--tls=3"),
            };
            command.arg(format!("--certfile={}", dir.join("identity").display()));
            command.args(fs::read_to_string(dir.join("conf")).unwrap_or_default().split_whitespace());
            command
        }
    }
}

fn proftpd_conf(security: Security, dir: &Path, lines: &str) -> String {
    let options = match security {
        Security::Plain => return proftpd::conf(dir, &["digest"], lines),
        Security::Explicit => "",
        Security::Implicit => "TLSOptions UseImplicitSSL\n",
    };
    let identity = dir.join("identity").display().to_string();
    format!(
        "{}TLSEngine on\nTLSLog {}\nTLSRequired on\nTLSProtocol TLSv1.2 TLSv1.3\nTLSRSACertificateFile {identity}\n\
         TLSRSACertificateKeyFile {identity}\n{options}",
        proftpd::conf(dir, &["digest", "tls"], lines),
        dir.join("tls.log").display(),
    )
}

fn vsftpd_conf(security: Security, dir: &Path) -> String {
    let mut conf = format!(
        "listen=NO\nbackground=NO\nanonymous_enable=NO\nlocal_enable=YES\nwrite_enable=YES\nlocal_umask=022\n\
         pam_service_name=intraware-test\nxferlog_enable=NO\nsecure_chroot_dir={}\n",
        dir.join("empty").display()
    );
    if security != Security::Plain {
        let identity = dir.join("identity").display().to_string();
        conf.push_str(&format!(
            "ssl_enable=YES\nforce_local_logins_ssl=YES\nforce_local_data_ssl=YES\nrequire_ssl_reuse=YES\n\
             ssl_ciphers=HIGH\nrsa_cert_file={identity}\nrsa_private_key_file={identity}\n"
        ));
    }
    if security == Security::Implicit {
        conf.push_str("implicit_ssl=YES\n");
    }
    conf
}

/// Returns the account's password as crypt(3) keeps it.
pub(crate) fn password_hash() -> String {
    run(Command::new("openssl").args(["passwd", "-6", PASSWORD])).trim().to_owned()
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of ours");
}
