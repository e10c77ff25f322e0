//! A part of a key, the primary key or a subkey: whether its secret is there, and when it expires.

use jiff::Timestamp;
use openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use openpgp::packet::Key;
use openpgp::packet::key::{PublicParts, SecretKeyMaterial, UnspecifiedRole};
use sequoia_openpgp as openpgp;

pub(super) type Part<'c> = ValidErasedKeyAmalgamation<'c, PublicParts>;

/// A stub for a smart card, or for a primary key whose secret was not exported, is no secret.
pub(super) fn has_secret(key: &Key<PublicParts, UnspecifiedRole>) -> bool {
    match key.optional_secret() {
        None => false,
        Some(SecretKeyMaterial::Unencrypted(_)) => true,
        Some(SecretKeyMaterial::Encrypted(locked)) => locked.s2k().is_supported(),
    }
}

/// Returns when a part expires by itself.
pub(super) fn expiry(part: &Part<'_>) -> Option<Timestamp> {
    part.key_expiration_time().and_then(timestamp)
}

pub(super) fn timestamp(time: std::time::SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}
