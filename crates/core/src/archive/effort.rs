//! How much time of how many cores goes into making an archive small.

use std::num::NonZeroUsize;

/// What the archiver may spend. The level decides the archive's bytes; the number of threads does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How hard the compressor tries.
    pub level: Level,
    /// How many threads compress at the same time.
    pub threads: NonZeroUsize,
}

/// How hard the compressor tries, from 1 (fast) to 12 (small).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Level(u8);

impl Level {
    /// The lowest and the highest level.
    pub const RANGE: std::ops::RangeInclusive<u8> = 1..=12;

    /// The lowest level.
    pub(super) const FASTEST: Self = Self(*Self::RANGE.start());

    /// The highest level at which a compressor takes what it finds; above, it weighs all it could take.
    const LAST_OF_SEARCHING: u8 = 9;

    /// Returns the level, or `None` if it is out of [`Self::RANGE`].
    pub fn new(level: u8) -> Option<Self> {
        Self::RANGE.contains(&level).then_some(Self(level))
    }

    /// Returns the level for text: one less, but for those who want it as small as can be.
    pub(super) fn for_text(self) -> Self {
        if self == Self::FASTEST || self.0 > Self::LAST_OF_SEARCHING { self } else { Self(self.0 - 1) }
    }

    pub(super) fn get(self) -> u8 {
        self.0
    }
}
