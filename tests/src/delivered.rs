//! Whether a build was delivered, by the tools that a customer has: md5sum, sha1sum, gpg, tar, diff.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use serde_json::json;

use crate::bench::Bench;
use crate::spool;

/// What comes after the payload's name at the site.
const SIDECARS: [&str; 5] = [".MD5", ".SHA1", ".SHA256", ".asc", ".filesize"];

impl Bench {
    /// Returns where the payload of the build `name` belongs at the site.
    #[track_caller]
    pub fn payload(&self, name: &str) -> PathBuf {
        let record = self.record(name);
        let path = Path::new(record["path"].as_str().expect("a record with a build path"));
        let below = self.build_roots().iter().find_map(|root| path.strip_prefix(root).ok());
        let below = below.expect("a build path below a build root");
        if self.is_desk() {
            return self.site_file(&format!("{}.tar.gz", below.to_string_lossy().replace('/', "@")));
        }
        let own = below.file_name().and_then(|name| name.to_str()).expect("a build directory's name");
        self.site_file(&below.join(format!("{own}.tar.gz")).to_string_lossy())
    }

    /// Checks that the build `name` is delivered: the record is Completed and released and describes the
    /// payload; the payload and its sidecars stand at the site and nothing else beside them; every sidecar is
    /// right; and the payload unpacks to the build directory as it is now.
    #[track_caller]
    pub fn assert_delivered(&self, name: &str) {
        let payload = self.payload(name);
        self.assert_record_describes(name, &payload);
        assert_sidecars(&payload);
        let (good, said) = self.gpg_verify(&beside(&payload, ".asc"), &payload);
        let valid = format!("VALIDSIG {}", self.key_fingerprint());
        assert!(good && said.contains(&valid), "gpg does not find {valid}: {said}");
        let build = self.record(name)["path"].as_str().map(PathBuf::from).expect("a build path");
        assert_unpacks_to(&payload, &build);
    }

    #[track_caller]
    fn assert_record_describes(&self, name: &str, payload: &Path) {
        let mut record = self.record(name);
        for of_no_matter in ["id", "name", "priority"] {
            record.as_object_mut().expect("a record").remove(of_no_matter);
        }
        let build = record["path"].as_str().expect("a build path").to_owned();
        let made = fs::metadata(&build).expect("a build directory").mtime();
        let made = Timestamp::from_second(made).expect("a time").strftime("%Y-%m-%dT%H:%M:%SZ");
        let described = json!({
            "path": build,
            "status": "Completed",
            "detail": null,
            "released": true,
            "size": fs::metadata(payload).unwrap_or_else(|e| panic!("{}: {e}", payload.display())).len(),
            "md5": sum("md5sum", payload),
            "sha1": sum("sha1sum", payload),
            "build_date": made.to_string(),
        });
        assert_eq!(record, described, "the record of {name}");
    }
}

/// Returns the path of a sidecar.
pub(crate) fn beside(payload: &Path, suffix: &str) -> PathBuf {
    let mut path = payload.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Checks the names beside a payload, the checksums by the tools that read them, and the size.
#[track_caller]
fn assert_sidecars(payload: &Path) {
    let dir = payload.parent().expect("a directory");
    let name = payload.file_name().and_then(|name| name.to_str()).expect("a name");
    let mut names: Vec<String> = SIDECARS.iter().map(|suffix| format!("{name}{suffix}")).collect();
    names.insert(0, name.to_owned());
    // What was never released and stood in the way is moved aside, not removed.
    let is_ours =
        |file: &String| dir.join(file).is_file() && !file.starts_with(&format!(".{name}.superseded."));
    let there = spool::names(dir).into_iter().filter(is_ours);
    assert_eq!(there.collect::<Vec<_>>(), names, "the files in {}", dir.display());
    for (tool, suffix) in [("md5sum", ".MD5"), ("sha1sum", ".SHA1"), ("sha256sum", ".SHA256")] {
        let file = format!("{name}{suffix}");
        let said = succeed(Command::new(tool).args(["--strict", "-c", &file]).current_dir(dir));
        assert_eq!(said, format!("{name}: OK\n"), "{tool} -c {file}");
    }
    let size = fs::metadata(payload).expect("a payload").len();
    let written = fs::read_to_string(beside(payload, ".filesize")).expect("a .filesize");
    assert_eq!(written, format!("{size}\n"));
}

/// Checks that a payload holds one directory, which is the build.
#[track_caller]
fn assert_unpacks_to(payload: &Path, build: &Path) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    succeed(Command::new("tar").arg("-xpzf").arg(payload).arg("-C").arg(dir.path()));
    let unpacked = dir.path().join(build.file_name().expect("a name"));
    let own = build.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(spool::names(dir.path()), [own]);
    succeed(Command::new("diff").args(["-r", "--no-dereference"]).arg(build).arg(&unpacked));
    let (want, have) = (listing(build), listing(&unpacked));
    for (path, want) in &want {
        assert_eq!(have.get(path), Some(want), "{:?} in {}", path, build.display());
    }
    assert_eq!(have.len(), want.len());
}

/// Returns all paths below a directory, each with what diff does not compare: type and mode, time, number of
/// names and target.
fn listing(dir: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let seen = fs::symlink_metadata(&path).expect("a path that was listed");
        let mut line = format!("{:o} {}", seen.mode(), seen.mtime());
        if seen.is_symlink() {
            line = format!("{line} -> {:?}", fs::read_link(&path).expect("a link"));
        } else if seen.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory that was listed");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            line = format!("{line} {} names", seen.nlink());
        }
        let below = path.strip_prefix(dir).expect("below").as_os_str().as_bytes().to_owned();
        found.insert(below, line);
    }
    found
}

fn sum(tool: &str, file: &Path) -> String {
    let said = succeed(Command::new(tool).arg(file));
    said.split(' ').next().unwrap_or_default().to_owned()
}

/// Runs a tool that must succeed and returns what it prints.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{complaint}");
    said
}
