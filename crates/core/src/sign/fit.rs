//! Whether what customers have verifies the signatures of a key.
//!
//! The library that signs knows more than the tools of customers do. A key that it takes and they do not
//! would make payloads that nobody can verify, so what is written here is narrower: it is what GnuPG 2.2 and
//! 2.4, gpgv, sqv and OpenPGP.js were seen to verify. It is asked of each part that a verification goes
//! through: the part that signs, the primary key, a user ID, and the signatures that bind them.

use jiff::Timestamp;
use openpgp::cert::amalgamation::ValidAmalgamation as _;
use openpgp::cert::{Cert, ValidCert};
use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::packet::{Key, Signature};
use openpgp::types::{Curve, HashAlgorithm, PublicKeyAlgorithm, RevocationStatus};
use sequoia_openpgp as openpgp;

use super::part::{expiry, timestamp};
use super::{KeyError, KeyPolicy, name_of, policy_at, remedy, system_time};

/// The sizes of RSA keys, in bits: smaller ones are weak, and larger ones the library that signs cannot
/// verify itself.
const RSA_BITS: std::ops::RangeInclusive<usize> = 3072..=4096;

/// The curve secp256k1, which the library has no name for.
const SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];

/// The longest user ID that GnuPG reads, in bytes.
const LONGEST_USER_ID: usize = 2048;

/// Returns what is wrong with a key or subkey by itself.
pub(super) fn weakness(key: &Key<PublicParts, UnspecifiedRole>) -> Option<String> {
    if key.version() != 4 {
        return Some(format!("of OpenPGP version {}", key.version()));
    }
    let on_curve = |curve: &Curve| {
        let unnamed = matches!(curve, Curve::Unknown(oid) if **oid == *SECP256K1);
        let curve = if unnamed { "secp256k1".to_owned() } else { curve.to_string() };
        Some(format!("on the curve {curve}, which not everybody verifies"))
    };
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

/// Returns what keeps customers from verifying a signature that `signer` made over this hash, unless that is
/// accepted.
fn shortfall(
    hash: HashAlgorithm,
    signer: &Key<PublicParts, UnspecifiedRole>,
    policy: KeyPolicy,
) -> Option<String> {
    match hash {
        HashAlgorithm::SHA224 | HashAlgorithm::SHA256 | HashAlgorithm::SHA384 | HashAlgorithm::SHA512 => {}
        HashAlgorithm::SHA1 if policy.accept_sha1 => {}
        hash => return Some(format!("{hash}, which customers' tools refuse")),
    }
    too_short(hash, signer)
}

/// Returns that a hash is too short for the curve of the key that signed it, as GnuPG counts.
fn too_short(hash: HashAlgorithm, signer: &Key<PublicParts, UnspecifiedRole>) -> Option<String> {
    let PublicKey::ECDSA { curve, .. } = signer.mpis() else { return None };
    // SHA-512 is long enough for P-521.
    let needed = curve.bits().map_or(0, |bits| bits / 8).min(64);
    let is_long_enough = hash.digest_size().is_ok_and(|size| size >= needed);
    (!is_long_enough).then(|| format!("{hash}, which GnuPG takes for too short with the curve {curve}"))
}

/// Returns a subkey that spoils the whole key: GnuPG fails at it, whichever part has signed.
pub(super) fn spoiling_subkey(cert: &Cert) -> Option<KeyError> {
    cert.keys().subkeys().find_map(|part| {
        let by_part = part.self_signatures().flat_map(|binding| binding.embedded_signatures());
        by_part.map(|signature| signature.hash_algo()).find_map(|hash| {
            let what = too_short(hash, part.key().role_as_unspecified())?;
            let key = part.key().fingerprint().to_hex();
            let remedy = remedy::without_subkey(cert, &key);
            Some(KeyError::WeakHash { key, hash, what, remedy })
        })
    })
}

/// Returns a part of the key that the library does not know, in words. GnuPG 2.2 refuses the whole key for
/// one.
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
    let primary = valid.primary_key();
    let (mut why, mut remedy) = ("no user ID, and GnuPG takes no such key".to_owned(), remedy::first_user());
    for user in valid.userids() {
        let hash = user.binding_signature().hash_algo();
        if let RevocationStatus::Revoked(_) = user.revocation_status() {
            why = "no user ID that is not revoked, and OpenPGP.js takes no such key".to_owned();
            remedy = remedy::another_user(valid.cert());
        } else if user.userid().value().len() > LONGEST_USER_ID {
            why = format!("a user ID of more than {LONGEST_USER_ID} bytes, which GnuPG does not read");
        } else if let Some(what) = shortfall(hash, primary.key().role_as_unspecified(), policy) {
            why = format!("a user ID that is signed over {what}");
            remedy = remedy::another_key();
        } else {
            return Ok(());
        }
    }
    Err(KeyError::NoUserId { key, why, remedy })
}

