#!/usr/bin/env bash
# apt-ftparchive 2.6.2 (apt-utils of Debian 12): which digests a stanza has depends on what its cache has seen, and not on what is
# configured now.
#
# Expected: -o APT::FTPArchive::Packages::SHA512=false takes SHA512 out of Packages, and true brings it back; so does the same in
#           the configuration file of "generate". The cache saves time, and the index is the one that would be made without it.
# Seen:     one package that was there all the time, and one that came when SHA512 was off:
#
#               SHA512 is on, the cache is new: old 1
#               it is off, with that cache: old 1, new 0
#               it is off, without a cache: old 0, new 0
#               it is on again, with the cache of the second: old 1, new 1
#               it is off in the file, without a cache: old 1, new 1
#
#           So after digests were switched off an index has stanzas of both kinds, and no message says so. What two hosts make
#           of the same pool and the same configuration differs, byte for byte, if their caches have not the same past.
#           Remove the cache when digests are switched off, and switch them off by -o: in the file it has no effect.
#
# Run: findings/apt-ftparchive-cached-digests.sh, on Debian 12. Needs bash, dpkg and apt-utils; takes a second. Exit status 0: it is
# as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# shellcheck disable=SC2016 # It is dpkg that expands it.
dpkg-query --show --showformat='${Package} ${Version}\n' apt-utils

mkdir -p tree/pool tree/dists/stable/main/binary-amd64 cache

# package NAME: puts one into the pool, and into the list.
package() {
    mkdir -p "$1/DEBIAN"
    printf '%s\n' "Package: $1" 'Version: 1' 'Architecture: amd64' 'Section: misc' 'Priority: optional' \
        'Maintainer: Release Engineering <releng@example.com>' 'Description: a package' >"$1/DEBIAN/control"
    dpkg-deb --build "$1" "tree/pool/$1_1_amd64.deb" >/dev/null
    echo "pool/$1_1_amd64.deb" >>list
}

# digests SITUATION ON [LINE]: runs it with this line in its file, and says how many SHA512 each package has.
digests() {
    cat >conf <<CONF
${3:-}
Dir { ArchiveDir "$work/tree"; CacheDir "$work/cache"; }
Tree "dists/stable" {
  Sections "main"; Architectures "amd64"; FileList "$work/list"; BinCacheDB "packages.db";
}
CONF
    timeout 60 apt-ftparchive --quiet ${2:+-o "APT::FTPArchive::Packages::SHA512=$2"} generate conf >log 2>&1
    printf '%s: ' "$1"
    awk '/^Package: /{name = $2} /^SHA512: /{count[name]++} {seen[name]}
        END {printf "old %d", count["old"]; if ("new" in seen) printf ", new %d", count["new"]; print ""}' \
        tree/dists/stable/main/binary-amd64/Packages
}

seen=$(
    package old
    digests "SHA512 is on, the cache is new" true
    package new
    digests "it is off, with that cache" false
    cp -r cache kept
    rm cache/*
    digests "it is off, without a cache" false
    rm -r cache
    mv kept cache
    digests "it is on again, with the cache of the second" true
    rm cache/*
    digests "it is off in the file, without a cache" "" 'APT::FTPArchive::Packages::SHA512 "false";'
)
printf '%s\n' "$seen"
if [ "$seen" = "SHA512 is on, the cache is new: old 1
it is off, with that cache: old 1, new 0
it is off, without a cache: old 0, new 0
it is on again, with the cache of the second: old 1, new 1
it is off in the file, without a cache: old 1, new 1" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
