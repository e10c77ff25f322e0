//! Files with holes, as GNU tar and bsdtar archive them: what is stored, and where in the file it belongs.
//!
//! Two forms are read: GNU's own header of type `S`, with the map in the header and in blocks behind it, and
//! version 1.0 in pax headers, with the map as decimal numbers before the content. What is between the stored
//! stretches is zeros, which are unpacked like any other bytes. The older pax forms 0.0 and 0.1 are refused.
//! The forms are described in the manual of GNU tar, "Storing Sparse Files".

use crate::refused::Refused;

use super::BLOCK;
use super::number::number;

/// Most stretches of a file.
const MAX_STRETCHES: usize = 1 << 20;

/// Bytes of the file's content that are stored one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: u64,
    length: u64,
}

/// Where what is stored belongs, and how long the file is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Map {
    stretches: Vec<Stretch>,
    size: u64,
}

impl Map {
    /// Makes the map of a file of `size` bytes; nothing is stored of it so far.
    pub(super) fn new(size: u64) -> Self {
        Self { stretches: Vec::new(), size }
    }

    /// Returns the length of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns how many bytes are stored.
    pub(super) fn stored(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.length).sum()
    }

    /// Adds a stretch, which must lie behind the one before and within the file.
    fn add(&mut self, start: u64, length: u64) -> Result<(), Refused> {
        let before = self.stretches.last().map_or(0, |last| last.start + last.length);
        let end = start.checked_add(length).filter(|end| start >= before && *end <= self.size);
        if end.is_none() {
            return Err("a file's map of holes contradicts itself".into());
        }
        if self.stretches.len() == MAX_STRETCHES {
            return Err(Refused(format!("a file has more than {MAX_STRETCHES} holes")));
        }
        // One of no bytes only marks the file's end.
        if length > 0 {
            self.stretches.push(Stretch { start, length });
        }
        Ok(())
    }

    /// Adds the stretches of a table of GNU's, whose unused places are empty.
    pub(super) fn add_table(&mut self, table: &[u8]) -> Result<(), Refused> {
        for place in table.chunks_exact(24) {
            if place[0] == 0 {
                break;
            }
            let field = |range| number(&place[range]).ok_or("a file's map of holes has no plain numbers");
            self.add(field(0..12)?, field(12..24)?)?;
        }
        Ok(())
    }

    /// Reads the map of form 1.0 with `line`, which returns its next line: how many stretches there are, and
    /// then the start and length of each.
    pub(super) fn read<E: From<Refused>>(
        size: u64,
        mut line: impl FnMut() -> Result<u64, E>,
    ) -> Result<Self, E> {
        let mut map = Self::new(size);
        for _ in 0..line()? {
            let (start, length) = (line()?, line()?);
            map.add(start, length)?;
        }
        Ok(map)
    }

    /// Returns what is at `position` of the file, which is before its end: so many bytes, and whether they
    /// are stored.
    pub(super) fn at(&self, position: u64) -> (u64, bool) {
        let next = self.stretches.partition_point(|stretch| stretch.start + stretch.length <= position);
        match self.stretches.get(next) {
            Some(stretch) if stretch.start <= position => (stretch.start + stretch.length - position, true),
            Some(stretch) => (stretch.start - position, false),
            None => (self.size - position, false),
        }
    }
}

/// What GNU's header of type `S` says of a file, and whether the table goes on in the next block.
pub(super) fn of_header(block: &[u8; BLOCK]) -> Result<(Map, bool), Refused> {
    let size = number(&block[483..495]).ok_or("a file with holes has no plain size")?;
    let mut map = Map::new(size);
    map.add_table(&block[386..482])?;
    Ok((map, block[482] != 0))
}

/// Takes a further block of the table in, and returns whether another one follows.
pub(super) fn extend(map: &mut Map, block: &[u8; BLOCK]) -> Result<bool, Refused> {
    map.add_table(&block[..504])?;
    Ok(block[504] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(size: u64, numbers: &[u64]) -> Result<Map, Refused> {
        let mut numbers = numbers.iter().copied();
        Map::read(size, || Ok::<_, Refused>(numbers.next().expect("another number")))
    }

    #[test]
    fn r_4_what_is_between_the_stretches_is_a_hole() {
        let map = map(100, &[3, 10, 5, 20, 10, 100, 0]).unwrap();
        assert_eq!((map.size(), map.stored()), (100, 15));
        let at = [0, 9, 10, 14, 15, 20, 29, 30, 99].map(|position| map.at(position));
        let seen = [(10, false), (1, false), (5, true), (1, true), (5, false), (10, true), (1, true)];
        assert_eq!(at[..7], seen);
        assert_eq!(at[7..], [(70, false), (1, false)]);
    }

    #[test]
    fn r_4_a_map_that_contradicts_itself_is_refused() {
        assert_eq!(map(10, &[0]).unwrap(), Map::new(10));
        for wrong in [&[1, 5, 6][..], &[2, 5, 2, 6, 1], &[2, 5, 2, 0, 1], &[1, u64::MAX, 2], &[1, 11, 0]] {
            assert!(map(10, wrong).is_err(), "{wrong:?}");
        }
    }
}
