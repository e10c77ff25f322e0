//! Whether what customers have verifies the signatures of a key.
//!
//! The library that signs knows more than the tools of customers do. A key that it takes and they do not would make payloads
//! that nobody can verify, so what is written here is narrower: it is what GnuPG 2.2 and 2.4, gpgv, sqv and OpenPGP.js
//! were seen to verify. It is asked of each part that a verification goes through: the part that signs, the primary key, a
//! user ID, and the signatures that bind them.

use jiff::Timestamp;
use openpgp::cert::amalgamation::ValidAmalgamation as _;
use openpgp::cert::{Cert, ValidCert};
use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::packet::{Key, Signature};
use openpgp::types::{Curve, HashAlgorithm, PublicKeyAlgorithm, RevocationStatus};
use sequoia_openpgp as openpgp;

use super::choose::{expiry, timestamp};
use super::{KeyError, KeyPolicy, name_of};

/// The sizes of RSA keys, in bits: smaller ones are weak, and larger ones the library that signs cannot verify itself.
const RSA_BITS: std::ops::RangeInclusive<usize> = 3072..=4096;

/// The longest user ID that GnuPG reads, in bytes.
const LONGEST_USER_ID: usize = 2048;

/// Returns what is wrong with a key or subkey by itself.
pub(super) fn weakness(key: &Key<PublicParts, UnspecifiedRole>) -> Option<String> {
    if key.version() != 4 {
        return Some(format!("of OpenPGP version {}", key.version()));
    }
    let on_curve = |curve: &Curve| Some(format!("on the curve {curve}, which not everybody verifies"));
    match key.mpis() {
        PublicKey::RSA { n, .. } if RSA_BITS.contains(&n.bits()) => None,
        PublicKey::RSA { n, .. } if n.bits() > *RSA_BITS.end() => {
            Some(format!("RSA with {} bits, and this program takes up to {}", n.bits(), RSA_BITS.end()))
        }
        PublicKey::RSA { n, .. } => Some(format!("RSA with {} bits", n.bits())),
        PublicKey::EdDSA { curve: Curve::Ed25519, .. } => None,
        PublicKey::ECDSA { curve: Curve::NistP256 | Curve::NistP384 | Curve::NistP521, .. } => None,
        PublicKey::EdDSA { curve, .. } | PublicKey::ECDSA { curve, .. } => on_curve(curve),
        PublicKey::Ed25519 { .. } => {
            Some("Ed25519 in its new form (algorithm 27), which GnuPG cannot verify".to_owned())
        }
        PublicKey::Ed448 { .. } => Some("Ed448 (algorithm 28), which GnuPG cannot verify".to_owned()),
        _ => Some(format!("of algorithm {}", key.pk_algo())),
    }
}

/// Returns whether customers verify a signature over this hash, or it is accepted that they may not.
fn is_verified(hash: HashAlgorithm, policy: KeyPolicy) -> bool {
    match hash {
        HashAlgorithm::SHA224 | HashAlgorithm::SHA256 | HashAlgorithm::SHA384 | HashAlgorithm::SHA512 => true,
        HashAlgorithm::SHA1 => policy.accept_sha1,
        _ => false,
    }
}

/// Returns a part of the key that the library does not know, in words. GnuPG 2.2 refuses the whole key for one.
pub(super) fn unknown_part(cert: &Cert) -> Option<String> {
    let part = cert.unknowns().next()?;
    let unknown = part.unknown();
    let version = unknown.body().first().map(|version| format!(" of version {version}")).unwrap_or_default();
    Some(format!("a {}{version}", unknown.tag()))
}

/// Returns a part for encryption that keeps some programs from reading the key at all.
pub(super) fn disturbing_part(cert: &Cert) -> Option<String> {
    let is_new = |algorithm| matches!(algorithm, PublicKeyAlgorithm::X25519 | PublicKeyAlgorithm::X448);
    let part = cert.keys().subkeys().find(|part| is_new(part.key().pk_algo()))?;
    let (key, algorithm) = (part.key().fingerprint().to_hex(), part.key().pk_algo());
    Some(format!("its subkey {key} ({algorithm}) keeps RNP and PGPy from reading the key; delete it there"))
}

