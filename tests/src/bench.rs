//! The bench: everything a test needs around the programs, and what it asks of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use intraware_test_support::ftpd::Ftpd;
use intraware_test_support::gpg::Gnupg;
use intraware_test_support::relay::{Fault, Relay};
use intraware_test_support::salesforce::Salesforce;
use intraware_test_support::sshd::Sshd;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::builder::Builder;
use crate::desk::Desk;
use crate::key::Key;
use crate::program::{Program, Run, Running};
use crate::record;
use crate::spool::{self, Spool};

/// The name of the object that holds the builds in Salesforce.
pub const BUILD: &str = "Build__c";

/// Build roots, spool, record store, site and key of a small company, gone when dropped.
pub struct Bench {
    pub(crate) configuration: Configuration,
    pub(crate) store: Store,
    pub(crate) site: Site,
    pub(crate) key: Key,
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) unprivileged: bool,
    pub(crate) dir: TempDir,
}

/// The values of the configuration file, by dotted key.
pub(crate) struct Configuration {
    pub(crate) top: BTreeMap<String, Value>,
    pub(crate) site: BTreeMap<String, Value>,
    /// Further sites, which stand before that one.
    pub(crate) others: Vec<BTreeMap<String, Value>>,
}

pub(crate) enum Store {
    Sqlite,
    Salesforce(Salesforce),
}

pub(crate) enum Site {
    /// A directory, whoever puts the files into it.
    Directory(PathBuf),
    Sftp(Sshd),
    Ftp(Ftpd),
    Desk(Desk),
}

impl Bench {
    /// Begins a bench with SQLite, a directory as the site and an Ed25519 key.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns a path below the bench's own directory: `etc/`, `var/`, `spool/`, `home/`, or a new one.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the first build root.
    pub fn build_root(&self) -> &Path {
        &self.roots[0]
    }

    /// Returns all build roots.
    pub fn build_roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Returns the Salesforce server.
    ///
    /// # Panics
    /// If the records are in SQLite.
    pub fn salesforce(&self) -> &Salesforce {
        match &self.store {
            Store::Salesforce(server) => server,
            Store::Sqlite => panic!("this bench keeps its records in SQLite"),
        }
    }

    /// Returns the site's server.
    ///
    /// # Panics
    /// If the site is not reached over SFTP.
    pub fn sshd(&self) -> &Sshd {
        match &self.site {
            Site::Sftp(sshd) => sshd,
            Site::Directory(_) | Site::Ftp(_) | Site::Desk(_) => {
                panic!("the site of this bench is no sshd")
            }
        }
    }

    /// Returns the site's server.
    ///
    /// # Panics
    /// If the site is not reached over FTP.
    pub fn ftpd(&self) -> &Ftpd {
        match &self.site {
            Site::Ftp(ftpd) => ftpd,
            Site::Directory(_) | Site::Sftp(_) | Site::Desk(_) => {
                panic!("the site of this bench is no FTP server")
            }
        }
    }

    /// Returns the site's server.
    ///
    /// # Panics
    /// If packages are not handed in at the site.
    pub fn desk(&mut self) -> &mut Desk {
        match &mut self.site {
            Site::Desk(desk) => desk,
            Site::Directory(_) | Site::Sftp(_) | Site::Ftp(_) => panic!("the site of this bench is no desk"),
        }
    }

    /// Puts a relay before the site's server and makes the programs go through it.
    pub fn relay(&mut self, fault: Fault) -> Relay {
        if let Site::Desk(desk) = &self.site {
            let relay = Relay::start(desk.address(), fault);
            let url = desk.url(relay.addr());
            self.set_site("url", url);
            return relay;
        }
        let relay = Relay::start(self.sshd().addr(), fault);
        let (there, here) = (self.sshd().addr().to_string(), relay.addr().to_string());
        // As known_hosts writes an address with a port.
        let bracketed = |address: &str| address.replacen("127.0.0.1", "[127.0.0.1]", 1);
        let known = fs::read_to_string(self.sshd().known_hosts()).expect("a known_hosts file");
        let known_hosts = self.path("etc/known_hosts");
        fs::write(&known_hosts, known.replace(&bracketed(&there), &bracketed(&here))).expect("known_hosts");
        let url = self.sshd().url().replace(&there, &here);
        self.set_site("known_hosts", json!(known_hosts));
        self.set_site("url", url);
        relay
    }

