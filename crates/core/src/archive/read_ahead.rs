//! Walks a build and reads its files ahead of need, several at a time.
//!
//! One thread walks; it alone decides what is in the archive and in which order. It collects what it finds
//! into batches: many small files, or one piece of a large one. Readers fill the batches with content, each
//! batch by itself, so that opening and reading a hundred thousand small files waits for no answer in turn,
//! as it would on a network file system. The batches come out in the order of the walk.
//!
//! Bounded: [`AHEAD`] batches of [`BATCH_BYTES`], [`BATCH_FILES`] and [`BATCH_NAMES`], and no more
//! descriptors of directories than [`BATCH_DIRS`] a batch, since each small file is opened in the very
//! directory that the walk has opened.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::buffers::{Buffer, Pool};
use super::content::Content;
use super::hard_links::HardLinks;
use super::in_order::{Feed, Gone, Results, in_order};
use super::stages::Stage;
use crate::build_dir::{BuildDir, BuildError};
use crate::fingerprint::{Fingerprinter, Prints};
use crate::tree::{Entry, EntryKind, Meta, Totals, TreePolicy, Walk, Warning, WarningKind};

/// Most bytes of content in a batch; a longer file is read in pieces of this length.
const BATCH_BYTES: usize = 256 << 10;

/// Most entries in a batch.
const BATCH_FILES: usize = 256;

/// From this many bytes on in paths and targets a batch is full; below hundreds of directories one path has
/// as many.
const BATCH_NAMES: usize = 64 << 10;

/// Most directories that the files of a batch are in. All batches together stay below 256, the lowest limit
/// on descriptors that is usual.
const BATCH_DIRS: usize = 8;

/// How many threads read. They compute little: what they are many for is to wait for disks and file servers.
const READERS: usize = 8;

/// How many batches are begun before they are needed.
const AHEAD: usize = 2 * READERS;

/// Consecutive entries of the archive, with what their files hold.
pub(super) struct Batch<'p> {
    pub(super) items: Vec<Item>,
    /// The content of the items' files, one after the other.
    pub(super) content: Buffer<'p>,
}

/// One entry of the archive, or more of the content of the one before.
pub(super) enum Item {
    Entry {
        /// The path in the archive.
        path: Box<[u8]>,
        meta: Meta,
        kind: ItemKind,
    },
    /// So many bytes more of the last file.
    More(usize),
}

impl Item {
    /// Returns how many bytes its names have.
    fn names_len(&self) -> usize {
        match self {
            Self::Entry { path, kind: ItemKind::Directory | ItemKind::File(_), .. } => path.len(),
            Self::Entry { path, kind: ItemKind::Link { target: other }, .. }
            | Self::Entry { path, kind: ItemKind::HardLink { first: other }, .. } => path.len() + other.len(),
            Self::More(_) => 0,
        }
    }
}

/// What an entry is in the archive.
pub(super) enum ItemKind {
    Directory,
    Link {
        target: Box<[u8]>,
    },
    /// Another name of the file that is in the archive as `first`.
    HardLink {
        first: Box<[u8]>,
    },
    /// A file, of whose content so many bytes are in this batch.
    File(usize),
}

/// What a walk has found, once everything was read.
pub(super) struct Walked {
    pub(super) totals: Totals,
    pub(super) prints: Prints,
    /// Files that are in the archive more than once.
    pub(super) copies: Vec<Warning>,
}

/// The batches, and the thread that walks.
pub(super) struct ReadAhead<'scope> {
    pub(super) batches: Results<Result<Batch<'scope>, BuildError>>,
    walker: ScopedJoinHandle<'scope, Result<Walked, BuildError>>,
}

