//! Where a client uploads to, and as whom: the file `~/.tupkg`.
//!
//! ```text
//! [tupkg]
//! username = bfinch@example.net
//! password = B0b                    or password_file = FILE
//! host = tupkg.example.net
//! port = 443                        the default; 80 without TLS
//! tls = yes                         the default
//! ca_file = FILE                    an authority that is no public one
//! certificate_sha256 = DIGITS       trust this certificate, and no authority
//! allow_plaintext = no              yes is needed for tls = no, unless the host is this one
//! dialect = readme                  the default; 2004 for a server of that time
//! ```

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ini::{self, Section};
use crate::digest::Sha256Sum;
use crate::private::{self, PrivateError};
use crate::secret::Secret;
use crate::shown;
use crate::tls::Trust;
use crate::wire::{Dialect, Login};

/// The longest such file.
const MAX_FILE: usize = 64 << 10;

/// Where to upload to, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The account.
    pub login: Login,
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub protection: Protection,
    /// What the server speaks.
    pub dialect: Dialect,
    /// How long connecting may take.
    pub connect_time: Duration,
    /// How long nothing may be heard.
    pub idle: Duration,
    /// How many bytes a second must go at least, on average over that time, if that matters.
    pub min_rate: Option<u64>,
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// By TLS.
    Tls(Trust),
    /// Not at all; on this host only, unless that is allowed.
    None {
        /// Whether the host may be another one.
        allowed: bool,
    },
}

/// The file makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot be read.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// A line is wrong.
    #[error("{0}:{1}: {2}")]
    Line(String, usize, String),
    /// A key is missing.
    #[error("{0}: {1} is missing from the section [tupkg]")]
    Missing(String, &'static str),
}

const KEYS: [&str; 10] = [
    "username",
    "password",
    "password_file",
    "host",
    "port",
    "tls",
    "ca_file",
    "certificate_sha256",
    "allow_plaintext",
    "dialect",
];

impl Target {
    /// Reads a file, which nobody else may be able to read.
    pub fn read(path: &Path) -> Result<Self, TargetError> {
        let bytes = private::read(path, MAX_FILE)?;
        let file = shown::path(path);
        let wrong = |line: usize, what: String| TargetError::Line(file.clone(), line, what);
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong(1, "this is not UTF-8".to_owned()))?;
        let section = ini::section(text).map_err(|(line, what)| wrong(line, what.to_owned()))?;
        if let Some((key, (line, _))) = section.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
            return Err(wrong(
                *line,
                format!("{} is not known; known are {}", shown::shown(key), KEYS.join(", ")),
            ));
        }
        Keys { path, section: &section }.target()
    }

    /// Returns the server's addresses. Without TLS, only such as are allowed.
    pub(super) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        self.allow(&found).map(|()| found)
    }

    /// Refuses addresses at which the password may not be said.
    pub(super) fn allow(&self, addresses: &[SocketAddr]) -> std::io::Result<()> {
        let is_far = || addresses.iter().any(|address| !address.ip().to_canonical().is_loopback());
        match self.protection {
            Protection::None { allowed: false } if is_far() => {
                let what = "TLS is off, and the host is another one; the password would be sent in the clear. \
                            Set tls = yes, or allow_plaintext = yes";
                Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, what))
            }
            Protection::None { .. } | Protection::Tls(_) => Ok(()),
        }
    }

    /// Returns the server's name for messages.
    pub fn shown(&self) -> String {
        format!("{}:{}", shown::shown(&self.host), self.port)
    }
}

struct Keys<'a> {
    path: &'a Path,
    section: &'a Section,
}

