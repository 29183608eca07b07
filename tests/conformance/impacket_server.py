"""impacket's example server: C{impacket_server.py PORT USER NT_HASH NAME=PATH...}."""

import sys

from impacket.smbserver import SimpleSMBServer


def main(port: str, user: str, nt_hash: str, *shares: str) -> None:
    server = SimpleSMBServer("127.0.0.1", int(port))
    server.setSMB2Support(True)
    server.setLogFile("impacket.log")
    server.addCredential(user, 0, "", nt_hash)
    for share in shares:
        name, _, path = share.partition("=")
        server.addShare(name, path)
    server.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
