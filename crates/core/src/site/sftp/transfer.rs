//! Moving a file's bytes, as long as that gets on.
//!
//! Far more is sent than is acknowledged, and far more asked for than has arrived, so that the line never runs dry. A
//! server does things in the order in which it was asked: a file is flushed and closed in one go with its last bytes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use super::hash::Hasher;
use super::link::{Failure, Link};
use super::packet::{Answer, Request, status};
use super::subsystem::{Asked, Subsystem, garbled};
use crate::site::Pieces;
use crate::site::pace::Pace;

/// Bytes that may be under way: more than the 2 MiB that an OpenSSH server lets be, so that this is never the limit.
const UNDER_WAY: usize = 4 << 20;

/// Why a transfer ended early.
pub(super) enum Broken {
    /// The site failed or refused.
    Site(Failure),
    /// The local side could not be read or written.
    Local(io::Error),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Site(failure)
    }
}

/// All bytes of a source from a certain place on, as pieces.
pub(super) struct Onwards<'s> {
    pub(super) at: u64,
    pub(super) source: &'s mut dyn Read,
}

impl Pieces for Onwards<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<(u64, usize)> {
        let (at, len) = (self.at, fill(self.source, buffer)?);
        self.at += len as u64;
        Ok((at, len))
    }

    /// Nobody has asked for its hash.
    fn complete_to(&self) -> u64 {
        0
    }
}

/// Writes all pieces to an open file, flushes it if the server can, and closes it, whatever happens. What is complete is
/// hashed meanwhile, if that was begun. Returns whether the server says that the file is on its disk.
pub(super) fn send(
    link: &Link,
    sftp: &mut Subsystem,
    hasher: &mut Hasher,
    handle: &[u8],
    pieces: &mut dyn Pieces,
    progress: &mut dyn FnMut(u64),
) -> Result<bool, Broken> {
    let mut writing = Writing { link, sftp, hasher, handle, under_way: VecDeque::new(), bytes: 0, end: None };
    let sent = writing.write(pieces, progress).and_then(|()| Ok(writing.finish()?));
    if sent.is_err() {
        writing.abandon();
    }
    sent
}

/// A file that is being written.
struct Writing<'a> {
    link: &'a Link,
    sftp: &'a mut Subsystem,
    hasher: &'a mut Hasher,
    handle: &'a [u8],
    /// What is not acknowledged, in order, and how long each is.
    under_way: VecDeque<(Asked, usize)>,
    /// How long all of it is together.
    bytes: usize,
    end: Option<End>,
}

/// What was said after the last byte.
#[derive(Clone, Copy)]
struct End {
    flush: Option<Asked>,
    close: Asked,
}

impl Writing<'_> {
    /// Writes everything, until it is acknowledged.
    fn write(&mut self, pieces: &mut dyn Pieces, progress: &mut dyn FnMut(u64)) -> Result<(), Broken> {
        let mut pace = Pace::new(self.link.io_timeout, self.link.min_rate);
        let mut piece = vec![0; self.sftp.longest_write];
        let mut acknowledged = 0;
        loop {
            if self.has_room() {
                let (from, len) = pieces.next(&mut piece).map_err(Broken::Local)?;
                match len {
                    0 => self.say_end(),
                    len => self.say(from, &piece[..len]),
                }
            }
            let Some(&(asked, len)) = self.under_way.front() else { return Ok(()) };
            let has_more = self.end.is_none() && self.bytes < UNDER_WAY;
            match self.link.drive(pace.patience(), || self.sftp.step(self.link, asked, has_more))? {
                None => pace.moved(0),
                Some(Answer::Status(status::OK)) => {
                    pace.moved(len);
                    self.under_way.pop_front();
                    self.bytes -= len;
                    acknowledged += len as u64;
                    progress(acknowledged);
                    self.hasher.follow(self.link, pieces.complete_to())?;
                }
                Some(Answer::Status(status)) => return Err(Failure::Status(status).into()),
                Some(_) => return Err(garbled(self.link).into()),
            }
        }
    }

    /// Returns whether there is more to say, and that may be said now: not while something else waits to be passed on,
    /// so that it is under way and not in memory.
    fn has_room(&self) -> bool {
        let is_idle = self.under_way.is_empty() || self.sftp.is_passed_on();
        self.end.is_none() && self.bytes < UNDER_WAY && is_idle
    }

    fn say(&mut self, from: u64, bytes: &[u8]) {
        let asked = self.sftp.say(Request::Write { handle: self.handle, from, bytes });
        self.under_way.push_back((asked, bytes.len()));
        self.bytes += bytes.len();
    }

    fn say_end(&mut self) {
        let flushes = self.sftp.extensions.flushes;
        let flush = flushes.then(|| self.sftp.say(Request::Flush { handle: self.handle }));
        self.end = Some(End { flush, close: self.sftp.say(Request::Close { handle: self.handle }) });
    }

    /// Waits until the file is flushed and closed, and returns whether it is flushed.
    fn finish(&mut self) -> Result<bool, Failure> {
        let Some(End { flush, close }) = self.end else { return Ok(false) };
        let flushed = flush.map(|asked| self.sftp.hear_done(self.link, asked)).transpose();
        let is_flushed = match flushed {
            // The extension is denied to everybody; writing this file is not, as it was opened for that.
            Err(Failure::Status(status::OP_UNSUPPORTED | status::PERMISSION_DENIED)) => false,
            flushed => flushed?.is_some(),
        };
        self.sftp.hear_done(self.link, close)?;
        Ok(is_flushed)
    }

    /// Closes the file without waiting for anything.
    fn abandon(&mut self) {
        for (asked, _) in self.under_way.drain(..) {
            self.sftp.forget(asked);
        }
        match self.end {
            Some(End { flush, close }) => {
                flush.into_iter().chain([close]).for_each(|asked| self.sftp.forget(asked));
            }
            None => self.sftp.close(self.handle),
        }
    }
}

