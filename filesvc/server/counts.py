"""What a server has done so far, as far as no table of it remembers."""

from __future__ import annotations

from collections import defaultdict

UNKNOWN_COMMAND = 0xFFFF
"""Stands for all commands that there are not, so that no client can make the counts grow."""

_COMMANDS = 19


class Counts:
    """
    Counts since the server was made. L{filesvc.server.reports.metrics} tells them to others.

    @ivar requests: how many requests were answered, by command and status.
    @ivar read: bytes of file data sent, by the way they took: C{sendfile}, C{copy} through a buffer, or C{store} from a file without a
        descriptor.
    @ivar written: bytes of file data taken: C{recvfile} straight from the socket into the file, or C{copy}.
    @ivar breaks: how often a client was told to give up what it caches, by C{oplock} and C{lease}.
    """

    __slots__ = ("_answered", "breaks", "read", "written")

    def __init__(self) -> None:
        self._answered: defaultdict[int, int] = defaultdict(int)
        self.read = {"sendfile": 0, "copy": 0, "store": 0}
        self.written = {"recvfile": 0, "copy": 0}
        self.breaks = {"oplock": 0, "lease": 0}

    def answered(self, command: int, status: int) -> None:
        """Count a request."""
        self._answered[status << 16 | (command if command < _COMMANDS else UNKNOWN_COMMAND)] += 1

    @property
    def requests(self) -> dict[tuple[int, int], int]:
        """How many requests were answered, by command and status."""
        return {(key & 0xFFFF, key >> 16): count for key, count in self._answered.items()}
