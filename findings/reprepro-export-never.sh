#!/usr/bin/env bash
# reprepro 5.3.1-1+deb12u2 (Debian 12): with --export=never a package that is still published leaves the pool at once.
#
# Expected: "includedeb --export=never" changes the database alone. The published Packages stay as they are until
#           "reprepro export", so the file that they name stays in the pool until then as well: whoever collects several
#           changes before they are published would else take from readers what they are told to fetch.
# Seen:     after version 2 was included, and before any export:
#
#               Packages names pool/main/h/hello/hello_1_amd64.deb
#               the pool has hello_2_amd64.deb
#               reprepro check: status 0
#               reprepro checkpool: status 0
#
#           So every apt that installs the package meanwhile gets a 404, and reprepro's own checks find nothing wrong: they
#           compare the pool with the database, and nobody compares it with what is published. With
#           --keepunreferencedfiles the old file stays, until somebody calls deleteunreferenced, which does not look at
#           what is published either.
#
# Run: findings/reprepro-export-never.sh, on Debian 12 (amd64). Needs bash and dpkg; takes some seconds. Exit status 0: it is
# as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

cd "$work"
timeout 300 apt-get --quiet --quiet -o APT::Sandbox::User="$(id -un)" download reprepro=5.3.1-1+deb12u2 \
    libarchive13 libassuan0 libdb5.3 libgpg-error0 libgpgme11 libxml2 libicu72 libnettle8 >/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
rm ./*.deb
libraries=$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu
reprepro() { LD_LIBRARY_PATH=$libraries timeout 60 "$work/root/usr/bin/reprepro" --basedir "$work/tree" "$@"; }
reprepro --version 2>&1 | sed -n 1p

mkdir -p tree/conf
printf '%s\n' 'Codename: stable' 'Components: main' 'Architectures: amd64' >tree/conf/distributions
for version in 1 2; do
    mkdir -p "hello-$version/DEBIAN"
    printf '%s\n' 'Package: hello' "Version: $version" 'Architecture: amd64' 'Section: misc' 'Priority: optional' \
        'Maintainer: Release Engineering <releng@example.com>' 'Description: a package' >"hello-$version/DEBIAN/control"
    dpkg-deb --build "hello-$version" "hello_${version}_amd64.deb" >/dev/null
done

reprepro --silent includedeb stable hello_1_amd64.deb
reprepro --silent --export=never includedeb stable hello_2_amd64.deb 2>/dev/null

named=$(sed -n 's/^Filename: //p' tree/dists/stable/main/binary-amd64/Packages)
held=$(ls tree/pool/main/h/hello)
check=0 checkpool=0
reprepro --silent check || check=$?
reprepro --silent checkpool || checkpool=$?
printf '%s\n' "Packages names $named" "the pool has $held" "reprepro check: status $check" \
    "reprepro checkpool: status $checkpool"
if [ "$named" = pool/main/h/hello/hello_1_amd64.deb ] && [ "$held" = hello_2_amd64.deb ] &&
    [ "$check $checkpool" = "0 0" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
