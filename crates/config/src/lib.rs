//! The configuration: one TOML file for both programs.
//!
//! `config/intraware.toml` is the reference and, compiled in, the defaults. There are two steps: the
//! file as written (everything optional, every line known) and the values in force ([`Config`],
//! nothing optional that need not be). Every check is in the step between, and all that is wrong is
//! reported at once ([`ConfigErrors`]); of a file with a problem nothing is used.
//!
//! Nothing here looks at the world: a path may not exist and a key may not fit, which is for
//! `manage check` to find out. Secrets are named, not read ([`SecretSource`]).

mod activity;
mod dispatch;
mod file;
mod load;
mod problem;
mod reader;
mod rules;
mod sections;
#[cfg(test)]
mod tests;
mod tree;
mod written;

use std::path::PathBuf;
use std::time::Duration;

pub use self::activity::ActivityConfig;
pub use self::dispatch::DispatchConfig;
pub use self::problem::{ConfigErrors, Problem};
pub use self::tree::{Accepted, AptConfig, Publisher, TreeCheck, TreeConfig, UploadsConfig};
use intraware_core::bandwidth::Timetable;
use intraware_core::secret::SecretSource;
use intraware_core::site::{Dialect, SiteUrl, Trust};
use intraware_core::sites::Builds;
pub use intraware_core::store::Fields;
use intraware_core::store::values::Values;

/// The commented reference of all keys, from which the defaults are taken.
pub const REFERENCE: &str = include_str!("../../../config/intraware.toml");

/// The values in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// The shared disk space.
    pub spool: SpoolConfig,
    /// How a build becomes one file.
    pub archive: ArchiveConfig,
    /// Where records are, and what their fields hold.
    pub records: RecordsConfig,
    /// The signature of each payload.
    pub signing: SigningConfig,
    /// The places payloads are delivered to; at least one, no two with the same name.
    pub sites: Vec<SiteConfig>,
    /// How fragments are merged.
    pub assemble: AssembleConfig,
    /// The distribution trees that are published.
    pub trees: Vec<TreeConfig>,
    /// Where packages that are to be dispatched are dropped.
    pub dispatch: DispatchConfig,
    /// The runs of cron, and who is told of them.
    pub activity: ActivityConfig,
    entries: Vec<Entry>,
}

/// `[spool]`: the shared disk space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// The spool's directory.
    pub root: PathBuf,
    /// The directories builds may lie in; never empty, none inside another.
    pub build_roots: Vec<PathBuf>,
    /// Whether locks that other hosts cannot see are good enough.
    pub single_host: bool,
    /// How long the papers of a completed job are kept, in days.
    pub keep_days: u32,
    /// The largest payload, in bytes.
    pub max_payload: u64,
}

/// `[archive]`: how a build becomes one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveConfig {
    /// The effort of compression, 1 to 12.
    pub level: u32,
    /// How many threads compress; 0 for as many as the host has cores.
    pub threads: u32,
    /// What is done about links that leave the build.
    pub links: Links,
}

/// What is done about a symbolic link that leads out of its build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The build is at fault.
    Reject,
    /// The link is archived as it is.
    Keep,
}

/// `[records]`: where records are, and what their fields hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsConfig {
    /// The store.
    pub backend: Backend,
    /// The words in the fields.
    pub values: Values,
    /// What a record must hold besides to be selected; Salesforce only.
    pub filter: Vec<(String, String)>,
}

/// A record store and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// An object in Salesforce.
    Salesforce(Box<SalesforceConfig>),
    /// A database of our own.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
}

/// `[records.salesforce]`: the object that holds the builds, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesforceConfig {
    /// The login server, without a slash at the end.
    pub login_url: String,
    /// The version of the REST interface, such as `66.0`.
    pub api_version: String,
    /// How to log in.
    pub auth: AuthConfig,
    /// The object's API name.
    pub object: String,
    /// The fields' API names.
    pub fields: Fields,
    /// Certificates to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Where token and description are kept between runs; none: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for a whole answer.
    pub io_timeout: Duration,
}

