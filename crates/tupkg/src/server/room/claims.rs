//! Which packages are under way.
//!
//! One table for the whole server, since it is the only one at its root. It is the lock of each partial file,
//! and it makes quotas hold for sessions that run at the same time: a package under way counts as all of its
//! bytes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{AdmitError, Room, Slot, files, refused};
use crate::accounts::Account;
use crate::wire::Reason;

/// By the account's directory and the key: the size, and how much of it was missing at the start.
pub(super) type Claims = HashMap<(String, String), (u64, u64)>;

/// A package that nobody else may write to meanwhile.
pub(super) struct Claim {
    room: Arc<Room>,
    id: (String, String),
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.room.claims().remove(&self.id);
    }
}

/// What an account has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Used {
    bytes: u64,
    files: usize,
}

impl Room {
    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims the packages that are not done, if there is room for all of them, and finds out how much of
    /// each is there.
    pub(super) fn claim(self: &Arc<Self>, account: &Account, slots: &mut [Slot]) -> Result<(), AdmitError> {
        let mut claims = self.claims();
        for (index, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| !slot.is_done()) {
            if claims.contains_key(&slot.id()) {
                return Err(refused(Reason::Locked, index));
            }
            slot.held = held(slot)?;
        }
        let used = self.used(&account.directory, &claims).map_err(AdmitError::io("list", &self.root))?;
        let free = files::free(&self.root).map_err(AdmitError::io("ask the size of", &self.root))?;
        let promised: u64 = claims.values().map(|(_, rest)| rest).sum();
        let limits = &self.settings.limits;
        let free = free.saturating_sub(promised).saturating_sub(limits.keep_free());
        let quota = account.quota.unwrap_or(limits.quota());
        let (mut bytes, mut files, mut rest) = (used.bytes, used.files, 0_u64);
        for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| !slot.is_done()) {
            bytes = bytes.saturating_add(slot.rest());
            rest = rest.saturating_add(slot.rest());
            files += usize::from(slot.held == 0);
            if bytes > quota || files > limits.files {
                return Err(refused(Reason::Quota, index));
            }
            if rest > free {
                return Err(refused(Reason::Space, index));
            }
        }
        for slot in slots.iter_mut().filter(|slot| !slot.is_done()) {
            claims.insert(slot.id(), (slot.announced.size, slot.rest()));
            slot.claimed(Claim { room: Arc::clone(self), id: slot.id() });
        }
        Ok(())
    }

    /// Adds up what an account has: partial packages, those under way at their full size, and those in
    /// `incoming`.
    fn used(&self, directory: &str, claims: &Claims) -> io::Result<Used> {
        let own = || claims.iter().filter(|((account, _), _)| account == directory);
        let mut used = Used { bytes: own().map(|(_, (size, _))| size).sum(), files: own().count() };
        let mut add = |entry: &fs::DirEntry| {
            // One that has been taken on meanwhile is not there any more.
            used.bytes = used.bytes.saturating_add(entry.metadata().map_or(0, |found| found.len()));
            used.files += 1;
        };
        for entry in fs::read_dir(self.root.join("accounts").join(directory).join("partial"))? {
            let entry = entry?;
            let key = entry.file_name().to_string_lossy().into_owned();
            if !claims.contains_key(&(directory.to_owned(), key)) {
                add(&entry);
            }
        }
        for entry in fs::read_dir(self.incoming().join(directory))? {
            add(&entry?);
        }
        Ok(used)
    }
}

/// Returns how many bytes of a package are there.
fn held(slot: &Slot) -> Result<u64, AdmitError> {
    let path = slot.partial_path();
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() && found.len() <= slot.announced.size => Ok(found.len()),
        Ok(_) => {
            // Longer than the package, or no file: not of this server's making.
            fs::remove_file(&path).map_err(AdmitError::io("remove", &path))?;
            Ok(0)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(AdmitError::io("look at", &path)(error)),
    }
}
