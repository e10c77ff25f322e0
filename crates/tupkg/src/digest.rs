//! MD5 as the protocol says, and SHA-256 where both ends know it.

use std::fmt;

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// A digest of `N` bytes, shown as small hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// An MD5 digest.
pub type Md5Sum = Hex<16>;
/// A SHA-256 digest.
pub type Sha256Sum = Hex<32>;

impl<const N: usize> Hex<N> {
    /// Reads exactly `2 * N` hexadecimal digits, large or small.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let value = |digit: u8| (digit as char).to_digit(16);
        let mut bytes = [0; N];
        if digits.len() != 2 * N {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes the digests of bytes as they pass; SHA-256 only if somebody wants it.
pub struct Digests {
    md5: Md5,
    sha256: Option<Sha256>,
}

impl Digests {
    /// Begins.
    pub fn begin(with_sha256: bool) -> Self {
        Self { md5: Md5::new(), sha256: with_sha256.then(Sha256::new) }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Returns the digests of all bytes.
    pub fn finish(self) -> (Md5Sum, Option<Sha256Sum>) {
        (Hex(self.md5.finalize().into()), self.sha256.map(|sha256| Hex(sha256.finalize().into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let mut digests = Digests::begin(true);
        digests.update(b"a");
        digests.update(b"bc");
        let (md5, sha256) = digests.finish();
        assert_eq!(md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        let sha256 = sha256.unwrap().to_string();
        assert_eq!(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_all_of_the_digits_are_a_digest() {
        assert_eq!(Md5Sum::parse(b"900150983CD24FB0D6963F7D28E17F72").unwrap().0[3], 0x98);
        for wrong in [
            "",
            "abcd",
            "900150983cd24fb0d6963f7d28e17f7",
            "900150983cd24fb0d6963f7d28e17f7g",
            "+00150983cd24fb0d6963f7d28e17f72",
        ] {
            assert_eq!(Md5Sum::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
