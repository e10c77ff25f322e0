"""Serves a directory over SFTP by Twisted's Conch: conch_server.py PORT DIRECTORY

DIRECTORY has `host_key`, `client.pub` and `site`, where the account begins. The account is the user that runs this.
"""

import os
import sys

from twisted.conch import avatar, checkers
from twisted.conch.ssh import factory, filetransfer, keys, session
from twisted.conch.unix import SFTPServerForUnixConchUser
from twisted.cred import portal
from twisted.internet import reactor
from twisted.python import components
from twisted.python.filepath import FilePath
from zope.interface import implementer

PORT, DIRECTORY = int(sys.argv[1]), sys.argv[2]


class User(avatar.ConchUser):
    """What Conch's server of files wants of a user of the system; this process cannot become another one."""

    def __init__(self):
        super().__init__()
        self.channelLookup[b"session"] = session.SSHSession
        self.subsystemLookup[b"sftp"] = filetransfer.FileTransferServer

    def getUserGroupId(self):
        return os.getuid(), os.getgid()

    def getHomeDir(self):
        return FilePath(f"{DIRECTORY}/site")

    def _runAsUser(self, call, *args, **kwargs):
        calls = call if isinstance(call, list) else [(call, args, kwargs)]
        for each in calls:
            function, args, kwargs = (*each, {})[:3]
            result = function(*args, **kwargs)
        return result


@implementer(portal.IRealm)
class Realm:
    def requestAvatar(self, avatarId, mind, *interfaces):
        return interfaces[0], User(), lambda: None


components.registerAdapter(SFTPServerForUnixConchUser, User, filetransfer.ISFTPServer)
host_key = keys.Key.fromFile(f"{DIRECTORY}/host_key")
client = keys.Key.fromFile(f"{DIRECTORY}/client.pub")
server = factory.SSHFactory()
server.publicKeys = {b"ssh-ed25519": host_key.public()}
server.privateKeys = {b"ssh-ed25519": host_key}
checker = checkers.SSHPublicKeyChecker(checkers.InMemorySSHKeyDB({b"upload": [client]}))
server.portal = portal.Portal(Realm(), [checker])
reactor.listenTCP(PORT, server, interface="127.0.0.1")
reactor.run()
