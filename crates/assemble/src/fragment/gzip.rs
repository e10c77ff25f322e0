//! Compresses on a thread of its own, while the next files are read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use flate2::{Compression, GzBuilder};

/// How much is handed over at once.
const BLOCK: usize = 256 << 10;
/// How many blocks may wait.
const WAITING: usize = 4;

/// A gzip file under way.
pub(super) struct Gzip {
    block: Vec<u8>,
    /// `None` once the thread has ended.
    thread: Option<Thread>,
}

struct Thread {
    blocks: SyncSender<Vec<u8>>,
    handle: JoinHandle<io::Result<File>>,
}

impl Gzip {
    /// Begins to write to a file.
    pub(super) fn new(file: File) -> Self {
        let (sender, blocks) = sync_channel(WAITING);
        let handle = std::thread::spawn(move || compress(file, &blocks));
        Self { block: Vec::with_capacity(BLOCK), thread: Some(Thread { blocks: sender, handle }) }
    }

    /// Ends the file and returns it.
    pub(super) fn finish(mut self) -> io::Result<File> {
        self.hand_over()?;
        self.end()
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let sent = self.thread.as_ref().is_some_and(|thread| thread.blocks.send(block).is_ok());
        // The thread ends before it is told to only if it cannot write.
        if sent { Ok(()) } else { self.end().map(drop) }
    }

    fn end(&mut self) -> io::Result<File> {
        let Some(Thread { blocks, handle }) = self.thread.take() else {
            return Err(io::Error::other("it could not be written before"));
        };
        drop(blocks);
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Write for Gzip {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.hand_over()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn compress(file: File, blocks: &Receiver<Vec<u8>>) -> io::Result<File> {
    let mut gzip = GzBuilder::new().write(BufWriter::new(file), Compression::default());
    for block in blocks {
        gzip.write_all(&block)?;
    }
    Ok(gzip.finish()?.into_inner()?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    #[test]
    fn what_is_written_comes_out_again() {
        let text: Vec<u8> = (0..3 * BLOCK + 5).map(|i| (i / 7) as u8).collect();
        let mut gzip = Gzip::new(tempfile::tempfile().unwrap());
        text.chunks(1000).for_each(|piece| gzip.write_all(piece).unwrap());
        let mut file = gzip.finish().unwrap();
        file.rewind().unwrap();
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn a_disk_that_takes_no_more_is_told() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut gzip = Gzip::new(full);
        let noise: Vec<u8> = (0..BLOCK).map(|i| ((i * i) >> 7) as u8).collect();
        let written = (0..100).try_for_each(|_| gzip.write_all(&noise));
        let error = written.and_then(|()| gzip.finish().map(drop)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
