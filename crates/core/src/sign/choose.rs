//! Which part of a key signs, and if none may, the reason that helps most.
//!
//! Of several that may sign, the newest does, as with GnuPG.

use jiff::Timestamp;
use openpgp::cert::Cert;
use openpgp::cert::amalgamation::ValidAmalgamation;
use openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::Key;
use openpgp::packet::key::{PublicParts, SecretKeyMaterial, SecretParts, UnspecifiedRole};
use openpgp::types::RevocationStatus;
use sequoia_openpgp as openpgp;

use super::{KeyError, KeyPolicy, name_of, policy_at, system_time};

/// Fewest bits of an RSA key that signs.
const MIN_RSA_BITS: usize = 3072;

/// A part of a key that may sign and has its secret.
pub(super) struct Chosen {
    pub(super) key: Key<SecretParts, UnspecifiedRole>,
    /// When it or the key it belongs to expires.
    pub(super) expires: Option<Timestamp>,
}

/// Returns what to sign with at `now`.
pub(super) fn signing_key(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> Result<Chosen, KeyError> {
    match choose(cert, now, policy) {
        Err(_) if !policy.accept_sha1 => match choose(cert, now, KeyPolicy { accept_sha1: true }) {
            Ok(_) => Err(KeyError::Sha1 { key: name_of(cert) }),
            Err(error) => Err(error),
        },
        chosen => chosen,
    }
}

type Part<'c> = ValidErasedKeyAmalgamation<'c, PublicParts>;

fn choose(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> Result<Chosen, KeyError> {
    let standard = policy_at(now, policy);
    let valid = cert.with_policy(&standard, system_time(now)).map_err(|cause| unbound(cert, now, cause))?;
    if let RevocationStatus::Revoked(_) = valid.revocation_status() {
        return Err(KeyError::Revoked { key: name_of(cert) });
    }
    let primary = valid.keys().next().ok_or_else(|| KeyError::NotForSigning { key: name_of(cert) })?;
    alive(&primary, now)?;

    let parts: Vec<Part<'_>> = valid.keys().for_signing().collect();
    if parts.is_empty() {
        return Err(KeyError::NotForSigning { key: name_of(cert) });
    }
    let mut parts: Vec<Part<'_>> = parts.into_iter().filter(|part| has_secret(part.key())).collect();
    parts.sort_by_key(|part| part.key().creation_time());
    let mut error = KeyError::NoSecret { key: name_of(cert) };
    for part in parts.iter().rev() {
        match may_sign(part, now) {
            Ok(key) => return Ok(Chosen { key, expires: earliest(expiry(&primary), expiry(part)) }),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

fn may_sign(part: &Part<'_>, now: Timestamp) -> Result<Key<SecretParts, UnspecifiedRole>, KeyError> {
    let name = part.key().fingerprint().to_hex();
    if let RevocationStatus::Revoked(_) = part.revocation_status() {
        return Err(KeyError::Revoked { key: name });
    }
    alive(part, now)?;
    if let Some(what) = weakness(part.key()) {
        return Err(KeyError::Weak { key: name, what });
    }
    let key = part.key().clone().parts_into_secret();
    key.map_err(|source| KeyError::Unusable { key: name, source: source.into() })
}

fn alive(part: &Part<'_>, now: Timestamp) -> Result<(), KeyError> {
    let key = part.key().fingerprint().to_hex();
    if let Some(from) = timestamp(part.key().creation_time()).filter(|&from| from > now) {
        return Err(KeyError::NotYetValid { key, from });
    }
    match expiry(part).filter(|&at| at <= now) {
        Some(at) => Err(KeyError::Expired { key, at }),
        None => part.alive().map_err(|source| KeyError::Unusable { key, source: source.into() }),
    }
}

/// Returns why a key has no valid self-signature at `now`.
fn unbound(
    cert: &Cert,
    now: Timestamp,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> KeyError {
    let (key, primary) = (name_of(cert), cert.primary_key().key());
    if let Some(what) = weakness(primary.role_as_unspecified()) {
        return KeyError::Weak { key, what };
    }
    match timestamp(primary.creation_time()).filter(|&from| from > now) {
        Some(from) => KeyError::NotYetValid { key, from },
        None => KeyError::Unusable { key, source: cause.into() },
    }
}

/// A stub for a smart card, or for a primary key whose secret was not exported, is no secret.
fn has_secret(key: &Key<PublicParts, UnspecifiedRole>) -> bool {
    match key.optional_secret() {
        None => false,
        Some(SecretKeyMaterial::Unencrypted(_)) => true,
        Some(SecretKeyMaterial::Encrypted(locked)) => locked.s2k().is_supported(),
    }
}

fn weakness(key: &Key<PublicParts, UnspecifiedRole>) -> Option<String> {
    // Version 6 is hashed in another way, and GnuPG, which is what customers have, cannot verify it.
    if key.version() != 4 {
        return Some(format!("of OpenPGP version {}", key.version()));
    }
    match key.mpis() {
        PublicKey::RSA { n, .. } if n.bits() < MIN_RSA_BITS => Some(format!("RSA with {} bits", n.bits())),
        PublicKey::RSA { .. } | PublicKey::EdDSA { .. } | PublicKey::ECDSA { .. } => None,
        PublicKey::Ed25519 { .. } | PublicKey::Ed448 { .. } => None,
        _ => Some(format!("of algorithm {}", key.pk_algo())),
    }
}

fn expiry(part: &Part<'_>) -> Option<Timestamp> {
    part.key_expiration_time().and_then(timestamp)
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}

fn timestamp(time: std::time::SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}
