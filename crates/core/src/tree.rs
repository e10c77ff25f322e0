//! A walk over a build directory, by descriptor, in the order of the archive.
//!
//! The survey and the archiver both see a build through this walk, so they agree on what is in it
//! and on what must not be. Nothing is followed: names are looked up without following links, a
//! directory is entered only if it is the one that was looked up, and a link is never resolved.
//!
//! Entries come sorted by the bytes of their archive path, in which a directory ends with a slash.
//! Memory holds the names of the directories on the way down and nothing else; descriptors are one a
//! level, which [`TreePolicy::max_depth`] bounds.
//!
//! A walk can be split into several, each over some of the names in the build directory itself, for as many
//! threads. Where it may be split is fixed by the number of those names ([`PARTS`]), so that what is computed
//! over a part comes out the same whoever walks it.

mod capability;
mod link;
mod meta;
mod names;
mod totals;
mod warning;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

pub use link::{LinkPolicy, leads_out};
pub use meta::Meta;
use names::Names;
pub use totals::Totals;
pub use warning::{Warning, WarningKind};

use crate::build_dir::{BuildDir, BuildError, Limit};
use crate::foreign;

/// What a build may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreePolicy {
    /// What happens to links that would point out of the unpacked build.
    pub links: LinkPolicy,
    /// Most bytes in all files together, counted by their lengths, so that a sparse file has no advantage.
    pub max_payload: u64,
    /// Most files, directories and links.
    pub max_entries: u64,
    /// Most directories within directories; each level of the walk holds one descriptor.
    pub max_depth: usize,
}

impl Default for TreePolicy {
    fn default() -> Self {
        Self { links: LinkPolicy::Reject, max_payload: 512 << 30, max_entries: 4_000_000, max_depth: 512 }
    }
}

/// How many parts of about as many names the names in the build directory itself are in.
pub(crate) const PARTS: usize = 64;

/// One thing in a build.
pub struct Entry<'w> {
    /// In which part of the build it is; the build directory itself is in the first.
    pub part: usize,
    /// Its path below the build directory, without a trailing slash; empty for the build directory itself.
    pub path: &'w [u8],
    /// What `lstat` said.
    pub meta: Meta,
    /// What it is.
    pub kind: EntryKind<'w>,
}

/// What an entry is, with what is needed to read it.
pub enum EntryKind<'w> {
    /// A directory.
    Directory,
    /// A regular file in the directory `dir`, which stays open for whoever keeps it.
    File {
        /// The directory.
        dir: &'w Arc<OwnedFd>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, unresolved.
        target: &'w [u8],
    },
}

/// A walk under way; pull it with [`Walk::next`].
pub struct Walk<'d> {
    build: &'d BuildDir,
    policy: TreePolicy,
    dev: u64,
    has_begun: bool,
    /// The build directory, until it is returned.
    root: Option<Meta>,
    /// How many names there are in the build directory, and which of them is next.
    tops: usize,
    next_top: usize,
    levels: Vec<Level>,
    path: Vec<u8>,
    name_start: usize,
    target: Vec<u8>,
    totals: Totals,
}

/// A directory that is being walked.
struct Level {
    fd: Arc<OwnedFd>,
    names: Names,
    /// Length of the directory's own path.
    path_len: usize,
}

