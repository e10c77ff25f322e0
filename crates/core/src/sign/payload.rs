//! A signature under way: hashes what is written to it, signs, and verifies what it has signed.

use std::io::{self, Write};

use jiff::Timestamp;
use openpgp::armor::{Kind, Writer};
use openpgp::crypto::{KeyPair, hash};
use openpgp::packet::Packet;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::serialize::Serialize;
use openpgp::types::{HashAlgorithm, PublicKeyAlgorithm, SignatureType};
use sequoia_openpgp as openpgp;

use super::certificate::{Certificate, parse_signature};
use super::{KeyError, system_time};

/// Returns what payloads are hashed with for a signature by `key`.
///
/// SHA-256 is GnuPG's own choice for RSA and Ed25519, and processors of today compute it three times as fast
/// as SHA-512. Of an ECDSA key, GnuPG takes no hash that is shorter than the key's curve; SHA-512 is long
/// enough for all.
pub(super) fn hash_for(key: &KeyPair) -> HashAlgorithm {
    match key.public().pk_algo() {
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::EdDSA | PublicKeyAlgorithm::Ed25519 => {
            HashAlgorithm::SHA256
        }
        _ => HashAlgorithm::SHA512,
    }
}

/// Takes a payload's bytes and returns its detached signature.
pub struct PayloadSigner<'k> {
    certificate: &'k Certificate,
    pair: &'k KeyPair,
    hash: hash::Context,
    now: Timestamp,
}

impl<'k> PayloadSigner<'k> {
    pub(super) fn new(
        certificate: &'k Certificate,
        pair: &'k KeyPair,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let signer = hash_for(pair).context().map(|hash| hash.for_signature(pair.public().version()));
        let hash = signer.map_err(|source| signing(pair, source))?;
        Ok(Self { certificate, pair, hash, now })
    }

    /// Signs everything that was written, verifies the armored signature, and returns it.
    pub fn finish(self) -> Result<Vec<u8>, KeyError> {
        let armored = self.sign().map_err(|source| signing(self.pair, source))?;
        let published = parse_signature(&armored)
            .map_err(|source| KeyError::BadSignature { key: self.certificate.fingerprint(), source })?;
        self.certificate.verify_hash(&published, self.hash, self.now)?;
        Ok(armored)
    }

    fn sign(&self) -> openpgp::Result<Vec<u8>> {
        let signature = SignatureBuilder::new(SignatureType::Binary)
            .set_signature_creation_time(system_time(self.now))?
            .sign_hash(&mut self.pair.clone(), self.hash.clone())?;
        let mut armor = Writer::new(Vec::new(), Kind::Signature)?;
        Packet::from(signature).serialize(&mut armor)?;
        Ok(armor.finalize()?)
    }
}

impl Write for PayloadSigner<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn signing(pair: &KeyPair, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> KeyError {
    KeyError::Signing { key: pair.public().fingerprint().to_hex(), source: source.into() }
}
