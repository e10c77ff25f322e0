//! The stream below an archive: one gzip member, and no more out of it than there should be.

use std::io::{self, BufRead as _, BufReader, Read};

use flate2::bufread::GzDecoder;

use crate::refused::Refused;
use crate::request::Limits;

/// Room for what is read from the disk at once.
const BUFFER: usize = 128 << 10;

/// An uncompressed stream.
pub struct Gzip<R: Read> {
    decoder: GzDecoder<BufReader<Counted<R>>>,
    out: u64,
    limits: Limits,
}

/// Counts what is read.
struct Counted<R> {
    from: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl<R: Read> Gzip<R> {
    /// Reads from a compressed stream.
    pub fn new(from: R, limits: &Limits) -> Self {
        let from = BufReader::with_capacity(BUFFER, Counted { from, read: 0 });
        Self { decoder: GzDecoder::new(from), out: 0, limits: *limits }
    }

    /// Makes sure that nothing follows the member, whose end was read, and returns how many bytes came out of it.
    pub fn finish(self) -> Result<u64, io::Error> {
        let mut rest = self.decoder.into_inner();
        match rest.fill_buf()? {
            [] => Ok(self.out),
            [0x1f, 0x8b, ..] => Err(refused("a second gzip member follows the first")),
            _ => Err(refused("something follows the gzip stream")),
        }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.out += read as u64;
        let Limits { max_bytes, max_ratio, ratio_after, .. } = self.limits;
        if self.out > max_bytes {
            return Err(refused(&format!("more than {max_bytes} bytes come out of it")));
        }
        let compressed = self.decoder.get_ref().get_ref().read;
        if self.out > ratio_after && self.out / max_ratio > compressed {
            return Err(refused(&format!(
                "it is a gzip bomb: it grows to more than {max_ratio} times its size"
            )));
        }
        Ok(read)
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::other(Refused(why.to_owned()))
}
