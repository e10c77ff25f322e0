#!/usr/bin/env bash
# ext4 without a journal (Linux 6.18, mke2fs 1.47.0 of Debian 12): after files were removed, making new ones takes dozens of times as
# long for minutes.
#
# Expected: a new file takes a free inode, and one that was freed a moment ago is as good as any. Without a journal a file system should do
#           less for each file, not more.
# Seen:     15,000 empty files made in one directory, by processor time, before and after as many others were removed:
#
#               without a journal:  0.3 s before, some 20 s after
#               with one:           0.3 s both times
#
#           Inodes that were freed in the last minute (the last five, while their block is not on the disk) are not taken again, until
#           their blocks have probably been written. Each new file looks at all of them from the beginning of the group, one by
#           one: the cost grows with the square. Images of virtual machines and of appliances often have no journal. A program
#           that makes and removes a file for each step (a rollback journal of SQLite, a temporary directory for each job, a
#           benchmark that clears its directory between two rounds) slows down by itself, and whatever runs after it. It asks
#           only blocks that are in memory, so that a host that takes its memory back may not show it.
#
# Run: findings/ext4-no-journal-freed-inodes.sh, as root on Debian 12 (amd64), where loop devices are. Needs bash, dpkg, mount and python3;
# takes half a minute. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
finish() {
    umount "$work/mount" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"

cd "$work"
timeout 300 apt-get --quiet --quiet -o APT::Sandbox::User="$(id -un)" download \
    e2fsprogs=1.47.0-2+b2 libext2fs2=1.47.0-2+b2 libcom-err2=1.47.0-2+b2 >/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
export LD_LIBRARY_PATH=$work/root/lib/x86_64-linux-gnu:$work/root/usr/lib/x86_64-linux-gnu
"$work/root/sbin/mke2fs" -V 2>&1 | sed -n 1p
uname --kernel-release | sed 's/^\([0-9]*\.[0-9]*\).*/Linux \1/'
mkdir mount

# Prints by how much longer files take after others were removed, on a file system with these features.
slower() {
    rm -f image
    truncate --size 512M image
    "$work/root/sbin/mke2fs" -q -F -t ext4 -O "$1" -N 100000 image
    env --unset=LD_LIBRARY_PATH mount -o loop image mount
    timeout 300 env --unset=LD_LIBRARY_PATH python3 - mount "$(findmnt --noheadings --output SOURCE mount)" <<'MAKE'
import os, shutil, sys, time

def make(directory, number=15000):
    os.mkdir(directory)
    begun = time.process_time()
    for name in range(number):
        os.close(os.open(f"{directory}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    return time.process_time() - begun

top = sys.argv[1]
before = make(f"{top}/first")
shutil.rmtree(f"{top}/first")
# So that the blocks with the freed inodes are in memory, also where unused memory is soon taken back.
with open(sys.argv[2], "rb") as device:
    while device.read(1 << 20):
        pass
after = make(f"{top}/second")
print(f"{before:.1f} s before, {after:.1f} s after", file=sys.stderr)
print(int(after / before))
MAKE
    env --unset=LD_LIBRARY_PATH umount mount
}

echo "without a journal:"
without=$(slower ^has_journal)
echo "with one:"
with=$(slower has_journal)
if [ "$without" -ge 5 ] && [ "$with" -lt 3 ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
