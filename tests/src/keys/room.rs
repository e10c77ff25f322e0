//! A directory for one key: what its maker is given, and what it leaves.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What keys are protected with, where they are.
pub(crate) const PASSPHRASE: &str = "passphrase-41D7 with a space";

/// Whom the keys are said to belong to.
pub(crate) const USER: &str = "Build Signing <signing@builds.example>";

/// The directory, gone when dropped: `payload` and `passphrase` from us; `secret`, `public` and `signature`
/// from the maker, and `whole`, the key with the secret of its primary part, where that is kept elsewhere.
pub(crate) struct Room(TempDir);

impl Room {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("key-").tempdir().expect("a temporary directory");
        let room = Self(dir);
        room.write("payload", b"what the key's maker signs\n");
        room.write("passphrase", PASSPHRASE.as_bytes());
        room.write("wrong", b"not the passphrase");
        room
    }

    /// Returns the directory.
    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file that nobody else can read.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).expect("a file");
        self.close(name);
    }

    /// Keeps others from reading a file.
    pub(crate) fn close(&self, name: &str) {
        fs::set_permissions(self.at(name), Permissions::from_mode(0o600)).expect("chmod");
    }

    /// Returns a file that the maker may have written.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.at(name)).ok()
    }
}
