//! What a put keeps in flight.
//!
//! libssh2 sends as much of the bytes it is given as the channel takes, but acknowledges 30,000 at a time. So it
//! is always given everything that is not acknowledged, and what it has taken is refilled behind: with a loop of
//! separate full writes the line would run dry at each end of one, once a round trip.

use std::io::{self, Read};

/// Bytes given to libssh2 at once: more than the 2 MiB that an OpenSSH server lets be in flight, so that this is never
/// the limit, and not much more, since there may be many connections, and libssh2 makes a copy.
pub(super) const WINDOW: usize = 9 << 18;

/// The bytes of a source from the first that is not acknowledged on.
pub(super) struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_exhausted: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        // With room behind the window, so that the rest has to be moved to the front now and then only.
        Self { buffer: vec![0; WINDOW + WINDOW / 2], start: 0, end: 0, is_exhausted: false }
    }

    /// Returns what is to be sent, after filling up from `source`; empty at its end.
    pub(super) fn fill(&mut self, source: &mut dyn Read) -> io::Result<&[u8]> {
        while !self.is_exhausted && self.end - self.start < WINDOW {
            if self.end == self.buffer.len() {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let room = self.buffer.len().min(self.start + WINDOW);
            match source.read(&mut self.buffer[self.end..room]) {
                Ok(0) => self.is_exhausted = true,
                Ok(n) => self.end += n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Drops the first `n` bytes, which the site has acknowledged.
    pub(super) fn acknowledge(&mut self, n: usize) {
        self.start += n;
        debug_assert!(self.start <= self.end, "more was acknowledged than given");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::conformance::noise;

    #[test]
    fn what_is_acknowledged_piecewise_is_the_source() {
        let bytes = noise(3 * WINDOW + 12_345);
        let (mut source, mut window) = (&bytes[..], Window::new());
        let (mut taken, mut piece) = (Vec::new(), 1);
        loop {
            let offered = window.fill(&mut source).unwrap();
            if offered.is_empty() {
                break;
            }
            assert!(offered.len() == WINDOW || taken.len() + offered.len() == bytes.len());
            piece = (piece * 7 % 1_000_003).clamp(1, offered.len());
            taken.extend_from_slice(&offered[..piece]);
            window.acknowledge(piece);
        }
        assert!(taken == bytes);
    }
}