impl<'scope> ReadAhead<'scope> {
    /// Starts to walk and to read.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        build: &'scope BuildDir,
        policy: &TreePolicy,
        pool: &'scope Pool,
        walking: &'scope Stage,
        reading: &'scope Stage,
    ) -> io::Result<Self> {
        let (feed, batches) =
            in_order(scope, reading, READERS, AHEAD, || |unread: Unread<'scope>| unread.read(pool))?;
        let walk = Walk::new(build, policy);
        let walker = Builder::new().name(walking.name().to_owned()).spawn_scoped(scope, move || {
            let _counted = walking.thread();
            Walker::new(build, feed).walk(walk, walking)
        })?;
        Ok(Self { batches, walker })
    }

    /// Returns what was walked; call it when there are no more batches, or none are wanted.
    pub(super) fn finish(self) -> Result<Walked, BuildError> {
        drop(self.batches);
        self.walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A batch before its files were read.
struct Unread<'d> {
    items: Vec<Item>,
    files: Vec<Wanted<'d>>,
    bytes: usize,
    names: usize,
    dirs: usize,
}

/// Content to be read.
enum Wanted<'d> {
    /// All of a file whose path below the build this is.
    Whole { build: &'d BuildDir, path: Box<[u8]>, dir: Arc<OwnedFd>, meta: Meta },
    /// Some of a file.
    Piece { file: Arc<Content<'d>>, from: u64, len: usize },
}

impl<'d> Unread<'d> {
    fn new() -> Self {
        Self { items: Vec::new(), files: Vec::new(), bytes: 0, names: 0, dirs: 0 }
    }

    fn read(self, pool: &'d Pool) -> Result<Batch<'d>, BuildError> {
        let mut content = pool.take();
        content.reserve(self.bytes);
        for wanted in self.files {
            match wanted {
                Wanted::Whole { build, path, dir, meta } => {
                    let file = Content::open(build, &path, dir.as_fd(), &meta)?;
                    file.read(0, meta.size as usize, &mut content)?;
                }
                Wanted::Piece { file, from, len } => file.read(from, len, &mut content)?,
            }
        }
        Ok(Batch { items: self.items, content })
    }

    fn push(&mut self, item: Item) {
        self.names += item.names_len();
        self.items.push(item);
    }

    fn is_full(&self) -> bool {
        self.items.len() >= BATCH_FILES
            || self.bytes >= BATCH_BYTES
            || self.names >= BATCH_NAMES
            || self.dirs >= BATCH_DIRS
    }

    /// Returns whether the last file that is wanted is in the same directory.
    fn ends_in(&self, dir: &Arc<OwnedFd>) -> bool {
        matches!(self.files.last(), Some(Wanted::Whole { dir: last, .. }) if Arc::ptr_eq(last, dir))
    }
}

/// Makes batches of what the walk finds.
struct Walker<'d> {
    build: &'d BuildDir,
    feed: Feed<Unread<'d>, Result<Batch<'d>, BuildError>>,
    unread: Unread<'d>,
    fingerprinter: Fingerprinter,
    hard_links: HardLinks,
    copies: Vec<Warning>,
}

impl<'d> Walker<'d> {
    fn new(build: &'d BuildDir, feed: Feed<Unread<'d>, Result<Batch<'d>, BuildError>>) -> Self {
        Self {
            build,
            feed,
            unread: Unread::new(),
            fingerprinter: Fingerprinter::default(),
            hard_links: HardLinks::default(),
            copies: Vec::new(),
        }
    }

    fn walk(mut self, mut walk: Walk<'d>, stage: &Stage) -> Result<Walked, BuildError> {
        while let Some(entry) = stage.busy(|| walk.next())? {
            // Whoever wanted the batches has failed, and says why.
            let Ok(()) = self.take(&entry)? else { break };
        }
        let _ = self.pass_on();
        let totals = walk.finish()?;
        Ok(Walked { totals, prints: self.fingerprinter.finish(), copies: self.copies })
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<Result<(), Gone>, BuildError> {
        self.fingerprinter.take(entry);
        let path = self.archive_path(entry);
        let kind = match entry.kind {
            EntryKind::Directory => ItemKind::Directory,
            EntryKind::Link { target } => ItemKind::Link { target: target.into() },
            EntryKind::File { dir } => match self.first_name(entry, &path) {
                Some(first) => ItemKind::HardLink { first },
                None => return self.take_file(entry, path, dir),
            },
        };
        self.unread.push(Item::Entry { path, meta: entry.meta, kind });
        Ok(self.pass_on_if_full())
    }

    fn take_file(
        &mut self,
        entry: &Entry<'_>,
        path: Box<[u8]>,
        dir: &Arc<OwnedFd>,
    ) -> Result<Result<(), Gone>, BuildError> {
        let meta = entry.meta;
        let item = |here| Item::Entry { path, meta, kind: ItemKind::File(here) };
        match usize::try_from(meta.size) {
            Ok(0) => self.unread.push(item(0)),
            Ok(size) if size <= BATCH_BYTES => {
                if self.unread.bytes + size > BATCH_BYTES && self.pass_on().is_err() {
                    return Ok(Err(Gone));
                }
                self.unread.push(item(size));
                self.unread.dirs += usize::from(!self.unread.ends_in(dir));
                self.unread.bytes += size;
                let (dir, path) = (Arc::clone(dir), entry.path.into());
                self.unread.files.push(Wanted::Whole { build: self.build, path, dir, meta });
            }
            _ => {
                let file = Content::open(self.build, entry.path, dir.as_fd(), &meta)?;
                return Ok(self.take_pieces(Arc::new(file), meta.size, item(BATCH_BYTES)));
            }
        }
        Ok(self.pass_on_if_full())
    }

    /// Each piece of a large file is a batch of its own.
    fn take_pieces(&mut self, file: Arc<Content<'d>>, size: u64, first: Item) -> Result<(), Gone> {
        let (mut from, mut item) = (0, Some(first));
        while from < size {
            self.pass_on()?;
            let len = usize::try_from(size - from).unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
            self.unread.push(item.take().unwrap_or(Item::More(len)));
            self.unread.files.push(Wanted::Piece { file: Arc::clone(&file), from, len });
            self.unread.bytes = len;
            from += len as u64;
        }
        self.pass_on()
    }

    /// The archive's top-level name is the build directory's own; directories end with a slash, as the order
    /// of the walk has it.
    fn archive_path(&self, entry: &Entry<'_>) -> Box<[u8]> {
        let mut path = self.build.name().to_vec();
        if !entry.path.is_empty() {
            path.push(b'/');
            path.extend_from_slice(entry.path);
        }
        if matches!(entry.kind, EntryKind::Directory) {
            path.push(b'/');
        }
        path.into()
    }

    /// Returns the name under which this file is in the archive already, if it is.
    fn first_name(&mut self, entry: &Entry<'_>, path: &[u8]) -> Option<Box<[u8]>> {
        // Some file systems in user space do not count names at all.
        if entry.meta.nlink <= 1 {
            return None;
        }
        let first = self.hard_links.first_name(&entry.meta);
        if first.is_none() && !self.hard_links.remember(&entry.meta, path) {
            Warning::note(&mut self.copies, WarningKind::LinkAsCopy, || self.build.shown(entry.path));
        }
        first
    }

    fn pass_on_if_full(&mut self) -> Result<(), Gone> {
        if self.unread.is_full() { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> Result<(), Gone> {
        let unread = std::mem::replace(&mut self.unread, Unread::new());
        if unread.items.is_empty() { Ok(()) } else { self.feed.give(unread) }
    }
}

#[cfg(test)]
mod tests;
