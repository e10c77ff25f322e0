//! The tar format: headers, long names, padding, the end.
//!
//! GNU format throughout, because it stores any bytes as a name, of any length, and any size, and has
//! no field that depends on the host: owner 0, no user names, and no device numbers. The header's
//! fields are laid out by the `tar` crate; names are put in byte for byte, because its own setters
//! tidy paths and link targets, and a link must say what it said in the build.

use std::io::{self, Write};

use tar::{EntryType, Header};

/// Everything in a tar archive is a multiple of this.
const BLOCK: usize = 512;

/// The name that marks an entry which holds the next entry's long name.
const LONG_NAME_MARK: &[u8] = b"././@LongLink";

/// What all kinds of entries have in common.
pub(super) struct Head<'a> {
    /// The path in the archive, as it shall be.
    pub(super) path: &'a [u8],
    /// Permission bits.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) mtime: u64,
}

/// Writes a tar archive to `W`, entry by entry.
pub(super) struct Tape<W> {
    out: W,
}

impl<W: Write> Tape<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    pub(super) fn directory(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.entry(head, EntryType::Directory, b"", 0)
    }

    pub(super) fn link(&mut self, head: &Head<'_>, target: &[u8]) -> io::Result<()> {
        self.entry(head, EntryType::Symlink, target, 0)
    }

    /// Writes another name of the file that is in the archive as `first`.
    pub(super) fn hard_link(&mut self, head: &Head<'_>, first: &[u8]) -> io::Result<()> {
        self.entry(head, EntryType::Link, first, 0)
    }

    /// Begins a file; exactly `size` bytes of content and [`Tape::end_file`] must follow.
    pub(super) fn begin_file(&mut self, head: &Head<'_>, size: u64) -> io::Result<()> {
        self.entry(head, EntryType::Regular, b"", size)
    }

    pub(super) fn write_content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Pads the content of a file to whole blocks.
    pub(super) fn end_file(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.out.write_all(&[0; BLOCK][over..]) }
    }

    /// Writes the two zero blocks that end an archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn entry(&mut self, head: &Head<'_>, kind: EntryType, target: &[u8], size: u64) -> io::Result<()> {
        let mut header = Header::new_gnu();
        let fields = header.as_old_mut();
        let (path_room, target_room) = (fields.name.len(), fields.linkname.len());
        put(&mut fields.name, head.path);
        put(&mut fields.linkname, target);
        if target.len() > target_room {
            self.long_name(EntryType::GNULongLink, target)?;
        }
        if head.path.len() > path_room {
            self.long_name(EntryType::GNULongName, head.path)?;
        }
        header.set_entry_type(kind);
        header.set_mode(head.mode);
        header.set_mtime(head.mtime);
        header.set_size(size);
        self.header(&mut header)
    }

    /// Writes an entry whose content is the whole name of the entry after it, of which that one's header
    /// holds only the beginning.
    fn long_name(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        let size = name.len() as u64 + 1;
        let mut header = Header::new_gnu();
        put(&mut header.as_old_mut().name, LONG_NAME_MARK);
        header.set_entry_type(kind);
        header.set_mode(0);
        header.set_mtime(0);
        header.set_size(size);
        self.header(&mut header)?;
        self.out.write_all(name)?;
        self.out.write_all(&[0])?;
        self.end_file(size)
    }

    fn header(&mut self, header: &mut Header) -> io::Result<()> {
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }
}

/// Puts as much of `bytes` into a field as fits.
fn put(field: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().min(field.len());
    field[..len].copy_from_slice(&bytes[..len]);
}
