//! One pass from a build tree to a payload: read, tar, compress, and everything that needs its bytes.
//!
//! ```text
//! walk ─▶ content ─▶ tape ─▶ compress ─▶ tee ─┬▶ the file in the work directory
//! (tree)  (exact     (tar    (gzip)           ├▶ size, MD5, SHA-1, SHA-256
//!          lengths)   format)                 └▶ the signature's hash
//! ```
//!
//! Each input byte is read once and each output byte is written once. The stages meet at `io::Write`
//! and nowhere else, so that one can be replaced (the compressor by a parallel one) without the others
//! noticing.
//!
//! The bytes depend on names, contents, permission bits, whole seconds of mtimes, and link targets; not
//! on who made the archive, when, on which host, or in which order a directory is listed. An unchanged
//! build gives the same generation every time.
//!
//! Promises: an [`Archived`] describes a build that stood still from before its [`Survey`] until after
//! the last byte was read. After an error what was written is no archive; the caller removes it.

mod compress;
mod content;
mod hard_links;
mod tape;
mod tee;

use std::io::{self, BufWriter, Write};

use compress::Gzip;
pub use compress::Level;
use content::Content;
use hard_links::HardLinks;
use tape::{Head, Tape};
use tee::Tee;

use crate::build_dir::{BuildDir, BuildError};
use crate::digest::Digests;
use crate::exit::Fault;
use crate::fingerprint::{Fingerprint, Fingerprinter, Survey, survey};
use crate::tree::{Entry, EntryKind, Walk, Warning, WarningKind};

/// How many compressed bytes are collected before they are digested and written.
const OUTPUT_BUFFER: usize = 256 << 10;

/// How many bytes of a file are read at once.
const INPUT_BUFFER: usize = 256 << 10;

/// A finished archive and the build it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// What was written.
    pub digests: Digests,
    /// What the tree was, before, meanwhile and afterwards.
    pub fingerprint: Fingerprint,
    /// Regular files.
    pub files: u64,
    /// Bytes in regular files.
    pub bytes: u64,
    /// What a person should know, though it stops nothing.
    pub warnings: Vec<Warning>,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The build cannot be archived.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The archive cannot be written.
    #[error("cannot write the archive to the work directory; check the spool's free space, quota and mount")]
    Write(#[source] io::Error),
    /// The signature's hash did not take the bytes.
    #[error("cannot hash the archive for its signature")]
    Hash(#[source] io::Error),
}

impl ArchiveError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Build(error) => error.fault(),
            Self::Write(_) => Fault::Spool,
            Self::Hash(_) => Fault::Bug,
        }
    }

    fn of_output(error: io::Error) -> Self {
        match error.downcast::<tee::HashFailed>() {
            Ok(tee::HashFailed(cause)) => Self::Hash(cause),
            Err(error) => Self::Write(error),
        }
    }
}

