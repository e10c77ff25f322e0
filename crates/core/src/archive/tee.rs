//! Where the payload's bytes end: in its file, in its digests, and in the hash that is signed.

use std::io::{self, Write};

use crate::digest::{Digester, Digests};

/// Gives each byte to the file first, and what the file took to the others.
pub(super) struct Tee<'a> {
    out: &'a mut dyn Write,
    also: &'a mut dyn Write,
    digester: Digester,
}

/// Tells a failure of the signature's hash from one of the file, on the way through writers that know neither.
#[derive(Debug, thiserror::Error)]
#[error("hashing failed")]
pub(super) struct HashFailed(#[source] pub(super) io::Error);

impl<'a> Tee<'a> {
    pub(super) fn new(out: &'a mut dyn Write, also: &'a mut dyn Write) -> Self {
        Self { out, also, digester: Digester::default() }
    }

    /// Flushes the file and returns the digests of all bytes.
    pub(super) fn finish(mut self) -> io::Result<Digests> {
        self.flush()?;
        Ok(self.digester.finish())
    }
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.digester.update(&bytes[..taken]);
        self.also.write_all(&bytes[..taken]).map_err(|cause| io::Error::other(HashFailed(cause)))?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.also.flush().map_err(|cause| io::Error::other(HashFailed(cause)))
    }
}
