//! The company's key and the signatures it makes.
//!
//! The key is what GnuPG exports: armored or binary, with or without a passphrase, with the primary key
//! or a subkey for signing, with the primary's secret left at home or not. Everything that could make a
//! signature that customers' tools refuse is found when the key is loaded, before any work: expiry,
//! revocation, missing capability, weak algorithms, and self-signatures over SHA-1, which modern
//! implementations ignore.
//!
//! A payload is hashed while it is written ([`PayloadSigner`] is an `io::Write`), signed at the end, and
//! the signature as it will be published is verified at once with the same hash, so that a bit that
//! flipped in memory does not reach a customer. Which cryptographic backend does this is the binaries'
//! choice.

mod certificate;
mod choose;
mod cleartext;
mod error;
mod fit;
mod part;
mod payload;
mod remedy;

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use openpgp::cert::Cert;
use openpgp::crypto::{KeyPair, Password};
use openpgp::packet::Key;
use openpgp::packet::key::{SecretKeyMaterial, SecretParts, UnspecifiedRole};
use openpgp::types::SymmetricAlgorithm;
use sequoia_openpgp as openpgp;

pub use certificate::Certificate;
pub use cleartext::{Keyring, NotSigned, SignedText};
pub use error::KeyError;
pub use payload::PayloadSigner;

use crate::secret::Secret;

/// What is accepted of a key beyond what is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyPolicy {
    /// Accept a key whose self-signatures are over SHA-1. Customers' tools may refuse it all the same.
    pub accept_sha1: bool,
}

/// A key that can sign payloads now.
pub struct SigningKey {
    certificate: Certificate,
    armored: Vec<u8>,
    pair: KeyPair,
    expires: Option<Timestamp>,
    extend: String,
    warning: Option<String>,
}

impl SigningKey {
    /// Reads an exported secret key, chooses what to sign with, and unlocks it.
    pub fn load(
        exported: &[u8],
        passphrase: Option<&Secret>,
        now: Timestamp,
        policy: KeyPolicy,
    ) -> Result<Self, KeyError> {
        let cert = certificate::parse_one(exported)?;
        let chosen = choose::signing_key(&cert, now, policy)?;
        let warning = fit::disturbing_part(&cert);
        let pair = unlock(chosen.key, passphrase)?;
        let certificate = Certificate::new(cert.strip_secret_key_material(), policy);
        let choose::Chosen { expires, extend, .. } = chosen;
        Ok(Self { armored: certificate.to_armored()?, certificate, pair, expires, extend, warning })
    }

    /// Returns the fingerprint of the whole key, which is how people name it.
    pub fn fingerprint(&self) -> String {
        self.certificate.fingerprint()
    }

    /// Returns the fingerprint of the key or subkey that signs.
    pub fn signing_fingerprint(&self) -> String {
        self.pair.public().fingerprint().to_hex()
    }

    /// Returns when the key can no longer sign, if ever; warn well before.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Returns the commands with which a person extends the key and exports it.
    pub fn extend(&self) -> &str {
        &self.extend
    }

    /// Returns what may keep some customers from using the key, if something does.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Returns the public key for customers, armored, without any secret.
    pub fn certificate(&self) -> Vec<u8> {
        self.armored.clone()
    }

    /// Returns what verifies this key's signatures.
    pub fn verifier(&self) -> &Certificate {
        &self.certificate
    }

    /// Begins a signature that is made at `now`.
    pub fn signer(&self, now: Timestamp) -> Result<PayloadSigner<'_>, KeyError> {
        self.is_valid_at(now)?;
        PayloadSigner::new(&self.certificate, &self.pair, now)
    }

    fn is_valid_at(&self, now: Timestamp) -> Result<(), KeyError> {
        match self.expires.filter(|&at| at <= now) {
            None => Ok(()),
            Some(at) => {
                let (key, extend) = (self.signing_fingerprint(), self.extend.clone());
                Err(KeyError::Expired { key, at, extend })
            }
        }
    }

    /// Verifies a signature of this key over `payload`.
    pub fn verify(
        &self,
        signature: &[u8],
        payload: &mut (dyn std::io::Read + Send + Sync),
        now: Timestamp,
    ) -> Result<(), KeyError> {
        self.certificate.verify(signature, payload, now)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn unlock(key: Key<SecretParts, UnspecifiedRole>, passphrase: Option<&Secret>) -> Result<KeyPair, KeyError> {
    let fingerprint = key.fingerprint().to_hex();
    let unlocked = match key.secret() {
        SecretKeyMaterial::Unencrypted(_) => key,
        SecretKeyMaterial::Encrypted(locked) => {
            let cipher = locked.algo();
            let Some(passphrase) = passphrase else {
                return Err(KeyError::PassphraseMissing { key: fingerprint });
            };
            // What decryption reports depends on which garbage a wrong passphrase produced; it says nothing.
            key.decrypt_secret(&Password::from(passphrase.expose())).map_err(|_| match cipher {
                SymmetricAlgorithm::AES128 | SymmetricAlgorithm::AES192 | SymmetricAlgorithm::AES256 => {
                    KeyError::WrongPassphrase { key: fingerprint.clone() }
                }
                // What the library says of the others is not always so.
                cipher => KeyError::OddCipher { key: fingerprint.clone(), cipher },
            })?
        }
    };
    unlocked.into_keypair().map_err(|source| KeyError::Unusable { key: fingerprint, source: source.into() })
}

fn system_time(now: Timestamp) -> SystemTime {
    now.into()
}

fn policy_at(now: Timestamp, policy: KeyPolicy) -> openpgp::policy::StandardPolicy<'static> {
    use openpgp::policy::HashAlgoSecurity::SecondPreImageResistance;
    let mut standard = openpgp::policy::StandardPolicy::at(system_time(now));
    if policy.accept_sha1 {
        standard.accept_hash_property(openpgp::types::HashAlgorithm::SHA1, SecondPreImageResistance);
    }
    standard
}

/// Returns the whole key's fingerprint for messages.
fn name_of(cert: &Cert) -> String {
    cert.fingerprint().to_hex()
}

#[cfg(test)]
mod tests;
