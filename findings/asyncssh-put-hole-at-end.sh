#!/usr/bin/env bash
# asyncssh 2.24.1 (PyPI) and OpenSSH's sshd (Debian 12): an upload of a file that ends in a hole arrives short, and nothing is
# raised.
#
# Expected: SFTPClient.put() either leaves a file at the server that has the size and the bytes of the local one, or raises an
#           error. That it leaves out the holes of a sparse file (its argument "sparse") saves time, and is not to be seen
#           in what arrives.
# Seen:     a file of 5,000,000 bytes, of which the first 100,000 were written, and the rest is what truncate(2) made:
#
#               put:               102400 of 5000000 bytes, no error
#               put, sparse=False: 5000000 of 5000000 bytes, no error
#               scp:               5000000 of 5000000 bytes, no error
#
#           It copies the ranges that hold data, and never sets the size, so that the file ends where the last of them does.
#           The check for a short copy is left out for sparse copies. Images of disks and file systems, databases and what
#           fallocate and truncate have made end in holes more often than not. Holes elsewhere come out right.
#
# Run: findings/asyncssh-put-hole-at-end.sh. Needs bash, python3 with venv, openssh-server and openssh-client, and a file
# system with holes for temporary files; takes half a minute. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
finish() {
    [ ! -s "$work/sshd.pid" ] || kill "$(cat "$work/sshd.pid")" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

python3 -m venv "$work/python"
timeout 300 "$work/python/bin/pip" install --quiet --disable-pip-version-check asyncssh==2.24.1
"$work/python/bin/python" -c 'import asyncssh; print("asyncssh", asyncssh.__version__)'
ssh -V 2>&1

ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/user"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
PidFile $work/sshd.pid
AuthorizedKeysFile $work/user.pub
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
CONFIG
[ -d /run/sshd ] || mkdir -m 0755 /run/sshd
/usr/sbin/sshd -f "$work/sshd_config" -E "$work/log"

timeout 60 "$work/python/bin/python" - "$port" "$work" <<'CLIENT'
import asyncio, getpass, os, sys

import asyncssh

port, work = int(sys.argv[1]), sys.argv[2]
local, remote = f"{work}/local", f"{work}/remote"
with open(local, "wb") as file:
    file.write(b"A" * 100_000)
    file.truncate(5_000_000)


async def connected():
    for attempt in range(100):
        try:
            return await asyncssh.connect(
                "127.0.0.1", port, known_hosts=None, username=getpass.getuser(), client_keys=[f"{work}/user"]
            )
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
    raise SystemExit("sshd does not answer")


async def sizes():
    arrived = []
    async with await connected() as connection, connection.start_sftp_client() as sftp:
        ways = {
            "put": lambda: sftp.put(local, remote),
            "put, sparse=False": lambda: sftp.put(local, remote, sparse=False),
            "scp": lambda: asyncssh.scp(local, (connection, remote)),
        }
        for way, copy in ways.items():
            error = "no error"
            try:
                await copy()
            except (OSError, asyncssh.Error) as raised:
                error = repr(raised)
            arrived.append((os.path.getsize(remote), error))
            print(f"{way + ':':<18} {arrived[-1][0]} of {os.path.getsize(local)} bytes, {error}")
            os.unlink(remote)
    return arrived


arrived = asyncio.run(sizes())
# How much of the beginning is data is the file system's to say: it counts in blocks.
is_short = 100_000 <= arrived[0][0] < 200_000 and arrived[0][1] == "no error"
is_described = is_short and arrived[1:] == [(5_000_000, "no error")] * 2
print("as described" if is_described else "otherwise than described")
sys.exit(0 if is_described else 1)
CLIENT
