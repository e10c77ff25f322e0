//! What lies below the server's root: which packages get in, and where they are.

mod claims;
mod files;
mod slot;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::settings::Settings;
use crate::accounts::Account;
use crate::digest::{Hex, Sha256Sum};
use crate::shown;
use crate::wire::{Announced, Announcement, Reason, Refusal};
use claims::Claims;
pub(super) use slot::Slot;

/// The most bytes of a package's name, its ending included.
const MAX_NAME: usize = 140;

/// The directory tree, of which this process is the only server.
pub(super) struct Room {
    root: PathBuf,
    settings: Arc<Settings>,
    mode: u32,
    claims: Mutex<Claims>,
    _lock: File,
}

/// An announcement does not get in.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdmitError {
    /// The client is told why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file system failed.
    #[error("cannot {0} {1}")]
    Io(&'static str, String, #[source] io::Error),
}

impl AdmitError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = shown::path(path);
        move |error| Self::Io(what, path, error)
    }
}

fn refused(reason: Reason, package: usize) -> AdmitError {
    AdmitError::Refused(Refusal { reason, package: Some(package) })
}

impl Room {
    /// Opens the tree, and makes what is missing.
    pub(super) fn open(settings: Arc<Settings>) -> io::Result<Self> {
        let root = settings.root.clone();
        for (name, mode) in [("", 0o750), ("accounts", 0o700), ("incoming", 0o750)] {
            files::make_dir(&root.join(name), mode)?;
        }
        let path = root.join("lock");
        let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another server works there")
            }
            fs::TryLockError::Error(error) => error,
        })?;
        let mode = settings.mode().unwrap_or(0o600);
        Ok(Self { root, settings, mode, claims: Mutex::default(), _lock: lock })
    }

    /// Returns where whole packages lie.
    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Returns whether any package waits in `incoming`.
    pub(super) fn has_incoming(&self) -> bool {
        let dirs = fs::read_dir(self.incoming()).into_iter().flatten().flatten();
        dirs.into_iter().any(|dir| fs::read_dir(dir.path()).is_ok_and(|mut files| files.next().is_some()))
    }

    /// Takes an announcement in, whole or not at all: what it asks for is refused before any byte is taken.
    pub(super) fn admit(
        self: &Arc<Self>,
        account: &Account,
        announcement: &Announcement,
    ) -> Result<Vec<Slot>, AdmitError> {
        for (index, package) in announcement.packages.iter().enumerate() {
            let is_twice = announcement.packages[..index].iter().any(|other| other.name == package.name);
            if is_twice || !is_name(&package.name, &self.settings.names) {
                return Err(refused(Reason::Name, index));
            }
            if package.size == 0 {
                return Err(refused(Reason::Size, index));
            }
        }
        self.make_dirs(account)?;
        self.forget_old(&account.directory);
        let mut slots = Vec::with_capacity(announcement.packages.len());
        for (index, package) in announcement.packages.iter().enumerate() {
            let slot = Slot::new(Arc::clone(self), &account.directory, package.clone());
            match self.look(&slot)? {
                Look::Done => slots.push(slot.done()),
                Look::Other => return Err(refused(Reason::Exists, index)),
                Look::Nothing => slots.push(slot),
            }
        }
        self.claim(account, &mut slots)?;
        Ok(slots)
    }

    fn make_dirs(&self, account: &Account) -> Result<(), AdmitError> {
        let own = self.root.join("accounts").join(&account.directory);
        let incoming = self.incoming().join(&account.directory);
        for (dir, mode) in
            [(own.clone(), 0o700), (own.join("partial"), 0o700), (own.join("done"), 0o700), (incoming, 0o750)]
        {
            files::make_dir(&dir, mode).map_err(AdmitError::io("make", &dir))?;
        }
        Ok(())
    }

    /// Looks whether the package was laid into `incoming` before, or another one of its name lies there.
    fn look(&self, slot: &Slot) -> Result<Look, AdmitError> {
        let package = &slot.announced;
        let found = |is_same: bool| if is_same { Look::Done } else { Look::Other };
        let done = slot.done_path();
        match fs::read(&done) {
            Ok(sha256) => {
                // Two packages of one name, size and MD5 are the same, unless somebody has taken pains.
                let is_same = package.sha256.is_none_or(|sum| sha256 == sum.to_string().as_bytes());
                return Ok(found(is_same));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(AdmitError::io("read", &done)(error)),
        }
        let path = slot.incoming_path();
        match fs::symlink_metadata(&path) {
            Ok(entry) if entry.is_file() && entry.len() == package.size => {}
            Ok(_) => return Ok(Look::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Nothing),
            Err(error) => return Err(AdmitError::io("look at", &path)(error)),
        }
        // There was a crash between the link and the note that it was made; or it came from somewhere else.
        let (md5, sha256) = files::digests(&path).map_err(AdmitError::io("read", &path))?;
        let is_same = md5 == package.md5 && package.sha256.is_none_or(|sum| sha256 == Some(sum));
        if is_same {
            slot.note_done(sha256).map_err(AdmitError::io("write", &done))?;
            // Its other name, if the crash was before that was removed.
            let _ = fs::remove_file(slot.partial_path());
        }
        Ok(found(is_same))
    }

    /// Removes the account's partial packages and notes that are too old.
    fn forget_old(&self, directory: &str) {
        let limits = &self.settings.limits;
        // Held meanwhile, so that nobody begins to go on with what is removed.
        let claims = self.claims();
        for (name, days) in [("partial", limits.keep_partial_days), ("done", limits.keep_done_days)] {
            let dir = self.root.join("accounts").join(directory).join(name);
            let is_claimed =
                |key: &str| name == "partial" && claims.contains_key(&(directory.to_owned(), key.to_owned()));
            for removed in files::remove_old(&dir, days, is_claimed) {
                tracing::info!("{directory}: removed {name}/{removed}, which is older than {days} days");
            }
        }
    }
}

/// What was found of a package.
enum Look {
    /// It was laid into `incoming`.
    Done,
    /// Another one of its name lies there.
    Other,
    /// Neither.
    Nothing,
}

/// Returns whether a package may have this name: one of the endings, and before it letters, digits and
/// `@._+-`, of which the first is no dot.
fn is_name(name: &[u8], endings: &[String]) -> bool {
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending.as_bytes()));
    name.len() <= MAX_NAME
        && stem.is_some_and(|stem| !stem.is_empty())
        && name[0] != b'.'
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"@._+-".contains(byte))
}

/// Returns the name of a package's partial file: other bytes under the same name have another one.
fn key(package: &Announced) -> String {
    let mut sum = Sha256::new();
    sum.update(&package.name);
    sum.update(format!("\0{}\0{}", package.size, package.md5));
    let sum: Sha256Sum = Hex(sum.finalize().into());
    sum.to_string()[..32].to_owned()
}
