#!/usr/bin/python3
"""A small SFTP server (version 3) with habits that real servers have and OpenSSH's has not.

    server.py [HABIT]...

It speaks on standard input and output, as a subsystem of sshd does. Without a habit it is as well behaved as OpenSSH's,
and knows fsync@openssh.com. The habits, each with a server that has it:

    overwrites        a rename replaces what stands at the new name (MySecureShell)
    no-fstat          says of an open file that there is none (Net::SFTP::Server)
    mkdir-any-order   makes directories that are asked for in one breath in another order (npm ssh2)
    mkdir-missing     says "no such file" where it will not make a directory
    open-missing      says "no such file" where it will not make a file
    flags-by-table    opens only by the flags of r, r+, w, wx and a (npm ssh2)
    write-truncates   opens for writing alone what it has emptied before (Erlang)
    one-writer        what is written to a file that another connection has made is lost, though it says that it is done
    makes-anew        opens for writing only by making a new, empty file (copyparty)
    hides-dots        lists no name that begins with a dot (copyparty)
    slow-flush=S      takes S seconds to flush; as slow-close=S to close a file that was written to, slow-rename=S
"""

import os
import select
import stat
import struct
import sys
import time

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, UNSUPPORTED = 0, 1, 2, 3, 4, 8
READ, WRITE, APPEND, CREAT, TRUNC, EXCL = 1, 2, 4, 8, 16, 32
TABLE = {
    READ: os.O_RDONLY,
    READ | WRITE: os.O_RDWR,
    WRITE | CREAT | TRUNC: os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    WRITE | CREAT | TRUNC | EXCL: os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_EXCL,
    WRITE | CREAT | APPEND: os.O_WRONLY | os.O_CREAT | os.O_APPEND,
}

habits = dict(word.partition("=")[::2] for word in sys.argv[1:])
handles = {}
wrote = set()
made = set()


def pause(what):
    time.sleep(float(habits.get(what, 0)))


class Refused(Exception):
    def __init__(self, status):
        self.status = status


