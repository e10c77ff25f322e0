//! Makes complete DEFLATE streams into pieces of a longer one (RFC 1951).
//!
//! The compressor works on one buffer at a time and ends each stream for good: its last block says that it is
//! the last. Pieces compressed apart become one stream if that one bit is cleared in all of them, and each is
//! padded to a whole byte. Only the bit stream itself says where its last block begins, so the stream is read
//! here from block to block. Nothing is decompressed: of each symbol only the number of its bits matters.
//!
//! A symbol's place is known only when the one before was looked up, so most of the time the processor would
//! wait for a look-up to end. Two streams are therefore read at the same time, which takes hardly longer than
//! one.
//!
//! What is read was written by the compressor a moment ago. If it is no DEFLATE stream, or does not end where
//! its bytes end, then the compressor or the memory is broken, and no archive may be made of it.

mod bits;
mod code;

use bits::Bits;
use code::{Code, Table};

/// A stream that breaks the format, or ends elsewhere than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The block that ends a stream: the last, with fixed codes, and nothing in it.
pub(super) const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Most bytes of one stored block.
const MAX_STORED: usize = 0xffff;

/// The length of an empty stored block and its complement, which follow its header from the next whole byte
/// on.
const EMPTY_STORED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Makes each of the streams, which are complete, a piece that ends on a whole byte and that another can
/// follow.
pub(super) fn open_ends(streams: &mut [Vec<u8>]) -> Result<(), Malformed> {
    for pair in streams.chunks_mut(2) {
        let mut lanes = pair.iter().map(|stream| Lane::start(stream)).collect::<Result<Vec<_>, _>>()?;
        if let [one, other] = lanes.as_mut_slice() {
            one.read_with(other)?;
        }
        let ends = lanes.into_iter().map(Lane::read_alone).collect::<Result<Vec<_>, _>>()?;
        for (stream, end) in pair.iter_mut().zip(ends) {
            end.open(stream);
        }
    }
    Ok(())
}

/// Appends `bytes` to `out` as they are; `out` must end on a whole byte, and does so afterwards.
pub(super) fn store(bytes: &[u8], out: &mut Vec<u8>) {
    for part in bytes.chunks(MAX_STORED) {
        let len = part.len() as u16;
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(part);
    }
}

/// Positions in a stream, in bits.
struct End {
    last_block: usize,
    end: usize,
}

impl End {
    fn open(&self, stream: &mut Vec<u8>) {
        stream[self.last_block / 8] &= !(1 << (self.last_block % 8));
        // The three bits of a stored block's header, all zero, follow; those that pad the last byte are zero
        // too.
        if !(1..=5).contains(&(self.end % 8)) {
            stream.push(0);
        }
        stream.extend_from_slice(&EMPTY_STORED);
    }
}

/// A stream that is being read.
struct Lane<'a> {
    bits: Bits<'a>,
    /// The codes of the current block.
    table: Box<Table>,
    /// Where the last block that was begun begins, and whether it is the stream's last.
    block: usize,
    is_last: bool,
    has_ended: bool,
}

impl<'a> Lane<'a> {
    fn start(stream: &'a [u8]) -> Result<Self, Malformed> {
        let bits = Bits::new(stream);
        let mut lane = Self { bits, table: Box::default(), block: 0, is_last: false, has_ended: false };
        lane.next_block()?;
        lane.settle()?;
        Ok(lane)
    }

    /// Reads both streams until one ends.
    fn read_with(&mut self, other: &mut Self) -> Result<(), Malformed> {
        while !self.has_ended && !other.has_ended {
            // In variables of their own, which stay in registers: this is where the time goes.
            let (mut one, mut two) = (self.bits, other.bits);
            let (one_s, two_s) = (&*self.table, &*other.table);
            while one.skip_two(one_s) & two.skip_two(two_s) {}
            (self.bits, other.bits) = (one, two);
            self.settle()?;
            other.settle()?;
        }
        Ok(())
    }

    /// Reads the stream to its end.
    fn read_alone(mut self) -> Result<End, Malformed> {
        while !self.has_ended {
            let mut bits = self.bits;
            while bits.skip_two(&self.table) {}
            self.bits = bits;
            self.settle()?;
        }
        let ends_here = self.bits.at().div_ceil(8) == self.bits.len();
        if ends_here { Ok(End { last_block: self.block, end: self.bits.at() }) } else { Err(Malformed) }
    }

    /// Deals with what [`Bits::skip_two`] leaves: long codes, and the ends of blocks and of the stream.
    fn settle(&mut self) -> Result<(), Malformed> {
        self.bits.within()?;
        while !self.has_ended {
            let mut entry = self.bits.look_up(&self.table);
            if entry.is_plain() {
                break;
            }
            if entry.is_slow() {
                entry = self.table.look_closely(self.bits.word(), self.bits.is_at_distance())?;
            }
            self.bits.skip(entry);
            self.bits.within()?;
            if entry.is_end() {
                self.next_block()?;
            }
        }
        Ok(())
    }

    /// Goes on to the symbols of the next block that has any, or to the end of the stream.
    fn next_block(&mut self) -> Result<(), Malformed> {
        while !self.is_last {
            self.block = self.bits.at();
            self.is_last = self.bits.take(1)? == 1;
            match self.bits.take(2)? {
                0 => self.skip_stored()?,
                1 => return self.table.fill_fixed(),
                2 => return self.take_codes(),
                _ => return Err(Malformed),
            }
        }
        self.has_ended = true;
        Ok(())
    }

    fn skip_stored(&mut self) -> Result<(), Malformed> {
        self.bits.end_byte();
        let (len, complement) = (self.bits.take(16)?, self.bits.take(16)?);
        if len == complement ^ 0xffff { self.bits.skip_bytes(len) } else { Err(Malformed) }
    }

    /// Takes the two codes that a block with dynamic codes begins with.
    fn take_codes(&mut self) -> Result<(), Malformed> {
        /// The order in which the lengths of the code lengths' own codes are stored.
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let bits = &mut self.bits;
        let (literals, distances) = (bits.take(5)? + 257, bits.take(5)? + 1);
        let stored = bits.take(4)? + 4;
        let mut of_lengths = [0; 19];
        for &place in &ORDER[..stored] {
            of_lengths[place] = bits.take(3)? as u8;
        }
        let of_lengths = Code::new(&of_lengths)?;
        let mut lengths = [0; 288 + 32];
        let mut known = 0;
        while known < literals + distances {
            let (length, times) = match bits.take_symbol(&of_lengths)? {
                symbol @ 0..=15 => (symbol as u8, 1),
                16 if known == 0 => return Err(Malformed),
                16 => (lengths[known - 1], 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                _ => (0, 11 + bits.take(7)?),
            };
            let repeated = lengths[..literals + distances].get_mut(known..known + times).ok_or(Malformed)?;
            repeated.fill(length);
            known += times;
        }
        let (of_literals, of_distances) = lengths[..known].split_at(literals);
        self.table.fill(of_literals, of_distances)
    }
}

#[cfg(test)]
mod tests;
