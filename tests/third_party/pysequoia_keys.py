"""Makes a signing key by pysequoia: pysequoia_keys.py KIND DIRECTORY

Writes `secret`, `public`, and `signature`, which is over `payload`, to DIRECTORY, which has `payload`.
"""

import datetime
import pathlib
import sys

from pysequoia import ArmorKind, Cert, CipherSuite, Profile, SignatureMode, Tsk, armor, sign

kind, directory = sys.argv[1], pathlib.Path(sys.argv[2])
USER = "Build Signing <signing@builds.example>"
V4, V6 = Profile.RFC4880, Profile.RFC9580
PLAIN = {
    "cv25519": (USER, V4, CipherSuite.Cv25519, None),
    "p256": (USER, V4, CipherSuite.P256, None),
    "p384": (USER, V4, CipherSuite.P384, None),
    "p521": (USER, V4, CipherSuite.P521, None),
    "rsa2k": (USER, V4, CipherSuite.RSA2k, None),
    "rsa3k": (USER, V4, CipherSuite.RSA3k, None),
    "cv448": (USER, V4, CipherSuite.Cv448, None),
    "v6": (USER, V6, CipherSuite.Cv25519, None),
    "v6-mldsa65": (USER, V6, CipherSuite.MLDSA65_Ed25519, None),
    "no-user": (None, V4, CipherSuite.Cv25519, None),
    "one-year": (USER, V4, CipherSuite.Cv25519, 365 * 86400),
    "extended": (USER, V4, CipherSuite.Cv25519, 86400),
    "revoked": (USER, V4, CipherSuite.Cv25519, None),
    "user-revoked": (USER, V4, CipherSuite.Cv25519, None),
}
user, profile, suite, validity = PLAIN[kind]
key = Tsk.generate(user, profile=profile, cipher_suite=suite, validity_seconds=validity)
signature = sign(key.signer(), (directory / "payload").read_bytes(), mode=SignatureMode.DETACHED)
cert = key.extract_certificate()


def packets(more):
    """Adds packets to both halves of the key, as they are on disk: anybody may append them."""
    return bytes(key) + more, bytes(cert) + more


secret, public = bytes(key), bytes(cert)
if kind == "extended":
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=400)
    cert = cert.set_expiration(until, key.certifier())
    public = bytes(cert)
    secret = bytes(Cert.from_bytes(bytes(key)).merge(cert).secrets)
elif kind == "revoked":
    cert = Cert.from_bytes(public + bytes(cert.revoke(key.certifier())))
    public, secret = bytes(cert), bytes(Cert.from_bytes(secret).merge(cert).secrets)
elif kind == "user-revoked":
    revocation = cert.revoke_user_id(cert.user_ids[0], key.certifier())
    whole = Cert.from_bytes(public)
    cert = Cert.from_bytes(public + bytes(revocation))
    public, secret = bytes(cert), bytes(Cert.from_bytes(secret).merge(cert).secrets)

(directory / "secret").write_text(armor(secret, ArmorKind.SecretKey))
(directory / "public").write_text(armor(public, ArmorKind.PublicKey))
(directory / "signature").write_bytes(signature)
