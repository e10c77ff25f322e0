//! Takes the bytes of packages: to the disk as they come, and through the digests beside that.
//!
//! No more than one buffer is between the connection and the file, so that a killed server loses no more than
//! that. The digests of a large package are computed by a second thread, for one core is not enough for both.
//! The disk begins to write such a package while it comes in, so that little is left to be flushed when it is
//! there.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};

use super::room::Slot;
use crate::digest::{Digests, Md5Sum, Sha256Sum};
use crate::line::Line;

/// The most that is taken at once.
const BUFFER: usize = 64 << 10;
/// Packages of this size and more get a second thread.
const LARGE: u64 = 4 << 20;
/// After how many bytes the disk is told to write them.
const WRITTEN: u64 = 16 << 20;
/// How many buffers may wait for the digests.
const WAITING: usize = 8;

/// Why a package's bytes are not all there.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    /// The client has closed the connection.
    #[error("the client has closed the connection")]
    Ended,
    /// The connection failed, or nothing came in time.
    #[error("the connection broke")]
    Line(#[source] io::Error),
    /// Too little came.
    #[error("the client is slower than min_rate_kib")]
    Slow,
    /// The file cannot be written.
    #[error("cannot write the package")]
    File(#[source] io::Error),
}

/// Watches that bytes come fast enough.
pub(super) struct Pace {
    least: u64,
    over: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(least_kib: u64, over_s: u64) -> Self {
        let least = least_kib.saturating_mul(1024).saturating_mul(over_s);
        Self { least, over: Duration::from_secs(over_s), since: Instant::now(), bytes: 0 }
    }

    fn add(&mut self, bytes: usize) -> Result<(), ReceiveError> {
        self.bytes += bytes as u64;
        if self.since.elapsed() < self.over {
            return Ok(());
        }
        if self.bytes < self.least {
            return Err(ReceiveError::Slow);
        }
        (self.since, self.bytes) = (Instant::now(), 0);
        Ok(())
    }
}

/// A package that is there whole.
pub(super) struct Received {
    pub(super) file: File,
    pub(super) md5: Md5Sum,
    pub(super) sha256: Option<Sha256Sum>,
}

/// Takes what is missing of a package.
pub(super) fn receive(line: &mut Line, slot: &Slot, pace: &mut Pace) -> Result<Received, ReceiveError> {
    let mut file = slot.open().map_err(ReceiveError::File)?;
    let mut hashing = Hashing::begin(slot, &file).map_err(ReceiveError::File)?;
    let mut left = slot.rest();
    let mut buffer = vec![0; BUFFER];
    let mut unwritten = 0;
    while left > 0 {
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = match line.read(&mut buffer[..room]) {
            Ok(0) => return Err(ReceiveError::Ended),
            Ok(count) => count,
            Err(error) => return Err(ReceiveError::Line(error)),
        };
        pace.add(count)?;
        file.write_all(&buffer[..count]).map_err(ReceiveError::File)?;
        left -= count as u64;
        unwritten += count as u64;
        if unwritten >= WRITTEN {
            begin_to_write(&file, slot.announced.size - left - unwritten, unwritten);
            unwritten = 0;
        }
        buffer = hashing.update(buffer, count);
    }
    let (md5, sha256) = hashing.finish().map_err(ReceiveError::File)?;
    Ok(Received { file, md5, sha256 })
}

/// Tells the disk to write bytes, and does not wait for it. The kernel does so when it hears that nobody
/// needs them, see `posix_fadvise(2)`; what it has not written yet it keeps all the same.
fn begin_to_write(file: &File, at: u64, bytes: u64) {
    // It is advice. The flush before the package is named fails if they cannot be written.
    let _ = fadvise(file, at, NonZeroU64::new(bytes), Advice::DontNeed);
}

/// Computes digests, here or beside.
enum Hashing {
    Here(Box<Digests>),
    There(Beside),
}

struct Beside {
    full: SyncSender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<Digests>>,
}

impl Hashing {
    /// Begins with what is there of the package.
    fn begin(slot: &Slot, file: &File) -> io::Result<Self> {
        let (held, size) = (slot.held, slot.announced.size);
        let mut digests = Digests::begin(slot.announced.sha256.is_some());
        if size < LARGE {
            read_prefix(file, held, &mut digests)?;
            return Ok(Self::Here(Box::new(digests)));
        }
        let file = file.try_clone()?;
        let (full, come) = sync_channel::<(Vec<u8>, usize)>(WAITING);
        let (back, empty) = channel();
        let work = move || {
            read_prefix(&file, held, &mut digests)?;
            for (buffer, count) in come {
                digests.update(&buffer[..count]);
                // Nobody needs it any more when the package is there.
                let _ = back.send(buffer);
            }
            Ok(digests)
        };
        let thread = thread::Builder::new().name("digest".to_owned()).stack_size(256 << 10).spawn(work)?;
        Ok(Self::There(Beside { full, empty, thread }))
    }

    /// Takes the bytes in a buffer, and returns a buffer for the next ones.
    fn update(&mut self, buffer: Vec<u8>, count: usize) -> Vec<u8> {
        match self {
            Self::Here(digests) => {
                digests.update(&buffer[..count]);
                buffer
            }
            Self::There(Beside { full, empty, .. }) => {
                // Where the thread has failed, `finish` says so.
                let _ = full.send((buffer, count));
                empty.try_recv().unwrap_or_else(|_| vec![0; BUFFER])
            }
        }
    }

    fn finish(self) -> io::Result<(Md5Sum, Option<Sha256Sum>)> {
        let digests = match self {
            Self::Here(digests) => *digests,
            Self::There(Beside { full, thread, .. }) => {
                drop(full);
                thread.join().map_err(|_| io::Error::other("the thread for digests has panicked"))??
            }
        };
        Ok(digests.finish())
    }
}

fn read_prefix(file: &File, length: u64, digests: &mut Digests) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER.min(usize::try_from(length).unwrap_or(BUFFER))];
    let mut at = 0;
    while at < length {
        let room = buffer.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
        match file.read_at(&mut buffer[..room], at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                digests.update(&buffer[..count]);
                at += count as u64;
            }
        }
    }
    Ok(())
}
