//! Whether bytes at a site are the ones they should be, and how far that can be known.

use std::io::{self, Write};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::Strength;
use crate::digest::{Hex, Sha256Hex};
use crate::site::{RemotePath, Session, SiteError, SiteErrorKind};

/// What a site lets us know about a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It is right.
    Right(Strength),
    /// It is not.
    Wrong,
    /// The site does not tell.
    Untold,
}

/// Has the site hash a file of `size` bytes.
pub(super) fn by_hash(
    session: &mut dyn Session,
    path: &RemotePath,
    size: u64,
    sha256: &Sha256Hex,
) -> Result<Proof, SiteError> {
    let begin = Instant::now();
    let hashed = session.sha256(path, size)?;
    tracing::debug!(%path, size, ms = begin.elapsed().as_millis(), can = hashed.is_some(), "having the site hash");
    Ok(match hashed {
        Some(found) if found == *sha256 => Proof::Right(Strength::ServerHash),
        Some(_) => Proof::Wrong,
        None => Proof::Untold,
    })
}

/// Has the site hash a file of `size` bytes; if it cannot, reads the file back and hashes it here.
pub(super) fn by_content(
    session: &mut dyn Session,
    path: &RemotePath,
    size: u64,
    sha256: &Sha256Hex,
) -> Result<Proof, SiteError> {
    match by_hash(session, path, size, sha256)? {
        Proof::Untold => by_reading(session, path, size, sha256),
        proof => Ok(proof),
    }
}

/// Reads a file of `size` bytes back and hashes it here.
pub(super) fn by_reading(
    session: &mut dyn Session,
    path: &RemotePath,
    size: u64,
    sha256: &Sha256Hex,
) -> Result<Proof, SiteError> {
    let mut sink = HashSink::default();
    match session.get(path, 0, &mut sink) {
        Ok(read) if read == size && sink.finish() == *sha256 => Ok(Proof::Right(Strength::ReadBack)),
        Ok(_) => Ok(Proof::Wrong),
        Err(err) if is_withheld(&err) => Ok(Proof::Untold),
        Err(err) => Err(err),
    }
}

/// Returns whether a site takes files and gives none back, as some drop boxes do.
pub(super) fn is_withheld(err: &SiteError) -> bool {
    matches!(err.kind, SiteErrorKind::Permission | SiteErrorKind::Unsupported)
}

/// Hashes what is written to it.
#[derive(Default)]
pub(super) struct HashSink(Sha256);

impl HashSink {
    pub(super) fn finish(self) -> Sha256Hex {
        Hex(self.0.finalize().into())
    }
}

impl Write for HashSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