impl Keys<'_> {
    fn target(&self) -> Result<Target, TargetError> {
        let user = self.needed("username")?;
        let is_tls = self.yes("tls")?.unwrap_or(true);
        let protection = match (is_tls, self.get("ca_file"), self.get("certificate_sha256")) {
            (false, None, None) => {
                Protection::None { allowed: self.yes("allow_plaintext")?.unwrap_or(false) }
            }
            (true, file, None) => Protection::Tls(Trust::Authorities(file.map(|file| self.beside(file)))),
            (true, None, Some(digits)) => {
                let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
                let sum = Sha256Sum::parse(&digits);
                let sum =
                    sum.ok_or_else(|| self.wrong("certificate_sha256", "must be 64 hexadecimal digits"))?;
                Protection::Tls(Trust::Certificate(sum))
            }
            (_, _, Some(_)) => {
                return Err(self.wrong("certificate_sha256", "goes with tls = yes and without ca_file"));
            }
            (false, Some(_), None) => return Err(self.wrong("ca_file", "goes with tls = yes")),
        };
        let port = match self.get("port") {
            None if is_tls => 443,
            None => 80,
            Some(port) => port
                .parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| self.wrong("port", "must be a number from 1 to 65535"))?,
        };
        let dialect = match self.get("dialect") {
            None | Some("readme") => Dialect::Readme,
            Some("2004") => Dialect::Y2004,
            Some(_) => return Err(self.wrong("dialect", "must be readme or 2004")),
        };
        Ok(Target {
            login: Login { user: user.as_bytes().to_vec(), password: self.password()? },
            host: self.needed("host")?.to_owned(),
            port,
            protection,
            dialect,
            connect_time: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            min_rate: None,
        })
    }

    fn password(&self) -> Result<Secret, TargetError> {
        match (self.get("password"), self.get("password_file")) {
            (Some(password), None) => Ok(Secret::new(password)),
            (None, Some(file)) => {
                let bytes = private::read(&self.beside(file), MAX_FILE)?;
                let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
                Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
            }
            (Some(_), Some(_)) => Err(self.wrong("password_file", "goes without password")),
            (None, None) => Err(self.missing("password")),
        }
    }

    /// Returns a path, taken from the directory of the file unless it is absolute.
    fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.section.get(key).map(|(_, value)| value.as_str())
    }

    fn needed(&self, key: &'static str) -> Result<&str, TargetError> {
        self.get(key).filter(|value| !value.is_empty()).ok_or_else(|| self.missing(key))
    }

    fn yes(&self, key: &'static str) -> Result<Option<bool>, TargetError> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("yes" | "true" | "on" | "1") => Ok(Some(true)),
            Some("no" | "false" | "off" | "0") => Ok(Some(false)),
            Some(_) => Err(self.wrong(key, "must be yes or no")),
        }
    }

    fn wrong(&self, key: &'static str, allowed: &str) -> TargetError {
        let line = self.section.get(key).map_or(1, |(line, _)| *line);
        TargetError::Line(shown::path(self.path), line, format!("{key} {allowed}"))
    }

    fn missing(&self, key: &'static str) -> TargetError {
        TargetError::Missing(shown::path(self.path), key)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Target, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".tupkg");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "B0b\r\n").unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        Target::read(&path).map_err(|error| error.to_string())
    }

    const MINE: &str = "[tupkg]\nusername = bfinch\npassword = B0b\nhost = h\n";

    #[test]
    fn s4_02_user_password_and_server_come_from_a_file() {
        let target = read(MINE, 0o600).unwrap();
        assert_eq!(
            (target.login.user.as_slice(), target.login.password.expose()),
            (&b"bfinch"[..], &b"B0b"[..])
        );
        assert_eq!((target.host.as_str(), target.port, target.dialect), ("h", 443, Dialect::Readme));
        assert_eq!(target.protection, Protection::Tls(Trust::Authorities(None)));
        assert!(!format!("{target:?}").contains("B0b"));
        let target =
            read("[tupkg]\nusername=b\npassword_file=password\nhost=h\ntls=no\ndialect=2004", 0o600).unwrap();
        assert_eq!(
            (target.login.password.expose(), target.port, target.dialect),
            (&b"B0b"[..], 80, Dialect::Y2004)
        );
    }

    #[test]
    fn s4_02_what_is_wrong_is_named() {
        assert!(read(MINE, 0o644).unwrap_err().contains("make it private: `chmod 600 "));
        for (more, says) in [
            ("prot = 1", ":5: prot is not known; known are username,"),
            ("port = 0", ":5: port must be a number"),
            ("tls = maybe", ":5: tls must be yes or no"),
            ("dialect = x", ":5: dialect must be readme or 2004"),
            ("certificate_sha256 = abc", ":5: certificate_sha256 must be 64"),
            ("password_file = x", ":5: password_file goes without password"),
            ("tls = no\nca_file = x", ":6: ca_file goes with tls = yes"),
        ] {
            let error = read(&format!("{MINE}{more}"), 0o600).unwrap_err();
            assert!(error.contains(says), "{more}: {error}");
        }
        assert!(read("[tupkg]\nusername=b\nhost=h", 0o600).unwrap_err().contains("password is missing"));
    }
}
