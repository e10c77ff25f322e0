//! How tests reach the SFTP servers that they start: patiently, with all that a site can do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use intraware_core::secret::Secret;
use intraware_core::site::{BasePath, Known};
use intraware_test_support::dropbear::Dropbear;
use intraware_test_support::proftpd::ModSftp;
use intraware_test_support::relay::Relay;
use intraware_test_support::sshd::Sshd;

use crate::{Credential, SftpSettings};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the way to an OpenSSH server.
pub fn sftp_settings(sshd: &Sshd) -> SftpSettings {
    over_ssh(sshd.addr().port(), sshd.user(), sshd.base(), sshd.known_hosts(), sshd.client_key())
}

/// Returns the way to ProFTPD's SFTP server.
pub fn mod_sftp_settings(server: &ModSftp) -> SftpSettings {
    let base = server.root().to_str().unwrap().to_owned();
    over_ssh(server.addr().port(), server.user(), base, server.known_hosts(), server.client_key())
}

/// Returns the way to Dropbear.
pub fn dropbear_settings(server: &Dropbear) -> SftpSettings {
    let base = server.root().to_str().unwrap().to_owned();
    over_ssh(server.addr().port(), server.user(), base, server.known_hosts(), server.client_key())
}

fn over_ssh(port: u16, user: &str, base: String, known_hosts: PathBuf, key: PathBuf) -> SftpSettings {
    SftpSettings {
        name: "intraware".into(),
        host: "127.0.0.1".into(),
        port,
        user: user.into(),
        base: BasePath::Absolute(base),
        known_hosts,
        credentials: vec![Credential::Key {
            key: Secret::new(fs::read(&key).unwrap()),
            file: key,
            passphrase: None,
        }],
        connect_timeout: PATIENCE,
        io_timeout: PATIENCE,
        min_rate: 1024,
        file_mode: 0o640,
        dir_mode: 0o750,
        exec_hash: true,
        known: Known::default(),
    }
}

/// Returns the way through a relay, whose address known_hosts then has to hold.
pub fn through(direct: SftpSettings, relay: &Relay) -> SftpSettings {
    past(direct, relay.addr())
}

/// Returns the way by another address of the same server.
pub fn past(direct: SftpSettings, addr: SocketAddr) -> SftpSettings {
    let port = addr.port();
    let known_hosts = direct.known_hosts.with_file_name(format!("known_hosts.{port}"));
    let lines = fs::read_to_string(&direct.known_hosts).unwrap();
    let relayed = lines.replace(&format!("]:{} ", direct.port), &format!("]:{port} "));
    assert_ne!(relayed, lines, "known_hosts does not have the server's address");
    fs::write(&known_hosts, relayed).unwrap();
    SftpSettings { port, known_hosts, ..direct }
}
