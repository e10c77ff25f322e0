//! How a bench is made: which store, which site, which key, which values.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use intraware_test_support::ftpd::{Ftpd, Kind, Security};
use intraware_test_support::salesforce::{App, Options, Salesforce};
use intraware_test_support::sshd::{Access, Sshd};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, Configuration, Site, Store};
use crate::desk::Desk;
use crate::key::Key;

/// What a bench is to be. Without further words: SQLite, a directory as the site, an Ed25519 key.
#[derive(Debug)]
pub struct Builder {
    salesforce: bool,
    server: Option<Server>,
    desk: String,
    key: Key,
    roots: usize,
    unprivileged: bool,
    more: Vec<(String, Value)>,
    more_site: Vec<(String, Value)>,
}

/// The server that is the site.
#[derive(Debug)]
enum Server {
    Sshd(Access),
    Ftpd(Kind, Security),
    Desk,
    /// Somebody else's, with what the configuration is to say of it.
    Other(PathBuf, BTreeMap<String, Value>),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            salesforce: false,
            server: None,
            desk: String::new(),
            key: Key::Ed25519,
            roots: 1,
            unprivileged: false,
            more: Vec::new(),
            more_site: Vec::new(),
        }
    }
}

impl Builder {
    /// Keeps the records in a server that speaks Salesforce's protocol.
    pub fn salesforce(self) -> Self {
        Self { salesforce: true, ..self }
    }

    /// Delivers to a real sshd.
    pub fn sshd(self, access: Access) -> Self {
        Self { server: Some(Server::Sshd(access)), ..self }
    }

    /// Delivers to a real FTP server, whose authority is trusted.
    pub fn ftpd(self, kind: Kind, security: Security) -> Self {
        Self { server: Some(Server::Ftpd(kind, security)), ..self }
    }

    /// Delivers to a server that runs already and keeps what it gets in `root`, with these values of the
    /// site.
    pub fn server(self, root: &Path, values: BTreeMap<String, Value>) -> Self {
        Self { server: Some(Server::Other(root.to_owned(), values)), ..self }
    }

    /// Hands packages in at a server of the tupkg protocol, with these settings besides what it needs.
    pub fn desk(self, settings: &str) -> Self {
        Self { server: Some(Server::Desk), desk: settings.to_owned(), ..self }
    }

    /// Signs with a key of this kind.
    pub fn key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// Makes so many build roots.
    pub fn build_roots(self, roots: usize) -> Self {
        Self { roots, ..self }
    }

    /// Makes permission bits count for the programs even when the tests run as root.
    pub fn unprivileged(self) -> Self {
        Self { unprivileged: true, ..self }
    }

    /// Sets a value of the configuration outside `[[site]]`, by its dotted key.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.push((key.to_owned(), value.into()));
        self
    }

    /// Sets a value of the site.
    pub fn set_site(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more_site.push((key.to_owned(), value.into()));
        self
    }

    /// Makes it all, the spool by `manage init`.
    pub fn build(self) -> Bench {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        for name in ["etc", "var", "home"] {
            fs::create_dir(at(name)).expect("a directory");
        }
        let roots: Vec<_> = (1..=self.roots).map(|number| at(&format!("builds{number}"))).collect();
        roots.iter().for_each(|root| fs::create_dir(root).expect("a build root"));
        let mut top = BTreeMap::from([
            ("spool.root".to_owned(), json!(at("spool"))),
            ("spool.build_roots".to_owned(), json!(roots)),
            ("spool.single_host".to_owned(), json!(true)),
        ]);
        top.extend(self.signing(&dir));
        let (store, records) = self.store(&dir);
        top.extend(records);
        let (site, mut place) = self.site(&dir);
        top.extend(self.more);
        place.extend(self.more_site);
        let bench = Bench {
            configuration: Configuration { top, site: place, others: Vec::new() },
            store,
            site,
            key: self.key,
            roots,
            unprivileged: self.unprivileged,
            dir,
        };
        bench.write_configuration();
        // Without asking the record store, whose requests tests count.
        bench.manage(&["init", "--as-root", "--new"]).expect(0);
        bench
    }

    fn signing(&self, dir: &TempDir) -> BTreeMap<String, Value> {
        let key = dir.path().join("etc/signing-key.asc");
        write_private(&key, &self.key.exported().secret);
        let mut values = BTreeMap::from([("signing.key".to_owned(), json!(key))]);
        if !self.key.passphrase().is_empty() {
            let secret = dir.path().join("etc/signing-key.secret");
            write_private(&secret, self.key.passphrase().as_bytes());
            values.insert("signing.passphrase.file".to_owned(), json!(secret));
        }
        values
    }

    fn store(&self, dir: &TempDir) -> (Store, BTreeMap<String, Value>) {
        if !self.salesforce {
            let values = [
                ("records.backend", json!("sqlite")),
                ("records.sqlite.path", json!(dir.path().join("var/records.db"))),
            ];
            return (Store::Sqlite, owned(values));
        }
        let app = App::default();
        let secret = dir.path().join("etc/client.secret");
        write_private(&secret, app.client_secret.as_bytes());
        let client_id = app.client_id.clone();
        let server = Salesforce::start(Options { app, ..Options::default() }).expect("a free port");
        let values = [
            ("records.backend", json!("salesforce")),
            ("records.salesforce.login_url", json!(server.url())),
            ("records.salesforce.auth", json!("client-credentials")),
            ("records.salesforce.client_id", json!(client_id)),
            ("records.salesforce.client_secret.file", json!(secret)),
            ("records.salesforce.cache_dir", json!(dir.path().join("var"))),
        ];
        (Store::Salesforce(server), owned(values))
    }

    fn site(&self, dir: &TempDir) -> (Site, BTreeMap<String, Value>) {
        match &self.server {
            None => {
                let base = dir.path().join("site");
                fs::create_dir(&base).expect("the site's base");
                let url = format!("file://{}", base.display());
                (Site::Directory(base), owned([("name", json!("bench")), ("url", json!(url))]))
            }
            Some(Server::Other(root, values)) => (Site::Directory(root.clone()), values.clone()),
            Some(Server::Sshd(access)) => {
                let sshd = Sshd::start(*access);
                let values = [
                    ("name", json!("bench")),
                    ("url", json!(sshd.url())),
                    ("known_hosts", json!(sshd.known_hosts())),
                    ("private_key", json!(sshd.client_key())),
                ];
                (Site::Sftp(sshd), owned(values))
            }
            Some(Server::Desk) => {
                let desk = Desk::start(&self.desk);
                let values = desk.values("bench", &dir.path().join("etc"));
                (Site::Desk(desk), values)
            }
            Some(Server::Ftpd(kind, security)) => {
                let (kind, security) = (*kind, *security);
                let ftpd = Ftpd::start(kind, security);
                let secret = dir.path().join("etc/site.secret");
                write_private(&secret, ftpd.password().as_bytes());
                let values = [
                    ("name", json!("bench")),
                    ("url", json!(ftpd.url())),
                    ("password.file", json!(secret)),
                    ("ca_file", json!(ftpd.certificates().authority())),
                    ("tls", json!(if security == Security::Implicit { "implicit" } else { "explicit" })),
                    ("allow_plaintext", json!(security == Security::Plain)),
                ];
                (Site::Ftp(ftpd), owned(values))
            }
        }
    }
}

fn owned<const N: usize>(values: [(&str, Value); N]) -> BTreeMap<String, Value> {
    values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(crate) fn write_private(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("a private file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("chmod");
}
