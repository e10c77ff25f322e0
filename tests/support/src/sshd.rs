//! A real OpenSSH server on a free loopback port, run as the current user.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::inetd::Inetd;
use crate::run;

const SSHD: &str = "/usr/sbin/sshd";

/// What an account on the server may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SFTP, and commands in a shell.
    Shell,
    /// SFTP alone, by `ForceCommand internal-sftp`.
    SftpOnly,
    /// SFTP alone, below a directory of its own that it sees as the root.
    Chrooted,
    /// The same, and neither attributes can be set nor the extensions of OpenSSH be used.
    Bare,
    /// SFTP, and commands in a shell, for who answers with [`PASSWORD`] what PAM asks (keyboard-interactive).
    Asked,
}

/// The answer to PAM's only question.
pub const PASSWORD: &str = "open sesame 4711";

impl Access {
    fn is_chrooted(self) -> bool {
        matches!(self, Self::Chrooted | Self::Bare)
    }
}

/// Where a chrooted server sees its directory: one that exists everywhere, and above which nobody else can
/// write.
const JAIL: &str = "/mnt";

/// A running server. Dropping it ends it and every connection to it.
pub struct Sshd {
    // Ended before its files go.
    inetd: Inetd,
    dir: TempDir,
    user: String,
    access: Access,
    /// What serves SFTP.
    subsystem: String,
}

impl Sshd {
    /// Starts a server with an Ed25519 and an ECDSA host key that lets [`Sshd::client_key`] in.
    pub fn start(access: Access) -> Self {
        Self::start_above(access, "internal-sftp")
    }

    /// Starts a server that has this command serve SFTP.
    pub fn start_above(access: Access, subsystem: &str) -> Self {
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
        fs::create_dir_all(dir.path().join("jail/site")).expect("the site's base");
        if access == Access::Asked {
            ask_by_pam(dir.path());
        }
        let path = dir.path().to_owned();
        let inetd = Inetd::start(&dir.path().join("log"), move || serve(&path, access));
        let sshd = Self { inetd, dir, user, access, subsystem: subsystem.to_owned() };
        sshd.admit(&["client"]);
        sshd.present(&["host_ed25519", "host_ecdsa"]);
        fs::write(sshd.known_hosts(), sshd.known_host_lines(&["host_ed25519", "host_ecdsa"]))
            .expect("a known_hosts file");
        sshd
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.inetd.addr()
    }

    /// Returns the account to log in as: the current user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the directory that tests use as the site's base.
    pub fn root(&self) -> PathBuf {
        self.path("jail/site")
    }

    /// Returns the path by which the server's account knows [`Sshd::root`].
    pub fn base(&self) -> String {
        match self.access.is_chrooted() {
            true => "/site".to_owned(),
            false => self.root().to_str().expect("a temporary directory is UTF-8").to_owned(),
        }
    }

    /// Returns the URL of [`Sshd::root`].
    pub fn url(&self) -> String {
        format!("sftp://{}@{}{}", self.user, self.addr(), self.base())
    }

    /// Returns a known_hosts file with both host keys the server started with.
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// Returns the lines of a known_hosts file for these keys at this server's address.
    pub fn known_host_lines(&self, keys: &[&str]) -> String {
        let addr = self.addr();
        let line = |key: &&str| format!("[{}]:{} {}", addr.ip(), addr.port(), self.public(key));
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

    /// Makes another key of the account, protected by `passphrase` with a cipher that OpenSSH has, and admits
    /// it.
    pub fn protected_key(&self, passphrase: &str, cipher: &str) -> PathBuf {
        let file = self.path("protected");
        keygen(&file, "ed25519", passphrase);
        run(Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", passphrase, "-N", passphrase, "-Z", cipher, "-f"])
            .arg(&file)
            .stdin(Stdio::null()));
        self.admit(&["client", "protected"]);
        file
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

    /// Serves no more than so many connections at once.
    pub fn limit_connections(&self, most: usize) {
        self.inetd.limit(most);
    }

    /// Adds lines to the configuration, which count from the next connection on.
    pub fn configure(&self, lines: &str) {
        let path = self.path("sshd_config");
        let text = fs::read_to_string(&path).expect("a configuration");
        fs::write(path, format!("{lines}\n{text}")).expect("a configuration");
    }

    /// Has another program be the subsystem for SFTP from the next connection on, or with nothing none at
    /// all.
    pub fn set_subsystem(&self, program: &str) {
        let path = self.path("sshd_config");
        let text = fs::read_to_string(&path).expect("a configuration");
        let is_other = |line: &&str| !line.starts_with("Subsystem");
        let mut lines: Vec<String> = text.lines().filter(is_other).map(str::to_owned).collect();
        if !program.is_empty() {
            lines.push(format!("Subsystem sftp {program}"));
        }
        fs::write(path, lines.join("\n") + "\n").expect("a configuration");
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
        self.inetd.kill_connections();
    }

    /// The same for the connections of these clients alone.
    pub fn kill_connections_of(&self, clients: &[SocketAddr]) {
        self.inetd.kill_connections_of(clients);
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
            "AuthorizedKeysFile {}\nPidFile none\nStrictModes no\nLogLevel VERBOSE\n\
             PasswordAuthentication no\nSubsystem sftp {}\n",
            self.path("authorized_keys").display(),
            self.subsystem
        ));
        let (asked, others) = (
            "UsePAM yes\nKbdInteractiveAuthentication yes\nPermitRootLogin yes\n",
            "UsePAM no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
        );
        config.push_str(if self.access == Access::Asked { asked } else { others });
        config.push_str(match self.access {
            Access::Shell | Access::Asked => "",
            Access::SftpOnly | Access::Chrooted => "ForceCommand internal-sftp\n",
            Access::Bare => {
                "ForceCommand internal-sftp -P setstat,fsetstat,lsetstat,posix-rename,statvfs,fstatvfs,fsync,hardlink\n"
            }
        });
        if self.access.is_chrooted() {
            config.push_str(&format!("ChrootDirectory {JAIL}\n"));
        }
        fs::write(self.path("sshd_config"), config).expect("a configuration");
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

/// Makes the `sshd` of one connection.
fn serve(dir: &Path, access: Access) -> Command {
    let config = dir.join("sshd_config");
    let (from, to) = match access {
        Access::Shell | Access::SftpOnly => {
            let mut command = Command::new(SSHD);
            command.args(["-i", "-e", "-f"]).arg(config);
            return command;
        }
        // sshd trusts no jail in a temporary directory, into which others can write; so it sees it elsewhere.
        Access::Chrooted | Access::Bare => (dir.join("jail"), JAIL),
        Access::Asked => (dir.join("pam"), "/etc/pam.d/sshd"),
    };
    let script = format!("mount --bind \"$0\" {to} && exec {SSHD} -i -e -f \"$1\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(from).arg(config);
    command
}

/// Writes what has PAM ask for one thing, and a program that judges the answer.
fn ask_by_pam(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let judge = dir.join("judge");
    fs::write(&judge, format!("#!/bin/sh\n[ \"$(tr -d '\\0')\" = '{PASSWORD}' ]\n")).expect("a program");
    fs::set_permissions(&judge, fs::Permissions::from_mode(0o755)).expect("a program");
    let judge = judge.display();
    let text = format!(
        "auth required pam_exec.so quiet expose_authtok {judge}\nauth required pam_permit.so\n\
         account required pam_permit.so\n\
         session required pam_permit.so\n"
    );
    fs::write(dir.join("pam"), text).expect("what PAM does");
}

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .stdin(Stdio::null()));
}
