//! A file that is put in pieces.

use std::io::{self, Read};

use super::{RemotePath, Session, SiteError, SiteErrorKind};

/// Bytes that a piece may have where a site takes one run of pieces after the other.
const MOST: usize = 1 << 20;

/// The pieces of a file, in whatever order they come.
pub trait Pieces {
    /// Fills `buffer` from its beginning on with bytes that belong together, and returns where in the file
    /// they begin and how many they are. At the end there are none.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<(u64, usize)>;

    /// Returns up to where the file at the site is complete.
    fn complete_to(&self) -> u64;

    /// Returns an error if nobody wants it any more. Where the site is waited for it is asked every now and
    /// then, and an error ends the put as one of [`Self::next`] does.
    fn go_on(&self) -> io::Result<()>;

    /// Returns whether another connection has opened the file before, so that it must not be made.
    fn is_begun(&self) -> bool {
        false
    }
}

/// Puts pieces over a session that knows puts only: each run of pieces that follow one another is one.
pub(super) fn put<S: Session + ?Sized>(
    session: &mut S,
    path: &RemotePath,
    pieces: &mut dyn Pieces,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, SiteError> {
    let mut run = Run { pieces, buffer: vec![0; MOST], at: 0, unread: 0..0, is_new: false };
    run.fetch().map_err(|err| {
        let text = format!("reading the local side of {path}; look at the spool's disk");
        SiteError::caused(SiteErrorKind::Source, text, err)
    })?;
    let mut sent = 0;
    loop {
        run.is_new = false;
        let from = run.at;
        let before = sent;
        sent += session.put(path, from, &mut run, &mut |bytes| progress(before + bytes))?;
        if run.unread.is_empty() {
            return Ok(sent);
        }
    }
}

/// One run of pieces after the other.
struct Run<'p> {
    pieces: &'p mut dyn Pieces,
    buffer: Vec<u8>,
    /// Where in the file the first unread byte belongs.
    at: u64,
    unread: std::ops::Range<usize>,
    /// Whether what is unread does not follow what was read.
    is_new: bool,
}

impl Run<'_> {
    fn fetch(&mut self) -> io::Result<()> {
        let (at, len) = self.pieces.next(&mut self.buffer)?;
        self.is_new = at != self.at;
        (self.at, self.unread) = (at, 0..len);
        Ok(())
    }
}

impl Read for Run<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            self.fetch()?;
        }
        if self.is_new {
            return Ok(0);
        }
        let n = buffer.len().min(self.unread.len());
        buffer[..n].copy_from_slice(&self.buffer[self.unread.start..self.unread.start + n]);
        self.unread.start += n;
        self.at += n as u64;
        Ok(n)
    }
}
