//! Where an index is cut, so that its compressed form can be made of pieces, of which most are those of the
//! former one.
//!
//! Whether there is a cut behind a stanza depends on that stanza alone. So a package that comes, goes or
//! changes moves no cut but those at its own stanza, wherever it stands, and all other pieces are the same
//! bytes as before.

use sha2::{Digest as _, Sha256};

/// How long a piece is on average. Shorter ones are made anew more quickly; longer ones make the whole
/// smaller, by 3 % from here to one piece that is all of it.
const MEAN: u64 = 512 << 10;

/// How long a piece is at most.
pub(super) const MOST: usize = 2 << 20;

/// Returns the stanzas of an index in the order of their bytes, which is that of the packages' names: the
/// same stanzas are the same index, and what is alike stands together, which makes the compressed form
/// smaller.
pub(super) fn in_order(index: &[u8]) -> Vec<&[u8]> {
    let mut stanzas: Vec<&[u8]> = stanzas(index).collect();
    stanzas.sort_unstable();
    stanzas
}

/// Returns the pieces of an index.
pub(super) fn cut(index: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest, mut length) = (Vec::new(), index, 0);
    for stanza in stanzas(index) {
        length += stanza.len();
        if is_last(stanza) {
            let (piece, behind) = rest.split_at(length);
            pieces.extend(piece.chunks(MOST));
            (rest, length) = (behind, 0);
        }
    }
    pieces.extend(rest.chunks(MOST));
    pieces
}

/// Returns each stanza with the empty line behind it.
fn stanzas(index: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = index;
    std::iter::from_fn(move || {
        let end = rest.windows(2).position(|two| two == b"\n\n").map_or(rest.len(), |at| at + 2);
        let (stanza, behind) = rest.split_at(end);
        rest = behind;
        (!stanza.is_empty()).then_some(stanza)
    })
}

/// Returns whether a piece ends behind this stanza: the longer it is, the more probable is that.
fn is_last(stanza: &[u8]) -> bool {
    let name = stanza.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let digest = Sha256::digest(name);
    let drawn = u64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]));
    drawn * MEAN < (stanza.len() as u64) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(numbers: impl Iterator<Item = u32>) -> Vec<u8> {
        numbers
            .flat_map(|number| format!("Package: p{number}\nX: {}\n\n", "y".repeat(500)).into_bytes())
            .collect()
    }

    #[test]
    fn s1_13_a_package_more_changes_the_piece_that_it_is_in() {
        let (old, new) = (index((0..20_000).filter(|number| *number != 9876)), index(0..20_000));
        let (old, new) = (cut(&old), cut(&new));
        assert!(new.len() > 10, "{}", new.len());
        assert_eq!(new.iter().filter(|piece| !old.contains(piece)).count(), 1);
        assert!(new.iter().all(|piece| piece.len() <= MOST));
    }

    #[test]
    fn s1_13_pieces_are_the_index() {
        let mut long = b"Package: a\nX: ".to_vec();
        long.resize(5 << 20, b'x');
        for index in [index(0..5000), long, b"no stanza".to_vec(), b"\n\n\n\n".to_vec(), Vec::new()] {
            assert_eq!(cut(&index).concat(), index);
            assert!(cut(&index).iter().all(|piece| piece.len() <= MOST));
        }
    }

    #[test]
    fn s1_13_stanzas_are_in_the_order_of_names() {
        let index = b"Package: b\n\nPackage: ab\n\nPackage: a\nVersion: 1\n\n";
        assert_eq!(in_order(index).concat(), b"Package: a\nVersion: 1\n\nPackage: ab\n\nPackage: b\n\n");
    }
}
