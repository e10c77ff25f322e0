//! Gzip without anything in it that is not the content: no name, no time, and no word about the host.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// How hard the compressor tries, from 1 (fast) to 9 (small).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Level(u8);

impl Level {
    /// Returns the level, or `None` if it is not from 1 to 9.
    pub fn new(level: u8) -> Option<Self> {
        (1..=9).contains(&level).then_some(Self(level))
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(6)
    }
}

/// Compresses what is written to it into `W`.
pub(super) struct Gzip<W: Write>(GzEncoder<W>);

impl<W: Write> Gzip<W> {
    pub(super) fn new(out: W, level: Level) -> Self {
        Self(GzBuilder::new().mtime(0).write(out, Compression::new(u32::from(level.0))))
    }

    /// Writes the trailer and returns what was written to, which may still hold bytes in a buffer.
    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
