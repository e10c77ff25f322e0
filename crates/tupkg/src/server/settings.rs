//! What a server is told: a TOML file, whose reference is `config/tupkgs.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::shown;

/// The longest file of settings.
const MAX_FILE: u64 = 1 << 20;

/// The file as written, with the defaults for what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to listen, unless systemd hands over sockets.
    pub listen: Vec<SocketAddr>,
    /// The directory of everything that is uploaded.
    pub root: PathBuf,
    /// The accounts.
    pub accounts: PathBuf,
    /// The certificate chain for TLS, as PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, as PEM.
    pub key: Option<PathBuf>,
    /// Whether clients that are not on this host may do without TLS.
    pub allow_plaintext: bool,
    /// How the names of packages end.
    pub names: Vec<String>,
    /// The mode of packages in `incoming`, in octal digits.
    pub file_mode: String,
    /// A directory of programs that are run when packages have come in.
    pub hooks: Option<PathBuf>,
    /// How much of everything.
    pub limits: Limits,
}

/// How much, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions that have logged in.
    pub sessions: usize,
    /// Those of one account.
    pub sessions_per_account: usize,
    /// Connections that have not logged in.
    pub logins: usize,
    /// Those of one address.
    pub logins_per_address: usize,
    /// Packages in one session.
    pub packages: usize,
    /// Bytes of one account, partial and in `incoming`, unless the account says otherwise: `"10G"`.
    pub quota: String,
    /// Files of one account, partial and in `incoming`.
    pub files: usize,
    /// Bytes that stay free on the disk: `"1G"`.
    pub keep_free: String,
    /// Seconds that TLS and the login may take.
    pub login_s: u64,
    /// Seconds that nothing may come.
    pub idle_s: u64,
    /// Seconds that a session may take.
    pub total_s: u64,
    /// KiB a second that must come, on average over `rate_over_s`.
    pub min_rate_kib: u64,
    /// Seconds over which the rate is measured.
    pub rate_over_s: u64,
    /// Wrong passwords for an account from an address, within `failures_s`, after which none is right.
    pub failures: usize,
    /// Seconds for which a wrong password is remembered.
    pub failures_s: u64,
    /// Milliseconds after which a wrong password is answered.
    pub failure_pause_ms: u64,
    /// Days after which a partial package that nobody goes on with is removed.
    pub keep_partial_days: u64,
    /// Days for which it is known that a package was there.
    pub keep_done_days: u64,
    /// Seconds that sessions have to end when the server is asked to stop.
    pub stop_s: u64,
    /// Seconds that a hook may take.
    pub hook_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let any = std::net::Ipv6Addr::UNSPECIFIED;
        Self {
            listen: vec![SocketAddr::from((any, 443))],
            root: "/var/lib/tupkgs".into(),
            accounts: "/var/lib/intraware/tupkgs.accounts".into(),
            certificate: None,
            key: None,
            allow_plaintext: false,
            names: [".pkg.tar.gz", ".pkg.tar.xz", ".pkg.tar.zst"].map(str::to_owned).to_vec(),
            file_mode: "0640".to_owned(),
            hooks: None,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 64,
            sessions_per_account: 8,
            logins: 64,
            logins_per_address: 16,
            packages: 64,
            quota: "10G".to_owned(),
            files: 1000,
            keep_free: "1G".to_owned(),
            login_s: 10,
            idle_s: 30,
            total_s: 6 * 3600,
            min_rate_kib: 1,
            rate_over_s: 60,
            failures: 5,
            failures_s: 600,
            failure_pause_ms: 1000,
            keep_partial_days: 7,
            keep_done_days: 7,
            stop_s: 30,
            hook_s: 600,
        }
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {0}; config/tupkgs.toml is a complete one")]
    Read(String, #[source] std::io::Error),
    /// It is not TOML, or has a key or a value that means nothing.
    #[error("{0}: {1}")]
    Toml(String, String),
    /// A value is not allowed.
    #[error("{file}: {key} = {value}: must be {allowed}")]
    Value {
        /// Which file.
        file: String,
        /// Which key.
        key: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
}

impl Settings {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let failed = |error| SettingsError::Read(shown::path(path), error);
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > MAX_FILE {
            return Err(failed(std::io::Error::other("it is longer than a MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let settings: Self = toml::from_str(&text).map_err(|error| {
            SettingsError::Toml(shown::path(path), error.to_string().trim_end().to_owned())
        })?;
        settings.check(path)?;
        Ok(settings)
    }

    fn check(&self, path: &Path) -> Result<(), SettingsError> {
        let refuse = |(key, value, allowed): Wrong| {
            Err(SettingsError::Value { file: shown::path(path), key, value, allowed })
        };
        if let Some(wrong) = self.limits.wrong() {
            return refuse(wrong);
        }
        if self.mode().is_none() {
            let value = format!("{:?}", self.file_mode);
            return refuse(("file_mode", value, "octal digits up to 0777, with 0600 among them"));
        }
        if self.names.is_empty() || self.names.iter().any(|end| !end.starts_with('.') || end.len() > 64) {
            let value = format!("{:?}", self.names);
            return refuse(("names", value, "at least one ending, each beginning with a dot"));
        }
        if self.certificate.is_some() != self.key.is_some() {
            let value = "without key, or the other way round".to_owned();
            return refuse(("certificate", value, "given together with key"));
        }
        let is_far = self.listen.iter().any(|address| !address.ip().is_loopback());
        if self.certificate.is_none() && is_far && !self.allow_plaintext {
            let allowed =
                "given with key, unless it listens on loopback addresses only or allow_plaintext is true";
            return refuse(("certificate", "none".to_owned(), allowed));
        }
        Ok(())
    }

    /// Returns the mode of packages.
    pub(crate) fn mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.file_mode, 8).ok().filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600)
    }
}

