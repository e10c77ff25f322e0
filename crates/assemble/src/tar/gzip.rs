//! The stream below an archive: gzip members, one after another, and no more out of them than there should
//! be.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::refused::Refused;
use crate::request::Limits;

/// Room for what is read from the disk at once.
const BUFFER: usize = 128 << 10;

/// An uncompressed stream.
///
/// A gzip file is a series of members (RFC 1952, 2.2), as bgzip, pigz and `cat` make it. How much may come
/// out is a number of bytes and not a ratio: a disk image of zeros shrinks to a thousandth, and DEFLATE to no
/// less.
pub struct Gzip<R: Read> {
    decoder: MultiGzDecoder<BufReader<R>>,
    out: u64,
    max_bytes: u64,
}

impl<R: Read> Gzip<R> {
    /// Reads from a compressed stream.
    pub fn new(from: R, limits: &Limits) -> Self {
        let from = BufReader::with_capacity(BUFFER, from);
        Self { decoder: MultiGzDecoder::new(from), out: 0, max_bytes: limits.max_bytes }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.out += read as u64;
        if self.out > self.max_bytes {
            let why = format!("more than {} bytes come out of it", self.max_bytes);
            return Err(io::Error::other(Refused(why)));
        }
        Ok(read)
    }
}
