"""Prints a line for each entry that Python's tarfile finds in a payload: python3 tarfile_reader.py PAYLOAD

With the word "data" behind it, as the filter of that name leaves the entries, which is what is unpacked by default from
Python 3.14 on; what the filter leaves to the system is 0. In WebAssembly, pyodide_reader.js calls found() itself.
"""

import hashlib
import os
import sys
import tarfile

KINDS = {tarfile.DIRTYPE: "d", tarfile.REGTYPE: "f", tarfile.SYMTYPE: "l", tarfile.LNKTYPE: "h"}


def found(payload, how):
    lines = []
    with tarfile.open(payload, "r:gz") as archive:
        for entry in archive:
            lines.append(line(archive, entry, how))
    return "\n".join(lines)


def line(archive, entry, how):
    digest, size = hashlib.md5(), 0
    if entry.isreg():
        content = archive.extractfile(entry)
        while chunk := content.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    content = digest.hexdigest() if entry.isreg() else "-"
    owner = "%s:%s:%s:%s" % (entry.uid, entry.gid, entry.uname, entry.gname)
    if how == "data":
        entry = tarfile.data_filter(entry, "/somewhere")
    name = entry.name.rstrip("/") + ("/" if entry.isdir() else "")
    fields = [KINDS[entry.type], "%o" % (entry.mode or 0), int(entry.mtime), size, owner, content]
    fields += [os.fsencode(name).hex() + "." for name in (name, entry.linkname)]
    return " ".join(map(str, fields))


if __name__ == "__main__" and len(sys.argv) > 1:
    print(found(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "all"))
