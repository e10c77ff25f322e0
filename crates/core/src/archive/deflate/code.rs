//! The prefix codes of a block, reduced to what skipping needs: how many bits there are.
//!
//! The next [`FAST_BITS`] bits of the stream index a table, with one part for literals and lengths and one
//! for distances. An entry counts the bits of all literals that the index holds whole, and of a length behind
//! them, extra bits included, and says in which part the next look-up is. The few symbols with longer codes
//! are decoded bit by bit.

use super::Malformed;

/// How many bits index a part of the table.
const FAST_BITS: usize = 11;

/// The entries of a part.
const PART: usize = 1 << FAST_BITS;

/// The longest code.
const MAX_BITS: usize = 15;

/// What one look-up tells: so many bits are to be skipped, and which part is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u16);

/// The bits of an entry that count bits.
const COUNT: u16 = (1 << 6) - 1;
/// In an entry: a distance follows.
const DISTANCE_FOLLOWS: u16 = 1 << 6;
/// In an entry: the block ends.
const END: u16 = 1 << 7;
/// In an entry: a longer code, or none.
const SLOW: u16 = 1 << 8;

impl Entry {
    /// Returns how many bits are to be skipped.
    #[inline(always)]
    pub(super) fn bits(self) -> usize {
        usize::from(self.0 & COUNT)
    }

    /// Returns the part for what follows.
    #[inline(always)]
    pub(super) fn next_part(self) -> usize {
        usize::from(self.0 & DISTANCE_FOLLOWS) * (PART / DISTANCE_FOLLOWS as usize)
    }

    /// Returns whether skipping its bits is all that there is to do.
    #[inline(always)]
    pub(super) fn is_plain(self) -> bool {
        self.0 & (END | SLOW) == 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & END != 0
    }

    pub(super) fn is_slow(self) -> bool {
        self.0 & SLOW != 0
    }

    fn is_literal(self) -> bool {
        self.0 <= COUNT
    }

    fn longer_by(self, bits: usize) -> Self {
        Self(self.0 + bits as u16)
    }
}

/// The two codes of a block.
pub(super) struct Table {
    entries: [Entry; 2 * PART],
    literals: Code,
    distances: Code,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: [Entry(SLOW); 2 * PART], literals: Code::default(), distances: Code::default() }
    }
}

impl Table {
    /// Returns the entry that the next bits of a stream begin with.
    #[inline(always)]
    pub(super) fn look_up(&self, part: usize, next: u64) -> Entry {
        self.entries[(part | (next as usize % PART)) % (2 * PART)]
    }

    /// Returns what the next bits of a stream begin with, where the table does not tell.
    #[cold]
    pub(super) fn look_closely(&self, next: u64, is_distance: bool) -> Result<Entry, Malformed> {
        let (code, meaning) = if is_distance {
            (&self.distances, distance as Meaning)
        } else {
            (&self.literals, literal as Meaning)
        };
        let (symbol, bits) = code.symbol(next)?;
        Ok(meaning(symbol).ok_or(Malformed)?.longer_by(bits))
    }

    /// Takes the codes of a block with dynamic codes, by the lengths of their symbols' codes.
    pub(super) fn fill(&mut self, of_literals: &[u8], of_distances: &[u8]) -> Result<(), Malformed> {
        self.literals = Code::new(of_literals)?;
        self.distances = Code::new(of_distances)?;
        let (literals, distances) = self.entries.split_at_mut(PART);
        let code_lengths = self.literals.fill(literals, literal);
        take_together(literals, &code_lengths);
        self.distances.fill(distances, distance);
        Ok(())
    }

    /// Takes the codes of a block with fixed codes.
    pub(super) fn fill_fixed(&mut self) -> Result<(), Malformed> {
        let mut literals = [8; 288];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        self.fill(&literals, &[5; 32])
    }
}

