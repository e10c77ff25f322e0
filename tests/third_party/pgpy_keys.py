"""Makes a signing key by PGPy: pgpy_keys.py KIND DIRECTORY

Writes `secret`, `public`, and `signature`, which is over `payload`, to DIRECTORY, which has `payload` and `passphrase`.
"""

import datetime
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")

from pgpy import PGPKey, PGPUID
from pgpy.constants import EllipticCurveOID as Curve
from pgpy.constants import HashAlgorithm as Hash
from pgpy.constants import KeyFlags, PubKeyAlgorithm, SymmetricKeyAlgorithm as Cipher

RSA, DSA, ECDSA, EDDSA = (getattr(PubKeyAlgorithm, name) for name in ("RSAEncryptOrSign", "DSA", "ECDSA", "EdDSA"))
# The primary key; the hash of its self-signature; the cipher of its passphrase.
KINDS = {
    "ed25519": (EDDSA, Curve.Ed25519, Hash.SHA256, None),
    "rsa3072": (RSA, 3072, Hash.SHA512, None),
    "rsa2048": (RSA, 2048, Hash.SHA512, None),
    "p256": (ECDSA, Curve.NIST_P256, Hash.SHA256, None),
    "p521": (ECDSA, Curve.NIST_P521, Hash.SHA512, None),
    "p521-sha256": (ECDSA, Curve.NIST_P521, Hash.SHA256, None),
    "secp256k1": (ECDSA, Curve.SECP256K1, Hash.SHA256, None),
    "sha1": (EDDSA, Curve.Ed25519, Hash.SHA1, None),
    "sha224": (EDDSA, Curve.Ed25519, Hash.SHA224, None),
    "aes256": (EDDSA, Curve.Ed25519, Hash.SHA256, Cipher.AES256),
    "cast5": (EDDSA, Curve.Ed25519, Hash.SHA256, Cipher.CAST5),
    "triple-des": (EDDSA, Curve.Ed25519, Hash.SHA256, Cipher.TripleDES),
    "blowfish": (EDDSA, Curve.Ed25519, Hash.SHA256, Cipher.Blowfish),
    "camellia256": (EDDSA, Curve.Ed25519, Hash.SHA256, Cipher.Camellia256),
    "subkey": (EDDSA, Curve.Ed25519, Hash.SHA256, None),
    "subkey-p384": (EDDSA, Curve.Ed25519, Hash.SHA256, None),
    "expires": (EDDSA, Curve.Ed25519, Hash.SHA256, None),
    "certify-only": (EDDSA, Curve.Ed25519, Hash.SHA256, None),
}

kind, directory = sys.argv[1], pathlib.Path(sys.argv[2])
algorithm, size, digest, cipher = KINDS[kind]
key = PGPKey.new(algorithm, size)
preferences = {"usage": {KeyFlags.Sign, KeyFlags.Certify}, "hash": digest}
if kind == "expires":
    preferences["key_expiration"] = datetime.timedelta(days=365)
if kind == "certify-only":
    preferences["usage"] = {KeyFlags.Certify}
key.add_uid(PGPUID.new("Build Signing", email="signing@builds.example"), **preferences)
curves = {"subkey": Curve.NIST_P256, "subkey-p384": Curve.NIST_P384}
if kind in curves:
    key.add_subkey(PGPKey.new(ECDSA, curves[kind]), usage={KeyFlags.Sign})
if kind != "certify-only":
    signer = next(iter(key.subkeys.values())) if kind in curves else key
    signature = signer.sign((directory / "payload").read_bytes())
    (directory / "signature").write_text(str(signature))
if cipher:
    key.protect((directory / "passphrase").read_text(), cipher, Hash.SHA256)
(directory / "secret").write_text(str(key))
(directory / "public").write_text(str(key.pubkey))
