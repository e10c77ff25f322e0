#!/usr/bin/env bash
# PGPy 0.6.0 (PyPI) and GnuPG 2.2.40 (Debian 12): a good signature is verified with status 2, because of a subkey that has
# nothing to do with it.
#
# Expected: a signing subkey on P-384 whose own signature over its binding (RFC 4880, 5.2.1, type 0x19) uses SHA-256 is not
#           taken by GnuPG, which wants a hash as long as the curve's order. What the primary key, on Ed25519, has signed has
#           nothing to do with it: gpg --verify would end with 0, as it does before the subkey is added.
# Seen:     without the subkey:
#
#               Good signature, status 0
#
#           with the subkey:
#
#               Good signature, status 2
#
#           So customers who go by the exit status refuse what is right, and the only word on it names the subkey:
#           "requires a 384 bit or larger hash (hash is SHA256)". PGPy binds a subkey with the key's first preferred hash,
#           SHA-256 here, whatever the subkey's curve is.
#
# Run: findings/gpg-good-signature-status-2.sh. Needs bash, python3 with venv, and gnupg; takes ten seconds. Exit status 0:
# it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
finish() {
    for home in "$work"/home-*; do gpgconf --homedir "$home" --kill all 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

python3 -m venv "$work/python"
timeout 300 "$work/python/bin/pip" install --quiet --disable-pip-version-check PGPy==0.6.0 cryptography==42.0.8
gpg --version | sed -n 1p

timeout 60 "$work/python/bin/python" -W ignore - "$work" <<'KEYS'
import sys

from pgpy import PGPUID, PGPKey
from pgpy.constants import EllipticCurveOID, HashAlgorithm, KeyFlags, PubKeyAlgorithm

work = sys.argv[1]
key = PGPKey.new(PubKeyAlgorithm.EdDSA, EllipticCurveOID.Ed25519)
user = PGPUID.new("Release Engineering", email="releng@example.com")
key.add_uid(user, usage={KeyFlags.Certify, KeyFlags.Sign}, hashes=[HashAlgorithm.SHA256])
open(f"{work}/without.asc", "w").write(str(key.pubkey))
content = open(f"{work}/payload", "wb+")
content.write(b"a payload\n")
content.close()
open(f"{work}/payload.asc", "w").write(str(key.sign(b"a payload\n", hash=HashAlgorithm.SHA512)))
subkey = PGPKey.new(PubKeyAlgorithm.ECDSA, EllipticCurveOID.NIST_P384)
key.add_subkey(subkey, usage={KeyFlags.Sign})
open(f"{work}/with.asc", "w").write(str(key.pubkey))
KEYS

# verified KEY: imports it into a home of its own, and says how gpg verifies.
verified() {
    local home=$work/home-$1 status=0
    mkdir -m 0700 "$home"
    timeout 30 gpg --homedir "$home" --batch --quiet --import "$work/$1.asc" 2>"$work/$1.import" || true
    timeout 30 gpg --homedir "$home" --batch --verify "$work/payload.asc" "$work/payload" 2>"$work/$1.verify" || status=$?
    if grep -q 'Good signature' "$work/$1.verify"; then
        echo "Good signature, status $status"
    else
        echo "no good signature, status $status"
    fi
}

without=$(verified without)
with=$(verified with)
printf 'without the subkey: %s\nwith the subkey: %s\n' "$without" "$with"
grep -h 'larger hash' "$work/with.import" "$work/with.verify" | sort -u || true
if [ "$without" = "Good signature, status 0" ] && [ "$with" = "Good signature, status 2" ]; then
    echo "as described"
else
    echo "not as described any more"
    exit 1
fi
