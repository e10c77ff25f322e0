//! Why a key or a signature is of no use, each with what to do about it.

use jiff::Timestamp;
use openpgp::types::{HashAlgorithm, SymmetricAlgorithm};
use sequoia_openpgp as openpgp;

use crate::exit::{Fault, HasFault};

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
    #[error(
        "cannot choose a signing key: the file holds several; export one: \
         `gpg --armor --output signing-key.asc --export-secret-keys FINGERPRINT`"
    )]
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
        "signing key {key} is valid from {from} only; if that is past, correct the clock of this host, which `timedatectl` \
         shows; else that of the key's maker, and make it anew there"
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
    #[error("signing key {key} is revoked; {remedy}")]
    Revoked {
        /// The key or subkey.
        key: String,
        /// What to do instead.
        remedy: String,
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
    #[error("signing key {key} has self-signatures over {what}; {remedy}{}",
        if *hash == HashAlgorithm::SHA1 { ", or set signing.accept_sha1" } else { "" }
    )]
    WeakHash {
        /// The key.
        key: String,
        /// The hash.
        hash: HashAlgorithm,
        /// The hash, and what is wrong with it, in words.
        what: String,
        /// How they are made anew, or done without.
        remedy: String,
    },
    /// There is no user ID with which customers' tools take the key.
    #[error("signing key {key} has {why}; {remedy}")]
    NoUserId {
        /// The key.
        key: String,
        /// What it has instead.
        why: String,
        /// How it gets one.
        remedy: String,
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
    #[error("the signing key is of OpenPGP version {version}; {}", super::remedy::another_key())]
    Version {
        /// The version.
        version: u8,
    },
    /// The secret is protected by a cipher of former times, and does not open.
    #[error(
        "cannot unlock signing key {key}: the passphrase is wrong, or its cipher {cipher} is not read here; \
         correct signing.passphrase, or import the file with `gpg --import FILE` and export the key again"
    )]
    OddCipher {
        /// The key.
        key: String,
        /// The cipher.
        cipher: SymmetricAlgorithm,
    },
    /// Customers' tools cannot verify what the key's algorithm signs, or nobody should rely on it.
    #[error("signing key {key} is {what}; {remedy}")]
    Weak {
        /// The key or subkey.
        key: String,
        /// The algorithm.
        what: String,
        /// What to make instead.
        remedy: String,
    },
    /// The secret is locked and no passphrase is configured.
    #[error(
        "signing key {key} is locked; configure signing.passphrase, and try it with \
         `manage check-key --passphrase-file PASSPHRASE KEY`"
    )]
    PassphraseMissing {
        /// The key.
        key: String,
    },
    /// The configured passphrase does not unlock the secret.
    #[error(
        "cannot unlock signing key {key}: the passphrase is wrong; correct signing.passphrase, and try it with \
         `manage check-key --passphrase-file PASSPHRASE KEY`"
    )]
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

impl HasFault for KeyError {
    fn fault(&self) -> Fault {
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
