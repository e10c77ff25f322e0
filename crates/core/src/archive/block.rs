//! Compresses one chunk of an archive, except where that is no use.
//!
//! Builds are full of what is compressed already: packages, images, fonts, logs put away. Names say little
//! about it (an archive may hold stored files, a library may hold pictures), so the bytes decide, segment by
//! segment. A segment in which all bytes are equally frequent is tried on a sample; if that does not shrink,
//! the segment is stored, which costs a copy. Both tests are strict: what a compressor could shrink by a
//! hundredth is not stored.
//!
//! At the other end is text. It has few values of bytes and many short matches, so that a compressor finds
//! most of what there is to find at once and then goes on searching: from level 5 to 6 it takes up to half as
//! much time again for a hundredth of the size, where programs take a fifth. Text is compressed a level
//! lower.

use flate2::Crc;
use libdeflater::{CompressionLvl, Compressor};

use super::buffers::Buffer;
use super::deflate::{self, Malformed};
use super::effort::Level;

/// Most bytes that are given to the compressor at once.
const STRETCH: usize = 1 << 20;

/// What is looked at, and stored or not, as one.
const SEGMENT: usize = 64 << 10;

/// How many bytes of a segment are counted first, in [`SLICES`] places, and the entropy in bits a byte from
/// which on the whole segment is counted. Noise of so many bytes has 7.95.
const COUNTED: usize = 4 << 10;
const SLICES: usize = 8;
const RATHER_EVEN: f64 = 7.6;

/// The entropy of a whole segment from which on it is tried. Noise of so many bytes has 7.997.
const EVEN: f64 = 7.99;

/// How many bytes of a segment are compressed on trial.
const TRIED: usize = 8 << 10;

/// The entropy that what is counted of a stretch has at most if it is mostly text. Prose and source code have
/// 4 to 5, most programs 5.5 to 6.5.
const TEXT: f64 = 5.5;

/// A chunk, compressed: whole bytes that another block can follow.
pub(super) struct Block<'p> {
    pub(super) deflate: Buffer<'p>,
    /// Of the chunk, with its length.
    pub(super) crc: Crc,
}

/// A compressor with its memory, for one thread.
pub(super) struct Compress {
    compressor: Compressor,
    /// At the level for text.
    for_text: Compressor,
    /// At the lowest level, for trials.
    trial: Compressor,
    buffer: Vec<u8>,
    streams: Vec<Vec<u8>>,
}

/// Consecutive bytes of a chunk that are dealt with alike.
struct Run<'c> {
    bytes: &'c [u8],
    kind: Kind,
}

/// What is done with bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// They are stored.
    Dense,
    /// They are compressed at the level for text.
    Text,
    /// They are compressed.
    Other,
}

/// What a segment looks like.
struct Look {
    /// Of what was counted, in bits a byte.
    entropy: f64,
    is_dense: bool,
}

impl Compress {
    pub(super) fn new(level: Level) -> Self {
        let at =
            |level: Level| Compressor::new(CompressionLvl::new(i32::from(level.get())).unwrap_or_default());
        Self {
            compressor: at(level),
            for_text: at(level.for_text()),
            trial: at(Level::FASTEST),
            buffer: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// Compresses `chunk` into `deflate`, which is empty.
    pub(super) fn block<'p>(
        &mut self,
        chunk: &[u8],
        mut deflate: Buffer<'p>,
    ) -> Result<Block<'p>, Malformed> {
        let mut crc = Crc::new();
        crc.update(chunk);
        let runs: Vec<_> = chunk.chunks(STRETCH).flat_map(|stretch| self.runs(stretch)).collect();
        let sparse = runs.iter().filter(|run| run.kind != Kind::Dense);
        let mut streams = std::mem::take(&mut self.streams);
        streams.resize(sparse.clone().count(), Vec::new());
        for (run, stream) in sparse.zip(&mut streams) {
            self.compress(run, stream)?;
        }
        deflate::open_ends(&mut streams)?;
        let mut compressed = streams.iter().peekable();
        for run in &runs {
            match compressed.next_if(|_| run.kind != Kind::Dense) {
                Some(stream) => deflate.extend_from_slice(stream),
                None => deflate::store(run.bytes, &mut deflate),
            }
        }
        self.streams = streams;
        Ok(Block { deflate, crc })
    }

    /// Returns the runs of which `stretch` consists.
    fn runs<'c>(&mut self, stretch: &'c [u8]) -> Vec<Run<'c>> {
        let looks: Vec<Look> = stretch.chunks(SEGMENT).map(|segment| self.look(segment)).collect();
        let sparse = looks.iter().filter(|look| !look.is_dense);
        let entropy = sparse.clone().map(|look| look.entropy).sum::<f64>() / sparse.count() as f64;
        let of_sparse = if entropy <= TEXT { Kind::Text } else { Kind::Other };
        let mut rest = stretch;
        let runs = looks.chunk_by(|one, other| one.is_dense == other.is_dense).map(|alike| {
            let (bytes, behind) = rest.split_at(rest.len().min(alike.len() * SEGMENT));
            rest = behind;
            Run { bytes, kind: if alike[0].is_dense { Kind::Dense } else { of_sparse } }
        });
        runs.collect()
    }

    /// Compresses a run into `stream`, which becomes as long as that is.
    fn compress(&mut self, run: &Run<'_>, stream: &mut Vec<u8>) -> Result<(), Malformed> {
        let compressor = if run.kind == Kind::Text { &mut self.for_text } else { &mut self.compressor };
        stream.resize(compressor.deflate_compress_bound(run.bytes.len()), 0);
        // It cannot be too small; if it were, that would be a bug of the compressor.
        let len = compressor.deflate_compress(run.bytes, stream).map_err(|_| Malformed)?;
        stream.truncate(len);
        Ok(())
    }

    fn look(&mut self, segment: &[u8]) -> Look {
        let slices = segment.chunks(segment.len().div_ceil(SLICES));
        let entropy = entropy(slices.map(|slice| &slice[..slice.len().min(COUNTED / SLICES)]));
        Look { entropy, is_dense: entropy >= RATHER_EVEN && self.is_dense(segment) }
    }

    /// Returns whether compressing `segment` would gain nothing.
    fn is_dense(&mut self, segment: &[u8]) -> bool {
        if segment.len() < TRIED || entropy([segment]) < EVEN {
            return false;
        }
        let sample = &segment[(segment.len() - TRIED) / 2..][..TRIED];
        self.buffer.resize(self.trial.deflate_compress_bound(TRIED), 0);
        self.trial.deflate_compress(sample, &mut self.buffer).is_ok_and(|len| len >= TRIED)
    }
}

/// Returns the entropy of some bytes, in bits a byte.
fn entropy<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> f64 {
    let mut counts = [0_u32; 256];
    for part in parts {
        part.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    }
    let total = f64::from(counts.iter().sum::<u32>());
    let bits = |count: u32| f64::from(count) * (total / f64::from(count)).log2();
    counts.iter().filter(|&&count| count > 0).map(|&count| bits(count)).sum::<f64>() / total
}

#[cfg(test)]
mod tests;
