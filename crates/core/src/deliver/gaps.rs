//! What of a payload is missing at a site where a partial file stands.
//!
//! Its length proves nothing: a crash may have left holes, and somebody else may have put other bytes there.
//! First the site is asked for the hash of it all, which is right in the usual case. Otherwise the partial
//! file is compared block by block, by the site's hashes of its blocks or else by reading it back. What does
//! not agree is sent again, and nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};

use super::Strength;
use super::proof::{Proof, by_hash, is_withheld};
use crate::digest::{Digests, Hex, Sha256Hex};
use crate::site::{RemotePath, Session, SiteError};

/// Bytes of the local payload read at a time.
const CHUNK: usize = 1 << 20;

/// The shortest block that is compared, and the most blocks of a file. Up to 64 GiB a block has at most 4
/// MiB.
const BLOCK: u64 = 1 << 20;
const MOST_BLOCKS: u64 = 1 << 14;

/// What is known about a partial file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What is still to be sent, in order; no range is empty or touches another.
    pub(super) missing: Vec<Range<u64>>,
    /// How the rest was proven to be right.
    pub(super) proven_by: Option<Strength>,
    /// Whether the partial file is proven to be the whole payload.
    pub(super) is_whole: bool,
}

/// Why nothing is known.
#[derive(Debug)]
pub(super) enum Failed {
    Site(SiteError),
    /// The local payload could not be read.
    Local(io::Error),
}

