//! Contents of all kinds that a compressor meets.

use std::io::Write as _;

/// The lengths at which something changes: a tar block and record, a stored block of DEFLATE, what is looked
/// at, read, or compressed as one. Powers of two, so that other limits of that kind are among them.
pub(super) const LIMITS: [usize; 8] = [512, 10_240, 32 << 10, 0xffff, 64 << 10, 256 << 10, 1 << 20, 2 << 20];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    Text,
    Noise,
    /// What a compressor has made.
    Compressed,
}

impl Filling {
    pub(super) const ALL: [Self; 3] = [Self::Text, Self::Noise, Self::Compressed];

    pub(super) fn bytes(self, len: usize, seed: u64) -> Vec<u8> {
        match self {
            Self::Text => text(len, seed),
            Self::Noise => noise(len, seed),
            Self::Compressed => compressed(len, seed),
        }
    }
}

fn text(len: usize, seed: u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 64);
    for line in seed.. {
        if text.len() >= len {
            break;
        }
        writeln!(text, "{} is line {line}", line.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).unwrap();
    }
    text.truncate(len);
    text
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    noise.truncate(len);
    noise
}

fn compressed(len: usize, seed: u64) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // What has so much of chance in it shrinks to no less than a quarter.
    gzip.write_all(&text(4 * len + 64, seed)).unwrap();
    let mut compressed = gzip.finish().unwrap();
    assert!(compressed.len() >= len);
    compressed.truncate(len);
    compressed
}
