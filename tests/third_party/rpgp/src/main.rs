//! Makes a signing key by rPGP: rpgp-keys KIND DIRECTORY
//!
//! Writes `secret`, `public`, and `signature`, which is over `payload`, to DIRECTORY, which has `payload` and
//! `passphrase`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pgp::composed::{
    ArmorOptions, DetachedSignature, DsaKeySize, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::aead::AeadAlgorithm;
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm as Cipher;
use pgp::packet::KeyFlags;
use pgp::types::{KeyDetails as _, KeyVersion, Password, S2kParams, StringToKey, Timestamp};
use rand::thread_rng;

type Failure = Box<dyn Error>;

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

/// What is made: the primary key, and a subkey for signing, if that signs.
struct Kind {
    primary: KeyType,
    subkey: Option<KeyType>,
    version: KeyVersion,
    s2k: Option<S2kParams>,
    hash: HashAlgorithm,
    made: SystemTime,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("rpgp-keys KIND DIRECTORY".into());
    };
    let directory = Path::new(&directory);
    let kind = kind(&name).ok_or("there is no such kind")?;
    let passphrase = fs::read_to_string(directory.join("passphrase"))?;
    let mut key = make(&kind)?;
    if name == "no-back-signature" {
        bind_from_one_side(&mut key)?;
    }
    let payload = fs::read(directory.join("payload"))?;
    let signature = sign(&key, payload.as_slice())?;
    if let Some(s2k) = kind.s2k {
        key.primary_key.set_password_with_s2k(&Password::from(passphrase.as_str()), s2k)?;
    }
    fs::write(directory.join("secret"), key.to_armored_string(ArmorOptions::default())?)?;
    let public = SignedPublicKey::from(key);
    fs::write(directory.join("public"), public.to_armored_string(ArmorOptions::default())?)?;
    fs::write(directory.join("signature"), signature.to_armored_string(ArmorOptions::default())?)?;
    Ok(())
}

fn kind(name: &str) -> Option<Kind> {
    let plain = Kind {
        primary: KeyType::Ed25519Legacy,
        subkey: None,
        version: KeyVersion::V4,
        s2k: None,
        hash: SHA256,
        made: SystemTime::now(),
    };
    let of = |primary| Some(Kind { primary, ..kind("ed25519-legacy")? });
    let with = |subkey| Some(Kind { subkey: Some(subkey), ..kind("ed25519-legacy")? });
    let locked = |s2k| Some(Kind { s2k: Some(s2k), ..kind("ed25519-legacy")? });
    match name {
        "ed25519-legacy" => Some(plain),
        "ed25519" => of(KeyType::Ed25519),
        "ed448" => of(KeyType::Ed448),
        "v6" => Some(Kind { version: KeyVersion::V6, primary: KeyType::Ed25519, ..plain }),
        "v6-ed448" => Some(Kind { version: KeyVersion::V6, primary: KeyType::Ed448, ..plain }),
        "p256" => of(KeyType::ECDSA(ECCCurve::P256)),
        "p384" => Some(Kind { primary: KeyType::ECDSA(ECCCurve::P384), hash: HashAlgorithm::Sha384, ..plain }),
        "p521" => Some(Kind { primary: KeyType::ECDSA(ECCCurve::P521), hash: HashAlgorithm::Sha512, ..plain }),
        "secp256k1" => of(KeyType::ECDSA(ECCCurve::Secp256k1)),
        "dsa3072" => of(KeyType::Dsa(DsaKeySize::B3072)),
        "rsa3072" => of(KeyType::Rsa(3072)),
        "subkey" => with(KeyType::Ed25519Legacy),
        "subkey-27" => with(KeyType::Ed25519),
        "subkey-rsa4096" => with(KeyType::Rsa(4096)),
        "no-back-signature" => with(KeyType::Ed25519Legacy),
        "future" => Some(Kind { made: plain.made + Duration::from_secs(3600), ..plain }),
        "year-2001" => Some(Kind { made: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000), ..plain }),
        "s2k-simple" => locked(cfb(Cipher::AES128, StringToKey::Simple { hash_alg: SHA256 })),
        "s2k-salted" => locked(cfb(Cipher::AES256, StringToKey::Salted { hash_alg: SHA256, salt: [7; 8] })),
        "s2k-iterated-sha512" => locked(cfb(Cipher::AES256, iterated(HashAlgorithm::Sha512))),
        "s2k-argon2-aead" => locked(aead(AeadAlgorithm::Ocb, 15, argon2())),
        "s2k-eax" => locked(aead(AeadAlgorithm::Eax, 16, iterated(SHA256))),
        "s2k-gcm" => locked(aead(AeadAlgorithm::Gcm, 12, iterated(SHA256))),
        "cipher-twofish" => locked(cfb(Cipher::Twofish, iterated(SHA256))),
        "cipher-blowfish" => locked(cfb(Cipher::Blowfish, iterated(SHA256))),
        "cipher-cast5" => locked(cfb(Cipher::CAST5, iterated(SHA256))),
        _ => None,
    }
}

