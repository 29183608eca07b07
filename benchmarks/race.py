"""
The race that sendfile is feared for: a file is cut short and grows again, by a process that knows nothing of the server, while clients
read it. The file never holds a zero; each zero that a client gets was made up.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.client import LoadClient
from tests.conformance.peers import PASSWORD, Server
from tests.faults.racer import CUT_AND_GROW

if TYPE_CHECKING:
    from pathlib import Path

NAME = "race"
SIZE = 1 << 20
CLIENTS = 8


@dataclass(slots=True)
class Outcome:
    """So many replies, so many of them with zeros that nobody ever wrote, and so many connections that did not last."""

    replies: int = 0
    made_up: int = 0
    dropped: int = 0

    def __str__(self) -> str:
        dropped = f", {self.dropped} connections dropped" if self.dropped else ""
        return f"{self.made_up:,} of {self.replies:,}{dropped}"


def race(server: Server, data: Path, replies: int) -> Outcome:
    """Read C{replies} times, in turn by each of L{CLIENTS}, while another process cuts the file."""
    path = data / NAME
    path.write_bytes(b"y" * SIZE)
    outcome = Outcome()
    with subprocess.Popen([sys.executable, "-c", CUT_AND_GROW, path, str(SIZE)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            clients = [_Reader(server) for _ in range(CLIENTS)]
            while outcome.replies < replies:
                for client in clients:
                    client.ask()
                for client in clients:
                    client.take(outcome)
        finally:
            other.kill()
    path.unlink()
    return outcome


class _Reader:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._connect()

    def _connect(self) -> None:
        self._client = LoadClient(self._server.port, self._server.user, PASSWORD, "data")
        self._file_id = self._client.open(NAME)

    def ask(self) -> None:
        self._client.ask_for(self._file_id, 0, SIZE)

    def take(self, outcome: Outcome) -> None:
        outcome.replies += 1
        try:
            outcome.made_up += b"\0" in self._client.take_reply()
        except ConnectionError:
            outcome.dropped += 1
            self._client.close()
            self._connect()
