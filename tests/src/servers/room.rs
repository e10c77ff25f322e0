//! What a server is given: keys, accounts, and the directory that payloads go to.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The account at the servers that are started here.
pub(crate) const USER: &str = "upload";
pub(crate) const PASSWORD: &str = "canary-third-party-5e90";

/// `nobody` and `nogroup`, as whom some servers write.
const NOBODY: u32 = 65_534;

/// Where a server sees the account's home: below a directory that others can write to it would not trust it.
const HOME: &str = "/mnt";

/// A directory with all of it: `host_key`, `client`, `password`, `site` and more. Gone when dropped.
pub(crate) struct Room {
    dir: PathBuf,
    _owner: Option<TempDir>,
}

impl Room {
    /// Makes it.
    pub(crate) fn make() -> Self {
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

    /// Makes files of accounts with one more, which [`Room::seeing`] shows to a server in place of the
    /// system's.
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
    pub(crate) fn seeing(&self, passwd: &str, server: &Path) -> Command {
        let binds = [(passwd, "/etc/passwd"), ("shadow", "/etc/shadow"), ("home", HOME)];
        let mounts = binds.map(|(from, to)| format!("mount --bind {} {to}", self.at(from).display()));
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{} && exec \"$@\"", mounts.join(" && ")), "sh"]);
        command.arg(server);
        command
    }

    /// Returns its path.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of a file in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns the same without owning it.
    pub(crate) fn clone_path(&self) -> Self {
        Self { dir: self.dir.clone(), _owner: None }
    }
}

/// Runs a program that must succeed, and returns what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a file of ours");
}
