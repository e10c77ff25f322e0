"""Serves a directory over FTP by aioftp: aioftp_server.py PORT DIRECTORY

DIRECTORY has `password`, which is that of the account `upload`, and `site`, which is what the account sees as its root.
"""

import asyncio
import pathlib
import sys

import aioftp

port, directory = int(sys.argv[1]), pathlib.Path(sys.argv[2])
account = aioftp.User("upload", (directory / "password").read_text(), base_path=directory / "site")
asyncio.run(aioftp.Server([account]).run("127.0.0.1", port))
