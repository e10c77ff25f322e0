//! A public key, and what it says about a signature.

use std::io::Read;

use jiff::{SignedDuration, Timestamp};
use openpgp::Packet;
use openpgp::armor::{Kind, Writer};
use openpgp::cert::{Cert, CertParser};
use openpgp::crypto::hash;
use openpgp::packet::{Signature, Tag};
use openpgp::parse::Parse;
use openpgp::parse::stream::{DetachedVerifierBuilder, MessageLayer, MessageStructure, VerificationHelper};
use openpgp::policy::{HashAlgoSecurity, Policy};
use openpgp::serialize::Serialize;
use sequoia_openpgp as openpgp;

use super::{KeyError, KeyPolicy, name_of, policy_at, system_time};

/// How far the clock of the host that signed may be ahead of ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A public key that verifies payloads.
#[derive(Debug, Clone)]
pub struct Certificate {
    cert: Cert,
    policy: KeyPolicy,
}

impl Certificate {
    /// Reads an exported public key, armored or binary.
    pub fn parse(exported: &[u8], policy: KeyPolicy) -> Result<Self, KeyError> {
        Ok(Self::new(parse_one(exported)?.strip_secret_key_material(), policy))
    }

    pub(super) fn new(cert: Cert, policy: KeyPolicy) -> Self {
        Self { cert, policy }
    }

    /// Returns the fingerprint.
    pub fn fingerprint(&self) -> String {
        name_of(&self.cert)
    }

    pub(super) fn cert(&self) -> &Cert {
        &self.cert
    }

    pub(super) fn policy(&self) -> KeyPolicy {
        self.policy
    }

    pub(super) fn to_armored(&self) -> Result<Vec<u8>, KeyError> {
        let failed = |source: Box<_>| KeyError::Unusable { key: self.fingerprint(), source };
        let mut armor = Writer::new(Vec::new(), Kind::PublicKey).map_err(|e| failed(e.into()))?;
        self.cert.serialize(&mut armor).map_err(|e| failed(e.into()))?;
        armor.finalize().map_err(|e| failed(e.into()))
    }

    /// Returns the public key as a keyring has it, not armored.
    pub fn to_binary(&self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::new();
        let written = self.cert.serialize(&mut bytes);
        written.map_err(|e| KeyError::Unusable { key: self.fingerprint(), source: e.into() })?;
        Ok(bytes)
    }

    /// Verifies that `signature` is a good one by this key over `payload`.
    ///
    /// A signature stays good when its key expires afterwards.
    pub fn verify(
        &self,
        signature: &[u8],
        payload: &mut (dyn Read + Send + Sync),
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let policy = policy_at(now, self.policy);
        let bad = |source: Box<_>| KeyError::BadSignature { key: self.fingerprint(), source };
        let latest = now.saturating_add(CLOCK_SKEW).map_err(|e| bad(e.into()))?;
        let mut verifier = DetachedVerifierBuilder::from_bytes(signature)
            .and_then(|builder| builder.with_policy(&policy, system_time(latest), OneKey(&self.cert)))
            .map_err(|e| bad(e.into()))?;
        let mut payload = Watched { inner: payload, failed: None };
        let verified = verifier.verify_reader(&mut payload);
        match payload.failed {
            Some(error) => Err(KeyError::Payload(error)),
            None => verified.map_err(|e| bad(e.into())),
        }
    }

    /// Verifies a signature that was just made, over a payload that was hashed meanwhile.
    pub(super) fn verify_hash(
        &self,
        signature: &Signature,
        hash: hash::Context,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let policy = policy_at(now, self.policy);
        let bad = |source: Box<_>| KeyError::BadSignature { key: self.fingerprint(), source };
        policy.signature(signature, HashAlgoSecurity::CollisionResistance).map_err(|e| bad(e.into()))?;
        let valid = self.cert.with_policy(&policy, system_time(now)).map_err(|e| bad(e.into()))?;
        let issuers = signature.get_issuers();
        let mut keys =
            valid.keys().supported().alive().revoked(false).for_signing().key_handles(issuers.iter());
        let key = keys.next().ok_or_else(|| bad("no part of the key that may sign has issued it".into()))?;
        signature.verify_hash(key.key(), hash).map_err(|e| bad(e.into()))
    }
}

/// Reads the one key in `exported`.
pub(super) fn parse_one(exported: &[u8]) -> Result<Cert, KeyError> {
    let malformed = |e: Box<_>| match unknown_version(exported) {
        Some(version) => KeyError::Version { version },
        None => KeyError::Malformed(Some(e)),
    };
    let mut certs = CertParser::from_bytes(exported).map_err(|e| malformed(e.into()))?;
    let cert = match certs.next() {
        Some(cert) => cert.map_err(|e| malformed(e.into()))?,
        None => match unknown_version(exported) {
            Some(version) => return Err(KeyError::Version { version }),
            None => return Err(KeyError::Malformed(None)),
        },
    };
    match certs.next() {
        None => Ok(cert),
        Some(Ok(_)) => Err(KeyError::Several),
        Some(Err(e)) => Err(malformed(e.into())),
    }
}

/// Returns the version of the key in `exported`, if the library does not know it.
fn unknown_version(exported: &[u8]) -> Option<u8> {
    match Packet::from_bytes(exported) {
        Ok(Packet::Unknown(unknown)) if matches!(unknown.tag(), Tag::SecretKey | Tag::PublicKey) => {
            unknown.body().first().copied()
        }
        _ => None,
    }
}

/// Reads the one signature in `armored`.
pub(super) fn parse_signature(armored: &[u8]) -> Result<Signature, Box<dyn std::error::Error + Send + Sync>> {
    match Packet::from_bytes(armored)? {
        Packet::Signature(signature) => Ok(signature),
        other => Err(format!("expected a signature, found a {} packet", other.tag()).into()),
    }
}

/// Verification knows one key and wants one good signature by it.
struct OneKey<'c>(&'c Cert);

impl VerificationHelper for OneKey<'_> {
    fn get_certs(&mut self, _: &[openpgp::KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(vec![self.0.clone()])
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        let mut refusal = None;
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                match result {
                    Ok(_) => return Ok(()),
                    Err(error) => refusal = Some(error.to_string()),
                }
            }
        }
        Err(openpgp::Error::BadSignature(refusal.unwrap_or_else(|| "there is no signature".into())).into())
    }
}

/// Remembers why reading failed, which verification would report as a bad signature.
struct Watched<'r> {
    inner: &'r mut (dyn Read + Send + Sync),
    failed: Option<std::io::Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}
