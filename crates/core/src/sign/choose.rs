//! Which part of a key signs, and if none may, the reason that helps most.
//!
//! Of several that may sign and whose signatures customers can verify ([`fit`]), the newest does, as with
//! GnuPG.

use jiff::Timestamp;
use openpgp::cert::Cert;
use openpgp::cert::amalgamation::ValidAmalgamation;
use openpgp::packet::Key;
use openpgp::packet::key::{SecretParts, UnspecifiedRole};
use openpgp::types::RevocationStatus;
use sequoia_openpgp as openpgp;

use super::fit::{self, weakness};
use super::part::{Part, expiry, has_secret, timestamp};
use super::remedy::{self, extend};
use super::{KeyError, KeyPolicy, name_of, policy_at, system_time};

/// A part of a key that may sign and has its secret.
pub(super) struct Chosen {
    pub(super) key: Key<SecretParts, UnspecifiedRole>,
    /// When it or the key it belongs to expires.
    pub(super) expires: Option<Timestamp>,
    /// How that is put off.
    pub(super) extend: String,
}

/// Returns what to sign with at `now`.
pub(super) fn signing_key(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> Result<Chosen, KeyError> {
    match choose(cert, now, policy) {
        Err(_) if !policy.accept_sha1 && choose(cert, now, KeyPolicy { accept_sha1: true }).is_ok() => {
            Err(fit::held_by_sha1(cert, now, policy))
        }
        chosen => chosen,
    }
}

fn choose(cert: &Cert, now: Timestamp, policy: KeyPolicy) -> Result<Chosen, KeyError> {
    let key = || name_of(cert);
    if let Some(what) = fit::unknown_part(cert) {
        return Err(KeyError::UnknownPart { key: key(), what });
    }
    let standard = policy_at(now, policy);
    let valid =
        cert.with_policy(&standard, system_time(now)).map_err(|cause| unbound(cert, now, policy, cause))?;
    if let RevocationStatus::Revoked(_) = valid.revocation_status() {
        return Err(KeyError::Revoked { key: key(), remedy: remedy::another_key() });
    }
    let primary = valid.keys().next().ok_or_else(|| KeyError::NotForSigning { key: key() })?;
    let fit::Primary { expires, by_direct_key } = fit::primary(&valid);
    let extend_primary = extend(cert, &primary, by_direct_key);
    alive(&primary, expires, &extend_primary, now)?;
    if let Some(what) = weakness(primary.key()) {
        return Err(KeyError::Weak { key: key(), what, remedy: remedy::another_key() });
    }
    fit::user_id(&valid, policy)?;
    if let Some(error) = fit::spoiling_subkey(cert) {
        return Err(error);
    }

    let parts: Vec<Part<'_>> = valid.keys().for_signing().collect();
    if parts.is_empty() {
        let unfit = fit::unfit_subkey(cert, now, policy);
        return Err(unfit.unwrap_or_else(|| KeyError::NotForSigning { key: key() }));
    }
    let has_subkey = parts.iter().any(|part| part.key().fingerprint() != cert.fingerprint());
    let export = if has_subkey { "--export-secret-subkeys" } else { "--export-secret-keys" };
    let mut parts: Vec<Part<'_>> = parts.into_iter().filter(|part| has_secret(part.key())).collect();
    parts.sort_by_key(|part| part.key().creation_time());
    let mut error = KeyError::NoSecret { key: key(), export };
    for part in parts.iter().rev() {
        let at = expiry(part);
        let is_first = at.is_some_and(|at| expires.is_none_or(|primary| at < primary));
        let extend = if is_first { extend(cert, part, false) } else { extend_primary.clone() };
        match may_sign(part, &extend, now, policy) {
            Ok(key) => return Ok(Chosen { key, expires: earliest(expires, at), extend }),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

fn may_sign(
    part: &Part<'_>,
    extend: &str,
    now: Timestamp,
    policy: KeyPolicy,
) -> Result<Key<SecretParts, UnspecifiedRole>, KeyError> {
    let name = part.key().fingerprint().to_hex();
    if let RevocationStatus::Revoked(_) = part.revocation_status() {
        return Err(KeyError::Revoked { key: name, remedy: remedy::another_subkey(part.cert()) });
    }
    alive(part, expiry(part), extend, now)?;
    if let Some(what) = weakness(part.key()) {
        return Err(KeyError::Weak { key: name, what, remedy: remedy::another_subkey(part.cert()) });
    }
    if let Some(error) = fit::unverified_binding(part.cert(), part.key(), part.binding_signature(), policy) {
        return Err(error);
    }
    let key = part.key().clone().parts_into_secret();
    key.map_err(|source| KeyError::Unusable { key: name, source: source.into() })
}

fn alive(part: &Part<'_>, expires: Option<Timestamp>, extend: &str, now: Timestamp) -> Result<(), KeyError> {
    let key = part.key().fingerprint().to_hex();
    if let Some(from) = timestamp(part.key().creation_time()).filter(|&from| from > now) {
        return Err(KeyError::NotYetValid { key, from });
    }
    match expires.filter(|&at| at <= now) {
        Some(at) => Err(KeyError::Expired { key, at, extend: extend.to_owned() }),
        None => part.alive().map_err(|source| KeyError::Unusable { key, source: source.into() }),
    }
}

/// Returns why a key has no valid self-signature at `now`.
fn unbound(
    cert: &Cert,
    now: Timestamp,
    policy: KeyPolicy,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> KeyError {
    let (key, primary) = (name_of(cert), cert.primary_key().key());
    if let Some(what) = weakness(primary.role_as_unspecified()) {
        return KeyError::Weak { key, what, remedy: remedy::another_key() };
    }
    if let Some(from) = timestamp(primary.creation_time()).filter(|&from| from > now) {
        return KeyError::NotYetValid { key, from };
    }
    fit::unbound(cert, now, policy).unwrap_or_else(|| KeyError::Unusable { key, source: cause.into() })
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}
