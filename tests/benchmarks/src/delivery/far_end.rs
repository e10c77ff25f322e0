//! The other end: a real sshd on loopback, and a line to it that is as long as asked for.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use intraware_test_support::delay_line::{DelayLine, Distance};
use intraware_test_support::sshd::{Access, Sshd};

use crate::failure::{Doing as _, Failure};
use crate::ours::quoted;
use crate::{process, tree};

/// What `ssh` calls the server.
pub(crate) const HOST: &str = "site";

/// The server and the line to it.
pub(crate) struct FarEnd {
    sshd: Sshd,
    line: DelayLine,
    dir: PathBuf,
}

/// The way to the server, and what its clients need.
pub(crate) struct Way {
    pub(crate) addr: SocketAddr,
    pub(crate) user: String,
    pub(crate) private_key: PathBuf,
    pub(crate) known_hosts: PathBuf,
    /// What `ssh` and its kin read; they find the server as [`HOST`].
    pub(crate) ssh_config: PathBuf,
    /// The directory that payloads go to. Both ends know it by this path.
    pub(crate) base: PathBuf,
}

impl FarEnd {
    /// Starts a server whose clients deliver to a directory in `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        let sshd = Sshd::start(Access::Shell);
        let near = Distance { round_trip: Duration::ZERO, rate: u64::MAX };
        let line = DelayLine::start(sshd.addr(), near);
        Self { sshd, line, dir: dir.to_owned() }
    }

    /// Empties the directory that payloads go to, and returns the way there: over the line, or without one.
    pub(crate) fn open(&self, distance: Option<Distance>) -> Result<Way, Failure> {
        self.clear()?;
        let Some(distance) = distance else { return self.way(self.server()) };
        self.line.set(distance);
        self.way(self.line.addr())
    }

    /// Empties the directory that payloads go to.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        tree::clear(&self.base())
    }

    /// Returns the server's own address.
    pub(crate) fn server(&self) -> SocketAddr {
        self.sshd.addr()
    }

    /// Returns the way over this address.
    pub(crate) fn way(&self, addr: SocketAddr) -> Result<Way, Failure> {
        let way = Way {
            addr,
            user: self.sshd.user().to_owned(),
            private_key: self.sshd.client_key(),
            known_hosts: self.dir.join("known_hosts"),
            ssh_config: self.dir.join("ssh_config"),
            base: self.base(),
        };
        way.write(&self.sshd)?;
        Ok(way)
    }

    /// Waits until the server has noticed the end of every connection.
    pub(crate) fn settle(&self) {
        let start = Instant::now();
        while process::has_children() {
            if start.elapsed() > Duration::from_secs(5) {
                self.sshd.kill_connections();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns the directory that payloads go to.
    pub(crate) fn base(&self) -> PathBuf {
        self.dir.join("site")
    }
}

impl Way {
    fn write(&self, sshd: &Sshd) -> Result<(), Failure> {
        // As known_hosts writes an address with a port.
        let bracketed = |addr: SocketAddr| format!("[{}]:{}", addr.ip(), addr.port());
        let write = || {
            let known = fs::read_to_string(sshd.known_hosts())?;
            fs::write(&self.known_hosts, known.replace(&bracketed(sshd.addr()), &bracketed(self.addr)))?;
            fs::write(&self.ssh_config, self.ssh_config())
        };
        write().doing(|| format!("cannot write {}", self.ssh_config.display()))
    }

    fn ssh_config(&self) -> String {
        format!(
            "Host {HOST}\nHostName {}\nPort {}\nUser {}\nIdentityFile \"{}\"\nIdentitiesOnly yes\n\
             BatchMode yes\nUserKnownHostsFile \"{}\"\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\n",
            self.addr.ip(),
            self.addr.port(),
            self.user,
            self.private_key.display(),
            self.known_hosts.display()
        )
    }

    /// Returns what our configuration says about the site, with its connection limit if there is to be one.
    pub(crate) fn site(&self, connections: Option<u32>) -> String {
        let limit = connections.map_or_else(String::new, |limit| format!("connections = {limit}\n"));
        format!(
            "url = {}\nknown_hosts = {}\nprivate_key = {}\n{limit}",
            quoted(format_args!("sftp://{}@{}{}", self.user, self.addr, self.base.display())),
            quoted(self.known_hosts.display()),
            quoted(self.private_key.display()),
        )
    }
}