/// A key, what it says, and what it may say.
type Wrong = (&'static str, String, &'static str);

impl Limits {
    /// Returns what is not allowed, if anything.
    fn wrong(&self) -> Option<Wrong> {
        const COUNT: &str = "at least 1, and at most 10000 (packages and failures 1000, files 100000)";
        let counts = [
            ("limits.sessions", self.sessions, 10_000),
            ("limits.sessions_per_account", self.sessions_per_account, 10_000),
            ("limits.logins", self.logins, 10_000),
            ("limits.logins_per_address", self.logins_per_address, 10_000),
            ("limits.packages", self.packages, 1000),
            ("limits.files", self.files, 100_000),
            ("limits.failures", self.failures, 1000),
        ];
        let times = [
            ("limits.login_s", self.login_s),
            ("limits.idle_s", self.idle_s),
            ("limits.total_s", self.total_s),
            ("limits.rate_over_s", self.rate_over_s),
            ("limits.failures_s", self.failures_s),
            ("limits.stop_s", self.stop_s),
            ("limits.hook_s", self.hook_s),
        ];
        let sizes = [("limits.quota", &self.quota), ("limits.keep_free", &self.keep_free)];
        let count = counts.into_iter().find(|(_, value, most)| !(1..=*most).contains(value));
        let time = times.into_iter().find(|(_, value)| !(1..=10_000_000).contains(value));
        let size = sizes.into_iter().find(|(_, value)| crate::accounts::bytes(value).is_none());
        let pause = self.failure_pause_ms;
        None.or(count.map(|(key, value, _)| (key, value.to_string(), COUNT)))
            .or(time.map(|(key, value)| (key, value.to_string(), "seconds, from 1 to 10000000")))
            .or(size.map(|(key, value)| {
                (key, format!("{value:?}"), "bytes, with K, M, G or T behind the number")
            }))
            .or((pause > 60_000).then(|| ("limits.failure_pause_ms", pause.to_string(), "at most 60000")))
    }

    pub(crate) fn quota(&self) -> u64 {
        crate::accounts::bytes(&self.quota).unwrap_or(0)
    }

    pub(crate) fn keep_free(&self) -> u64 {
        crate::accounts::bytes(&self.keep_free).unwrap_or(0)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_complete_and_says_the_defaults() {
        let text = include_str!("../../../../config/tupkgs.toml");
        // Optional ones are there as comments.
        let written: Settings = toml::from_str(text).unwrap();
        assert_eq!(written, Settings::default());
        let all: toml::Table = toml::from_str(text).unwrap();
        let keys = |table: &toml::Table| table.keys().map(String::clone).collect::<Vec<_>>();
        assert_eq!(keys(&all).len() + 3, 10, "{:?}", keys(&all));
        assert_eq!(keys(all["limits"].as_table().unwrap()).len(), 20);
    }

    #[test]
    fn wrong_settings_are_refused_by_file_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        for (text, says) in [
            ("listen = [\"0.0.0.0:443\"]", "certificate = none: must be given with key"),
            ("lisen = []", "unknown field `lisen`"),
            ("listen = [\"localhost:80\"]", "invalid socket address"),
            ("listen = []\nfile_mode = \"0044\"", "file_mode = \"0044\""),
            ("listen = []\nnames = [\"gz\"]", "names = "),
            ("listen = []\ncertificate = \"/x\"", "given together with key"),
            ("listen = []\nlimits.quota = \"10X\"", "limits.quota = \"10X\""),
            ("listen = []\nlimits.idle_s = 0", "limits.idle_s = 0"),
            ("listen = []\nlimits.sessions = 0", "limits.sessions = 0"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Settings::read(&path).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("s.toml"), "{text}: {error}");
        }
        std::fs::write(&path, "listen = [\"127.0.0.1:0\", \"[::1]:80\"]").unwrap();
        assert_eq!(Settings::read(&path).unwrap().listen.len(), 2);
    }
}
