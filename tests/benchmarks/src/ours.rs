//! Our own side: the release programs, set up as for a small company, and run as cron runs them.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_test_support::gpg::Gnupg;
use serde_json::Value;

use crate::failure::{Doing as _, Failure};
use crate::measure;

/// A configuration, a spool and records, in a directory of their own.
pub(crate) struct Ours {
    dir: PathBuf,
    parent: PathBuf,
}

impl Ours {
    /// Sets everything up in `dir`, which is empty, for builds in the directory `parent`, with an empty spool
    /// and no record. `site` is what the configuration says about the site, in TOML.
    pub(crate) fn set_up(dir: &Path, parent: &Path, site: &str, key: &Key) -> Result<Self, Failure> {
        let ours = Self::at(dir, parent);
        for name in ["etc", "home"] {
            fs::create_dir(ours.path(name)).doing(|| format!("cannot make {}", ours.path(name).display()))?;
        }
        write_private(&ours.path("etc/signing-key.asc"), &key.secret)?;
        ours.configure(site)?;
        measure::output(&mut ours.manage(&["init", "--as-root"]))?;
        Ok(ours)
    }

    /// Takes what was set up in `dir` before.
    pub(crate) fn at(dir: &Path, parent: &Path) -> Self {
        Self { dir: dir.to_owned(), parent: parent.to_owned() }
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, site: &str) -> Result<(), Failure> {
        let text = |name: &str| quoted(self.path(name).display());
        let configuration = format!(
            "[spool]\nroot = {}\nbuild_roots = [{}]\nsingle_host = true\n\n\
             [records]\nbackend = \"sqlite\"\nsqlite.path = {}\n\n[signing]\nkey = {}\n\n\
             [[site]]\nname = \"bench\"\n{site}",
            text("spool"),
            quoted(self.parent.display()),
            text("records.db"),
            text("etc/signing-key.asc"),
        );
        write_private(&self.path("etc/intraware.toml"), configuration.as_bytes())
    }

    /// Adds a record of a build.
    pub(crate) fn add(&self, build: &str) -> Result<(), Failure> {
        let mut add = self.manage(&["records", "add", "--name", build, "--path"]);
        measure::output(add.arg(self.parent.join(build))).map(drop)
    }

    /// Returns a command line of `manage`.
    pub(crate) fn manage(&self, arguments: &[&str]) -> Command {
        let words = self.words("manage", arguments);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().current_dir(self.home());
        command
    }

    /// Returns the words of a command line of one of the programs.
    pub(crate) fn words(&self, name: &str, arguments: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![program(name).into(), "--config".into()];
        words.push(self.path("etc/intraware.toml").into());
        words.extend(arguments.iter().map(OsString::from));
        words
    }

    /// Returns the directory that the programs run in.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Returns the path of something in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns the payload that a run has staged, after having checked that the record says so and describes
    /// it.
    pub(crate) fn staged(&self, build: &str) -> Result<Staged, Failure> {
        let record = measure::output(&mut self.manage(&["records", "show", build]))?;
        let record: Value = serde_json::from_str(&record).doing(|| "manage prints no JSON".to_owned())?;
        if record["status"] != "in-process" {
            return Err(Failure::new(format!("the build is not staged; its record is {record}")));
        }
        let room = self.path("spool/upload");
        let list = || -> std::io::Result<Vec<PathBuf>> {
            fs::read_dir(&room)?.map(|entry| Ok(entry?.path())).collect()
        };
        let jobs = list().doing(|| format!("cannot list {}", room.display()))?;
        let [job] = &jobs[..] else {
            return Err(Failure::new(format!("there is not one job in {}: {jobs:?}", room.display())));
        };
        let payload = job.join(format!("{build}.tar.gz"));
        let sum = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        let size = fs::metadata(&payload).doing(|| format!("cannot look at {}", payload.display()))?.len();
        if record["size"] != size {
            return Err(Failure::new(format!("the payload has {size} bytes, the record says {record}")));
        }
        Ok(Staged { payload, md5: sum("md5"), sha1: sum("sha1") })
    }

    /// Returns the level of compression in force.
    pub(crate) fn level(&self) -> Result<i32, Failure> {
        let entries = measure::output(&mut self.manage(&["config", "--json"]))?;
        let entries: Value = serde_json::from_str(&entries).doing(|| "manage prints no JSON".to_owned())?;
        let entry =
            entries["keys"].as_array().into_iter().flatten().find(|entry| entry["key"] == "archive.level");
        let level = entry.and_then(|entry| entry["value"].as_str()?.parse().ok());
        level.ok_or_else(|| Failure::new("manage config does not say archive.level"))
    }
}

/// A payload on the disk, and its sums as whoever made it says.
pub(crate) struct Staged {
    pub(crate) payload: PathBuf,
    pub(crate) md5: String,
    pub(crate) sha1: String,
}

/// The key that everybody signs with.
pub(crate) struct Key {
    pub(crate) gnupg: Gnupg,
    secret: Vec<u8>,
}

impl Key {
    /// Makes a new one. Its agent goes on running, as it does for somebody who signs often.
    pub(crate) fn generate() -> Self {
        let gnupg = Gnupg::new();
        let fingerprint = gnupg.make_key(&intraware_test_support::gpg::KeySpec::default());
        let secret = gnupg.export_secret(&fingerprint, "");
        Self { gnupg, secret }
    }

    /// Returns the secret key, as it is exported.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// Returns a text as TOML writes it: a JSON text is a TOML text too.
pub(crate) fn quoted(text: impl std::fmt::Display) -> String {
    Value::from(text.to_string()).to_string()
}

/// Returns a program, which is built together with this one.
pub(crate) fn program(name: &str) -> PathBuf {
    std::env::current_exe().map_or_else(|_| name.into(), |this| this.with_file_name(name))
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o600)))
        .doing(|| format!("cannot write {}", path.display()))
}
