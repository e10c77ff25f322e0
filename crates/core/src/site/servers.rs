//! How tests reach the servers that they start: patiently, with all that a site can do.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use intraware_test_support::dropbear::Dropbear;
use intraware_test_support::ftpd::{Ftpd, Security};
use intraware_test_support::odd_ftpd::{OddFtpd, Tls};
use intraware_test_support::proftpd::ModSftp;
use intraware_test_support::relay::Relay;
use intraware_test_support::sshd::Sshd;

use super::{BasePath, Credential, FtpSettings, Known, Protection, SftpSettings, Trust};
use crate::secret::Secret;

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the way to an OpenSSH server.
pub(crate) fn sftp_settings(sshd: &Sshd) -> SftpSettings {
    over_ssh(sshd.addr().port(), sshd.user(), sshd.base(), sshd.known_hosts(), sshd.client_key())
}

/// Returns the way to ProFTPD's SFTP server.
pub(crate) fn mod_sftp_settings(server: &ModSftp) -> SftpSettings {
    let base = server.root().to_str().unwrap().to_owned();
    over_ssh(server.addr().port(), server.user(), base, server.known_hosts(), server.client_key())
}

/// Returns the way to Dropbear.
pub(crate) fn dropbear_settings(server: &Dropbear) -> SftpSettings {
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
        credentials: vec![Credential::Key { file: key, passphrase: None }],
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
pub(crate) fn through(direct: SftpSettings, relay: &Relay) -> SftpSettings {
    past(direct, relay.addr())
}

/// Returns the way by another address of the same server.
pub(crate) fn past(direct: SftpSettings, addr: SocketAddr) -> SftpSettings {
    let port = addr.port();
    let known_hosts = direct.known_hosts.with_file_name(format!("known_hosts.{port}"));
    let lines = fs::read_to_string(&direct.known_hosts).unwrap();
    let relayed = lines.replace(&format!("]:{} ", direct.port), &format!("]:{port} "));
    assert_ne!(relayed, lines, "known_hosts does not have the server's address");
    fs::write(&known_hosts, relayed).unwrap();
    SftpSettings { port, known_hosts, ..direct }
}

/// Returns the way to an FTP server.
pub(crate) fn ftp_settings(ftpd: &Ftpd) -> FtpSettings {
    let trust = || Trust::Authorities(Some(ftpd.certificates().authority()));
    FtpSettings {
        name: "intraware".into(),
        host: "127.0.0.1".into(),
        port: ftpd.addr().port(),
        user: ftpd.user().into(),
        password: Secret::new(ftpd.password()),
        account: None,
        base: BasePath::Absolute(ftpd.base()),
        protection: match ftpd.security() {
            Security::Plain => Protection::None,
            Security::Explicit => Protection::Explicit(trust()),
            Security::Implicit => Protection::Implicit(trust()),
        },
        connect_timeout: PATIENCE,
        io_timeout: PATIENCE,
        min_rate: 1024,
        file_mode: 0o640,
        known: Known::default(),
    }
}

/// Returns the way to an FTP server with habits of its own.
pub(crate) fn odd_settings(ftpd: &OddFtpd) -> FtpSettings {
    let trust = || Trust::Authorities(Some(ftpd.certificates().authority()));
    FtpSettings {
        name: "odd".into(),
        host: "127.0.0.1".into(),
        port: ftpd.addr().port(),
        user: "upload".into(),
        password: Secret::new("any"),
        account: None,
        base: BasePath::Absolute("/".into()),
        protection: match ftpd.tls() {
            Tls::None => Protection::None,
            Tls::Explicit | Tls::ExplicitRaced(_) | Tls::ExplicitDataFirst | Tls::ExplicitControlOnly => {
                Protection::Explicit(trust())
            }
        },
        connect_timeout: PATIENCE,
        io_timeout: PATIENCE,
        min_rate: 1024,
        file_mode: 0o640,
        known: Known::default(),
    }
}