impl<'d> Walk<'d> {
    /// Begins a walk.
    pub fn new(build: &'d BuildDir, policy: &TreePolicy) -> Self {
        Self {
            build,
            policy: *policy,
            dev: 0,
            has_begun: false,
            root: None,
            tops: 0,
            next_top: 0,
            levels: Vec::new(),
            path: Vec::new(),
            name_start: 0,
            target: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Splits a walk that has not begun into at most `most` walks over consecutive parts of the build: the
    /// first, with the build directory itself, and those after it.
    pub(crate) fn split(mut self, most: usize) -> Result<(Self, Vec<Self>), BuildError> {
        self.begin()?;
        let mut later = Vec::new();
        for share in (1..most).rev() {
            let start = first_of_part(share * PARTS / most, self.tops);
            let Some(level) = self.levels.last_mut() else { break };
            let names = level.names.split_off(start);
            if names.is_empty() {
                continue;
            }
            let level = Level { fd: Arc::clone(&level.fd), names, path_len: level.path_len };
            let mut walk = Self { next_top: start, tops: self.tops, ..Self::new(self.build, &self.policy) };
            (walk.has_begun, walk.dev) = (true, self.dev);
            walk.levels.push(level);
            later.push(walk);
        }
        later.reverse();
        Ok((self, later))
    }

    /// Returns the next entry; the build directory is the first, and after the last there is `None`.
    #[expect(clippy::should_implement_trait, reason = "an entry borrows from the walk")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, BuildError> {
        if !self.has_begun {
            self.begin()?;
        }
        if let Some(meta) = self.root.take() {
            return Ok(Some(Entry { part: 0, path: &[], meta, kind: EntryKind::Directory }));
        }
        if !self.step() {
            return Ok(None);
        }
        let meta = self.look_up()?;
        self.count(&meta)?;
        let entered = if meta.file_type() == FileType::Directory { Some(self.enter(&meta)?) } else { None };
        if meta.file_type() == FileType::Symlink {
            self.read_link()?;
        }
        self.levels.extend(entered);
        let kind = match (meta.file_type(), self.levels.last()) {
            (FileType::Symlink, _) => EntryKind::Link { target: &self.target },
            (FileType::RegularFile, Some(level)) => EntryKind::File { dir: &level.fd },
            _ => EntryKind::Directory,
        };
        let part = part_of(self.next_top - 1, self.tops);
        Ok(Some(Entry { part, path: &self.path, meta, kind }))
    }

    /// Adds what a walk over the next parts has counted, after the last entry of both.
    pub(crate) fn join(mut self, next: Self) -> Result<Self, BuildError> {
        self.totals.add(next.totals);
        self.totals.check(self.build, &self.policy)?;
        Ok(self)
    }

    /// Returns what was walked, once [`Walk::next`] has returned `None`.
    ///
    /// A build without a single file or link is an error: a build that failed early looks like that.
    pub fn finish(self) -> Result<Totals, BuildError> {
        if self.totals.files + self.totals.links == 0 {
            return Err(BuildError::Empty { path: self.build.shown(b"") });
        }
        Ok(self.totals)
    }

    /// Enters the build directory and lists it.
    fn begin(&mut self) -> Result<(), BuildError> {
        let fd = rustix::fs::openat(self.build.fd(), ".", SUBDIRECTORY, Mode::empty())
            .map_err(|e| self.vanished_or(e))?;
        let meta = Meta::of(&rustix::fs::fstat(&fd).map_err(|e| self.failed(e))?);
        self.dev = meta.dev;
        self.totals.entries = 1;
        self.note_oddities(&meta);
        let level = self.list(fd)?;
        self.tops = level.names.len();
        self.levels.push(level);
        (self.has_begun, self.root) = (true, Some(meta));
        Ok(())
    }

    /// Sets `path` to the next name, leaving the directories that have none left; false at the end.
    fn step(&mut self) -> bool {
        while let Some(depth) = self.levels.len().checked_sub(1) {
            let level = &mut self.levels[depth];
            if let Some(name) = level.names.next() {
                self.next_top += usize::from(depth == 0);
                self.path.truncate(level.path_len);
                if level.path_len > 0 {
                    self.path.push(b'/');
                }
                self.name_start = self.path.len();
                self.path.extend_from_slice(name);
                return true;
            }
            self.levels.pop();
        }
        false
    }

    fn look_up(&self) -> Result<Meta, BuildError> {
        let (dir, name) = self.here();
        let meta = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.vanished_or(errno))?;
        let meta = Meta::of(&meta);
        let kind = match meta.file_type() {
            FileType::RegularFile | FileType::Directory | FileType::Symlink => {
                return self.on_this_device(meta);
            }
            FileType::Fifo => "named pipe",
            FileType::Socket => "socket",
            FileType::CharacterDevice | FileType::BlockDevice => "device",
            FileType::Unknown => "thing of unknown kind",
        };
        Err(BuildError::Special { path: self.shown(), kind })
    }

    fn on_this_device(&self, meta: Meta) -> Result<Meta, BuildError> {
        if meta.dev == self.dev { Ok(meta) } else { Err(BuildError::MountPoint { path: self.shown() }) }
    }

    fn count(&mut self, meta: &Meta) -> Result<(), BuildError> {
        self.totals.entries += 1;
        match meta.file_type() {
            FileType::RegularFile => {
                self.totals.files += 1;
                self.totals.bytes = self.totals.bytes.saturating_add(meta.size);
            }
            FileType::Symlink => self.totals.links += 1,
            _ => {}
        }
        self.note_oddities(meta);
        self.totals.check(self.build, &self.policy)
    }