/// Fills a piece as far as there is something, and returns how far.
fn fill(source: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < piece.len() {
        match source.read(&mut piece[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(len)
}

/// Reads an open file from byte `from` to its end into `sink`, closes it, whatever happens, and returns how many bytes
/// that was. `size` is how long the file is said to be.
pub(super) fn receive(
    link: &Link,
    sftp: &mut Subsystem,
    handle: &[u8],
    from: u64,
    size: u64,
    sink: &mut dyn Write,
) -> Result<u64, Broken> {
    let mut reading = Reading { link, sftp, handle, under_way: VecDeque::new(), next: from, size };
    let read = reading.read(sink);
    for Piece { asked, .. } in reading.under_way.drain(..) {
        reading.sftp.forget(asked);
    }
    reading.sftp.close(handle);
    read
}

/// A file that is being read.
struct Reading<'a> {
    link: &'a Link,
    sftp: &'a mut Subsystem,
    handle: &'a [u8],
    /// What was asked for and has not come, in order.
    under_way: VecDeque<Piece>,
    /// The first byte that was not asked for.
    next: u64,
    size: u64,
}

/// Some bytes that were asked for.
struct Piece {
    asked: Asked,
    from: u64,
    len: u32,
}

impl Reading<'_> {
    fn read(&mut self, sink: &mut dyn Write) -> Result<u64, Broken> {
        let mut pace = Pace::new(self.link.io_timeout, self.link.min_rate);
        let most = UNDER_WAY / self.sftp.longest_read as usize;
        let mut copied = 0;
        loop {
            // The end is found where the server says so, which is behind what it has said the size is.
            while self.under_way.len() < most && (self.next <= self.size || self.under_way.is_empty()) {
                let piece = self.ask(self.next, self.sftp.longest_read);
                self.next += u64::from(piece.len);
                self.under_way.push_back(piece);
            }
            let Some(&Piece { asked, from, len }) = self.under_way.front() else { return Ok(copied) };
            let answer = self.link.drive(pace.patience(), || self.sftp.step(self.link, asked, false))?;
            self.under_way.pop_front();
            match answer {
                Some(Answer::Data(bytes)) if !bytes.is_empty() && bytes.len() <= len as usize => {
                    pace.moved(bytes.len());
                    let come = bytes.len() as u32;
                    if come < len {
                        let rest = self.ask(from + u64::from(come), len - come);
                        self.under_way.push_front(rest);
                    }
                    sink.write_all(&bytes).map_err(Broken::Local)?;
                    copied += bytes.len() as u64;
                }
                Some(Answer::Status(status::EOF)) => return Ok(copied),
                Some(Answer::Status(status)) if status != status::OK => {
                    return Err(Failure::Status(status).into());
                }
                _ => return Err(garbled(self.link).into()),
            }
        }
    }

    fn ask(&mut self, from: u64, len: u32) -> Piece {
        Piece { asked: self.sftp.say(Request::Read { handle: self.handle, from, len }), from, len }
    }
}
