//! ProFTPD as an SFTP server (`mod_sftp`), and what it needs whichever protocol it speaks.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::ftpd::{NOBODY, PASSWORD, USER, password_hash, write_private};
use crate::inetd::Inetd;
use crate::{run, unpacked};

/// A running SFTP server. Dropping it ends it and every connection to it.
pub struct ModSftp {
    // Ended before its files go.
    inetd: Inetd,
    dir: TempDir,
}

impl ModSftp {
    /// Starts a server with an Ed25519 host key that lets [`ModSftp::client_key`] and the password in;
    /// `lines` are added to its configuration.
    pub fn start(lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // The server's own user has to pass through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("a directory of ours");
        let file = |name: &str| dir.path().join(name);
        fs::create_dir(file("site")).expect("the site's base");
        chown(file("site"), Some(NOBODY), Some(NOBODY)).expect("run this test as root");
        make_account(&file("users"), &password_hash(), &file("site"));
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            // mod_sftp reads host keys in this form only.
            let form: &[&str] =
                if key == "host" { &["-t", "ecdsa", "-m", "PEM"] } else { &["-t", "ed25519"] };
            run(keygen
                .args(["-q", "-N", "", "-C", "test"])
                .args(form)
                .arg("-f")
                .arg(file(key))
                .stdin(Stdio::null()));
        }
        let public = run(Command::new("ssh-keygen").args(["-e", "-f"]).arg(file("client.pub")));
        fs::write(file("authorized"), public).expect("a file of keys");
        let text = format!(
            "{}SFTPEngine on\nSFTPHostKey {}\nSFTPAuthorizedUserKeys file:{}\nSFTPLog {}\n",
            conf(dir.path(), &["sftp"], lines),
            file("host").display(),
            file("authorized").display(),
            file("sftp.log").display(),
        );
        fs::write(file("conf"), text).expect("a configuration");
        let at = file("conf");
        let inetd = Inetd::start(&file("log"), move || serve(&at));
        let host = fs::read_to_string(file("host.pub")).expect("a public key");
        let addr = inetd.addr();
        fs::write(file("known_hosts"), format!("[{}]:{} {host}", addr.ip(), addr.port()))
            .expect("a known_hosts file");
        Self { inetd, dir }
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.inetd.addr()
    }

    /// Returns the account.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// Returns the account's password.
    pub fn password(&self) -> &'static str {
        PASSWORD
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

    /// Kills the processes of all connections, as a crash of the server would.
    pub fn kill_connections(&self) {
        self.inetd.kill_connections();
    }

    /// Returns everything the server has logged.
    pub fn log(&self) -> String {
        ["log", "server.log", "sftp.log"]
            .map(|name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .concat()
    }
}

/// Writes the file of its accounts, with one whose login directory is `home`.
pub(crate) fn make_account(file: &Path, hash: &str, home: &Path) {
    write_private(file, &format!("{USER}:{hash}:{NOBODY}:{NOBODY}::{}:/bin/sh\n", home.display()));
}

/// Returns a configuration for single connections, with these modules and the accounts in `users`. Of two
/// lines about one thing ProFTPD goes by the first, so `lines` stand before all others.
pub(crate) fn conf(dir: &Path, modules: &[&str], lines: &str) -> String {
    let mut conf = format!("ModulePath {}\n", unpacked("usr/lib/proftpd").display());
    for module in modules {
        conf.push_str(&format!("LoadModule mod_{module}.c\n"));
    }
    let file = |name: &str| dir.join(name).display().to_string();
    conf + &format!(
        "{lines}\nServerType inetd\nServerName test\nDefaultServer on\nPort 0\nUser nobody\nGroup nogroup\n\
         UseReverseDNS off\nWtmpLog off\nScoreboardFile none\nDelayTable none\nTransferLog none\nSystemLog {}\n\
         SyslogLevel info\n\
         AuthOrder mod_auth_file.c\nAuthUserFile {}\nRequireValidShell off\nAllowOverwrite on\n\
         AllowStoreRestart on\n",
        file("server.log"),
        file("users"),
    )
}

/// Makes the server of one connection.
pub(crate) fn serve(conf: &Path) -> Command {
    let mut command = Command::new(unpacked("usr/sbin/proftpd"));
    command.arg("-c").arg(conf);
    command
}
