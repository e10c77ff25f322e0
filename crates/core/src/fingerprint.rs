//! What a build tree is at one moment, in 32 bytes.
//!
//! A build that is still being written must not be delivered. So it is surveyed before it is
//! archived, the archiver computes the same fingerprint over what it reads, and it is surveyed once
//! more; any difference means that the archive is of no build that ever stood there. Size, mtime and
//! ctime to the nanosecond, inode and link target of every entry go in; ctime also betrays whoever
//! sets an mtime back. Contents do not: they are read once, by the archiver, which watches each file
//! while it reads.
//!
//! A ctime also changes when a file gets a further name, as `cp -al` gives it, or another owner. So there is
//! a second digest, without ctimes ([`Survey::substance`]): where only that is the same, contents have to
//! tell.

use std::fmt;
use std::thread::Builder;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::build_dir::{BuildDir, BuildError};
use crate::digest::{Hex, Sha256Hex};
use crate::tree::{Entry, EntryKind, Walk};
pub use crate::tree::{LinkPolicy, TreePolicy, Warning, WarningKind};

/// Names the encoding below; another encoding gives another name and so never an equal fingerprint.
const FORMAT: &[u8] = b"intraware tree 3\0";

/// How many threads survey a build. They mostly wait for the file system, which may be a server.
const SURVEYORS: usize = 4;

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
    /// The same without ctimes.
    pub substance: Fingerprint,
    /// Regular files.
    pub files: u64,
    /// Bytes in regular files, by their lengths.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    /// What a person should know, though it stops nothing.
    pub warnings: Vec<Warning>,
    /// The policy that the tree was found to keep; the archiver keeps to the same.
    pub policy: TreePolicy,
}

/// Looks at everything in a build without reading a file, and refuses what must not be delivered.
pub fn survey(dir: &BuildDir, policy: &TreePolicy) -> Result<Survey, BuildError> {
    let (first, later) = Walk::new(dir, policy).split(SURVEYORS)?;
    let (walk, fingerprinter) = std::thread::scope(|scope| {
        let spawn = |walk| Builder::new().name("survey".to_owned()).spawn_scoped(scope, || survey_part(walk));
        let threads: Vec<_> = later.into_iter().map(spawn).collect();
        let (mut walk, mut fingerprinter) = survey_part(first)?;
        for thread in threads {
            let thread = thread.map_err(|_| BuildError::reading(dir.shown(b""), Errno::AGAIN))?;
            let (later, of_later) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            walk = walk.join(later)?;
            fingerprinter = fingerprinter.join(of_later);
        }
        Ok::<_, BuildError>((walk, fingerprinter))
    })?;
    let totals = walk.finish()?;
    let Prints { fingerprint, substance } = fingerprinter.finish();
    Ok(Survey {
        fingerprint,
        substance,
        files: totals.files,
        bytes: totals.bytes,
        entries: totals.entries,
        warnings: totals.warnings,
        policy: *policy,
    })
}

/// Walks over some parts of a build, or all.
fn survey_part(mut walk: Walk<'_>) -> Result<(Walk<'_>, Fingerprinter), BuildError> {
    let mut fingerprinter = Fingerprinter::default();
    while let Some(entry) = walk.next()? {
        fingerprinter.take(&entry);
    }
    Ok((walk, fingerprinter))
}

/// The digests of a tree: of everything, and without ctimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prints {
    pub(crate) fingerprint: Fingerprint,
    pub substance: Fingerprint,
}

/// Computes the fingerprint of a tree, entry by entry in the order of the walk.
///
/// Each part of the tree is digested by itself, and the fingerprint is over the digests of all parts; so
/// several threads can compute it, each over some parts.
pub(crate) struct Fingerprinter {
    /// The digests of the parts before the current one, in order.
    done: Vec<u8>,
    /// Those of their ctimes.
    done_ctimes: Vec<u8>,
    part: usize,
    current: Sha256,
    current_ctimes: Sha256,
    /// Whether nothing of the current part was taken in.
    is_empty: bool,
}

impl Default for Fingerprinter {
    fn default() -> Self {
        Self {
            done: Vec::new(),
            done_ctimes: Vec::new(),
            part: 0,
            current: Sha256::new(),
            current_ctimes: Sha256::new(),
            is_empty: true,
        }
    }
}

impl Fingerprinter {
    /// Takes in the next entry. Every field has a fixed width or its length before it, so that no two trees
    /// are written alike.
    pub(crate) fn take(&mut self, entry: &Entry<'_>) {
        let Entry { part, path, meta, kind } = entry;
        if *part != self.part {
            self.end_part();
            self.part = *part;
        }
        let target = match kind {
            EntryKind::Directory | EntryKind::File { .. } => &[],
            EntryKind::Link { target } => *target,
        };
        self.text(path);
        self.text(target);
        self.current.update(meta.mode.to_le_bytes());
        self.current.update(meta.size.to_le_bytes());
        self.current.update(meta.ino.to_le_bytes());
        let times = [(&mut self.current, meta.mtime), (&mut self.current_ctimes, meta.ctime)];
        for (digest, (seconds, nanoseconds)) in times {
            digest.update(seconds.to_le_bytes());
            digest.update(nanoseconds.to_le_bytes());
        }
        self.is_empty = false;
    }

    /// Takes in what `later` has taken in, of later parts.
    fn join(mut self, mut later: Self) -> Self {
        self.end_part();
        later.end_part();
        self.done.append(&mut later.done);
        self.done_ctimes.append(&mut later.done_ctimes);
        self
    }

    pub(crate) fn finish(mut self) -> Prints {
        self.end_part();
        let substance = Sha256::new_with_prefix(FORMAT).chain_update(self.done);
        let all = substance.clone().chain_update(self.done_ctimes);
        let [substance, fingerprint] =
            [substance, all].map(|digest| Fingerprint(Hex(digest.finalize().into())));
        Prints { fingerprint, substance }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.current.update((bytes.len() as u64).to_le_bytes());
        self.current.update(bytes);
    }

    fn end_part(&mut self) {
        let digest = std::mem::take(&mut self.current).finalize();
        let of_ctimes = std::mem::take(&mut self.current_ctimes).finalize();
        if !self.is_empty {
            self.done.extend_from_slice(&digest);
            self.done_ctimes.extend_from_slice(&of_ctimes);
        }
        self.is_empty = true;
    }
}

#[cfg(test)]
mod tests;