/// How to log in to Salesforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthConfig {
    /// An assertion signed with a private key.
    JwtBearer {
        /// The consumer key.
        client_id: String,
        /// The integration user.
        username: String,
        /// The RSA key, PEM.
        private_key: PathBuf,
    },
    /// The app's own credentials.
    ClientCredentials {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: SecretSource,
    },
    /// A user's name and password.
    Password {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: SecretSource,
        /// The integration user.
        username: String,
        /// Its password, with the security token behind it.
        password: SecretSource,
    },
}

/// `[signing]`: the signature of each payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningConfig {
    /// The secret OpenPGP key.
    pub key: PathBuf,
    /// Its passphrase, if it has one.
    pub passphrase: Option<SecretSource>,
    /// Whether a key bound by SHA-1 signatures is accepted.
    pub accept_sha1: bool,
}

/// `[[site]]`: a place payloads are delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// What it is called in messages.
    pub name: String,
    /// Which builds it takes.
    pub builds: Builds,
    /// Whether a build is not completed before it is there.
    pub is_required: bool,
    /// Where it is: `sftp://…`, `ftps://…`, `ftp://…`, `tupkgs://…`, `tupkg://…` or `file:///…`.
    pub url: SiteUrl,
    /// When TLS begins at an ftps site.
    pub tls: TlsBegin,
    /// How an ftps or tupkgs server proves who it is.
    pub trust: Trust,
    /// Whether what is said to a tupkg server on another host may be read on the way.
    pub allow_plaintext: bool,
    /// What a tupkg server speaks.
    pub dialect: Dialect,
    /// The server keys that are trusted.
    pub known_hosts: PathBuf,
    /// The private key to log in with.
    pub private_key: Option<PathBuf>,
    /// That key's passphrase, if it has one.
    pub passphrase: Option<SecretSource>,
    /// The password to log in with.
    pub password: Option<SecretSource>,
    /// The netrc file to take the password from, and perhaps the account.
    pub netrc: Option<PathBuf>,
    /// Whether to log in through ssh-agent.
    pub agent: bool,
    /// How many connections an upload may have open at the same time.
    pub connections: usize,
    /// How a payload is verified before it gets its name.
    pub verify: Verification,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for each step of a transfer.
    pub io_timeout: Duration,
    /// The slowest that a transfer may be, in bytes a second.
    pub min_rate: u64,
    /// How fast it may be sent to, and when.
    pub bandwidth_limit: Timetable,
    /// The mode of delivered files.
    pub file_mode: u32,
    /// Whether the server may be asked to compute digests.
    pub exec_hash: bool,
}

/// When TLS begins at an FTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsBegin {
    /// When it is asked for, before the login.
    Explicit,
    /// At once.
    Implicit,
}

/// How a delivered payload is verified before it gets its final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// By its SHA-256: the server's, or else that of the bytes read back.
    Strong,
    /// By its MD5, where a tupkg server knows no SHA-256.
    Md5,
    /// By its size alone.
    Size,
}

/// `[assemble]`: how the fragments of several build machines are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssembleConfig {
    /// Whether text that differs in its line ends alone is the same.
    pub line_endings_are_same: bool,
    /// What may differ: patterns of paths, and who wins them (`first`, `last`, or a machine's name).
    pub may_differ: Vec<(String, String)>,
}

/// One value in force, for `manage config`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// The key with the names of its tables.
    pub key: String,
    /// The value as TOML, or `not set`; of a secret, where it comes from.
    pub value: String,
    /// Who says so.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The compiled-in reference.
    Default,
    /// The configuration file.
    File {
        /// The line of it.
        line: usize,
    },
}

impl Config {
    /// Returns every value in force and who says so, table by table.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Default for AssembleConfig {
    /// What holds without a configuration, as the reference has it.
    fn default() -> Self {
        Self { line_endings_are_same: true, may_differ: Vec::new() }
    }
}
