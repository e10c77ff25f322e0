//! The names in one directory, sorted, in little memory.
//!
//! A directory may hold a million names. They stand one after the other in a single buffer, each
//! followed by the byte that it sorts with: a slash for a directory, since its archive path ends with
//! one, and NUL for anything else. Sorting with that byte gives the order of the archive paths.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, RawDir};
use rustix::io::Errno;

/// Room for one `getdents` call.
const BUFFER: usize = 32 << 10;

/// What is left of a directory's names.
pub(super) struct Names {
    bytes: Arc<Vec<u8>>,
    spans: std::vec::IntoIter<Span>,
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    /// Without the byte that it sorts with.
    len: u16,
}

impl Span {
    fn key(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &bytes[start..=start + usize::from(self.len)]
    }
}

impl Names {
    /// Lists `dir`, which was just opened. Returns the names and how many leftovers of the NFS client were
    /// passed over, or `None` if there are more than `most` names.
    pub(super) fn read(dir: BorrowedFd<'_>, most: usize) -> Result<Option<(Self, u64)>, Errno> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut listing = RawDir::new(dir, &mut buffer);
        let (mut bytes, mut spans, mut leftovers) = (Vec::new(), Vec::new(), 0);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let is_directory = is_directory(dir, name, entry.file_type())?;
            if !is_directory && is_nfs_leftover(name) {
                leftovers += 1;
                continue;
            }
            let (Ok(start), Ok(len)) = (u32::try_from(bytes.len()), u16::try_from(name.len())) else {
                return Ok(None);
            };
            if spans.len() == most {
                return Ok(None);
            }
            bytes.extend_from_slice(name);
            bytes.push(if is_directory { b'/' } else { 0 });
            spans.push(Span { start, len });
        }
        spans.sort_unstable_by(|a, b| a.key(&bytes).cmp(b.key(&bytes)));
        Ok(Some((Self { bytes: Arc::new(bytes), spans: spans.into_iter() }, leftovers)))
    }

    /// Returns how many names are left.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves the first `at` of the names that are left, and returns the others.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut first = self.spans.as_slice().to_vec();
        let others = first.split_off(at.min(first.len()));
        self.spans = first.into_iter();
        Self { bytes: Arc::clone(&self.bytes), spans: others.into_iter() }
    }

    /// Returns the next name.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let span = self.spans.next()?;
        let (start, len) = (span.start as usize, usize::from(span.len));
        Some(&self.bytes[start..start + len])
    }
}

/// Some file systems do not say in a listing what a name is.
fn is_directory(dir: BorrowedFd<'_>, name: &[u8], listed: FileType) -> Result<bool, Errno> {
    if listed != FileType::Unknown {
        return Ok(listed == FileType::Directory);
    }
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        // Gone already; whoever looks it up next reports that.
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// An NFS client keeps a file that was removed while open under such a name until it is closed.
fn is_nfs_leftover(name: &[u8]) -> bool {
    name.strip_prefix(b".nfs").is_some_and(|rest| rest.len() >= 4 && rest.iter().all(u8::is_ascii_hexdigit))
}