    /// Changes a value of the configuration outside `[[site]]`.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.configuration.top.insert(key.to_owned(), value.into());
        self.write_configuration();
    }

    /// Changes a value of the site.
    pub fn set_site(&mut self, key: &str, value: impl Into<Value>) {
        self.configuration.site.insert(key.to_owned(), value.into());
        self.write_configuration();
    }

    /// Returns a value of the site.
    pub fn site_value(&self, key: &str) -> Value {
        self.configuration.site[key].clone()
    }

    /// Takes a value of the site back.
    pub fn unset_site(&mut self, key: &str) {
        self.configuration.site.remove(key);
        self.write_configuration();
    }

    /// Adds a directory as a further site, before the bench's own one in the configuration, and returns its
    /// base.
    pub fn add_site(&mut self, name: &str) -> PathBuf {
        let base = self.path(name);
        fs::create_dir(&base).expect("the site's base");
        let url = format!("file://{}", base.display());
        let values = [("name".to_owned(), json!(name)), ("url".to_owned(), json!(url))];
        self.configuration.others.push(BTreeMap::from(values));
        self.write_configuration();
        base
    }

    /// Adds a server as a further site where packages are handed in, before the bench's own one in the
    /// configuration.
    pub fn add_desk(&mut self, name: &str, settings: &str) -> Desk {
        let desk = Desk::start(settings);
        self.configuration.others.push(desk.values(name, &self.path("etc")));
        self.write_configuration();
        desk
    }

    /// Changes a value of a further site.
    ///
    /// # Panics
    /// If there is no such site.
    pub fn set_other_site(&mut self, name: &str, key: &str, value: impl Into<Value>) {
        let mut others = self.configuration.others.iter_mut();
        let site = others.find(|site| site["name"] == name).expect("a site with this name");
        site.insert(key.to_owned(), value.into());
        self.write_configuration();
    }

    /// Writes the configuration file. A scalar or a list reads the same in JSON and in TOML.
    pub(crate) fn write_configuration(&self) {
        let lines = |values: &BTreeMap<String, Value>| {
            values.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>()
        };
        let Configuration { top, site, others } = &self.configuration;
        let sites = others.iter().chain([site]).map(|site| format!("\n[[site]]\n{}", lines(site)));
        let text = lines(top) + &sites.collect::<String>();
        fs::write(self.path("etc/intraware.toml"), text).expect("a configuration file");
    }

    /// Returns a program's command line, to be changed and run by the test itself.
    ///
    /// With Salesforce, the server's clock moves on by some seconds, as minutes pass between two runs of
    /// cron; else a run would wait until what the last one wrote is old enough to be told from a new change.
    pub fn command(&self, program: Program, arguments: &[&str]) -> Command {
        if let Store::Salesforce(server) = &self.store {
            server.advance(Duration::from_secs(3));
        }
        let mut command = if self.unprivileged && rustix::process::geteuid().is_root() {
            let mut command = Command::new("/usr/bin/setpriv");
            command.arg("--bounding-set=-dac_override,-dac_read_search").arg(program.path());
            command
        } else {
            Command::new(program.path())
        };
        command.arg("--config").arg(self.path("etc/intraware.toml")).args(arguments);
        command.env_clear().current_dir(self.path("home"));
        command
    }

    /// Runs `manage`.
    pub fn manage(&self, arguments: &[&str]) -> Run {
        self.finish(self.spawn_manage(arguments))
    }

    /// Runs `upload`.
    pub fn upload(&self, arguments: &[&str]) -> Run {
        self.finish(self.spawn_upload(arguments))
    }

    /// Starts `manage`.
    pub fn spawn_manage(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(Program::Manage, arguments))
    }

    /// Starts `upload`.
    pub fn spawn_upload(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(Program::Upload, arguments))
    }

    /// Runs a program on a terminal of so many columns; what it says on standard error is in its output as
    /// well.
    pub fn on_terminal(&self, columns: u16, program: Program, arguments: &[&str]) -> Run {
        let words: Vec<String> = self
            .command(program, arguments)
            .get_args()
            .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")))
            .collect();
        let program = program.path().display();
        let line = format!("stty cols {columns} rows 50; exec {program} {}", words.join(" "));
        let mut command = Command::new("/usr/bin/script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.path("home"));
        let mut run = self.finish(Running::start(command));
        run.stdout = run.stdout.replace('\r', "");
        run
    }

    fn finish(&self, running: Running) -> Run {
        let run = running.wait();
        let left = spool::names(&self.path("home"));
        assert!(left.is_empty(), "it leaves {left:?} in the directory it was started in: {run:?}");
        run
    }

    /// Runs `manage run`, `upload run`, `manage run`, as cron does, and returns what became of each.
    pub fn cycle(&self) -> [Run; 3] {
        [self.manage(&["run"]), self.upload(&["run"]), self.manage(&["run"])]
    }

    /// Runs a cycle in which everything goes well and nothing is said.
    #[track_caller]
    pub fn deliver(&self) {
        self.cycle().into_iter().for_each(Run::expect_silence);
    }

    /// Makes a directory at `path` below the first build root, lets `fill` fill it, and adds a record of it.
    /// Returns the record's id.
    pub fn add_build(&self, name: &str, path: &str, fill: impl FnOnce(&Path)) -> String {
        let dir = self.build_root().join(path);
        fs::create_dir_all(&dir).expect("a build directory");
        fill(&dir);
        self.add_record(name, dir.to_str().expect("a build path is text"))
    }

    /// Adds a record with this build path, whatever there is. Returns its id.
    pub fn add_record(&self, name: &str, path: &str) -> String {
        match &self.store {
            Store::Sqlite => {
                let added = self.manage(&["records", "add", "--name", name, "--path", path]).expect(0);
                added.stdout.trim_end().rsplit(' ').next().expect("the id comes last").to_owned()
            }
            Store::Salesforce(server) => {
                let fields = json!({ "Name": name, "Build_Path__c": path, "build_type__c": "Patch Build" });
                server.create(BUILD, fields)
            }
        }
    }

    /// Returns the record of the build `name`: `id`, `name`, `path`, `status` (the word in the record, null
    /// if empty), `detail`, `released`, `size`, `md5`, `sha1`, `build_date` (whole seconds), `priority`.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[track_caller]
    pub fn record(&self, name: &str) -> Value {
        match &self.store {
            Store::Sqlite => record::of_sqlite(&self.manage(&["records", "show", name]).expect(0).json()),
            Store::Salesforce(server) => {
                let mut rows = server.records(BUILD);
                rows.retain(|row| row["Name"] == name);
                assert!(rows.len() == 1, "{} records are called {name}", rows.len());
                record::of_salesforce(&rows[0])
            }
        }
    }

    /// Returns status and detail of the record of the build `name`; an empty text for none.
    #[track_caller]
    pub fn status(&self, name: &str) -> (String, String) {
        let record = self.record(name);
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("detail"))
    }

    /// Returns the path of a file at the site, as the site's host sees it.
    pub fn site_file(&self, path: &str) -> PathBuf {
        match &self.site {
            Site::Directory(base) => base.join(path),
            Site::Sftp(sshd) => sshd.root().join(path),
            Site::Ftp(ftpd) => ftpd.root().join(path),
            Site::Desk(desk) => desk.incoming().join(path),
        }
    }

    /// Returns whether packages are only handed in at the site.
    pub(crate) fn is_desk(&self) -> bool {
        matches!(self.site, Site::Desk(_))
    }

    /// Returns what lies in the spool.
    pub fn spool_listing(&self) -> Spool {
        Spool::list(&self.path("spool"))
    }

    /// Returns the lines of the transaction log, in the order in which they were written.
    pub fn tx_events(&self) -> Vec<Value> {
        let dir = self.path("spool/log");
        let read = |name: &String| fs::read_to_string(dir.join(name)).expect("a log");
        let text: String = spool::names(&dir).iter().map(read).collect();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of the log is JSON")).collect()
    }

    /// Verifies a signature with gpg and the public key alone; returns whether it is good, and what gpg said.
    pub fn gpg_verify(&self, signature: &Path, payload: &Path) -> (bool, String) {
        let gnupg = Gnupg::new();
        gnupg.import(&self.key.exported().public);
        gnupg.verify(signature, payload)
    }

    /// Returns the fingerprint of the signing key, as gpg writes it.
    pub fn key_fingerprint(&self) -> &'static str {
        &self.key.exported().fingerprint
    }
}
