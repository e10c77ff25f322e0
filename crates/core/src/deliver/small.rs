//! Small files at a site, compared with what they should hold.

use super::proof::is_withheld;
use crate::site::{EntryKind, RemotePath, Session, SiteError};

/// How a small file at a site compares with what it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Absent,
    Same,
    Different,
    NotRegular,
    /// It has the right size, and the site gives nothing back.
    Withheld,
}

/// Compares a small file with what it should hold.
pub(super) fn compare(
    session: &mut dyn Session,
    path: &RemotePath,
    content: &[u8],
) -> Result<Seen, SiteError> {
    match session.stat(path)? {
        None => return Ok(Seen::Absent),
        Some(entry) if entry.kind != EntryKind::File => return Ok(Seen::NotRegular),
        Some(entry) if entry.size != content.len() as u64 => return Ok(Seen::Different),
        Some(_) => {}
    }
    Ok(match read(session, path, content.len())? {
        Some(found) if found == content => Seen::Same,
        Some(_) => Seen::Different,
        None => Seen::Withheld,
    })
}

/// Reads a small file, or returns `None` if the site gives nothing back. One that is longer than it said
/// comes back longer than `limit`, by a byte.
pub(super) fn read(
    session: &mut dyn Session,
    path: &RemotePath,
    limit: usize,
) -> Result<Option<Vec<u8>>, SiteError> {
    let mut sink = Capped { bytes: Vec::new(), cap: limit + 1 };
    match session.get(path, 0, &mut sink) {
        Ok(_) => Ok(Some(sink.bytes)),
        Err(err) if is_withheld(&err) => Ok(None),
        Err(_) if sink.bytes.len() > limit => Ok(Some(sink.bytes)),
        Err(err) => Err(err),
    }
}

/// Takes so many bytes and refuses more.
struct Capped {
    bytes: Vec<u8>,
    cap: usize,
}

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = bytes.len().min(self.cap - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
