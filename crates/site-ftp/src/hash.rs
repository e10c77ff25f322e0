//! SHA-256 computed by the server, by the command that it has for it: `HASH`, or the older `XSHA256`.
//!
//! Both hash whole files. What the older one means by a range of bytes nobody has written down, so a part of
//! a file is not hashed at all. A server that has neither cannot hash; that is no failure.

use std::time::Instant;

use super::control::{Control, Failure};
use super::login::Features;
use intraware_core::digest::Sha256Hex;
use intraware_core::site::pace::{Patience, hashing};

/// What is known about the server's ability to hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hasher {
    /// It has the command `HASH`, and must be told to use SHA-256.
    Untold,
    /// It uses SHA-256 for `HASH`.
    Hash,
    /// It has the command `XSHA256`.
    XSha256,
    Unavailable,
}

impl Hasher {
    pub(super) fn among(features: &Features) -> Self {
        let has_sha256 =
            |list: &str| list.split(';').any(|name| name.trim_end_matches('*').trim() == "SHA-256");
        match features.get("HASH") {
            Some(list) if has_sha256(list) => Self::Untold,
            _ if features.has("XSHA256") => Self::XSha256,
            _ => Self::Unavailable,
        }
    }

    /// Returns the hash of a whole file of `size` bytes, or `None` if the server does not give it.
    pub(super) fn hash(
        &mut self,
        control: &mut Control,
        path: &str,
        size: u64,
    ) -> Result<Option<Sha256Hex>, Failure> {
        if *self == Self::Untold {
            *self = match control.ask("OPTS", "HASH SHA-256")?.is_done() {
                true => Self::Hash,
                false => Self::Unavailable,
            };
        }
        let patience = Patience::Until(Instant::now() + control.io_timeout + hashing(size));
        let hash = match *self {
            Self::Hash => {
                let reply = control.ask_within("HASH", path, patience)?;
                reply.is_done().then(|| of_hash(reply.text(), size)).flatten()
            }
            Self::XSha256 => {
                let reply = control.ask_within("XSHA256", path, patience)?;
                reply.is_done().then(|| of_xsha256(reply.text())).flatten()
            }
            Self::Untold | Self::Unavailable => None,
        };
        if hash.is_none() {
            *self = Self::Unavailable;
        }
        Ok(hash)
    }
}

/// Reads `SHA-256 0-49 0123… name`, if it is about all of a file of this size. The end of the range is the
/// last byte's position by the draft, and the size with ProFTPD.
fn of_hash(text: &str, size: u64) -> Option<Sha256Hex> {
    let mut words = text.split(' ');
    let (name, range, hash) = (words.next()?, words.next()?, words.next()?);
    let (begin, end) = range.split_once('-')?;
    let end: u64 = end.parse().ok()?;
    let is_whole = begin == "0" && (end == size || end.checked_add(1) == Some(size));
    (name.eq_ignore_ascii_case("SHA-256") && is_whole).then(|| hash.parse().ok()).flatten()
}

/// Reads the hash, which some servers repeat the name of the file behind.
fn of_xsha256(text: &str) -> Option<Sha256Hex> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_the_hash_of_the_whole_file_is_believed() {
        for range in ["0-5", "0-4"] {
            assert!(of_hash(&format!("SHA-256 {range} {EMPTY} /a b"), 5).is_some(), "{range}");
        }
        for wrong in [
            format!("SHA-256 0-6 {EMPTY} x"),
            format!("SHA-256 1-5 {EMPTY} x"),
            format!("SHA-1 0-5 {EMPTY} x"),
        ] {
            assert_eq!(of_hash(&wrong, 5), None, "{wrong}");
        }
        assert_eq!(of_hash("SHA-256 0-5 e3b0 x", 5), None);
        assert!(of_xsha256(&EMPTY.to_uppercase()).is_some() && of_xsha256("done").is_none());
    }
}
