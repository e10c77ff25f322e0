//! Secrets: values that are never shown.
//!
//! A [`Secret`] has no `Display`, no `Serialize`, a `Debug` of three stars, and is wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A password, passphrase, token or key that must appear in no output, log or file.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the secret's bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Returns the secret itself, for the one call that needs it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the secret as text, or `None` if it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
