//! SHA-256 of what is read, as Debian's lists write it.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Reads to the end, hands on each piece, and returns how many bytes there were and their digest.
pub(crate) fn sum(
    mut source: impl Read,
    mut hand_on: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let (mut sha256, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            let digest = sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((size, digest));
        }
        sha256.update(&buffer[..count]);
        size += count as u64;
        hand_on(&buffer[..count])?;
    }
}

/// Returns whether a text is a digest of so many hexadecimal digits.
pub(crate) fn is_digest(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
