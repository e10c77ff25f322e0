//! Moving a file's bytes, as long as that gets on.
//!
//! Far more is sent than is acknowledged, and far more asked for than has arrived, so that the line never
//! runs dry. A server does things in the order in which it was asked: a file is flushed and closed in one go
//! with its last bytes.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use super::failure::Failure;
use super::link::Link;
use super::packet::{Answer, Request, status};
use super::subsystem::{Asked, Subsystem, garbled};
use super::wire::{Channel, Wire as _};
use intraware_core::site::Pieces;
use intraware_core::site::pace::writing;

/// Bytes that may be under way: more than the 2 MiB that an OpenSSH server lets be, so that this is never the
/// limit.
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

    fn go_on(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A channel, and a file that is open over it.
pub(super) struct Lane<'a, C = ssh2::Channel> {
    sftp: &'a mut Subsystem<C>,
    handle: &'a [u8],
    /// How many bytes are not acknowledged.
    bytes: usize,
    end: Option<End>,
}

/// What is said after the last byte.
#[derive(Clone, Copy)]
struct End {
    flush: Option<Asked>,
    close: Asked,
}

impl<'a, C: Channel> Lane<'a, C> {
    pub(super) fn new(sftp: &'a mut Subsystem<C>, handle: &'a [u8]) -> Self {
        Self { sftp, handle, bytes: 0, end: None }
    }

    fn say_end(&mut self) {
        let flushes = self.sftp.extensions.flushes;
        let flush = flushes.then(|| self.sftp.say(Request::Flush { handle: self.handle }));
        self.end = Some(End { flush, close: self.sftp.say(Request::Close { handle: self.handle }) });
    }

    /// Waits until the file of `size` bytes is flushed and closed, and returns whether it is flushed. How
    /// long that takes depends on how much of it was only in the server's memory.
    fn hear_end(&mut self, link: &C::Wire, size: u64) -> Result<bool, Failure> {
        let Some(End { flush, close }) = self.end else { return Ok(false) };
        let patience = || link.patience().and(writing(size));
        let flushed = flush.map(|asked| self.sftp.hear_done_within(link, asked, patience()));
        let is_flushed = match flushed.transpose() {
            // The extension is denied to everybody; writing this file is not, as it was opened for that.
            Err(Failure::Status(status::OP_UNSUPPORTED | status::PERMISSION_DENIED)) => false,
            flushed => flushed?.is_some(),
        };
        self.sftp.hear_done_within(link, close, patience())?;
        Ok(is_flushed)
    }

    /// Closes the file without waiting for anything.
    fn abandon(&mut self) {
        match self.end {
            Some(End { flush, close }) => {
                flush.into_iter().chain([close]).for_each(|asked| self.sftp.forget(asked));
            }
            None => self.sftp.close(self.handle),
        }
    }
}

/// Writes all pieces to an open file, over several channels if it is open over several, flushes it if the
/// server can, and closes it, whatever happens. `complete` hears up to where the file at the site is complete
/// each time that more of it is. Returns whether the server says that the file is on its disk.
pub(super) fn send<C: Channel>(
    link: &C::Wire,
    lanes: Vec<Lane<'_, C>>,
    pieces: &mut dyn Pieces,
    progress: &mut dyn FnMut(u64),
    complete: &mut dyn FnMut(u64) -> Result<(), Failure>,
) -> Result<bool, Broken> {
    let mut writing = Writing { link, lanes, under_way: VecDeque::new(), size: 0, is_read: false };
    let sent = writing.write(pieces, progress, complete).and_then(|()| Ok(writing.finish()?));
    if sent.is_err() {
        writing.abandon();
    }
    sent
}

/// A file that is being written.
struct Writing<'a, C: Channel> {
    link: &'a C::Wire,
    lanes: Vec<Lane<'a, C>>,
    /// What has not been counted as acknowledged, in the order in which it was said.
    under_way: VecDeque<Said>,
    /// How long the file is at least, as far as the pieces tell.
    size: u64,
    /// Whether there are no more pieces.
    is_read: bool,
}

/// A piece that was said.
struct Said {
    lane: usize,
    asked: Asked,
    len: usize,
    is_acknowledged: bool,
}

/// What a wait has come to.
enum Moved {
    /// There is room for another piece on this lane.
    Room(usize),
    /// These bytes were acknowledged.
    Acknowledged(usize),
    /// The server refused, or said something else.
    Refused(Answer),
}

