//! Signing keys made by GnuPG, each kind once in a test process, because it takes its time.

use std::sync::OnceLock;

use intraware_test_support::gpg::{Gnupg, KeySpec};

/// The kind of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Ed25519, without a passphrase.
    Ed25519,
    /// Ed25519 behind a passphrase.
    ProtectedEd25519,
    /// RSA with 4096 bits, behind a passphrase.
    ProtectedRsa4096,
}

/// A key as its operator has exported it. The GnuPG home it was made in is gone.
pub(crate) struct Exported {
    pub(crate) secret: Vec<u8>,
    pub(crate) public: Vec<u8>,
    pub(crate) fingerprint: String,
}

impl Key {
    /// Returns the passphrase; empty for none.
    pub fn passphrase(self) -> &'static str {
        match self {
            Self::Ed25519 => "",
            Self::ProtectedEd25519 | Self::ProtectedRsa4096 => "passphrase-41D7 with a space",
        }
    }

    pub(crate) fn exported(self) -> &'static Exported {
        static KEYS: [OnceLock<Exported>; 3] = [const { OnceLock::new() }; 3];
        let (key, algorithm) = match self {
            Self::Ed25519 => (&KEYS[0], "ed25519"),
            Self::ProtectedEd25519 => (&KEYS[1], "ed25519"),
            Self::ProtectedRsa4096 => (&KEYS[2], "rsa4096"),
        };
        key.get_or_init(|| {
            let gnupg = Gnupg::new();
            let passphrase = self.passphrase();
            let fingerprint = gnupg.make_key(&KeySpec { algorithm, passphrase, ..KeySpec::default() });
            Exported {
                secret: gnupg.export_secret(&fingerprint, passphrase),
                public: gnupg.export_public(&fingerprint),
                fingerprint,
            }
        })
    }
}
