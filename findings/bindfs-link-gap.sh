#!/usr/bin/env bash
# bindfs 1.14.7 on libfuse 2.9.9 (Debian 12): while a symbolic link is replaced by a rename, readers find nothing under its name.
#
# Expected: rename(2) replaces a name in one step: who looks it up gets the old link or the new one. Trees of packages, web
#           sites and releases are put in place so, and bindfs hands the call on to a file system that does it.
# Seen:     1,500 renames of a link over another, through the mount, with a reader there and one below it:
#
#               through the mount: some hundred of some ten thousand opens found nothing
#               below it:          none
#
#           So what is published on such a mount has moments in which it is not there, though every single call of the
#           publisher is right. Readers that go to the file system below are not hit.
#
# Run: findings/bindfs-link-gap.sh, as root on Debian 12 (amd64), where /dev/fuse is. Needs bash, dpkg, fuse's fusermount and
# python3; takes half a minute. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
finish() {
    umount "$work/mount" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"

cd "$work"
timeout 300 apt-get --quiet --quiet -o APT::Sandbox::User="$(id -un)" download bindfs=1.14.7-1 libfuse2 >/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
mkdir below mount below/1 below/2
touch below/1/file below/2/file
ln -s 1 below/link
export LD_LIBRARY_PATH=$work/root/lib/x86_64-linux-gnu:$work/root/usr/lib/x86_64-linux-gnu
timeout 60 "$work/root/usr/bin/bindfs" --version | sed -n 1p
timeout 60 "$work/root/usr/bin/bindfs" "$work/below" "$work/mount"
unset LD_LIBRARY_PATH

timeout 120 python3 - "$work/mount" "$work/below" <<'RACE'
import os, subprocess, sys

READER = """
import os, sys
file, stop = sys.argv[1:]
opens = missing = 0
while not os.path.exists(stop):
    for _ in range(100):
        opens += 1
        try:
            os.close(os.open(file, os.O_RDONLY))
        except FileNotFoundError:
            missing += 1
print(opens, missing)
"""
mount, below = sys.argv[1:]
stop = below + "/../stop"
readers = [
    subprocess.Popen([sys.executable, "-c", READER, f"{where}/link/file", stop], stdout=subprocess.PIPE, text=True)
    for where in (mount, below)
]
for number in range(1500):
    os.symlink(str(number % 2 + 1), f"{mount}/new")
    os.rename(f"{mount}/new", f"{mount}/link")
open(stop, "w").close()
(through, gaps), (straight, others) = [map(int, reader.communicate()[0].split()) for reader in readers]
print(f"through the mount: {gaps} of {through} opens found nothing")
print(f"below it: {others} of {straight}")
is_described = gaps > 0 and others == 0
print("as described" if is_described else "otherwise than described")
sys.exit(0 if is_described else 1)
RACE