    /// Opens the directory that was just looked up, and lists it.
    fn enter(&mut self, seen: &Meta) -> Result<Level, BuildError> {
        if self.levels.len() > self.policy.max_depth {
            return Err(self.too_large(Limit::Depth(self.policy.max_depth)));
        }
        let (dir, name) = self.here();
        let fd =
            rustix::fs::openat(dir, name, SUBDIRECTORY, Mode::empty()).map_err(|e| self.vanished_or(e))?;
        let opened = Meta::of(&rustix::fs::fstat(&fd).map_err(|e| self.failed(e))?);
        if !opened.has_substance_of(seen) {
            return Err(BuildError::Changed {
                path: self.shown(),
                what: "the directory was replaced or written to",
            });
        }
        self.list(fd)
    }

    fn list(&mut self, fd: OwnedFd) -> Result<Level, BuildError> {
        let room =
            usize::try_from(self.policy.max_entries - self.totals.entries.min(self.policy.max_entries));
        let listed = Names::read(fd.as_fd(), room.unwrap_or(usize::MAX)).map_err(|e| self.vanished_or(e))?;
        let Some((names, leftovers)) = listed else {
            return Err(self.too_large(Limit::Entries(self.policy.max_entries)));
        };
        for _ in 0..leftovers {
            self.note(WarningKind::NfsLeftover);
        }
        Ok(Level { fd: Arc::new(fd), names, path_len: self.path.len() })
    }

    fn read_link(&mut self) -> Result<(), BuildError> {
        let reused = std::mem::take(&mut self.target);
        let (dir, name) = self.here();
        let target = rustix::fs::readlinkat(dir, name, reused);
        self.target = target.map_err(|errno| self.vanished_or(errno))?.into_bytes();
        let Some(why) = leads_out(&self.target, self.levels.len() - 1) else { return Ok(()) };
        match self.policy.links {
            LinkPolicy::Keep => self.note(WarningKind::LinkOut),
            LinkPolicy::Reject => {
                return Err(BuildError::Link {
                    path: self.shown(),
                    target: foreign::escape(&self.target),
                    why,
                });
            }
        }
        Ok(())
    }

    fn note_oddities(&mut self, meta: &Meta) {
        if meta.has_special_bits() {
            self.note(WarningKind::SpecialBits);
        }
        if meta.archive_mtime().1 {
            self.note(WarningKind::ClampedTime);
        }
        if meta.file_type() == FileType::RegularFile && meta.nlink > 1 {
            self.note(WarningKind::HardLink);
        }
        if meta.is_program() {
            let (dir, name) = self.here();
            if capability::is_set(dir, name) {
                self.note(WarningKind::Capability);
            }
        }
    }

    fn note(&mut self, kind: WarningKind) {
        Warning::note(&mut self.totals.warnings, kind, || self.build.shown(&self.path));
    }

    /// Returns the directory and the name of the current entry. Only called between [`Walk::step`] and the
    /// push of a level, when the entry's directory is the innermost.
    fn here(&self) -> (BorrowedFd<'_>, &[u8]) {
        let dir = self.levels.last().map_or(self.build.fd(), |level| level.fd.as_fd());
        (dir, &self.path[self.name_start..])
    }

    fn shown(&self) -> String {
        self.build.shown(&self.path)
    }

    fn failed(&self, errno: Errno) -> BuildError {
        BuildError::reading(self.shown(), errno)
    }

    /// A name that was listed and cannot be found, or is something else now, has been changed.
    fn vanished_or(&self, errno: Errno) -> BuildError {
        match errno {
            Errno::NOENT => BuildError::Changed { path: self.shown(), what: "it was removed" },
            Errno::LOOP | Errno::NOTDIR | Errno::INVAL => {
                BuildError::Changed { path: self.shown(), what: "it was replaced" }
            }
            errno => self.failed(errno),
        }
    }

    fn too_large(&self, limit: Limit) -> BuildError {
        BuildError::TooLarge { path: self.build.shown(b""), limit }
    }
}

/// Returns the part in which the name with this index among `count` names is.
fn part_of(index: usize, count: usize) -> usize {
    index * PARTS / count.max(1)
}

/// Returns the index of the first name in a part; that part or a later one has none if it is `count`.
fn first_of_part(part: usize, count: usize) -> usize {
    (part * count).div_ceil(PARTS)
}

const SUBDIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
