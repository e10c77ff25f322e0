//! Reading a stream bit by bit, and skipping its symbols quickly.

use super::Malformed;
use super::code::{Code, Entry, Table};

/// A stream, read from the lowest bit of each byte on.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the next byte comes from.
    next: usize,
    /// Bits that were read ahead: `ahead` of them count, those above are the next ones or zero.
    word: u64,
    ahead: usize,
    /// In which part of a [`Table`] the next symbol is looked up.
    part: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, word: 0, ahead: 0, part: 0 }
    }

    /// Returns the length of the stream, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many bits were taken.
    pub(super) fn at(&self) -> usize {
        self.next * 8 - self.ahead
    }

    /// Returns the next bits, at least 56 of them; past the end they are zero.
    pub(super) fn word(&mut self) -> u64 {
        self.refill();
        self.word
    }

    /// Returns whether the next symbol is a distance.
    pub(super) fn is_at_distance(&self) -> bool {
        self.part != 0
    }

    pub(super) fn take(&mut self, count: usize) -> Result<usize, Malformed> {
        self.refill();
        let value = self.word & ((1 << count) - 1);
        self.drop(count);
        self.within()?;
        Ok(value as usize)
    }

    pub(super) fn take_symbol(&mut self, code: &Code) -> Result<usize, Malformed> {
        self.refill();
        let (symbol, bits) = code.symbol(self.word)?;
        self.drop(bits);
        Ok(symbol)
    }

    /// Skips the rest of a byte that was begun.
    pub(super) fn end_byte(&mut self) {
        self.drop(self.ahead % 8);
    }

    /// Skips bytes; only from a whole byte on.
    pub(super) fn skip_bytes(&mut self, count: usize) -> Result<(), Malformed> {
        (self.next, self.word, self.ahead) = (self.at() / 8 + count, 0, 0);
        self.within()
    }

    /// Fails if more bits were taken than there are.
    pub(super) fn within(&self) -> Result<(), Malformed> {
        if self.at() <= self.bytes.len() * 8 { Ok(()) } else { Err(Malformed) }
    }

    /// Returns the entry for the next symbols.
    pub(super) fn look_up(&mut self, table: &Table) -> Entry {
        self.refill();
        table.look_up(self.part, self.word)
    }

    /// Skips what `entry` stands for.
    #[inline(always)]
    pub(super) fn skip(&mut self, entry: Entry) {
        self.drop(entry.bits());
        self.part = entry.next_part();
    }

    /// Skips what two entries stand for, and returns true; false if one is not plain, which is left alone, or
    /// if the stream has ended.
    #[inline(always)]
    pub(super) fn skip_two(&mut self, table: &Table) -> bool {
        self.refill();
        let entry = table.look_up(self.part, self.word);
        if !entry.is_plain() {
            return false;
        }
        self.skip(entry);
        let entry = table.look_up(self.part, self.word);
        if !entry.is_plain() {
            return false;
        }
        self.skip(entry);
        self.next <= self.bytes.len() + 8
    }

    #[inline(always)]
    fn refill(&mut self) {
        let rest = self.bytes.get(self.next..).unwrap_or(&[]);
        let word = rest.first_chunk().copied().unwrap_or_else(|| padded(rest));
        self.word |= u64::from_le_bytes(word) << self.ahead;
        self.next += (63 - self.ahead) / 8;
        self.ahead |= 56;
    }

    #[inline(always)]
    fn drop(&mut self, count: usize) {
        self.word >>= count;
        self.ahead -= count;
    }
}

#[cold]
fn padded(rest: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    word
}
