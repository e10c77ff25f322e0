//! How tests reach the FTP servers that they start: patiently, with all that a site can do.

use std::time::Duration;

use intraware_core::secret::Secret;
use intraware_core::site::{BasePath, Known, Trust};
use intraware_test_support::ftpd::{Ftpd, Security};
use intraware_test_support::odd_ftpd::{OddFtpd, Tls};

use crate::{FtpSettings, Protection};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the way to an FTP server.
pub fn ftp_settings(ftpd: &Ftpd) -> FtpSettings {
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
pub fn odd_settings(ftpd: &OddFtpd) -> FtpSettings {
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