impl From<SiteError> for Failed {
    fn from(error: SiteError) -> Self {
        Self::Site(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

impl Found {
    /// Nothing of a payload of so many bytes is there.
    pub(super) fn nothing(size: u64) -> Self {
        Self { missing: Gaps::one(0..size), proven_by: None, is_whole: false }
    }

    /// Takes everything from the first missing byte of a payload of so many on as missing.
    pub(super) fn extend_to_the_end(&mut self, size: u64) {
        if let Some(first) = self.missing.first() {
            self.missing = Gaps::one(first.start..size);
        }
    }

    /// Returns how many bytes are still to be sent.
    pub(super) fn left(&self) -> u64 {
        self.missing.iter().map(|range| range.end - range.start).sum()
    }
}

/// Compares the partial file at `part`, which is `there` bytes long and no longer than the payload, with the
/// payload.
pub(super) fn find(
    session: &mut dyn Session,
    part: &RemotePath,
    there: u64,
    payload: &File,
    digests: &Digests,
) -> Result<Found, Failed> {
    let size = digests.size;
    let expected = if there == size { digests.sha256 } else { hash(payload, 0..there)? };
    match by_hash(session, part, there, &expected)? {
        Proof::Right(strength) => {
            let (missing, is_whole) = (Gaps::one(there..size), there == size);
            return Ok(Found { missing, proven_by: Some(strength), is_whole });
        }
        Proof::Wrong | Proof::Untold => {}
    }
    let (wrong, proven_by, sha256) = match by_blocks(session, part, there, payload)? {
        Some(wrong) => (wrong, Strength::ServerHash, None),
        None => match by_reading(session, part, there, payload)? {
            Some(Shown { wrong, sha256 }) => (wrong, Strength::ReadBack, Some(sha256)),
            None => return Ok(Found::nothing(size)),
        },
    };
    let mut missing = Gaps(wrong);
    missing.add(there..size);
    let is_whole = there == size && sha256 == Some(digests.sha256);
    Ok(Found { missing: missing.0, proven_by: Some(proven_by), is_whole })
}

/// Returns the hash of some of the local payload.
pub(super) fn hash(payload: &File, range: Range<u64>) -> io::Result<Sha256Hex> {
    let mut hash = Sha256::new();
    let mut source = At { payload, range };
    let mut buffer = vec![0; CHUNK];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(Hex(hash.finalize().into())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Some of the local payload, whatever others read of it meanwhile.
pub(super) struct At<'f> {
    pub(super) payload: &'f File,
    /// What is still to be read.
    pub(super) range: Range<u64>,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let n = self.payload.read_at(&mut buffer[..most], self.range.start)?;
        self.range.start += n as u64;
        Ok(n)
    }
}

/// Ranges in order, of which none is empty or touches another.
#[derive(Default)]
struct Gaps(Vec<Range<u64>>);

impl Gaps {
    /// Returns the one range, if it is not empty.
    fn one(range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Self::default();
        gaps.add(range);
        gaps.0
    }

    /// Adds a range behind all others.
    fn add(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.0.push(range),
        }
    }
}

/// Returns the blocks into which the first `size` bytes are cut, and the length of all but the last.
fn blocks(size: u64) -> (impl Iterator<Item = Range<u64>>, u64) {
    let block = size.div_ceil(MOST_BLOCKS).next_power_of_two().max(BLOCK);
    ((0..size.div_ceil(block)).map(move |i| i * block..size.min((i + 1) * block)), block)
}

/// Has the site hash the blocks of the partial file, and returns what is wrong, or `None` if it cannot.
fn by_blocks(
    session: &mut dyn Session,
    part: &RemotePath,
    there: u64,
    payload: &File,
) -> Result<Option<Vec<Range<u64>>>, Failed> {
    let (blocks, block) = blocks(there);
    let Some(theirs) = session.sha256_of_blocks(part, there, block)? else { return Ok(None) };
    let mut wrong = Gaps::default();
    for (range, theirs) in blocks.zip(theirs) {
        if hash(payload, range.clone())? != theirs {
            wrong.add(range);
        }
    }
    Ok(Some(wrong.0))
}

/// What a file that was read back has shown.
struct Shown {
    wrong: Vec<Range<u64>>,
    sha256: Sha256Hex,
}

/// Reads the partial file back and compares it; `None` if the site gives nothing back.
fn by_reading(
    session: &mut dyn Session,
    part: &RemotePath,
    there: u64,
    payload: &File,
) -> Result<Option<Shown>, Failed> {
    let (blocks, _) = blocks(there);
    let mut sink = Compared {
        payload,
        at: 0,
        blocks: blocks.map(|range| (range, true)).collect(),
        hash: Sha256::new(),
        failed: None,
        ours: Vec::new(),
    };
    let read = session.get(part, 0, &mut sink);
    if let Some(error) = sink.failed {
        return Err(Failed::Local(error));
    }
    match read {
        Ok(_) => {}
        Err(error) if is_withheld(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut wrong = Gaps::default();
    for (range, is_right) in sink.blocks {
        if !is_right || range.end > sink.at {
            wrong.add(range);
        }
    }
    Ok(Some(Shown { wrong: wrong.0, sha256: Hex(sink.hash.finalize().into()) }))
}

/// Compares what is written to it with the local payload.
struct Compared<'f> {
    payload: &'f File,
    at: u64,
    blocks: Vec<(Range<u64>, bool)>,
    hash: Sha256,
    /// Why the local payload cannot be read, which the site's session makes less of.
    failed: Option<io::Error>,
    ours: Vec<u8>,
}

impl Write for Compared<'_> {
    fn write(&mut self, theirs: &[u8]) -> io::Result<usize> {
        let index = self.blocks.partition_point(|(range, _)| range.end <= self.at);
        // More than the file was said to have.
        let Some((range, is_right)) = self.blocks.get_mut(index) else { return Ok(theirs.len()) };
        let n = usize::try_from(range.end - self.at).unwrap_or(usize::MAX).min(theirs.len());
        self.ours.resize(n, 0);
        if let Err(error) = self.payload.read_exact_at(&mut self.ours, self.at) {
            self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        *is_right &= self.ours == theirs[..n];
        self.hash.update(&theirs[..n]);
        self.at += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_everything_once_and_are_short_and_few() {
        for size in
            [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3_000_000, 16 << 30, (16 << 30) + 1, 64 << 30, 1 << 40]
        {
            let (ranges, block) = blocks(size);
            let mut end = 0;
            let mut count = 0;
            for range in ranges {
                assert_eq!(range.start, end);
                assert!(range.end - range.start == block || range.end == size);
                (end, count) = (range.end, count + 1);
            }
            assert_eq!(end, size);
            assert!(count <= MOST_BLOCKS && (block <= 4 << 20 || size > 64 << 30), "{size}");
        }
    }

    #[test]
    fn gaps_that_touch_are_one() {
        let mut gaps = Gaps::default();
        for range in [0..3, 3..5, 7..9, 9..9, 9..12, 20..20] {
            gaps.add(range);
        }
        assert_eq!(gaps.0, [0..5, 7..12]);
    }
}
