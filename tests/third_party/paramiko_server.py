"""Serves a directory over SFTP by paramiko: paramiko_server.py PORT DIRECTORY

DIRECTORY has `host_key`, `client.pub` and `site`, which is what the account sees as its root. paramiko leaves the files
to whoever uses it; here each request is the call of `os` that has its name, so that RENAME replaces what stands there.
"""

import base64
import os
import socket
import sys
import threading

import paramiko
from paramiko import SFTP_OK, SFTPAttributes, SFTPHandle, SFTPServer


class Account(paramiko.ServerInterface):
    def __init__(self, key):
        self.key = key

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        is_known = key == self.key
        return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


class OpenFile(SFTPHandle):
    def __init__(self, file, flags):
        super().__init__(flags)
        self.readfile = self.writefile = file

    def stat(self):
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attr):
        # Of a file that was made of a descriptor, the name is that descriptor.
        return answer(lambda: SFTPServer.set_file_attr(self.readfile.name, attr))


def answer(call):
    """Calls, and returns the status that says what came of it."""
    try:
        call()
    except OSError as error:
        return SFTPServer.convert_errno(error.errno)
    return SFTP_OK


class Files(paramiko.SFTPServerInterface):
    root = ""

    def real(self, path):
        return self.root + self.canonicalize(path)

    def attributes(self, look, path):
        try:
            return SFTPAttributes.from_stat(look(self.real(path)))
        except OSError as error:
            return SFTPServer.convert_errno(error.errno)

    def stat(self, path):
        return self.attributes(os.stat, path)

    def lstat(self, path):
        return self.attributes(os.lstat, path)

    def list_folder(self, path):
        try:
            found = []
            with os.scandir(self.real(path)) as entries:
                for entry in entries:
                    attributes = SFTPAttributes.from_stat(entry.stat(follow_symlinks=False))
                    attributes.filename = entry.name
                    found.append(attributes)
            return found
        except OSError as error:
            return SFTPServer.convert_errno(error.errno)

    def open(self, path, flags, attr):
        try:
            descriptor = os.open(self.real(path), flags, attr.st_mode if attr.st_mode is not None else 0o666)
        except OSError as error:
            return SFTPServer.convert_errno(error.errno)
        mode = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}[flags & os.O_ACCMODE]
        return OpenFile(os.fdopen(descriptor, mode), flags)

    def mkdir(self, path, attr):
        return answer(lambda: os.mkdir(self.real(path)))

    def rmdir(self, path):
        return answer(lambda: os.rmdir(self.real(path)))

    def remove(self, path):
        return answer(lambda: os.remove(self.real(path)))

    def rename(self, old, new):
        return answer(lambda: os.rename(self.real(old), self.real(new)))

    def posix_rename(self, old, new):
        return self.rename(old, new)

    def chattr(self, path, attr):
        return answer(lambda: SFTPServer.set_file_attr(self.real(path), attr))


def serve(connection, host_key, account):
    transport = paramiko.Transport(connection)
    transport.add_server_key(host_key)
    transport.set_subsystem_handler("sftp", SFTPServer, Files)
    try:
        transport.start_server(server=account)
    except (paramiko.SSHException, EOFError, OSError):
        transport.close()
    # The transport's own thread goes on; it lives as long as the connection.
    transport.join()


def main(port, directory):
    host_key = paramiko.Ed25519Key(filename=f"{directory}/host_key")
    with open(f"{directory}/client.pub", encoding="ascii") as file:
        client = paramiko.PKey.from_type_string(*parts(file.read()))
    Files.root = f"{directory}/site"
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, host_key, Account(client)), daemon=True).start()


def parts(line):
    """Returns type and bytes of a public key as OpenSSH writes it."""
    kind, key = line.split()[:2]
    return kind, base64.b64decode(key)


main(int(sys.argv[1]), sys.argv[2])
