//! What `lstat` says about one entry, as far as it matters for an archive or betrays a change.

use rustix::fs::{FileType, Stat};

/// Latest time that fits the eleven octal digits of a tar header (in the year 2242).
const MAX_MTIME: u64 = 0o777_7777_7777;

/// Everything about an entry but its name; two that are equal mean that nothing was changed between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) nlink: u64,
    /// Type and permission bits.
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// Seconds and nanoseconds; nobody can set it back.
    pub(crate) ctime: (i64, u32),
}

impl Meta {
    // The fields of `Stat` have other widths on other platforms; none is wider than what it becomes.
    #[allow(clippy::unnecessary_cast)]
    /// Takes it from what the system says.
    pub fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            nlink: stat.st_nlink as u64,
            mode: stat.st_mode as u32,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }

    /// Returns whether only links, owners or attributes may have changed between this and `other`, as far as
    /// the times tell, which a writer can set back; contents are not known to have.
    pub(crate) fn has_substance_of(&self, other: &Self) -> bool {
        Self { nlink: other.nlink, ctime: other.ctime, ..*self } == *other
    }

    /// Returns the length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// Returns the permission bits as they are archived: without setuid, setgid and sticky.
    pub fn archive_mode(&self) -> u32 {
        self.mode & 0o777
    }

    pub(crate) fn has_special_bits(&self) -> bool {
        self.file_type() != FileType::Symlink && self.mode & 0o7000 != 0
    }

    /// Returns whether it is a file that somebody may execute.
    pub(crate) fn is_program(&self) -> bool {
        self.file_type() == FileType::RegularFile && self.mode & 0o111 != 0
    }

    /// Returns the whole seconds of the mtime as they are archived, and whether they had to be clamped.
    pub fn archive_mtime(&self) -> (u64, bool) {
        match u64::try_from(self.mtime.0) {
            Err(_) => (0, true),
            Ok(seconds) => (seconds.min(MAX_MTIME), seconds > MAX_MTIME),
        }
    }
}
