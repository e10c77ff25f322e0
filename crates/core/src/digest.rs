//! Digests of a payload, and the generation that is named after one.
//!
//! MD5 and SHA-1 are what the record store and the customers' tools ask for; they detect transfer
//! errors and decide nothing where a SHA-256 is at hand.

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A digest of `N` bytes, written as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// An MD5 digest.
pub type Md5Hex = Hex<16>;
/// A SHA-1 digest.
pub type Sha1Hex = Hex<20>;
/// A SHA-256 digest.
pub type Sha256Hex = Hex<32>;

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

/// A text that is not a digest of the expected length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, found {found:?}")]
pub struct NotHex {
    expected: usize,
    found: String,
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = NotHex;

    /// Reads exactly `2 * N` hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, NotHex> {
        let wrong = || NotHex { expected: 2 * N, found: crate::foreign::escape(text) };
        if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; N];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Everything that is known about a payload's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Length in bytes.
    pub size: u64,
    /// MD5 of the payload.
    pub md5: Md5Hex,
    /// SHA-1 of the payload.
    pub sha1: Sha1Hex,
    /// SHA-256 of the payload; what decisions are made by.
    pub sha256: Sha256Hex,
}

impl Digests {
    /// Returns the generation these bytes are.
    pub fn generation(&self) -> Generation {
        let [a, b, c, d, e, f, ..] = self.sha256.0;
        Generation(Hex([a, b, c, d, e, f]))
    }
}

/// Computes all digests of a payload in one pass over its bytes.
#[derive(Clone, Default)]
pub struct Digester {
    size: u64,
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
}

impl Digester {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    /// Returns the digests of all bytes taken in.
    pub fn finish(self) -> Digests {
        Digests {
            size: self.size,
            md5: Hex(self.md5.finalize().into()),
            sha1: Hex(self.sha1.finalize().into()),
            sha256: Hex(self.sha256.finalize().into()),
        }
    }
}

/// The content of a payload by name: the first 12 hexadecimal digits of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(Hex<6>);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Generation {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(NotHex { expected: 12, found: crate::foreign::escape(text) });
        }
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_abc_are_the_published_ones() {
        let mut digester = Digester::default();
        digester.update(b"a");
        digester.update(b"bc");
        let digests = digester.finish();
        assert_eq!(digests.size, 3);
        assert_eq!(digests.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(digests.sha1.to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(digests.sha256.to_string().starts_with("ba7816bf8f01"));
        assert_eq!(digests.generation().to_string(), "ba7816bf8f01");
    }

    #[test]
    fn only_whole_hexadecimal_digests_are_read() {
        assert!("900150983CD24fb0d6963f7d28e17f72".parse::<Md5Hex>().is_ok());
        for wrong in ["", "9001", "+00150983cd24fb0d6963f7d28e17f72", "zz0150983cd24fb0d6963f7d28e17f72"] {
            assert!(wrong.parse::<Md5Hex>().is_err(), "{wrong}");
        }
        assert!("BA7816BF8F01".parse::<Generation>().is_err());
    }
}
