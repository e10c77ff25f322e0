//! What a build tree is at one moment, in 32 bytes.
//!
//! A build that is still being written must not be delivered. So it is surveyed before it is
//! archived, the archiver computes the same fingerprint over what it reads, and it is surveyed once
//! more; any difference means that the archive is of no build that ever stood there. Size, mtime and
//! ctime to the nanosecond, inode and link target of every entry go in; ctime also betrays whoever
//! sets an mtime back. Contents do not: they are read once, by the archiver, which watches each file
//! while it reads.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::build_dir::{BuildDir, BuildError};
use crate::digest::{Hex, Sha256Hex};
use crate::tree::{Entry, EntryKind, Walk};
pub use crate::tree::{LinkPolicy, TreePolicy, Warning, WarningKind};

/// Names the encoding below; another encoding gives another name and so never an equal fingerprint.
const FORMAT: &[u8] = b"intraware tree 1\0";

/// A digest over names and metadata of everything in a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Sha256Hex);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a look at the whole tree has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// What the tree is.
    pub fingerprint: Fingerprint,
    /// Regular files.
    pub files: u64,
    /// Bytes in regular files, by their lengths.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    /// What a person should know, though it stops nothing.
    pub warnings: Vec<Warning>,
    /// The policy that the tree was found to keep; the archiver keeps to the same.
    pub(crate) policy: TreePolicy,
}

/// Looks at everything in a build without reading a file, and refuses what must not be delivered.
pub fn survey(dir: &BuildDir, policy: &TreePolicy) -> Result<Survey, BuildError> {
    let mut walk = Walk::new(dir, policy);
    let mut fingerprinter = Fingerprinter::default();
    while let Some(entry) = walk.next()? {
        fingerprinter.take(&entry);
    }
    let totals = walk.finish()?;
    Ok(Survey {
        fingerprint: fingerprinter.finish(),
        files: totals.files,
        bytes: totals.bytes,
        entries: totals.entries,
        warnings: totals.warnings,
        policy: *policy,
    })
}

/// Computes the fingerprint of a tree, entry by entry in the order of the walk.
pub(crate) struct Fingerprinter(Sha256);

impl Default for Fingerprinter {
    fn default() -> Self {
        Self(Sha256::new_with_prefix(FORMAT))
    }
}

impl Fingerprinter {
    /// Takes in the next entry. Every field has a fixed width or its length before it, so that no two trees are
    /// written alike.
    pub(crate) fn take(&mut self, entry: &Entry<'_>) {
        let Entry { path, meta, kind } = entry;
        let target = match kind {
            EntryKind::Directory | EntryKind::File { .. } => &[],
            EntryKind::Link { target } => *target,
        };
        self.text(path);
        self.text(target);
        self.0.update(meta.mode.to_le_bytes());
        self.0.update(meta.size.to_le_bytes());
        self.0.update(meta.ino.to_le_bytes());
        for (seconds, nanoseconds) in [meta.mtime, meta.ctime] {
            self.0.update(seconds.to_le_bytes());
            self.0.update(nanoseconds.to_le_bytes());
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Fingerprint {
        Fingerprint(Hex(self.0.finalize().into()))
    }
}

#[cfg(test)]
mod tests;
