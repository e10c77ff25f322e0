#!/usr/bin/env bash
# unar 1.10.1 (Debian 12: 1.10.7+ds1+really1.10.1-2+b2): a hard link in a tar archive becomes a symbolic link that leads nowhere.
#
# Expected: the entry a/g, "a hard link to a/b/f", gives a second name of that file, or a copy of it. Where a symbolic link
#           is made instead, its target is "b/f": a hard link's is meant from the archive's top, a symbolic link's from the
#           directory that it is in.
# Seen:     a/g -> a/b/f, which would be a/a/b/f; there is no such file. Status 0, and nothing is said:
#
#               status 0, a/g -> a/b/f, its content: none
#
#           Links between files of the archive's top directory come out right, so that small tries do not show it. It is
#           the command of The Unarchiver, which many have on macOS: a build with hard links is broken there.
#
# Run: findings/unar-hard-links.sh, on Debian 12 (amd64). Needs bash, dpkg, tar, and the libraries of unar (GNUstep, ICU), which
# it fetches: 30 MB. Takes half a minute. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

cd "$work"
mapfile -t libraries < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances unar | grep -E '^(lib|gnustep)[^:]*$' | grep -v -E '^(libc6|libc-bin|libgcc-s1|libcrypt1)$')
timeout 300 apt-get --quiet --quiet -o APT::Sandbox::User="$(id -un)" download \
    unar=1.10.7+ds1+really1.10.1-2+b2 "${libraries[@]}" >/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
export LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu:$work/root/usr/lib
unar=$work/root/usr/bin/unar
"$unar" --version

mkdir -p make/a/b out
echo content >make/a/b/f
ln make/a/b/f make/a/g
tar -C make -cf links.tar a/b/f a/g

status=0
timeout 60 "$unar" -quiet -force-overwrite -output-directory out links.tar || status=$?
link=$(readlink out/a/g || echo none)
content=$(cat out/a/g 2>/dev/null || echo none)
printf 'status %d, a/g -> %s, its content: %s\n' "$status" "$link" "$content"
if [ "$status" = 0 ] && [ "$link" = a/b/f ] && [ "$content" = none ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
