//! The container `.xz`: blocks, each compressed by itself, between a header and an index of them.
//!
//! A block says nothing of its place, so it can be taken from one file into another. What is made here is one
//! stream, which every reader takes; that of apt stops at the end of the first.

use flate2::Crc;

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";
/// Each block ends with a CRC64 of its content. Blocks of a file with other flags cannot be taken.
const FLAGS: [u8; 2] = [0, 4];
/// The length of the header, and of the footer.
const END: usize = 12;

/// A block as it lies in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// With the padding behind it.
    bytes: &'a [u8],
    unpadded: u64,
    /// How long its content is.
    pub(super) size: u64,
}

/// Returns the blocks of a file; `None` if it is none that is one stream with those flags.
pub(super) fn blocks(file: &[u8]) -> Option<Vec<Block<'_>>> {
    if file.len() < 2 * END || !file.starts_with(&[&MAGIC[..], &FLAGS].concat()) {
        return None;
    }
    let (head, footer) = file.split_at(file.len() - END);
    let (backward, flags, magic) = (&footer[4..8], &footer[8..10], &footer[10..]);
    if flags != FLAGS || magic != FOOTER_MAGIC {
        return None;
    }
    let index = (usize::try_from(u32::from_le_bytes(backward.try_into().ok()?)).ok()? + 1) * 4;
    let (blocks, index) = head.get(END..)?.split_at_checked(head.len().checked_sub(END + index)?)?;
    let (listed, sum) = index.split_at_checked(index.len().checked_sub(4)?)?;
    if crc32(listed) != sum {
        return None;
    }
    let (marker, mut listed) = listed.split_first()?;
    let (count, mut rest) = (number(&mut listed)?, blocks);
    let mut found = Vec::new();
    for _ in 0..count {
        let (unpadded, size) = (number(&mut listed)?, number(&mut listed)?);
        let (bytes, behind) =
            rest.split_at_checked(usize::try_from(unpadded).ok()?.checked_next_multiple_of(4)?)?;
        found.push(Block { bytes, unpadded, size });
        rest = behind;
    }
    (*marker == 0 && rest.is_empty()).then_some(found)
}

/// Returns a file of blocks.
pub(super) fn file(blocks: &[Block<'_>]) -> Vec<u8> {
    let mut file = [&MAGIC[..], &FLAGS, &crc32(&FLAGS)].concat();
    let mut index = vec![0];
    put(&mut index, blocks.len() as u64);
    for Block { bytes, unpadded, size } in blocks {
        file.extend_from_slice(bytes);
        put(&mut index, *unpadded);
        put(&mut index, *size);
    }
    index.resize(index.len().next_multiple_of(4), 0);
    let sum = crc32(&index);
    index.extend_from_slice(&sum);
    // The index of an index that can be held in memory is far from the limit of the format, 16 GiB.
    let backward = u32::try_from(index.len() / 4 - 1).unwrap_or(u32::MAX);
    let footer = [&backward.to_le_bytes()[..], &FLAGS].concat();
    file.extend_from_slice(&index);
    file.extend_from_slice(&crc32(&footer));
    file.extend_from_slice(&footer);
    file.extend_from_slice(&FOOTER_MAGIC);
    file
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// Takes a number off the front: seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn xz(options: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("xz");
        let mut child =
            command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("xz starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("xz ends");
        let _ = writer.join();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    #[test]
    fn s1_13_blocks_of_several_files_make_one_that_xz_takes() {
        let text: Vec<u8> =
            (0..40_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        let one = xz(&["--threads=2", "--block-list=100000,200000"], &text);
        let other = xz(&["--threads=1"], b"another one\n");
        let (first, second) = (blocks(&one).expect("blocks"), blocks(&other).expect("blocks"));
        assert_eq!(first.iter().map(|block| block.size).take(2).collect::<Vec<_>>(), [100_000, 200_000]);
        assert_eq!(file(&first), one);
        let mixed = file(&[first[1], second[0], first[0]]);
        let expected = [&text[100_000..300_000], b"another one\n", &text[..100_000]].concat();
        assert_eq!(xz(&["-d"], &mixed), expected);
        assert_eq!(xz(&["-d"], &file(&[])), b"");
    }

    #[test]
    fn s1_13_what_is_spoiled_has_no_blocks() {
        let whole = xz(&["--threads=2"], b"text\n");
        assert!(blocks(&whole).is_some());
        for at in (0..END).chain(whole.len() - END - 8..whole.len()) {
            let mut spoiled = whole.clone();
            spoiled[at] ^= 0x55;
            // Who takes a block looks at the digest of the whole file before; the header has a sum that
            // nobody needs then.
            assert!(blocks(&spoiled).is_none() || (8..12).contains(&at) || at >= whole.len() - END, "{at}");
        }
        for length in 0..whole.len() {
            assert!(blocks(&whole[..length]).is_none(), "{length}");
        }
        assert!(blocks(&xz(&["--check=sha256"], b"text\n")).is_none());
        assert!(blocks(&[&whole[..], &whole].concat()).is_none());
    }
}
