//! Why a key or a signature is of no use, each with what to do about it.

use jiff::Timestamp;

use crate::exit::Fault;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why nothing can be signed, or a signature is not accepted. Keys are named by fingerprint.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file does not hold an OpenPGP key.
    #[error(
        "cannot read the signing key: the file holds no OpenPGP key; export it with gpg --export-secret-keys"
    )]
    Malformed(#[source] Option<Cause>),
    /// The file holds more than one key.
    #[error("cannot choose a signing key: the file holds several; export one by its fingerprint")]
    Several,
    /// There is no secret for a key that may sign.
    #[error(
        "signing key {key} has no secret for signing in the file; export it with gpg --export-secret-keys or \
         --export-secret-subkeys where the secret is, which is not a smart card"
    )]
    NoSecret {
        /// The key.
        key: String,
    },
    /// The key is not valid yet.
    #[error(
        "signing key {key} is valid from {from} only; check the clocks of this host and of the key's maker"
    )]
    NotYetValid {
        /// The key.
        key: String,
        /// When it becomes valid.
        from: Timestamp,
    },
    /// The key has expired.
    #[error("signing key {key} expired at {at}; extend it with gpg --quick-set-expire and export it again")]
    Expired {
        /// The key.
        key: String,
        /// Since when.
        at: Timestamp,
    },
    /// The key was revoked.
    #[error("signing key {key} is revoked; configure its successor")]
    Revoked {
        /// The key.
        key: String,
    },
    /// No part of the key may sign.
    #[error(
        "key {key} is not for signing; add a signing subkey with gpg --quick-add-key and export it again"
    )]
    NotForSigning {
        /// The key.
        key: String,
    },
    /// The key is held together by SHA-1 signatures.
    #[error(
        "signing key {key} has self-signatures over SHA-1, which are refused today; renew them with \
         gpg --cert-digest-algo SHA512 --quick-set-expire {key} 5y and export it again, or set signing.accept_sha1"
    )]
    Sha1 {
        /// The key.
        key: String,
    },
    /// The key's algorithm is too weak or not known.
    #[error("signing key {key} is {what}; use RSA with 3072 bits or more, Ed25519, or a NIST curve")]
    Weak {
        /// The key.
        key: String,
        /// The algorithm.
        what: String,
    },
    /// The secret is locked and no passphrase is configured.
    #[error("signing key {key} is locked; configure signing.passphrase")]
    PassphraseMissing {
        /// The key.
        key: String,
    },
    /// The configured passphrase does not unlock the secret.
    #[error("cannot unlock signing key {key}: the passphrase is wrong; correct signing.passphrase")]
    WrongPassphrase {
        /// The key.
        key: String,
    },
    /// Something else is wrong with the key.
    #[error("signing key {key} cannot be used; try it with gpg --sign and export it again")]
    Unusable {
        /// The key.
        key: String,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// Signing itself failed.
    #[error("cannot sign with key {key}")]
    Signing {
        /// The key.
        key: String,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// A signature does not verify.
    #[error(
        "the signature is not a good one by key {key}; the payload or the signature was changed or damaged"
    )]
    BadSignature {
        /// The key it should be by.
        key: String,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The payload could not be read for verification.
    #[error("cannot read the payload to verify its signature")]
    Payload(#[source] std::io::Error),
}

impl KeyError {
    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed(_)
            | Self::Several
            | Self::NoSecret { .. }
            | Self::NotYetValid { .. }
            | Self::Expired { .. }
            | Self::Revoked { .. }
            | Self::NotForSigning { .. }
            | Self::Sha1 { .. }
            | Self::Weak { .. }
            | Self::PassphraseMissing { .. }
            | Self::WrongPassphrase { .. }
            | Self::Unusable { .. }
            | Self::BadSignature { .. } => Fault::Access,
            Self::Signing { .. } => Fault::Bug,
            Self::Payload(_) => Fault::Spool,
        }
    }
}
