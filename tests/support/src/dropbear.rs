//! Dropbear, an SSH server with small windows, with OpenSSH's SFTP server below it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::inetd::Inetd;
use crate::{run, unpacked};

/// Where Dropbear looks for an SFTP server.
const SFTP_SERVER: &str = "/usr/lib/sftp-server";

/// A running server. Dropping it ends it and every connection to it.
pub struct Dropbear {
    // Ended before its files go.
    inetd: Inetd,
    dir: TempDir,
}

impl Dropbear {
    /// Starts a server with an Ed25519 host key that lets [`Dropbear::client_key`] in. It lets be under way
    /// what Dropbear does if nobody tells it otherwise, which is 24 KiB, or as much as `window` says.
    pub fn start(window: Option<u32>) -> Self {
        assert!(Path::new(SFTP_SERVER).exists(), "{SFTP_SERVER} is missing: install openssh-sftp-server");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str| dir.path().join(name);
        fs::create_dir_all(file("home/.ssh")).expect("a home");
        fs::create_dir(file("site")).expect("the site's base");
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
            .arg(file("client"))
            .stdin(Stdio::null()));
        fs::copy(file("client.pub"), file("home/.ssh/authorized_keys")).expect("a file of keys");
        let said = run(Command::new(unpacked("usr/bin/dropbearkey"))
            .args(["-t", "ed25519", "-f"])
            .arg(file("host")));
        let host = said.lines().find(|line| line.starts_with("ssh-ed25519 ")).expect("a public key");
        // It looks for keys in the home that the account has, so it is shown another file of accounts.
        let home = file("home");
        fs::write(file("passwd"), format!("root:x:0:0:root:{}:/bin/sh\n", home.display()))
            .expect("a file of accounts");
        let (passwd, key) = (file("passwd"), file("host"));
        let inetd = Inetd::start(&file("log"), move || serve(&passwd, &key, window));
        let addr = inetd.addr();
        fs::write(file("known_hosts"), format!("[{}]:{} {host}\n", addr.ip(), addr.port()))
            .expect("a known_hosts file");
        Self { inetd, dir }
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.inetd.addr()
    }

    /// Returns the account.
    pub fn user(&self) -> &'static str {
        "root"
    }

    /// Returns the private key file of the account.
    pub fn client_key(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    /// Returns a known_hosts file with its key.
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// Returns the directory that tests use as the site's base.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("site")
    }
}

/// Makes the server of one connection.
fn serve(passwd: &Path, key: &Path, window: Option<u32>) -> Command {
    let script = "mount --bind \"$0\" /etc/passwd && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(passwd).arg(unpacked("usr/sbin/dropbear"));
    command.args(["-i", "-m", "-s", "-r"]).arg(key);
    if let Some(window) = window {
        command.arg("-W").arg(window.to_string());
    }
    command
}
