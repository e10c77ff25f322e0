#!/usr/bin/env bash
# tar 7.5.23 (npm; Node.js 20) and GNU tar 1.34 (Debian 12): a sparse file, and at times all that comes after it, is missing from
# what is unpacked, and nothing is said, not even with "strict".
#
# Expected: an archive that "tar --create --sparse" has made, in GNU tar's own format, is unpacked whole, or refused, or a warning
#           tells what is left out. The package has the type "SparseFile" in its table and the warning TAR_ENTRY_UNSUPPORTED in its
#           description, and with "strict: true" warnings are errors.
# Seen:     a file of one hole, and one of 40 pieces, each between two small files:
#
#               one hole: unpacked after before, warnings: none
#               one hole, strict: unpacked after before, warnings: none
#               40 pieces: unpacked before, warnings: none
#               40 pieces, strict: unpacked before, warnings: none
#
#           GNU tar and bsdtar unpack all three files of both. Four pieces fit into the header; for more there are blocks after
#           it, which are not counted when the file is passed over. So the end of its data is read as headers, and if there are
#           zeroes, as in a block that is not full, the archive has ended. Images of disks, which are packed with --sparse for
#           good reason, take with them whatever was packed after them.
#
# Run: findings/tar-npm-sparse-left-out.sh. Needs bash, node with npm, GNU tar, and a file system with holes for temporary files;
# takes ten seconds. Exit status 0: it is as described. 1: it is not any more.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

timeout 300 npm install --silent --no-audit --no-fund --prefix "$work/node" tar@7.5.23 >/dev/null
echo "tar $(node -p "require('$work/node/node_modules/tar/package.json').version"), Node.js $(node --version)"
tar --version | sed -n 1p

mkdir "$work/hole" "$work/pieces"
cd "$work"
for tree in hole pieces; do
    echo before >"$tree/before"
    echo after >"$tree/after"
done
truncate --size=1M hole/image
for piece in {1..40}; do
    printf 'piece %d' "$piece" | dd of=pieces/image bs=200000 seek="$piece" conv=notrunc status=none
done
truncate --size=9M pieces/image
for tree in hole pieces; do
    tar --create --format=gnu --sparse --file="$tree.tar" --directory="$tree" before image after
    [ "$(tar --list --file="$tree.tar" | tr '\n' ' ')" = "before image after " ]
done

# shellcheck disable=SC2016 # They are of JavaScript.
seen=$(NODE_PATH=$work/node/node_modules timeout 60 node -e '
const { readdirSync, mkdirSync } = require("node:fs");
const tar = require("tar");
(async () => {
  for (const [name, file] of [["one hole", "hole.tar"], ["40 pieces", "pieces.tar"]]) {
    for (const strict of [false, true]) {
      const cwd = `${file}-${strict}`;
      const warnings = [];
      mkdirSync(cwd);
      await tar.extract({ file, cwd, strict, onwarn: (code) => warnings.push(code) });
      const said = warnings.length ? warnings.join(" ") : "none";
      console.log(`${name}${strict ? ", strict" : ""}: unpacked ${readdirSync(cwd).sort().join(" ")}, warnings: ${said}`);
    }
  }
})().catch((error) => console.log(`refused: ${error.message}`));
')
printf '%s\n' "$seen"
if [ "$seen" = "one hole: unpacked after before, warnings: none
one hole, strict: unpacked after before, warnings: none
40 pieces: unpacked before, warnings: none
40 pieces, strict: unpacked before, warnings: none" ]; then
    echo "as described"
else
    echo "otherwise than described"
    exit 1
fi
