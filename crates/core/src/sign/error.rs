//! Why a key or a signature is of no use, each with what to do about it.

use jiff::Timestamp;
use openpgp::types::{HashAlgorithm, SymmetricAlgorithm};
use sequoia_openpgp as openpgp;

use crate::exit::Fault;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why nothing can be signed, or a signature is not accepted. Keys are named by fingerprint.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file does not hold an OpenPGP key.
    #[error(
        "cannot read the signing key: the file holds no OpenPGP key; export it: `gpg --armor --output signing-key.asc --export-secret-keys`"
    )]
    Malformed(#[source] Option<Cause>),
    /// The file holds more than one key.
    #[error("cannot choose a signing key: the file holds several; export one by its fingerprint")]
    Several,
    /// There is no secret for a key that may sign.
    #[error(
        "signing key {key} has no secret for signing in the file; export it where the secret is, which is not a \
         smart card: `gpg --yes --armor --output signing-key.asc {export} {key}`"
    )]
    NoSecret {
        /// The key.
        key: String,
        /// The option with which `gpg` exports what signs.
        export: &'static str,
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
    #[error("signing key {key} expired at {at}; extend it: {extend}, and install that")]
    Expired {
        /// The key or subkey.
        key: String,
        /// Since when.
        at: Timestamp,
        /// The commands that extend and export it.
        extend: String,
    },
    /// The key was revoked.
    #[error("signing key {key} is revoked; configure its successor")]
    Revoked {
        /// The key.
        key: String,
    },
    /// No part of the key may sign.
    #[error(
        "key {key} is not for signing; add a signing subkey, `gpg --quick-add-key {key} ed25519 sign 2y`, and export it again"
    )]
    NotForSigning {
        /// The key.
        key: String,
    },
    /// The key is held together by signatures over a hash that customers' tools refuse.
    #[error(
        "signing key {key} has self-signatures over {hash}, which customers' tools refuse; renew them with \
         `gpg --cert-digest-algo SHA512 --quick-set-expire {key} 5y` and export it again{}",
        if *hash == HashAlgorithm::SHA1 { ", or set signing.accept_sha1" } else { "" }
    )]
    WeakHash {
        /// The key.
        key: String,
        /// The hash.
        hash: HashAlgorithm,
    },
    /// There is no user ID with which customers' tools take the key.
    #[error(
        "signing key {key} has {why}, and GnuPG takes no such key; add one with \
         `gpg --quick-add-uid {key} 'NAME <ADDRESS>'` and export it again"
    )]
    NoUserId {
        /// The key.
        key: String,
        /// What it has instead.
        why: String,
    },
    /// Something belongs to the key that is not known here.
    #[error(
        "signing key {key} has {what} beside it, for which GnuPG 2.2 refuses all of the key; delete that with \
         `gpg --edit-key {key}` and export it again"
    )]
    UnknownPart {
        /// The key.
        key: String,
        /// What it is.
        what: String,
    },
    /// The key is of a version that is not read.
    #[error(
        "the signing key is of OpenPGP version {version}; make one of version 4 with `gpg --quick-generate-key`"
    )]
    Version {
        /// The version.
        version: u8,
    },
    /// The secret is protected by a cipher of former times, and does not open.
    #[error(
        "cannot unlock signing key {key}: the passphrase is wrong, or its cipher {cipher} is not read here; \
         correct signing.passphrase, or import the key into gpg and export it again"
    )]
    OddCipher {
        /// The key.
        key: String,
        /// The cipher.
        cipher: SymmetricAlgorithm,
    },
    /// Customers' tools cannot verify what the key's algorithm signs, or nobody should rely on it.
    #[error(
        "signing key {key} is {what}; make one of OpenPGP version 4 with gpg: RSA with 3072 or 4096 bits, Ed25519, \
         or a NIST curve"
    )]
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
    #[error("signing key {key} cannot be used; try it with `gpg --sign` and export it again")]
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
            | Self::WeakHash { .. }
            | Self::NoUserId { .. }
            | Self::UnknownPart { .. }
            | Self::Version { .. }
            | Self::OddCipher { .. }
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
