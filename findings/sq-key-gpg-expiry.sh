#!/usr/bin/env bash
# sq 0.27.0 and GnuPG 2.2.40 (both Debian 12): GnuPG prolongs a key that sq has made, ends with 0, and goes on seeing the old
# date, while sq sees the new one.
#
# Expected: "gpg --quick-set-expire FINGERPRINT 2y" on one's own key either changes its date or says why it does not.
# Seen:     a key that "sq key generate --expires-in 1d" has made, after the command, which ended with 0 and without a word
#           on it:
#
#               gpg: days left: 1
#               sq: days left: 730
#
#           sq 0.27 writes the date into two signatures: the one over the key itself (RFC 4880, 5.2.1, type 0x1F) and the one
#           over the user ID (0x13). GnuPG renews the one over the user ID alone and gives the one over the key
#           precedence when it looks; Sequoia does it the other way round. So two customers with the same
#           certificate disagree on whether it has expired, and the owner, who asks the program that made the change, sees
#           nothing of it. What counts for both is what sq itself renews.
#
# Run: findings/sq-key-gpg-expiry.sh, on Debian 12 (amd64). Needs bash, dpkg and gnupg; takes some seconds. Exit status 0: it
# is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
finish() {
    gpgconf --homedir "$work/home" --kill all 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"
mkdir -m 0700 "$work/home"

cd "$work"
timeout 300 apt-get --quiet --quiet -o APT::Sandbox::User="$(id -un)" download sq=0.27.0-2+b1 libnettle8 libhogweed6 >/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
sq() { LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu timeout 60 "$work/root/usr/bin/sq" "$@" 2>/dev/null; }
gpg() { timeout 60 gpg --homedir "$work/home" --batch --quiet "$@"; }
sq --version
gpg --version | sed -n 1p

sq key generate --userid "Release Engineering <releng@example.com>" --expires-in 1d --export key.pgp
gpg --import key.pgp
fingerprint=$(gpg --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10; exit }')
status=0
gpg --quick-set-expire "$fingerprint" 2y || status=$?
gpg --export "$fingerprint" >certificate.pgp

now=$(date +%s)
days_left() { echo $((($1 - now + 43200) / 86400)); }
by_gpg=$(days_left "$(gpg --with-colons --list-keys | awk -F: '$1 == "pub" { print $7; exit }')")
seen=$(sq inspect certificate.pgp | sed -n 's/^ *Expiration time: \([0-9-]* [0-9:]* UTC\).*/\1/p' | sed -n 1p)
by_sq=$(days_left "$(date --date="$seen" +%s)")
printf '%s\n' "gpg --quick-set-expire: status $status" "gpg: days left: $by_gpg" "sq: days left: $by_sq"
if [ "$status $by_gpg $by_sq" = "0 1 730" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
