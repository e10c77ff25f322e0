//! Keys of OpenPGP.js, PGPy and rPGP.

use super::{DSA, LONG_RSA, RSA_2048};
use crate::kind::{Kind, Maker};

const fn js(name: &'static str, title: &'static str) -> Kind {
    Kind::of(Maker::OpenPgpJs, name, title)
}

const fn py(name: &'static str, title: &'static str) -> Kind {
    Kind::of(Maker::PgPy, name, title)
}

const fn rs(name: &'static str, title: &'static str) -> Kind {
    Kind::of(Maker::Rpgp, name, title)
}

pub(super) const KINDS: &[Kind] = &[
    js("openpgpjs/ed25519", "Ed25519 (EdDSA)"),
    js("openpgpjs/curve25519", "Ed25519 (27) in version 4")
        .refused("is Ed25519 in its new form (algorithm 27)"),
    js("openpgpjs/curve448", "Ed448 (28) in version 4").refused("is Ed448 (algorithm 28)"),
    js("openpgpjs/v6", "version 6, Ed25519").refused("is of OpenPGP version 6"),
    js("openpgpjs/nist-p256", "ECDSA on NIST P-256"),
    js("openpgpjs/nist-p384", "ECDSA on NIST P-384"),
    js("openpgpjs/nist-p521", "ECDSA on NIST P-521"),
    js("openpgpjs/brainpool-p256", "ECDSA on brainpoolP256r1").refused("on the curve brainpoolP256r1"),
    js("openpgpjs/brainpool-p512", "ECDSA on brainpoolP512r1").refused("on the curve brainpoolP512r1"),
    js("openpgpjs/secp256k1", "ECDSA on secp256k1").refused("on the curve secp256k1"),
    js("openpgpjs/rsa2048", "RSA 2048").stricter("is RSA with 2048 bits", RSA_2048),
    js("openpgpjs/rsa3072", "RSA 3072"),
    js("openpgpjs/rsa4096", "RSA 4096"),
    js("openpgpjs/rsa5120", "RSA 5120")
        .stricter("is RSA with 5120 bits, and this program takes up to 4096", LONG_RSA),
    js("openpgpjs/subkey", "signing subkey"),
    js("openpgpjs/subkey-27", "newest signing subkey Ed25519 (27), the primary key Ed25519 (EdDSA)"),
    js("openpgpjs/subkey-of-27", "primary key Ed25519 (27), signing subkey Ed25519 (EdDSA)")
        .refused("is Ed25519 in its new form"),
    js("openpgpjs/subkey-expires", "signing subkey expires in 30 days"),
    js("openpgpjs/passphrase", "passphrase, iterated and salted").locked(),
    js("openpgpjs/aead", "passphrase, iterated and salted, AEAD").locked(),
    js("openpgpjs/argon2", "passphrase, Argon2, AEAD").locked(),
    js("openpgpjs/sha3", "self-signature over SHA3-512").refused("a user ID that is signed over SHA3-512"),
    js("openpgpjs/expires-in-a-year", "expires in a year"),
    js("openpgpjs/expired", "expired").refused("expired at"),
    js("openpgpjs/future", "made in two days").refused("is valid from"),
    js("openpgpjs/revoked", "revoked").refused("is revoked"),
    js("openpgpjs/two-users", "two user IDs"),
    py("pgpy/ed25519", "Ed25519 (EdDSA)"),
    py("pgpy/rsa3072", "RSA 3072"),
    py("pgpy/rsa2048", "RSA 2048").stricter("is RSA with 2048 bits", RSA_2048),
    py("pgpy/p256", "ECDSA on NIST P-256"),
    py("pgpy/p521", "ECDSA on NIST P-521"),
    py("pgpy/p521-sha256", "ECDSA on NIST P-521, self-signature over SHA-256")
        .refused("over SHA256, which GnuPG takes for too short"),
    py("pgpy/secp256k1", "ECDSA on secp256k1").refused("on the curve secp256k1"),
    py("pgpy/sha1", "self-signature over SHA-1").refused("over SHA1"),
    py("pgpy/sha224", "self-signature over SHA-224"),
    py("pgpy/aes256", "passphrase, AES-256").locked(),
    py("pgpy/cast5", "passphrase, CAST5").locked(),
    py("pgpy/triple-des", "passphrase, 3DES").locked(),
    py("pgpy/blowfish", "passphrase, Blowfish")
        .locked()
        .stricter("or its cipher Blowfish is not read here", OLD_CIPHER),
    py("pgpy/camellia256", "passphrase, Camellia-256").locked(),
    py("pgpy/subkey", "signing subkey on NIST P-256"),
    py("pgpy/subkey-p384", "signing subkey on NIST P-384, its signature over SHA-256")
        .refused("delete that subkey, `gpg --edit-key"),
    py("pgpy/expires", "expires in a year"),
    py("pgpy/certify-only", "certifies only").refused("is not for signing"),
    rs("rpgp/ed25519-legacy", "Ed25519 (EdDSA)"),
    rs("rpgp/ed25519", "Ed25519 (27) in version 4").refused("is Ed25519 in its new form (algorithm 27)"),
    rs("rpgp/ed448", "Ed448 (28) in version 4").refused("is Ed448 (algorithm 28)"),
    rs("rpgp/v6", "version 6, Ed25519").refused("is of OpenPGP version 6"),
    rs("rpgp/v6-ed448", "version 6, Ed448").refused("is of OpenPGP version 6"),
    rs("rpgp/p256", "ECDSA on NIST P-256"),
    rs("rpgp/p384", "ECDSA on NIST P-384"),
    rs("rpgp/p521", "ECDSA on NIST P-521"),
    rs("rpgp/secp256k1", "ECDSA on secp256k1").refused("on the curve secp256k1"),
    rs("rpgp/dsa3072", "DSA 3072").stricter("is of algorithm DSA", DSA),
    rs("rpgp/rsa3072", "RSA 3072"),
    rs("rpgp/subkey", "signing subkey"),
    rs("rpgp/subkey-27", "signing subkey Ed25519 (27), primary key certifies")
        .refused("is Ed25519 in its new form (algorithm 27)"),
    rs("rpgp/subkey-rsa4096", "signing subkey RSA 4096"),
    rs("rpgp/no-back-signature", "signing subkey without a signature of its own")
        .refused("is not for signing"),
    rs("rpgp/future", "made in an hour").refused("is valid from"),
    rs("rpgp/year-2001", "made in 2001"),
    rs("rpgp/s2k-simple", "passphrase, simple").locked(),
    rs("rpgp/s2k-salted", "passphrase, salted").locked(),
    rs("rpgp/s2k-iterated-sha512", "passphrase, iterated and salted over SHA-512").locked(),
    rs("rpgp/s2k-argon2-aead", "passphrase, Argon2, AEAD with OCB").locked(),
    rs("rpgp/s2k-eax", "passphrase, iterated and salted, AEAD with EAX").locked(),
    rs("rpgp/s2k-gcm", "passphrase, iterated and salted, AEAD with GCM").locked(),
    rs("rpgp/cipher-twofish", "passphrase, Twofish").locked(),
    rs("rpgp/cipher-blowfish", "passphrase, Blowfish")
        .locked()
        .stricter("or its cipher Blowfish is not read here", OLD_CIPHER),
    rs("rpgp/cipher-cast5", "passphrase, CAST5").locked(),
];

const OLD_CIPHER: &str = "the secret does not open here; GnuPG opens it, and exports it under another cipher";
