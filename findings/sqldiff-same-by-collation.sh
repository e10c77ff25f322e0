#!/usr/bin/env bash
# sqldiff 3.40.1 (sqlite3-tools of Debian 12): databases that differ are told to be the same, and what it prints to make one into the
# other leaves them different.
#
# Expected: "sqldiff one two" prints the SQL that makes the first database into the second, and nothing if they have the same
#           content. After that SQL has been run on the first, a second look finds nothing, and there is nothing to be found.
# Seen:     by "same" or "differs" of each value, before and after the SQL, and the changes that sqldiff counts:
#
#               name, COLLATE NOCASE: differs, changes: 0, after: differs
#               path, COLLATE RTRIM:  differs, changes: 0, after: differs
#               took, REAL:           differs, changes: 1, after: differs
#               name, no collation:   differs, changes: 1, after: same
#
#           It compares with IS NOT, by the collation of the column, which says how values are sorted and found, and not that
#           they are the same. --summary counts such rows as unchanged, and a --changeset leaves them out. A name that people
#           may type in any case is a usual one for NOCASE: the copy keeps the old spelling, and a check by sqldiff says that
#           all is well. A REAL is printed with 15 digits, where 17 tell them all apart: the same change is found again each time.
#           The ".sha3sum" of sqlite3 sees the differences.
#
# Run: findings/sqldiff-same-by-collation.sh. Needs bash, sqlite3, and apt-get with fresh lists; it unpacks sqldiff and installs nothing;
# takes a few seconds. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

timeout 300 apt-get download --quiet=2 -o APT::Sandbox::User=root sqlite3-tools
dpkg-deb --extract sqlite3-tools_*.deb tools
# shellcheck disable=SC2016 # It is dpkg that expands it.
dpkg-deb --show --showformat='${Package} ${Version}\n' sqlite3-tools_*.deb

# hashed DATABASE: the content of its tables, by sqlite3.
hashed() { sqlite3 "$1" .sha3sum; }

# compared COLUMN OLD NEW: a table with that column, in which OLD became NEW, both as in SQL.
compared() {
    local before=same after=same changes
    rm -f one two
    sqlite3 one "CREATE TABLE builds (id INTEGER PRIMARY KEY, $1); INSERT INTO builds VALUES (1, $2);"
    cp one two
    sqlite3 two "UPDATE builds SET ${1%% *} = $3;"
    [ "$(hashed one)" = "$(hashed two)" ] || before=differs
    changes=$(tools/usr/bin/sqldiff --summary one two | sed -n 's/^builds: \([0-9]*\) changes.*/\1/p')
    tools/usr/bin/sqldiff one two | sqlite3 one
    [ "$(hashed one)" = "$(hashed two)" ] || after=differs
    echo "$before, changes: $changes, after: $after"
}

seen="name, COLLATE NOCASE: $(compared 'name TEXT COLLATE NOCASE' "'Blast'" "'BLAST'")
path, COLLATE RTRIM:  $(compared 'path TEXT COLLATE RTRIM' "'blast/5.1'" "'blast/5.1  '")
took, REAL:           $(compared 'took REAL' 1.0 '0.1 + 0.2')
name, no collation:   $(compared 'name TEXT' "'Blast'" "'BLAST'")"
printf '%s\n' "$seen"
if [ "$seen" = "name, COLLATE NOCASE: differs, changes: 0, after: differs
path, COLLATE RTRIM:  differs, changes: 0, after: differs
took, REAL:           differs, changes: 1, after: differs
name, no collation:   differs, changes: 1, after: same" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
