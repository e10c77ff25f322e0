#!/usr/bin/env bash
# Python's tarfile (3.11.2 of Debian 12; 3.13.0 is the same) and pbzip2 1.1.13 (Debian 12): in stream mode, what comes after the first
# compressed stream is missing, and nothing is said.
#
# Expected: the mode "r|gz", "r|bz2" or "r|*", which reads from a pipe or a socket, finds the same files as "r:gz" and the others,
#           which seek. A gzip file has any number of members (RFC 1952, 2.2), and a bzip2 file may consist of several
#           streams; the modules gzip and bz2 read them all, as tarfile does in the modes that seek.
# Seen:     archives of three files:
#
#               gzip, one member for each file:      seeking: 3 files, stream: 1 files
#               pbzip2, a header lies over the cut:  seeking: 3 files, stream: 1 files
#               pbzip2, a file lies over the cut:    seeking: 3 files, stream: an error
#
#           The reader of its stream mode stops at the end of the first one, and tarfile takes half a header, or none, for the end of
#           the archive. pbzip2 makes a stream of each 900,000 bytes, so that it depends on the sizes of the files whether
#           one is told. Archives of which each file can be read alone, such as the layers of stargz, have a member for each.
#
# Run: findings/tarfile-first-stream.sh. Needs bash, python3, GNU tar, gzip, and apt-get with fresh lists; it unpacks pbzip2 and
# installs nothing; takes a few seconds. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

timeout 300 apt-get download --quiet=2 -o APT::Sandbox::User=root pbzip2
dpkg-deb --extract pbzip2_*.deb tools
# shellcheck disable=SC2016 # It is dpkg that expands it.
dpkg-deb --show --showformat='${Package} ${Version}\n' pbzip2_*.deb
python3 --version

# packed SIZE: an archive of three files, of which the first has that size. Each has a header of 512 bytes before it.
packed() {
    head --bytes="$1" /dev/urandom >one
    echo two >two
    echo three >three
    tar --create --format=ustar one two three
}

# A file of 512 bytes, with its header, has 1024.
packed 512 >archive
dd if=archive bs=1024 count=1 status=none | gzip >members.tar.gz
dd if=archive bs=1024 skip=1 count=1 status=none | gzip >>members.tar.gz
dd if=archive bs=1024 skip=2 status=none | gzip >>members.tar.gz
# The second header begins at 899,584, and so ends beyond 900,000.
packed $((899584 - 512)) | tools/usr/bin/pbzip2 -p1 -c >header.tar.bz2
packed 1000000 | tools/usr/bin/pbzip2 -p1 -c >file.tar.bz2

seen=$(timeout 60 python3 -W ignore - <<'READER'
import tarfile

archives = {
    "gzip, one member for each file:": "members.tar.gz",
    "pbzip2, a header lies over the cut:": "header.tar.bz2",
    "pbzip2, a file lies over the cut:": "file.tar.bz2",
}


def found(archive, mode):
    try:
        with tarfile.open(archive, mode) as opened:
            return f"{len(opened.getnames())} files"
    except (tarfile.TarError, EOFError):
        return "an error"


for name, archive in archives.items():
    print(f"{name:<36} seeking: {found(archive, 'r:*')}, stream: {found(archive, 'r|*')}")
READER
)
printf '%s\n' "$seen"
if [ "$seen" = "gzip, one member for each file:      seeking: 3 files, stream: 1 files
pbzip2, a header lies over the cut:  seeking: 3 files, stream: 1 files
pbzip2, a file lies over the cut:    seeking: 3 files, stream: an error" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
