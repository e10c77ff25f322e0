#!/usr/bin/env bash
# GnuPG 2.2.40, sqv 1.1.0, sq 0.27.0 (all Debian 12), OpenPGP.js 6.3.2 (npm), PGPy 0.6.0 (PyPI): a signature file with a signature by the
# old key and one by the new: it depends on the program, and on how the two were joined, which of them is seen.
#
# Expected: while keys change, a release is signed with both, and who has either key verifies it. RFC 9580, 10.4, has detached
#           signatures as one or more packets. "cat old.asc new.asc" is how it is often made, and GnuPG reads it so.
# Seen:     the signer's key is the one that the verifier has; "armors": the two armored files one after the other; "one armor":
#           both packets in one armor:
#
#                           armors, old   armors, new   one armor, old   one armor, new
#               gpgv        fails         fails         fails            fails
#               sqv         verifies      fails         verifies         verifies
#               sq          verifies      fails         verifies         verifies
#               OpenPGP.js  verifies      fails         verifies         verifies
#               PGPy        verifies      fails         verifies         fails
#
#           gpgv says "Good signature" each time, and ends with 2, for the other key is missing. sqv, sq and OpenPGP.js do not look
#           behind the first armor, and PGPy not behind the first packet. None of them mentions that there was more. So there is
#           no such file that all customers can verify, and with "cat" the order decides: two files are needed.
#
# Run: findings/two-signatures-in-one-file.sh. Needs bash, gnupg, gpgv, python3 with venv, node with npm, and apt-get with fresh lists; it
# unpacks sq and sqv and installs nothing; takes half a minute. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
export GNUPGHOME=$work/home
finish() {
    gpgconf --kill all 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"

timeout 300 apt-get download --quiet=2 -o APT::Sandbox::User=root sq sqv
for package in *.deb; do dpkg-deb --extract "$package" programs; done
python3 -m venv python
timeout 300 python/bin/pip install --quiet --disable-pip-version-check PGPy==0.6.0 cryptography==42.0.8
timeout 300 npm install --silent --no-audit --no-fund --prefix node openpgp@6.3.2 >/dev/null
gpgv --version | sed -n 1p
# shellcheck disable=SC2016 # It is dpkg that expands it.
for package in *.deb; do dpkg-deb --show --showformat='${Package} ${Version}\n' "$package"; done

mkdir -m 0700 home
echo "a payload" >payload
for name in old new; do
    timeout 30 gpg --batch --quiet --passphrase '' --quick-generate-key "$name@example.com" ed25519 sign never 2>/dev/null
    gpg --export "$name@example.com" >"$name.key"
    gpg --armor --export "$name@example.com" >"$name.key.asc"
    gpg --batch --quiet --local-user "$name@example.com" --detach-sign --output "$name.sig" payload
    gpg --batch --quiet --local-user "$name@example.com" --armor --detach-sign --output "$name.asc" payload
done
cat old.asc new.asc >armors.asc
# GnuPG puts its own name for unknown content at the head.
cat old.sig new.sig | gpg --enarmor 2>/dev/null | sed 's/PGP ARMORED FILE/PGP SIGNATURE/' >armor.asc

cat >verify.py <<'PYTHON'
import sys

from pgpy import PGPKey, PGPSignature

key, signature = PGPKey.from_file(sys.argv[1])[0], PGPSignature.from_file(sys.argv[2])
sys.exit(0 if key.verify(open("payload", "rb").read(), signature) else 1)
PYTHON
cat >verify.cjs <<'JAVASCRIPT'
const { readFileSync } = require("node:fs");
const openpgp = require("openpgp");
(async () => {
  const [key, file] = process.argv.slice(2).map((name) => readFileSync(name, "utf8"));
  const { signatures } = await openpgp.verify({
    message: await openpgp.createMessage({ binary: readFileSync("payload") }),
    signature: await openpgp.readSignature({ armoredSignature: file }),
    verificationKeys: await openpgp.readKey({ armoredKey: key }),
  });
  const results = await Promise.allSettled(signatures.map((one) => one.verified));
  process.exit(results.some((one) => one.status === "fulfilled") ? 0 : 1);
})();
JAVASCRIPT

# verified PROGRAM KEY SIGNATURES: with that key alone.
verified() {
    case $1 in
        gpgv) gpgv --keyring "$work/$2.key" "$3" payload ;;
        sqv) programs/usr/bin/sqv --keyring "$2.key" "$3" payload ;;
        sq) programs/usr/bin/sq verify --signer-cert "$2.key" --detached "$3" payload ;;
        OpenPGP.js) NODE_PATH=node/node_modules node verify.cjs "$2.key.asc" "$3" ;;
        PGPy) python/bin/python -W ignore verify.py "$2.key.asc" "$3" ;;
    esac
}

seen=
for program in gpgv sqv sq OpenPGP.js PGPy; do
    line=$program
    # Each alone, so that it is known to be right.
    for name in old new; do verified "$program" "$name" "$name.asc" >log 2>&1 || line+=" refuses-$name"; done
    for file in armors.asc armor.asc; do
        for key in old new; do
            if verified "$program" "$key" "$file" >log 2>&1; then line+=" verifies"; else line+=" fails"; fi
        done
    done
    seen+=$line$'\n'
done
# shellcheck disable=SC2086 # It is a table of words.
printf '%-11s %-13s %-13s %-16s %s\n' file: armors armors one-armor one-armor key: old new old new $seen
if [ "$seen" = "gpgv fails fails fails fails
sqv verifies fails verifies verifies
sq verifies fails verifies verifies
OpenPGP.js verifies fails verifies verifies
PGPy verifies fails verifies fails
" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