/// Returns what keeps customers from verifying the signatures that bind a signing part to its key.
pub(super) fn unverified_binding(
    cert: &Cert,
    part: &Key<PublicParts, UnspecifiedRole>,
    binding: &Signature,
    policy: KeyPolicy,
) -> Option<KeyError> {
    // The key signs that the part is its own, and the part signs that it is the key's.
    let by_key = (binding.hash_algo(), cert.primary_key().key().role_as_unspecified());
    let by_part = binding.embedded_signatures().map(|signature| (signature.hash_algo(), part));
    std::iter::once(by_key).chain(by_part).find_map(|(hash, signer)| {
        let what = shortfall(hash, signer, policy)?;
        Some(KeyError::WeakHash { key: name_of(cert), hash, what, remedy: remedy::another_subkey(cert) })
    })
}

/// Returns the refusal of a key that would do if SHA-1 were accepted.
pub(super) fn held_by_sha1(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> KeyError {
    let standard = policy_at(now, policy);
    let valid = cert.with_policy(&standard, system_time(now));
    let is_sound = valid.is_ok_and(|valid| user_id(&valid, policy).is_ok());
    let hash = HashAlgorithm::SHA1;
    KeyError::WeakHash {
        key: name_of(cert),
        hash,
        what: format!("{hash}, which customers' tools refuse"),
        remedy: if is_sound { remedy::another_subkey(cert) } else { remedy::renew(cert) },
    }
}

/// When a primary key expires, and how that is put off.
pub(super) struct Primary {
    pub(super) expires: Option<Timestamp>,
    /// Whether the direct-key signature is among what ends then. GnuPG heeds it, and cannot renew it.
    pub(super) by_direct_key: bool,
}

/// Returns when the primary key expires for somebody: the user ID's signature and the direct-key signature
/// may differ, and programs differ in which of them they heed.
pub(super) fn primary(valid: &ValidCert<'_>) -> Primary {
    let part = valid.primary_key();
    let made = part.key().creation_time();
    let direct = part.direct_key_signature().ok().and_then(|signature| signature.key_validity_period());
    let direct = direct.filter(|period| !period.is_zero()).and_then(|period| timestamp(made + period));
    let user = valid.keys().next().and_then(|part| expiry(&part));
    Primary {
        expires: [direct, user].into_iter().flatten().min(),
        by_direct_key: direct.is_some_and(|direct| user.is_none_or(|user| direct <= user)),
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
    let primary = cert.primary_key().key().role_as_unspecified();
    own.iter().find_map(|signature| {
        let (key, hash) = (key.clone(), signature.hash_algo());
        let what = shortfall(hash, primary, policy)?;
        Some(KeyError::WeakHash { key, hash, what, remedy: remedy::renew(cert) })
    })
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
            return Some(KeyError::Weak { key, what, remedy: remedy::another_subkey(cert) });
        }
        let made = bindings.iter().filter_map(|binding| timestamp(binding.signature_creation_time()?)).min();
        if let Some(from) = made.filter(|&from| from > now) {
            return Some(KeyError::NotYetValid { key, from });
        }
        let public = part.key().role_as_unspecified();
        bindings.iter().find_map(|binding| unverified_binding(cert, public, binding, policy))
    })
}