/// Makes sure that there is a user ID that GnuPG takes: without one it takes no key.
pub(super) fn user_id(valid: &ValidCert<'_>, policy: KeyPolicy) -> Result<(), KeyError> {
    let key = name_of(valid.cert());
    let mut why = "no user ID".to_owned();
    for user in valid.userids() {
        let hash = user.binding_signature().hash_algo();
        if let RevocationStatus::Revoked(_) = user.revocation_status() {
            why = "no user ID that is not revoked".to_owned();
        } else if user.userid().value().len() > LONGEST_USER_ID {
            why = format!("a user ID of more than {LONGEST_USER_ID} bytes, which GnuPG does not read");
        } else if !is_verified(hash, policy) {
            why = format!("a user ID that is signed over {hash}, which customers' tools do not know");
        } else {
            return Ok(());
        }
    }
    Err(KeyError::NoUserId { key, why })
}

/// Returns the hash of a signature that binds a signing part to its key, if customers do not verify that.
pub(super) fn unverified_binding(binding: &Signature, policy: KeyPolicy) -> Option<HashAlgorithm> {
    let both = std::iter::once(binding).chain(binding.embedded_signatures());
    both.map(|signature| signature.hash_algo()).find(|hash| !is_verified(*hash, policy))
}

/// When a primary key expires, and how that is put off.
pub(super) struct Primary {
    pub(super) expires: Option<Timestamp>,
    /// Whether it is the direct-key signature that ends first. GnuPG heeds it, and cannot renew it.
    pub(super) by_direct_key: bool,
}

/// Returns when the primary key expires for somebody: the user ID's signature and the direct-key signature may differ, and
/// programs differ in which of them they heed.
pub(super) fn primary(valid: &ValidCert<'_>) -> Primary {
    let part = valid.primary_key();
    let made = part.key().creation_time();
    let direct = part.direct_key_signature().ok().and_then(|signature| signature.key_validity_period());
    let direct = direct.filter(|period| !period.is_zero()).and_then(|period| timestamp(made + period));
    let user = valid.keys().next().and_then(|part| expiry(&part));
    Primary {
        expires: [direct, user].into_iter().flatten().min(),
        by_direct_key: direct.is_some_and(|direct| user.is_none_or(|user| direct < user)),
    }
}

/// Returns why no self-signature of the key holds at `now`, as far as the signatures tell.
pub(super) fn unbound(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> Option<KeyError> {
    let key = name_of(cert);
    let of_users = cert.userids().flat_map(|user| user.self_signatures());
    let own: Vec<&Signature> =
        cert.primary_key().self_signatures().chain(of_users).chain(cert.bad_signatures()).collect();
    let made = own.iter().filter_map(|signature| timestamp(signature.signature_creation_time()?)).min();
    if let Some(from) = made.filter(|&from| from > now) {
        return Some(KeyError::NotYetValid { key, from });
    }
    let hash = own.iter().map(|signature| signature.hash_algo()).find(|hash| !is_verified(*hash, policy))?;
    Some(KeyError::WeakHash { key, hash })
}

/// Returns why a subkey that is meant for signing is none that can.
pub(super) fn unfit_subkey(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> Option<KeyError> {
    let is_for_signing = |signature: &Signature| signature.key_flags().is_some_and(|f| f.for_signing());
    let is_bad = cert.bad_signatures().any(is_for_signing);
    cert.keys().subkeys().find_map(|part| {
        let key = part.key().fingerprint().to_hex();
        let bindings: Vec<_> = part.self_signatures().filter(|binding| is_for_signing(binding)).collect();
        let may_be_meant = !bindings.is_empty() || is_bad;
        let what = weakness(part.key().role_as_unspecified()).filter(|_| may_be_meant);
        if let Some(what) = what.filter(|_| part.key().pk_algo().for_signing()) {
            return Some(KeyError::Weak { key, what });
        }
        let made = bindings.iter().filter_map(|binding| timestamp(binding.signature_creation_time()?)).min();
        if let Some(from) = made.filter(|&from| from > now) {
            return Some(KeyError::NotYetValid { key, from });
        }
        let hash = bindings.iter().find_map(|binding| unverified_binding(binding, policy))?;
        Some(KeyError::WeakHash { key: name_of(cert), hash })
    })
}
