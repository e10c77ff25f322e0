"""Serves a directory over FTP by pyftpdlib: pyftpdlib_server.py PORT DIRECTORY

DIRECTORY has `password`, which is that of the account `upload`, and `site`, which is what the account sees as its root.
"""

import pathlib
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

port, directory = int(sys.argv[1]), pathlib.Path(sys.argv[2])
accounts = DummyAuthorizer()
accounts.add_user("upload", (directory / "password").read_text(), str(directory / "site"), perm="elradfmwMT")
FTPHandler.authorizer = accounts
FTPServer(("127.0.0.1", port), FTPHandler).serve_forever()