/// Archives the build that `surveyed` describes into `out`, and shows the same bytes to `also`.
///
/// `progress` hears how many of the survey's bytes have been dealt with so far. The tree is surveyed again at the
/// end; if anything differs, the error is [`BuildError::Changed`].
pub fn archive(
    dir: &BuildDir,
    surveyed: &Survey,
    level: Level,
    out: &mut dyn Write,
    also: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Archived, ArchiveError> {
    let tee = BufWriter::with_capacity(OUTPUT_BUFFER, Tee::new(out, also));
    let mut packer = Packer {
        dir,
        tape: Tape::new(Gzip::new(tee, level)),
        fingerprinter: Fingerprinter::default(),
        hard_links: HardLinks::default(),
        copies: Vec::new(),
        path: Vec::new(),
        buffer: vec![0; INPUT_BUFFER],
        done: 0,
        progress,
    };
    let mut walk = Walk::new(dir, &surveyed.policy);
    while let Some(entry) = walk.next()? {
        packer.pack(&entry)?;
    }
    let totals = walk.finish()?;
    let (digests, fingerprint, copies) = packer.finish()?;
    let unchanged =
        fingerprint == surveyed.fingerprint && fingerprint == survey(dir, &surveyed.policy)?.fingerprint;
    if !unchanged {
        let what = "files were added, removed, renamed or written to";
        return Err(BuildError::Changed { path: dir.shown(b""), what }.into());
    }
    let warnings = [totals.warnings, copies].concat();
    Ok(Archived { digests, fingerprint, files: totals.files, bytes: totals.bytes, warnings })
}

type Output<'a> = Gzip<BufWriter<Tee<'a>>>;

/// An archive under way.
struct Packer<'a> {
    dir: &'a BuildDir,
    tape: Tape<Output<'a>>,
    fingerprinter: Fingerprinter,
    hard_links: HardLinks,
    copies: Vec<Warning>,
    /// The current entry's path in the archive.
    path: Vec<u8>,
    buffer: Vec<u8>,
    done: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Packer<'_> {
    fn pack(&mut self, entry: &Entry<'_>) -> Result<(), ArchiveError> {
        self.fingerprinter.take(entry);
        self.set_path(entry);
        let head =
            Head { path: &self.path, mode: entry.meta.archive_mode(), mtime: entry.meta.archive_mtime().0 };
        match entry.kind {
            EntryKind::Directory => self.tape.directory(&head).map_err(ArchiveError::of_output),
            EntryKind::Link { target } => self.tape.link(&head, target).map_err(ArchiveError::of_output),
            EntryKind::File { .. } if entry.meta.nlink > 1 => self.pack_file_with_links(entry),
            EntryKind::File { .. } => self.pack_file(entry),
        }
    }

    /// The archive's top-level name is the build directory's own; directories end with a slash, as the order of
    /// the walk has it.
    fn set_path(&mut self, entry: &Entry<'_>) {
        self.path.clear();
        self.path.extend_from_slice(self.dir.name());
        if !entry.path.is_empty() {
            self.path.push(b'/');
            self.path.extend_from_slice(entry.path);
        }
        if matches!(entry.kind, EntryKind::Directory) {
            self.path.push(b'/');
        }
    }

    /// Stores the first name of a file as the file, and each later one as a link to the first.
    fn pack_file_with_links(&mut self, entry: &Entry<'_>) -> Result<(), ArchiveError> {
        let Some(first) = self.hard_links.first_name(&entry.meta) else {
            if !self.hard_links.remember(&entry.meta, &self.path) {
                Warning::note(&mut self.copies, WarningKind::LinkAsCopy, || self.dir.shown(entry.path));
            }
            return self.pack_file(entry);
        };
        let head =
            Head { path: &self.path, mode: entry.meta.archive_mode(), mtime: entry.meta.archive_mtime().0 };
        self.tape.hard_link(&head, &first).map_err(ArchiveError::of_output)?;
        self.advance(entry.meta.size);
        Ok(())
    }

    fn pack_file(&mut self, entry: &Entry<'_>) -> Result<(), ArchiveError> {
        let mut content = Content::open(self.dir, entry)?;
        let head =
            Head { path: &self.path, mode: entry.meta.archive_mode(), mtime: entry.meta.archive_mtime().0 };
        self.tape.begin_file(&head, entry.meta.size).map_err(ArchiveError::of_output)?;
        while let Some(read) = content.read(&mut self.buffer)? {
            self.tape.write_content(&self.buffer[..read]).map_err(ArchiveError::of_output)?;
            self.advance(read as u64);
        }
        self.tape.end_file(entry.meta.size).map_err(ArchiveError::of_output)
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(self.done);
    }

    fn finish(self) -> Result<(Digests, Fingerprint, Vec<Warning>), ArchiveError> {
        let finished = self.tape.finish().and_then(Gzip::finish);
        let tee = finished.and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error));
        let digests = tee.and_then(Tee::finish).map_err(ArchiveError::of_output)?;
        Ok((digests, self.fingerprinter.finish(), self.copies))
    }
}

#[cfg(test)]
mod tests;