/// Makes an entry that is one literal all literals that the index holds, and a length behind them.
fn take_together(entries: &mut [Entry], code_lengths: &[u8; PART]) {
    let mut single = [Entry(SLOW); PART];
    single.copy_from_slice(entries);
    for (index, place) in entries.iter_mut().enumerate() {
        let mut together = 0;
        loop {
            let next = single[index >> together];
            let end = together + usize::from(code_lengths[index >> together]);
            if end == together || end > FAST_BITS || next.is_end() {
                break;
            }
            *place = next.longer_by(together);
            if !next.is_literal() {
                break;
            }
            together = end;
        }
    }
}

/// What a symbol stands for, as an entry with its extra bits alone; `None` if it stands for nothing.
type Meaning = fn(usize) -> Option<Entry>;

/// Literals and lengths, by RFC 1951, section 3.2.5.
fn literal(symbol: usize) -> Option<Entry> {
    match symbol {
        0..=255 => Some(Entry(0)),
        256 => Some(Entry(END)),
        257..=264 | 285 => Some(Entry(DISTANCE_FOLLOWS)),
        265..=284 => Some(Entry(DISTANCE_FOLLOWS + (symbol as u16 - 261) / 4)),
        _ => None,
    }
}

fn distance(symbol: usize) -> Option<Entry> {
    match symbol {
        0..=3 => Some(Entry(0)),
        4..=29 => Some(Entry(symbol as u16 / 2 - 1)),
        _ => None,
    }
}

/// A prefix code.
#[derive(Default)]
pub(super) struct Code {
    /// How many codes of each length there are.
    counts: [u16; MAX_BITS + 1],
    /// The symbols, by their codes.
    symbols: Vec<u16>,
}

impl Code {
    /// Makes the code in which each symbol's code has the given length, or none if that is 0.
    pub(super) fn new(lengths: &[u8]) -> Result<Self, Malformed> {
        let mut counts = [0_u16; MAX_BITS + 1];
        lengths.iter().for_each(|&length| counts[usize::from(length)] += 1);
        counts[0] = 0;
        let taken: usize =
            (1..=MAX_BITS).map(|length| usize::from(counts[length]) << (MAX_BITS - length)).sum();
        if taken > 1 << MAX_BITS {
            return Err(Malformed);
        }
        let mut places = [0; MAX_BITS + 2];
        for length in 0..=MAX_BITS {
            places[length + 1] = places[length] + usize::from(counts[length]);
        }
        let mut symbols = vec![0; places[MAX_BITS + 1]];
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(length)];
            symbols[*place] = symbol as u16;
            *place += 1;
        }
        Ok(Self { counts, symbols })
    }

    /// Returns the symbol that the next bits of a stream begin with, and the length of its code.
    pub(super) fn symbol(&self, next: u64) -> Result<(usize, usize), Malformed> {
        // Codes of one length are consecutive numbers, and follow those of the length before, doubled.
        let (mut code, mut first, mut before) = (0, 0, 0);
        for length in 1..=MAX_BITS {
            code |= (next >> (length - 1)) as usize & 1;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                return Ok((usize::from(self.symbols[before + code - first]), length));
            }
            before += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Malformed)
    }

    /// Fills a part of a table with single symbols; returns the length of the code that each index begins
    /// with.
    fn fill(&self, entries: &mut [Entry], meaning: Meaning) -> [u8; PART] {
        entries.fill(Entry(SLOW));
        let mut code_lengths = [0; PART];
        let (mut next, mut symbols) = (0_usize, self.symbols.iter());
        for length in 1..=FAST_BITS {
            for &symbol in symbols.by_ref().take(usize::from(self.counts[length])) {
                if let Some(extra) = meaning(usize::from(symbol)) {
                    // A code's first bit is the lowest of the index; those above the code may be any.
                    let first = next.reverse_bits() >> (usize::BITS as usize - length);
                    for index in (first..PART).step_by(1 << length) {
                        entries[index] = extra.longer_by(length);
                        code_lengths[index] = length as u8;
                    }
                }
                next += 1;
            }
            next <<= 1;
        }
        code_lengths
    }
}
