#!/usr/bin/env bash
# GNU cpio 2.13+dfsg-7.1 (Debian 12): of a tar archive with long names it makes one file out of two, and ends with 0.
#
# Expected: cpio reads tar archives ("tar" and "ustar" are among its formats, and it knows them by itself). A name that it
#           cannot read, in the headers of GNU tar or of pax, which every tar of today writes for names beyond 100 bytes,
#           is an error.
# Seen:     an archive of two files whose names have 122 and 121 bytes, and differ in their length alone:
#
#               gnu: status 0, of 2 files: 1
#               pax: status 0, of 2 files: 1
#
#           It takes the header with the long name for a file of that name (@LongLink, @PaxHeader), cuts the real one after
#           100 bytes, and leaves the second file out since "newer or same age version exists", which stands on
#           standard error and does not change the status. So who unpacks a build with it has fewer files than were delivered,
#           and a script does not notice.
#
# Run: findings/cpio-two-names-one-file.sh, on Debian 12 (amd64). Needs bash, dpkg and python3; takes some seconds. Exit
# status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

cd "$work"
timeout 300 apt-get --quiet --quiet -o APT::Sandbox::User="$(id -un)" download cpio=2.13+dfsg-7.1 >/dev/null
dpkg-deb --extract cpio_*.deb root
cpio=$work/root/bin/cpio
"$cpio" --version | sed -n 1p

python3 - <<'ARCHIVES'
import io, tarfile

for name, form in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
    with tarfile.open(f"{name}.tar", "w", format=form) as archive:
        for length, content in ((120, b"first"), (119, b"second")):
            file = tarfile.TarInfo("d/" + "x" * length)
            file.size = len(content)
            archive.addfile(file, io.BytesIO(content))
ARCHIVES

seen=
for form in gnu pax; do
    mkdir "$form"
    status=0
    (cd "$form" && timeout 30 "$cpio" --extract --make-directories --quiet <"../$form.tar" 2>"../$form.said") || status=$?
    files=$(find "$form" -type f -path '*/d/*' | wc -l)
    line="$form: status $status, of 2 files: $files"
    printf '%s\n' "$line"
    seen+="$line;"
done
if [ "$seen" = "gnu: status 0, of 2 files: 1;pax: status 0, of 2 files: 1;" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
