#!/usr/bin/env bash
# ftp-srv 4.6.3 (npm; Node.js 20), with its own file system: REST and STOR turn the beginning of the file into zeroes.
#
# Expected: RFC 3659, 5: after REST N, answered 350, STOR goes on at byte N of the file that is there, and the bytes before
#           it stay. That is how clients go on with an interrupted upload.
# Seen:     REST is answered 350 and STOR 226; the file has the right size, and its first N bytes are zero:
#
#               STOR file: 226 /file
#               REST 500, STOR file: 226 /file
#               the file has 1000 bytes: 500 zeroes, 0 A, 500 B
#
#           Size and answer are those of a good upload, so a client that compares sizes notices nothing.
#
# Run: findings/ftp-srv-rest.sh. Needs bash, node with npm, python3; takes half a minute. Exit status 0: it is as described.
# 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

timeout 300 npm install --silent --no-audit --no-fund --prefix "$work/node" ftp-srv@4.6.3 >/dev/null
echo "ftp-srv $(node -p "require('$work/node/node_modules/ftp-srv/package.json').version"), Node.js $(node --version)"

mkdir "$work/site"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
# shellcheck disable=SC2016 # They are of JavaScript.
NODE_PATH=$work/node/node_modules timeout 60 node -e '
const { FtpSrv } = require("ftp-srv");
const [port, root] = process.argv.slice(1);
const server = new FtpSrv({ url: `ftp://127.0.0.1:${port}`, pasv_url: "127.0.0.1" });
server.on("login", (account, accept) => accept({ root }));
server.listen();
' "$port" "$work/site" >"$work/log" 2>&1 &
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
    answer = ftp.storbinary("STOR file", io.BytesIO(b"B" * 500), rest=500)
except ftplib.Error as error:
    answer = str(error)
print("REST 500, STOR file:", answer)
ftp.quit()
with open(file, "rb") as content:
    content = content.read()
counts = [content.count(byte) for byte in (b"\0", b"A", b"B")]
print("the file has {} bytes: {} zeroes, {} A, {} B".format(len(content), *counts))
is_described = answer.startswith("226") and content == b"\0" * 500 + b"B" * 500
print("as described" if is_described else "otherwise than described")
sys.exit(0 if is_described else 1)
CLIENT