impl<C: Channel> Writing<'_, C> {
    /// Writes everything, until it is acknowledged.
    fn write(
        &mut self,
        pieces: &mut dyn Pieces,
        progress: &mut dyn FnMut(u64),
        complete: &mut dyn FnMut(u64) -> Result<(), Failure>,
    ) -> Result<(), Broken> {
        let mut pace = self.link.pace();
        let longest = self.lanes.iter().map(|lane| lane.sftp.longest_write).min().unwrap_or(0);
        let mut piece = vec![0; longest];
        let mut acknowledged = 0;
        loop {
            if self.under_way.is_empty() {
                self.say(0, pieces, &mut piece)?;
                if self.is_read {
                    return Ok(());
                }
            }
            let link = self.link;
            let moved = link.drive(pace.patience(), || match pieces.go_on() {
                Ok(()) => self.step().map(Ok),
                Err(stop) => Ok(Err(stop)),
            })?;
            match moved.map_err(Broken::Local)? {
                Moved::Room(lane) => {
                    pace.moved(0);
                    self.say(lane, pieces, &mut piece)?;
                }
                Moved::Acknowledged(len) => {
                    pace.moved(len);
                    acknowledged += self.count();
                    progress(acknowledged);
                    complete(pieces.complete_to())?;
                }
                Moved::Refused(Answer::Status(status)) => return Err(Failure::Status(status).into()),
                Moved::Refused(_) => return Err(garbled(self.link).into()),
            }
        }
    }

    /// Says the next piece on a lane.
    fn say(&mut self, lane: usize, pieces: &mut dyn Pieces, piece: &mut [u8]) -> Result<(), Broken> {
        if self.is_read {
            return Ok(());
        }
        let (from, len) = pieces.next(piece).map_err(Broken::Local)?;
        self.size = self.size.max(from + len as u64);
        if len == 0 {
            // Each lane flushes what it has written itself.
            self.lanes.iter_mut().for_each(Lane::say_end);
            self.is_read = true;
            return Ok(());
        }
        let to = &mut self.lanes[lane];
        let asked = to.sftp.say(Request::Write { handle: to.handle, from, bytes: &piece[..len] });
        to.bytes += len;
        self.under_way.push_back(Said { lane, asked, len, is_acknowledged: false });
        Ok(())
    }

    /// Moves what can be moved without waiting, until something has come of it. An error where that has to
    /// wait.
    fn step(&mut self) -> Result<Moved, Failure> {
        for index in 0..self.lanes.len() {
            if let Some(moved) = self.step_on(index)? {
                return Ok(moved);
            }
        }
        Err(Failure::pending())
    }

    /// Does so on one lane; nothing where that has to wait.
    fn step_on(&mut self, index: usize) -> Result<Option<Moved>, Failure> {
        loop {
            if let Some(answered) = self.hear(index) {
                return Ok(Some(answered));
            }
            let lane = &mut self.lanes[index];
            let is_out = lane.sftp.push(self.link)?;
            // What was acknowledged counts before more is said, so that nobody hears of it late.
            if is_out && !self.is_read && lane.bytes < UNDER_WAY && !lane.sftp.has_arrived() {
                return Ok(Some(Moved::Room(index)));
            }
            match lane.sftp.pull(self.link) {
                Err(failure) if failure.is_pending() => return Ok(None),
                pulled => pulled?,
            }
        }
    }

    /// Returns what the answer to the first piece on a lane has come to, if it is there.
    fn hear(&mut self, index: usize) -> Option<Moved> {
        let lane = &mut self.lanes[index];
        let first = self.under_way.iter_mut().find(|said| said.lane == index && !said.is_acknowledged)?;
        let answer = lane.sftp.take(first.asked)?;
        if answer != Answer::Status(status::OK) {
            return Some(Moved::Refused(answer));
        }
        first.is_acknowledged = true;
        lane.bytes -= first.len;
        Some(Moved::Acknowledged(first.len))
    }

    /// Counts what is acknowledged without a gap, once.
    fn count(&mut self) -> u64 {
        let mut counted = 0;
        while let Some(said) = self.under_way.front().filter(|said| said.is_acknowledged) {
            counted += said.len as u64;
            self.under_way.pop_front();
        }
        counted
    }

    /// Waits until the file is flushed and closed, and returns whether it is flushed.
    fn finish(&mut self) -> Result<bool, Failure> {
        let mut is_flushed = true;
        for lane in &mut self.lanes {
            is_flushed &= lane.hear_end(self.link, self.size)?;
        }
        Ok(is_flushed)
    }

    /// Closes the file without waiting for anything.
    fn abandon(&mut self) {
        for said in self.under_way.drain(..) {
            self.lanes[said.lane].sftp.forget(said.asked);
        }
        self.lanes.iter_mut().for_each(Lane::abandon);
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

/// Reads an open file from byte `from` to its end into `sink`, closes it, whatever happens, and returns how
/// many bytes that was. `size` is how long the file is said to be.
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
        let mut pace = self.link.pace();
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
            let answer = self.link.drive(pace.patience(), || self.sftp.step(self.link, asked))?;
            self.under_way.pop_front();
            match answer {
                Answer::Data(bytes) if !bytes.is_empty() && bytes.len() <= len as usize => {
                    pace.moved(bytes.len());
                    let come = bytes.len() as u32;
                    if come < len {
                        let rest = self.ask(from + u64::from(come), len - come);
                        self.under_way.push_front(rest);
                    }
                    sink.write_all(&bytes).map_err(Broken::Local)?;
                    copied += bytes.len() as u64;
                }
                Answer::Status(status::EOF) => return Ok(copied),
                Answer::Status(status) if status != status::OK => {
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
