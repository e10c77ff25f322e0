#!/usr/bin/env bash
# ProFTPD 1.3.8 with its mod_digest (Debian 12: 1.3.8+dfsg-4+deb12u5): HASH answers with the digest of what the file held before.
#
# Expected: "HASH file", or XSHA1 and the like, gives the digest of the file as it is when it is asked. A digest that is kept for
#           the next one who asks is thrown away when the server itself replaces the file.
# Seen:     two uploads of the same length in one second, in one session:
#
#               STOR over it: the file holds B, HASH says A
#               RNTO over it: the file holds B, HASH says A
#               another session: the file holds B, HASH says B
#
#           The digests of all uploads are kept ("DigestCache") by name, and looked up by length and time of modification, which
#           is a whole second. No STOR, RNTO or DELE clears what is kept, which is used for 30 seconds. A client that sends a
#           file again because the first copy did not arrive right is told that the second is as wrong as the first, and one
#           that puts another file under the name is told that nothing has changed. Waiting for the next second, a new session,
#           or "DigestCache off" give the right one.
#
# Run: findings/proftpd-hash-of-before.sh. Needs bash, python3, openssl, apt-get with fresh lists, and root; it unpacks the
# server and installs nothing; takes ten seconds. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"

timeout 300 apt-get download --quiet=2 -o APT::Sandbox::User=root proftpd-core libhiredis0.14 libmemcached11 \
    libmemcachedutil2 libhashkit2 libpcre2-posix3
for package in *.deb; do dpkg-deb --extract "$package" server; done
# shellcheck disable=SC2016 # It is dpkg that expands it.
dpkg-deb --show --showformat='${Package} ${Version}\n' proftpd-core_*.deb

mkdir site
password=$(openssl passwd -5 p)
echo "u:$password:$(id -u):$(id -g)::$work/site:/bin/sh" >users
chmod 600 users
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >conf <<CONF
ServerType standalone
ServerName site
DefaultAddress 127.0.0.1
UseIPv6 off
Port $port
User $(id -un)
Group $(id -gn)
RootLogin on
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile $work/users
ModulePath $work/server/usr/lib/proftpd
LoadModule mod_digest.c
AllowOverwrite on
PidFile $work/pid
ScoreboardFile $work/scoreboard
ScoreboardMutex $work/mutex
SystemLog $work/log
WtmpLog off
TransferLog none
CONF
LD_LIBRARY_PATH=$(echo "$work"/server/usr/lib/*-linux-gnu) timeout 60 server/usr/sbin/proftpd -n -q -c "$work/conf" \
    >out 2>&1 &
server=$!

timeout 50 python3 - "$port" "$work/site" <<'CLIENT'
import ftplib, hashlib, io, os, sys, time

port, site = int(sys.argv[1]), sys.argv[2]
A, B = b"A" * 1000, b"B" * 1000


def session():
    ftp = ftplib.FTP(timeout=10)
    for attempt in range(100):
        try:
            ftp.connect("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    ftp.login("u", "p")
    ftp.voidcmd("TYPE I")
    return ftp


def put(ftp, name, content):
    """Uploads it, and gives the second in which the server says that it was written."""
    ftp.storbinary(f"STOR {name}", io.BytesIO(content))
    return int(os.stat(f"{site}/{name}").st_mtime)


def said(ftp, name):
    """What the file holds, and what HASH says that it holds."""
    digest = ftp.sendcmd(f"HASH {name}").splitlines()[-1].split()[3].lower()
    with open(f"{site}/{name}", "rb") as file:
        held = file.read()
    known = {hashlib.sha1(content).hexdigest(): content[:1].decode() for content in (A, B)}
    return f"the file holds {held[:1].decode()}, HASH says {known.get(digest, digest)}"


ftp = session()
ftp.sendcmd("OPTS HASH SHA-1")
for attempt in range(10):
    time.sleep(1.05 - time.time() % 1)
    seconds = {put(ftp, "file", A), put(ftp, "file", B)}
    seconds |= {put(ftp, "name", A), put(ftp, "temporary", B)}
    ftp.rename("temporary", "name")
    if len(seconds) == 1:
        break
seen = [
    "STOR over it: " + said(ftp, "file"),
    "RNTO over it: " + said(ftp, "name"),
]
other = session()
other.sendcmd("OPTS HASH SHA-1")
seen.append("another session: " + said(other, "file"))
print("\n".join(seen))
is_described = seen == [
    "STOR over it: the file holds B, HASH says A",
    "RNTO over it: the file holds B, HASH says A",
    "another session: the file holds B, HASH says B",
]
print("as described" if is_described else "otherwise than described")
sys.exit(0 if is_described else 1)
CLIENT