fn iterated(hash_alg: HashAlgorithm) -> StringToKey {
    StringToKey::IteratedAndSalted { hash_alg, salt: [7; 8], count: 96 }
}

fn argon2() -> StringToKey {
    StringToKey::Argon2 { salt: [7; 16], t: 1, p: 4, m_enc: 16 }
}

fn cfb(sym_alg: Cipher, s2k: StringToKey) -> S2kParams {
    S2kParams::Cfb { sym_alg, s2k, iv: vec![7; sym_alg.block_size()].into() }
}

fn aead(aead_mode: AeadAlgorithm, nonce: usize, s2k: StringToKey) -> S2kParams {
    S2kParams::Aead { sym_alg: Cipher::AES256, aead_mode, s2k, nonce: vec![7; nonce].into() }
}

fn make(kind: &Kind) -> Result<SignedSecretKey, Failure> {
    let made = Timestamp::try_from(kind.made)?;
    let mut parameters = SecretKeyParamsBuilder::default();
    parameters
        .version(kind.version)
        .key_type(kind.primary.clone())
        .can_certify(true)
        .can_sign(kind.subkey.is_none())
        .created_at(made)
        .preferred_hash_algorithms([kind.hash].into_iter().collect())
        .primary_user_id("Build Signing <signing@builds.example>".into());
    if let Some(subkey) = &kind.subkey {
        let mut own = SubkeyParamsBuilder::default();
        own.version(kind.version).key_type(subkey.clone()).can_sign(true).created_at(made);
        parameters.subkeys(vec![own.build()?]);
    }
    Ok(parameters.build()?.generate(thread_rng())?)
}

fn sign(key: &SignedSecretKey, payload: &[u8]) -> Result<DetachedSignature, Failure> {
    let open = Password::empty();
    let long = |algorithm| if algorithm == PublicKeyAlgorithm::ECDSA { HashAlgorithm::Sha512 } else { SHA256 };
    let signature = match key.secret_subkeys.first() {
        Some(subkey) => {
            let hash = long(subkey.key.algorithm());
            DetachedSignature::sign_binary_data(thread_rng(), &subkey.key, &open, hash, payload)
        }
        None => {
            let hash = if key.primary_key.algorithm() == PublicKeyAlgorithm::Ed448 {
                HashAlgorithm::Sha512
            } else {
                long(key.primary_key.algorithm())
            };
            DetachedSignature::sign_binary_data(thread_rng(), &key.primary_key, &open, hash, payload)
        }
    };
    Ok(signature?)
}

/// Binds the subkey anew, without a signature by itself: whoever has the primary key could claim any subkey
/// so.
fn bind_from_one_side(key: &mut SignedSecretKey) -> Result<(), Failure> {
    let (primary, open) = (&key.primary_key, Password::empty());
    for subkey in &mut key.secret_subkeys {
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let binding = subkey.key.sign(thread_rng(), primary, primary.public_key(), &open, flags, None)?;
        subkey.signatures = vec![binding];
    }
    Ok(())
}
