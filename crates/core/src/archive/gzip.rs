//! One gzip member (RFC 1952), compressed on all cores.
//!
//! What is written is cut into chunks of [`CHUNK`] bytes, which are compressed apart from each other and
//! joined. Where a chunk ends depends on nothing but the number of bytes before it, so the result is the same
//! for any number of threads. That a chunk cannot refer to the one before costs about half a percent in size.
//!
//! Nothing is in the member that is not the content: no name, no time, and no word about the host.

use std::io::{self, Write};
use std::thread::Scope;

use flate2::Crc;

use super::block::{Block, Compress};
use super::buffers::{Buffer, Pool};
use super::deflate::{self, Malformed};
use super::effort::Effort;
use super::in_order::{Feed, Gone, Results, in_order};
use super::stages::Stage;

/// How many bytes a thread compresses at a time.
const CHUNK: usize = 2 << 20;

/// Magic number, method, no flags, no time, no word about the effort, and no word about the system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Takes the bytes to be compressed.
pub(super) struct Gzip<'p> {
    chunks: &'p Pool,
    chunk: Buffer<'p>,
    feed: Feed<Buffer<'p>, Result<Block<'p>, Malformed>>,
}

/// Gives the compressed bytes.
pub(super) struct Member<'p> {
    blocks: Results<Result<Block<'p>, Malformed>>,
    parts: &'p Pool,
}

/// The two ends of a compressor with its own threads; both have to be used at the same time.
pub(super) fn gzip<'scope>(
    scope: &'scope Scope<'scope, '_>,
    stage: &'scope Stage,
    effort: Effort,
    chunks: &'scope Pool,
    parts: &'scope Pool,
) -> io::Result<(Gzip<'scope>, Member<'scope>)> {
    let threads = effort.threads.get();
    let (feed, blocks) = in_order(scope, stage, threads, threads + 1, || {
        let mut compress = Compress::new(effort.level);
        move |chunk: Buffer<'scope>| compress.block(&chunk, parts.take())
    })?;
    Ok((Gzip { chunks, chunk: chunks.take(), feed }, Member { blocks, parts }))
}

impl Gzip<'_> {
    /// Passes on what is left. Without it, the member is cut short.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.chunk.is_empty() { Ok(()) } else { self.pass_on() }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, self.chunks.take());
        self.feed.give(chunk).map_err(|Gone| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Gzip<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.chunk.len();
        self.chunk.reserve_exact(room);
        let taken = bytes.len().min(room);
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK {
            self.pass_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'p> Member<'p> {
    /// Hands each part of the member to `take`, in order.
    pub(super) fn each<E: From<Malformed>>(
        self,
        mut take: impl FnMut(Buffer<'p>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut part = self.parts.take();
        part.extend_from_slice(&HEADER);
        take(part)?;
        let mut crc = Crc::new();
        for block in self.blocks {
            let block = block?;
            crc.combine(&block.crc);
            take(block.deflate)?;
        }
        let mut part = self.parts.take();
        part.extend_from_slice(&deflate::LAST_BLOCK);
        part.extend_from_slice(&crc.sum().to_le_bytes());
        part.extend_from_slice(&crc.amount().to_le_bytes());
        take(part)
    }
}
