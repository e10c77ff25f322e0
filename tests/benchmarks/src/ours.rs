//! Our own side: the release program `manage`, set up as for a small company, and run as cron runs it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use intraware_test_support::gpg::Gnupg;
use serde_json::Value;

use crate::failure::{Doing as _, Failure};
use crate::measure;

/// A configuration with an empty spool, an empty site and one record, in a directory of its own.
pub(crate) struct Ours {
    dir: PathBuf,
    build: String,
}

impl Ours {
    /// Sets everything up in `dir`, which is empty, to stage `parent/build`.
    pub(crate) fn set_up(dir: &Path, parent: &Path, build: &str, key: &Key) -> Result<Self, Failure> {
        let ours = Self { dir: dir.to_owned(), build: build.to_owned() };
        let at = |name: &str| dir.join(name);
        for name in ["etc", "home", "site"] {
            fs::create_dir(at(name)).doing(|| format!("cannot make {}", at(name).display()))?;
        }
        write_private(&at("etc/signing-key.asc"), &key.secret)?;
        // A JSON text is a TOML text too.
        let text = |path: PathBuf| Value::from(path.to_string_lossy());
        let configuration = format!(
            "[spool]\nroot = {}\nbuild_roots = [{}]\nsingle_host = true\n\n\
             [records]\nbackend = \"sqlite\"\nsqlite.path = {}\n\n[signing]\nkey = {}\n\n\
             [[site]]\nname = \"bench\"\nurl = {}\n",
            text(at("spool")),
            text(parent.to_owned()),
            text(at("records.db")),
            text(at("etc/signing-key.asc")),
            Value::from(format!("file://{}", at("site").display())),
        );
        write_private(&at("etc/intraware.toml"), configuration.as_bytes())?;
        measure::output(&mut ours.manage(&["init"]))?;
        let path = parent.join(build);
        measure::output(ours.manage(&["records", "add", "--name", build, "--path"]).arg(path))?;
        Ok(ours)
    }

    /// Returns a command line of `manage`.
    pub(crate) fn manage(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("--config").arg(self.dir.join("etc/intraware.toml")).args(arguments);
        command.env_clear().current_dir(self.dir.join("home"));
        command
    }

    /// Returns the payload that a run has staged, after having checked that the record says so and describes it.
    pub(crate) fn staged(&self) -> Result<Staged, Failure> {
        let record = measure::output(&mut self.manage(&["records", "show", &self.build]))?;
        let record: Value = serde_json::from_str(&record).doing(|| "manage prints no JSON".to_owned())?;
        if record["status"] != "in-process" {
            return Err(Failure::new(format!("the build is not staged; its record is {record}")));
        }
        let room = self.dir.join("spool/upload");
        let list = || -> std::io::Result<Vec<PathBuf>> {
            fs::read_dir(&room)?.map(|entry| Ok(entry?.path())).collect()
        };
        let jobs = list().doing(|| format!("cannot list {}", room.display()))?;
        let [job] = &jobs[..] else {
            return Err(Failure::new(format!("there is not one job in {}: {jobs:?}", room.display())));
        };
        let payload = job.join(format!("{}.tar.gz", self.build));
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
        let entry = entries.as_array().into_iter().flatten().find(|entry| entry["key"] == "archive.level");
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
}

/// Returns the program, which is built together with this one.
fn program() -> PathBuf {
    std::env::current_exe().map_or_else(|_| "manage".into(), |this| this.with_file_name("manage"))
}

fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o600)))
        .doing(|| format!("cannot write {}", path.display()))
}
