//! A package archive with fragments, and `manage assemble` on it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::fragment::Archive;
use crate::program::{Program, Run, Running};

/// An empty package archive, gone when dropped.
pub struct Packages {
    dir: TempDir,
}

impl Default for Packages {
    fn default() -> Self {
        let dir = tempfile::Builder::new().prefix("packages-").tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("dpkg/.dpkg_archive/fragments")).expect("directories");
        fs::create_dir(dir.path().join("home")).expect("a directory");
        Self { dir }
    }
}

impl Packages {
    /// Returns a path beside the archive.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the archive's root.
    pub fn root(&self) -> PathBuf {
        self.path("dpkg")
    }

    /// Returns the directory of the fragments.
    pub fn fragments(&self) -> PathBuf {
        self.root().join(".dpkg_archive/fragments")
    }

    /// Puts the fragment of a machine of package `foo`, version `1.0`.
    pub fn put(&self, machine: &str, archive: Archive) {
        self.put_bytes(&format!("foo_1.0_{machine}.tar.gz"), &archive.gz(machine));
    }

    /// Puts a file beside the fragments.
    pub fn put_bytes(&self, name: &str, bytes: &[u8]) {
        fs::write(self.fragments().join(name), bytes).expect("a fragment");
    }

    /// Returns the command line of a command of `manage`, to be changed and run by the test itself.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Program::Manage.path());
        command.env_clear().env("GBE_DPKG", self.root()).current_dir(self.path("home")).args(arguments);
        command
    }

    /// Assembles package `foo`, version `1.0`.
    pub fn assemble(&self, more: &[&str]) -> Run {
        Running::start(self.command(&[&["assemble", "foo", "1.0"], more].concat())).wait()
    }

    /// Runs a command of `manage`.
    pub fn manage(&self, arguments: &[&str]) -> Run {
        Running::start(self.command(arguments)).wait()
    }

    /// Returns everything in the archive but the fragments' directory: path, mode and content or target, in
    /// order. What is below `<name>/<version>` too.
    pub fn all(&self) -> Vec<String> {
        seen(&self.root())
    }

    /// Returns what is in the target, the list included, as [`Packages::all`] does.
    pub fn target(&self) -> Vec<String> {
        seen(&self.root().join("foo/1.0"))
    }

    /// Returns a file of the target.
    pub fn read(&self, path: &str) -> String {
        let path = self.root().join("foo/1.0").join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the names of the fragments that are there.
    pub fn left(&self) -> Vec<String> {
        crate::spool::names(&self.fragments())
    }
}

/// Returns everything in a directory: path, mode and content or target, in order.
pub fn seen(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    add(&mut all, dir, "");
    all
}

fn add(all: &mut Vec<String>, dir: &Path, below: &str) {
    for name in crate::spool::names(dir) {
        let path = dir.join(&name);
        let shown = format!("{below}{name}");
        let seen = fs::symlink_metadata(&path).expect("what was listed");
        let mode = seen.permissions().mode() & 0o7777;
        if seen.is_dir() {
            all.push(format!("{mode:04o} {shown}/"));
            if shown != ".dpkg_archive" {
                add(all, &path, &format!("{shown}/"));
            }
        } else if seen.is_symlink() {
            all.push(format!("{shown} -> {}", fs::read_link(&path).expect("a link").display()));
        } else {
            let content = fs::read(&path).expect("a file");
            all.push(format!("{mode:04o} {shown} {}", crate::fragment::md5(&content)));
        }
    }
}
