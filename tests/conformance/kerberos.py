"""The server of this project beside a KDC, for the tests that want tickets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdc import HOST, Kdc
from peers import PASSWORD, Filesvc, Server, Share, free_port

CLOCK_SKEW_S = 3
"""Tickets are accepted for so long after their end; smbtorture asks for one of 4 seconds, and waits 10."""


class FilesvcWithKerberos(Filesvc):
    """C{filesvc} with a keytab, and users with tickets."""

    def __init__(self, folder: Path, shares: Sequence[Share]) -> None:
        super().__init__(folder, shares)
        self.kdc = Kdc(folder / "kdc", free_port(), clock_skew_s=CLOCK_SKEW_S)
        self.environment = self.kdc.environment
        self.client_options = ("--use-kerberos=required", "--realm", self.kdc.realm, "--option", f"gensec:target_hostname={HOST}")

    def start(self, timeout_s: float = 30.0) -> None:
        """Start both."""
        keytab = self.folder / "keytab"
        self.options = ("--keytab", str(keytab), "--auth", f"kerberos:{self.kdc.realm}")
        self.kdc.start()
        self.kdc.add_user(self.user, PASSWORD)
        self.kdc.add_service(f"cifs/{HOST}", keytab)
        super().start(timeout_s)

    def kill(self) -> None:
        """End both at once."""
        super().kill()
        self.kdc.stop()


def server_for(test: str, server: type[Server]) -> type[Server]:
    """The kind of server that a test is asked of, where C{server} is to be tested."""
    return FilesvcWithKerberos if server is Filesvc and test.startswith("smb2.session.expire") else server
