#!/usr/bin/env bash
# apt-ftparchive 2.6.2 (apt-utils of Debian 12): "generate" leaves out listed packages that are gone or cannot be read, and ends
# with 0.
#
# Expected: a file list is what is to be published. A package in it that is not there, or is no package, makes the command fail,
#           so that an index that is not what was asked for does not go out. What begins with "E:" is what apt's
#           commands fail for.
# Seen:     two packages in a list, and nothing in the cache:
#
#               both are there: status 0, listed: one two, errors: 0
#               one is gone: status 0, listed: two, errors: 1
#               one is no package: status 0, listed: two, errors: 2
#
#           So a pool that is not mounted whole, or a copy that broke off, takes packages out of the index, which is then
#           signed like any other. With a cache a package that is gone stays listed instead, with the digests it had.
#           Neither is seen in the exit status: compare the index with the list before it is published.
#
# Run: findings/apt-ftparchive-left-out.sh, on Debian 12. Needs bash, dpkg and apt-utils; takes a second. Exit status 0: it is as
# described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# shellcheck disable=SC2016 # It is dpkg that expands it.
dpkg-query --show --showformat='${Package} ${Version}\n' apt-utils

mkdir -p tree/pool tree/dists/stable/main/binary-amd64 cache
for name in one two; do
    mkdir -p "$name/DEBIAN"
    printf '%s\n' "Package: $name" 'Version: 1' 'Architecture: amd64' 'Section: misc' 'Priority: optional' \
        'Maintainer: Release Engineering <releng@example.com>' 'Description: a package' >"$name/DEBIAN/control"
    dpkg-deb --build "$name" "tree/pool/${name}_1_amd64.deb" >/dev/null
done
printf '%s\n' pool/one_1_amd64.deb pool/two_1_amd64.deb >list
cat >conf <<CONF
Dir { ArchiveDir "$work/tree"; CacheDir "$work/cache"; }
Tree "dists/stable" {
  Sections "main"; Architectures "amd64"; FileList "$work/list"; BinCacheDB "packages.db";
}
CONF

# listed SITUATION: runs it, and says how it ended and what is in the index.
listed() {
    local status=0 names
    rm -f cache/*
    timeout 60 apt-ftparchive --quiet generate conf >log 2>&1 || status=$?
    names=$(sed -n 's/^Package: //p' tree/dists/stable/main/binary-amd64/Packages | sort | tr '\n' ' ')
    printf '%s: status %d, listed: %s, errors: %d\n' "$1" "$status" "${names% }" "$(grep -c '^E:' log || true)"
}

seen=$(
    listed "both are there"
    mv tree/pool/one_1_amd64.deb kept.deb
    listed "one is gone"
    echo "no package" >tree/pool/one_1_amd64.deb
    listed "one is no package"
)
printf '%s\n' "$seen"
if [ "$seen" = "both are there: status 0, listed: one two, errors: 0
one is gone: status 0, listed: two, errors: 1
one is no package: status 0, listed: two, errors: 2" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
