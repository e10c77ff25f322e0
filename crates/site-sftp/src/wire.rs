//! What a connection is to whatever goes on over it: operations that never wait, and one place where all
//! waits are.
//!
//! Several channels share a socket, and whoever reads from it reads for all: the room that one channel waits
//! for may be found by another that has nothing to read, and so may the end of an exchange of keys. What is
//! half sent is kept below libssh2 ([`libssh2_socket`]), whoever has said it, and sent on by whoever comes
//! next. So an operation that has to wait is first tried again if anything was read or sent on while it was
//! tried ([`Wire::drive`]); only then does nothing that it could use stand unused, and the next thing that
//! happens makes the socket ready.
//!
//! An operation reads before it says that it has to wait, or else a wait for something to read ends at once.

use std::time::Instant;

use super::failure::Failure;
use intraware_core::site::pace::{Pace, Patience};

/// A connection with channels.
pub(super) trait Wire {
    /// Returns how many bytes were read so far, whomever they concern, or sent on after they had been half
    /// sent.
    fn moved(&self) -> u64;

    /// Sends on what was half sent, as far as the socket takes it. Returns whether nothing of it is left.
    fn flush(&self) -> Result<bool, Failure>;

    /// Returns whether nothing was half sent.
    fn is_clear(&self) -> bool;

    /// Waits until there is more to read, or, if it `sends`, until the socket takes more, or for a while;
    /// `last` is when it did so the last time.
    fn poll(&self, sends: bool, patience: Patience, last: &mut Instant) -> Result<(), Failure>;

    /// Returns an error if the connection has failed before.
    fn alive(&self) -> Result<(), Failure>;

    /// Returns what a failure means for the connection; one that it cannot outlive ends it.
    fn judge(&self, failure: Failure) -> Failure;

    /// Returns how long an operation may take that is a question and an answer.
    fn patience(&self) -> Patience;

    /// Watches that a transfer gets on.
    fn pace(&self) -> Pace;

    /// Repeats `op` until it neither succeeds nor fails for another reason than having to wait.
    fn drive<T>(&self, patience: Patience, op: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        self.repeat(patience, op).map_err(|failure| self.judge(failure))
    }

    /// Does the same for something that the peer may never answer, and returns `None` when the time is up:
    /// the connection is of use all the same.
    fn drive_or_leave<T>(
        &self,
        patience: Patience,
        op: impl FnMut() -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        match self.repeat(patience, op) {
            Err(Failure::Stalled) => Ok(None),
            done => done.map(Some).map_err(|failure| self.judge(failure)),
        }
    }

    /// Repeats `op`, and leaves it to the caller what a failure means.
    fn repeat<T>(
        &self,
        patience: Patience,
        mut op: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.alive()?;
        let mut last = Instant::now();
        loop {
            let moved = self.moved();
            match op() {
                // A peer that talks without end is not listened to for longer than one that is mute.
                Err(failure) if failure.is_pending() => {
                    if self.moved() == moved || patience.is_over() {
                        self.wait(patience, &mut last)?;
                    }
                }
                done => return done,
            }
        }
    }

    /// Waits for what an operation may wait for.
    fn wait(&self, patience: Patience, last: &mut Instant) -> Result<(), Failure> {
        let sends = !self.is_clear();
        if sends && self.flush()? {
            // Whatever had to wait for that goes on.
            return Ok(());
        }
        self.poll(sends, patience, last)
    }

    /// Does one operation that is a question and an answer, within [`Wire::patience`].
    fn ask<T>(&self, op: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        self.drive(self.patience(), op)
    }
}

/// One of a connection's channels. An error where it has to wait.
pub(super) trait Channel {
    /// What it is a channel of.
    type Wire: Wire;

    /// Has some of these bytes sent, as far as there is room, and returns how many.
    fn write(&mut self, wire: &Self::Wire, bytes: &[u8]) -> Result<usize, Failure>;

    /// Takes what has arrived, and returns how much that is; nothing at the channel's end.
    fn read(&mut self, wire: &Self::Wire, into: &mut [u8]) -> Result<usize, Failure>;

    /// Returns whether something has arrived that was not taken yet, without reading from the socket.
    fn has_arrived(&self) -> bool;
}

/// What is said over a channel and not with it yet.
#[derive(Default)]
pub(super) struct Words {
    /// From `taken` on.
    bytes: Vec<u8>,
    taken: usize,
}

impl Words {
    /// Where more may be added at the end.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Passes them on, as far as there is room; returns whether that is all.
    pub(super) fn push<C: Channel>(&mut self, channel: &mut C, wire: &C::Wire) -> Result<bool, Failure> {
        while self.taken < self.bytes.len() {
            // One packet waits below, and not all.
            if !wire.flush()? {
                return Ok(false);
            }
            match channel.write(wire, &self.bytes[self.taken..]) {
                Ok(0) => return Ok(false),
                Ok(n) => self.taken += n,
                // What makes room has to be read.
                Err(failure) if failure.is_pending() => return Ok(false),
                Err(failure) => return Err(failure),
            }
        }
        self.bytes.clear();
        self.taken = 0;
        Ok(true)
    }
}
