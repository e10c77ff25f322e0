#!/usr/bin/env bash
# libssh2 (in ssh2-python 1.1.2.post1, PyPI) and OpenSSH's sshd (Debian 12): a login that the server ends after too many
# keys looks like a refused key, also to the calls after it.
#
# Expected: sshd answers the key with which MaxAuthTries is reached by SSH_MSG_DISCONNECT, "Too many authentication
#           failures" (RFC 4253, 11.1). A client would be told that the connection has ended: LIBSSH2_ERROR_SOCKET_DISCONNECT
#           (-13) or the like, and what the server said.
# Seen:     with MaxAuthTries 6, which is sshd's own, and an agent of seven keys:
#
#               key 5: -18 Username/PublicKey combination invalid
#               key 6: -19 Waiting for USERAUTH response
#               key 7: -19 Waiting for USERAUTH response
#
#           -19 is LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, an error about a key. What the server said reaches nobody, so whoever
#           goes by the code goes on with further keys on a connection that is gone.
#
# Run: findings/libssh2-too-many-keys.sh. Needs bash, python3 with venv, openssh-server and openssh-client; takes ten
# seconds. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
agent=
finish() {
    [ ! -s "$work/sshd.pid" ] || kill "$(cat "$work/sshd.pid")" 2>/dev/null || true
    [ -z "$agent" ] || kill "$agent" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

python3 -m venv "$work/python"
timeout 300 "$work/python/bin/pip" install --quiet --disable-pip-version-check ssh2-python==1.1.2.post1
/usr/sbin/sshd -V 2>&1 | sed -n 1p || true

ssh-keygen -q -t ed25519 -N '' -f "$work/host"
for number in 1 2 3 4 5 6 7; do ssh-keygen -q -t ed25519 -N '' -f "$work/key$number"; done
: >"$work/authorized"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
PidFile $work/sshd.pid
AuthorizedKeysFile $work/authorized
MaxAuthTries 6
UsePAM no
StrictModes no
CONFIG
[ -d /run/sshd ] || mkdir -m 0755 /run/sshd
/usr/sbin/sshd -f "$work/sshd_config" -E "$work/log"
eval "$(ssh-agent -a "$work/agent")" >/dev/null
agent=$SSH_AGENT_PID
ssh-add -q "$work"/key?

timeout 60 "$work/python/bin/python" - "$port" <<'CLIENT'
import getpass, socket, sys, time

from ssh2.session import Session

for attempt in range(100):
    try:
        connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
session = Session()
session.set_timeout(10_000)
session.handshake(connection)
agent = session.agent_init()
agent.connect()
codes = []
for number, key in enumerate(agent.get_identities(), 1):
    try:
        agent.userauth(getpass.getuser(), key)
        codes.append(0)
    except Exception:
        codes.append(session.last_errno())
        print(f"key {number}: {codes[-1]} {session.last_error()}")
is_described = codes == [-18] * 5 + [-19] * 2
print("as described" if is_described else "otherwise than described")
sys.exit(0 if is_described else 1)
CLIENT
