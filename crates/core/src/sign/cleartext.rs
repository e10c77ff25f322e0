//! Texts that carry their signature with them, as uploads and `InRelease` do: what is made, and what is
//! believed of others.

use std::io::{Read as _, Write as _};

use jiff::{SignedDuration, Timestamp};
use openpgp::cert::{Cert, CertParser};
use openpgp::parse::Parse;
use openpgp::parse::stream::{
    MessageLayer, MessageStructure, VerificationError, VerificationHelper, VerifierBuilder,
};
use openpgp::serialize::stream::{Message, Signer};
use sequoia_openpgp as openpgp;

use super::payload::hash_for;
use super::{KeyError, KeyPolicy, SigningKey, policy_at, system_time};

/// How such a text begins.
const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// How far the clock of the host that signed may be ahead of ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

impl SigningKey {
    /// Signs a text at `now`, in a form that can still be read, and verifies what was made.
    ///
    /// Spaces at the ends of lines are not signed, so there should be none.
    pub fn sign_text(&self, text: &[u8], now: Timestamp) -> Result<Vec<u8>, KeyError> {
        self.is_valid_at(now)?;
        let key = || self.signing_fingerprint();
        let signed = self
            .clear_text(text, now)
            .map_err(|source| KeyError::Signing { key: key(), source: source.into() })?;
        let ours =
            Keyring { certs: vec![self.certificate.cert().clone()], policy: self.certificate.policy() };
        match ours.open(&signed, now) {
            Ok(_) => Ok(signed),
            Err(source) => Err(KeyError::BadSignature { key: key(), source: source.into() }),
        }
    }

    fn clear_text(&self, text: &[u8], now: Timestamp) -> openpgp::Result<Vec<u8>> {
        let mut signed = Vec::new();
        let mut signer = Signer::new(Message::new(&mut signed), self.pair.clone())?
            .cleartext()
            .hash_algo(hash_for(&self.pair))?
            .creation_time(system_time(now))
            .build()?;
        // The last line break belongs to the form, as with GnuPG; otherwise an empty line would follow.
        signer.write_all(text.strip_suffix(b"\n").unwrap_or(text))?;
        signer.finalize()?;
        Ok(signed)
    }
}

/// The public keys of those whose signatures are good.
#[derive(Debug, Clone)]
pub struct Keyring {
    certs: Vec<Cert>,
    policy: KeyPolicy,
}

/// A text, and who has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// What was signed, and nothing that stands around it.
    pub text: Vec<u8>,
    /// The fingerprint of the key.
    pub signer: String,
}

/// Why a text is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// There is no signature in the form that is wanted.
    #[error("it is not signed as `gpg --clearsign` does")]
    Unsigned,
    /// The signer is none of ours.
    #[error("it is signed by {issuer}, whose key is not in the keyring")]
    Stranger {
        /// The fingerprint or the number of the key, as the signature says it.
        issuer: String,
    },
    /// The signature does not fit, or its key must not be used.
    #[error("its signature is not good")]
    Bad(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Keyring {
    /// Reads the public keys that `gpg --export` writes. Keys that cannot be read are left out; one at least
    /// must be left.
    pub fn parse(exported: &[u8], policy: KeyPolicy) -> Result<Self, KeyError> {
        let found = CertParser::from_bytes(exported).map_err(|e| KeyError::Malformed(Some(e.into())))?;
        let certs: Vec<Cert> = found.filter_map(Result::ok).map(Cert::strip_secret_key_material).collect();
        if certs.is_empty() { Err(KeyError::Malformed(None)) } else { Ok(Self { certs, policy }) }
    }

    /// Returns what was signed by one of the keys, when that key could sign.
    pub fn open(&self, signed: &[u8], now: Timestamp) -> Result<SignedText, NotSigned> {
        if !signed.starts_with(BEGIN) {
            return Err(NotSigned::Unsigned);
        }
        let latest = now.saturating_add(CLOCK_SKEW).map_err(|e| NotSigned::Bad(e.into()))?;
        let policy = policy_at(now, self.policy);
        let mut refusal = None;
        let mut signer = None;
        let reader = Reader { certs: &self.certs, signer: &mut signer, refusal: &mut refusal };
        let mut text = Vec::new();
        let read = VerifierBuilder::from_bytes(signed)
            .and_then(|builder| builder.with_policy(&policy, system_time(latest), reader))
            .and_then(|mut verifier| Ok(verifier.read_to_end(&mut text)?));
        match (read, refusal, signer) {
            (Ok(_), None, Some(signer)) => Ok(SignedText { text, signer }),
            (_, Some(refusal), _) => Err(refusal),
            (Err(error), None, _) => Err(NotSigned::Bad(error.into())),
            (Ok(_), None, None) => Err(NotSigned::Unsigned),
        }
    }
}

/// Knows some keys, wants one good signature by one of them, and remembers whose it was.
struct Reader<'k> {
    certs: &'k [Cert],
    signer: &'k mut Option<String>,
    refusal: &'k mut Option<NotSigned>,
}

impl VerificationHelper for Reader<'_> {
    fn get_certs(&mut self, _: &[openpgp::KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.certs.to_vec())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        let mut refusal = NotSigned::Unsigned;
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                match result {
                    Ok(good) => {
                        *self.signer = Some(good.ka.cert().fingerprint().to_hex());
                        return Ok(());
                    }
                    Err(VerificationError::MissingKey { sig }) => {
                        let issuer = sig.get_issuers().first().map_or("nobody".into(), |by| by.to_hex());
                        refusal = NotSigned::Stranger { issuer };
                    }
                    Err(error) => refusal = NotSigned::Bad(error.to_string().into()),
                }
            }
        }
        *self.refusal = Some(refusal);
        Err(openpgp::Error::BadSignature("none by a key that is known".into()).into())
    }
}
