#!/usr/bin/env bash
# Shows the whole way of a build, from its record to the site, in one directory: ./quickstart.sh [DIRECTORY]
#
# Builds the two programs, makes a spool, a record database, a throwaway signing key and three builds in DIRECTORY
# (./quickstart unless given), delivers the builds to a directory that stands for the site, and verifies there what
# arrived. Each command is printed before it runs, so that it can be repeated by hand. A second run finds all of it
# done. Removing DIRECTORY removes everything it made, except Debian packages and target/.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath --canonicalize-missing -- "${1:-$here/quickstart}")
case $dir in
    *[!A-Za-z0-9/._+@-]*)
        echo "error: $dir: choose a directory with a plain name; this script writes it into a configuration file" >&2
        exit 2
        ;;
esac
cd "$here"
programs=${CARGO_TARGET_DIR:-$here/target}/debug

say() { printf '\n# %s\n' "$*"; }

run() {
    printf '$'
    printf ' %q' "$@"
    printf '\n'
    "$@"
}

prepare_host() {
    say "What building and checking need, from Debian and from crates.io"
    .ci/install gcc libc6-dev pkg-config libssl-dev ca-certificates gnupg
    # shellcheck source=.ci/cargo-path
    . .ci/cargo-path
    # The development profile: hashing and compressing are optimised in it too, and a release build takes twice as long.
    run cargo build --locked --bin manage --bin upload
    PATH=$programs:$PATH
    echo "\$ export PATH=$programs:\$PATH"
}

# Three builds of different shape: few small files with links and an empty directory; a source tree; programs.
make_builds() {
    [ ! -d "$dir/builds" ] || return 0
    say "Three builds, as build machines leave them on the shared disk"
    local new=$dir/builds.new
    rm -rf "$new"
    mkdir -p "$new/blast/5.1/p7/conf/empty.d" "$new/blast/5.1/src" "$new/talus/2.0/p3/bin"
    printf 'Patch 7 for Blast 5.1\n' >"$new/blast/5.1/p7/README"
    printf 'threads = 8\n' >"$new/blast/5.1/p7/conf/blast-5.1.7.conf"
    ln -s blast-5.1.7.conf "$new/blast/5.1/p7/conf/blast.conf"
    cp -R crates config "$new/blast/5.1/src/"
    cp "$(command -v upload)" "$new/talus/2.0/p3/bin/"
    chmod -R u=rwX,go=rX "$new"
    mv "$new" "$dir/builds"
    run find "$dir/builds" -mindepth 3 -maxdepth 3
}

make_key() {
    [ ! -f "$dir/signing-key.asc" ] || return 0
    say "A throwaway signing key, without a passphrase"
    run gpg --batch --quiet --passphrase '' --quick-generate-key 'Quickstart <quickstart@example.com>' ed25519 sign 1y
    run gpg --batch --yes --armor --output "$dir/signing-key.pub" --export quickstart@example.com
    run gpg --batch --yes --armor --output "$dir/signing-key.asc" --export-secret-keys quickstart@example.com
}

make_configuration() {
    [ ! -f "$dir/intraware.toml" ] || return 0
    say "The configuration: only what differs from config/intraware.toml"
    cat >"$dir/intraware.toml" <<END
[spool]
root = "$dir/spool"
build_roots = ["$dir/builds"]
single_host = true

[records]
backend = "sqlite"
sqlite.path = "$dir/records.db"

[signing]
key = "$dir/signing-key.asc"

[[site]]
name = "mirror"
url = "file://$dir/mirror"
END
    run cat "$dir/intraware.toml"
}

add_record() { # NAME PATH PRIORITY
    manage records show "$1" >/dev/null 2>&1 || run manage records add --name "$1" --path "$2" --priority "$3"
}

set_up() {
    mkdir -p "$dir/mirror"
    make_builds
    make_key
    make_configuration
    say "The spool, and a record for each build"
    export INTRAWARE_CONFIG=$dir/intraware.toml
    echo "\$ export INTRAWARE_CONFIG=$INTRAWARE_CONFIG"
    # Elsewhere a user of their own runs the programs.
    if [ "$(id -u)" -eq 0 ]; then run manage init --as-root; else run manage init; fi
    add_record blast-5.1-src "$dir/builds/blast/5.1/src" 20
    add_record blast-5.1-p7 "$dir/builds/blast/5.1/p7" 10
    add_record talus-2.0-p3 "$dir/builds/talus/2.0/p3" 30
    run manage check
}

deliver() {
    say "What there is to do, before anything is done"
    run manage --dry-run
    run upload --dry-run
    if [ "$(manage --dry-run; upload --dry-run)" = "$(printf 'nothing to do\nnothing to upload')" ]; then
        say "Nothing: everything was delivered by an earlier run"
        return
    fi
    say "manage archives, signs and queues the builds; upload delivers them; manage confirms what arrived"
    run manage --verbose
    run upload --verbose
    run manage --verbose
}

verify() {
    say "At the site: the signature and the digests of each payload, by the tools a customer has"
    local key payload
    key=$(gpg --batch --quiet --with-colons --show-keys "$dir/signing-key.pub" | awk -F: '$1 == "fpr" { print $10; exit }')
    echo "trusted-key $key" >"$GNUPGHOME/gpg.conf"
    run gpg --batch --quiet --import "$dir/signing-key.pub"
    while IFS= read -r payload; do
        run cd "$(dirname "$payload")"
        payload=$(basename "$payload")
        run gpg --batch --verify "$payload.asc" "$payload"
        run md5sum --check "$payload.MD5"
        run sha1sum --check "$payload.SHA1"
        run sha256sum --check "$payload.SHA256"
        if [ "$(stat --format=%s "$payload")" != "$(cat "$payload.filesize")" ]; then
            echo "error: $payload has not the size that $payload.filesize says" >&2
            return 1
        fi
    done < <(find "$dir/mirror" -name '*.tar.gz' | sort)
    cd "$here"
}

# gpg-agent's socket needs a short path, and nobody's own keyring is touched.
GNUPGHOME=$(mktemp --directory)
export GNUPGHOME
trap 'gpgconf --kill all 2>/dev/null || true; rm -rf "$GNUPGHOME"' EXIT

prepare_host
umask 077
mkdir -p "$dir"
set_up
deliver
verify
say "Where everything is now"
run manage status
cat <<END

# To look further, in this directory:
#   export PATH=$programs:\$PATH INTRAWARE_CONFIG=$dir/intraware.toml
#   manage why blast-5.1-p7
#   manage log
END