def receive(length):
    data = b""
    while len(data) < length:
        piece = os.read(0, length - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def packet():
    (length,) = struct.unpack(">I", receive(4))
    return receive(length)


def send(kind, body):
    data = struct.pack(">IB", len(body) + 1, kind) + body
    while data:
        data = data[os.write(1, data) :]


def string(data):
    return struct.pack(">I", len(data)) + data


def status(code):
    return 101, struct.pack(">I", code) + string(b"") + string(b"")


class Body:
    def __init__(self, data):
        self.data = data

    def number(self):
        (number,) = struct.unpack(">I", self.data[:4])
        self.data = self.data[4:]
        return number

    def long(self):
        return self.number() << 32 | self.number()

    def string(self):
        length = self.number()
        data, self.data = self.data[:length], self.data[length:]
        return data

    def attributes(self):
        said = self.number()
        size = self.long() if said & 1 else None
        if said & 2:
            self.long()
        mode = self.number() if said & 4 else None
        if said & 8:
            self.long()
        return size, mode


def attributes(found):
    return struct.pack(
        ">IQIIIII", 15, found.st_size, found.st_uid, found.st_gid, found.st_mode, int(found.st_atime), int(found.st_mtime)
    )


def how_to_open(path, how):
    if "flags-by-table" in habits:
        if how not in TABLE:
            raise Refused(FAILURE)
        return TABLE[how]
    if "open-missing" in habits and how & CREAT:
        raise Refused(NO_SUCH_FILE)
    if "makes-anew" in habits and how & WRITE:
        if not how & CREAT:
            raise Refused(PERMISSION_DENIED)
        return os.O_RDWR | os.O_CREAT | os.O_TRUNC
    flags = {READ: os.O_RDONLY, WRITE: os.O_WRONLY, READ | WRITE: os.O_RDWR}[how & (READ | WRITE)]
    if "write-truncates" in habits and how == WRITE:
        flags |= os.O_TRUNC
    for bit, flag in ((CREAT, os.O_CREAT), (TRUNC, os.O_TRUNC), (EXCL, os.O_EXCL)):
        if how & bit:
            flags |= flag
    return flags


def open_file(body):
    path, how = body.string(), body.number()
    _, mode = body.attributes()
    handle = b"%d" % os.open(path, how_to_open(path, how), 0o666 if mode is None else mode & 0o777)
    handles[handle] = None
    if how & CREAT:
        made.add(handle)
    return 102, string(handle)


def close(body):
    handle = body.string()
    if handles.pop(handle) is None:
        made.discard(handle)
        if handle in wrote:
            wrote.discard(handle)
            pause("slow-close")
        os.close(int(handle))
    return status(OK)


def read(body):
    handle, at, length = body.string(), body.long(), body.number()
    data = os.pread(int(handle), min(length, 1 << 17), at)
    return (103, string(data)) if data else status(EOF)


def write(body):
    handle, at = body.string(), body.long()
    if "one-writer" not in habits or handle in made:
        os.pwrite(int(handle), body.string(), at)
    wrote.add(handle)
    return status(OK)


def look_at(body):
    if "no-fstat" in habits:
        raise Refused(NO_SUCH_FILE)
    return 105, attributes(os.fstat(int(body.string())))


def set_attributes(target, body):
    size, mode = body.attributes()
    if size is not None:
        if "makes-anew" in habits:
            raise Refused(UNSUPPORTED)
        os.truncate(target, size)
    if mode is not None:
        os.chmod(target, mode & 0o7777)
    return status(OK)


def open_directory(body):
    names = os.listdir(body.string()) + [b".", b".."]
    if "hides-dots" in habits:
        names = [name for name in names if not name.startswith(b".")]
    handle = b"d%d" % (len(handles) + 1)
    handles[handle] = names
    return 102, string(handle)


def read_directory(body):
    handle = body.string()
    names, handles[handle] = handles[handle], []
    if not names:
        return status(EOF)
    return 104, struct.pack(">I", len(names)) + b"".join(string(name) * 2 + struct.pack(">I", 0) for name in names)


def remove(body):
    os.unlink(body.string())
    return status(OK)


def make_directory(body):
    path = body.string()
    if "mkdir-missing" in habits:
        raise Refused(NO_SUCH_FILE)
    _, mode = body.attributes()
    os.mkdir(path, 0o777 if mode is None else mode & 0o7777)
    return status(OK)


def resolve(body):
    return 104, struct.pack(">I", 1) + string(os.path.realpath(body.string())) * 2 + struct.pack(">I", 0)


def rename(body):
    old, new = body.string(), body.string()
    pause("slow-rename")
    if "overwrites" in habits:
        os.rename(old, new)
    else:
        os.link(old, new, follow_symlinks=False)
        os.unlink(old)
    return status(OK)


def read_link(body):
    return 104, struct.pack(">I", 1) + string(os.readlink(body.string())) * 2 + struct.pack(">I", 0)


def extended(body):
    if body.string() != b"fsync@openssh.com":
        return status(UNSUPPORTED)
    pause("slow-flush")
    os.fsync(int(body.string()))
    return status(OK)


ACTIONS = {
    3: open_file,
    4: close,
    5: read,
    6: write,
    7: lambda body: (105, attributes(os.lstat(body.string()))),
    8: look_at,
    9: lambda body: set_attributes(body.string(), body),
    10: lambda body: set_attributes(int(body.string()), body),
    11: open_directory,
    12: read_directory,
    13: remove,
    14: make_directory,
    16: resolve,
    17: lambda body: (105, attributes(os.stat(body.string()))),
    18: rename,
    19: read_link,
    200: extended,
}


def answer(data):
    kind, body = data[0], Body(data[5:])
    try:
        if kind not in ACTIONS:
            raise Refused(UNSUPPORTED)
        answered, words = ACTIONS[kind](body)
    except Refused as refused:
        answered, words = status(refused.status)
    except FileNotFoundError:
        answered, words = status(NO_SUCH_FILE)
    except PermissionError:
        answered, words = status(PERMISSION_DENIED)
    except (OSError, ValueError, KeyError):
        answered, words = status(FAILURE)
    send(answered, data[1:5] + words)


def is_more_there():
    return bool(select.select([0], [], [], 0.2)[0])


def main():
    os.umask(0o022)
    packet()
    send(2, struct.pack(">I", 3) + string(b"fsync@openssh.com") + string(b"1"))
    while True:
        together = [packet()]
        if "mkdir-any-order" in habits:
            while together[-1][0] == 14 and is_more_there():
                together.append(packet())
            directories = [data for data in together if data[0] == 14]
            together = directories[::-1] + [data for data in together if data[0] != 14]
        for data in together:
            answer(data)


main()
