"""Serves a directory over SFTP by asyncssh: asyncssh_server.py PORT DIRECTORY

DIRECTORY has `host_key`, `client.pub` and `site`, which is what the account sees as its root.
"""

import asyncio
import sys

import asyncssh


async def main(port, directory):
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[f"{directory}/host_key"],
        authorized_client_keys=f"{directory}/client.pub",
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=f"{directory}/site"),
    )
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
