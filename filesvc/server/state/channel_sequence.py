"""
Open.ChannelSequence: which requests come too late, because their client has given up the channel they come from (MS-SMB2 3.3.5.2.10).
"""

from __future__ import annotations

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.smb2.header import Command, Header, HeaderFlags

_REPLAY = int(HeaderFlags.REPLAY_OPERATION)
_NEWEST = 0x7FFF
_REFUSED_WHEN_LATE = frozenset({Command.WRITE, Command.SET_INFO, Command.IOCTL})


class ChannelSequence:
    """
    Open.ChannelSequence, and how many requests of it (Open.OutstandingRequestCount), and of those before it
    (Open.OutstandingPreRequestCount), are being processed.
    """

    __slots__ = ("_before", "_epoch", "_now", "number")

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._now = 0
        self._before = 0
        self._epoch = 0

    def admit(self, header: Header) -> int | None:
        """
        Let a request in, if it is not too late.

        @return: for L{settle}, when it is answered; C{None} if it does not count.
        @raise StatusError: FILE_NOT_AVAILABLE. It changes the file, and the client has given up the channel it comes from; or it is sent
            again while the first may yet be under way.
        """
        ahead = (header.channel_sequence - self.number) & 0xFFFF
        if ahead <= _NEWEST:
            if ahead:
                self.number = header.channel_sequence
                self._before += self._now
                self._now = 0
                self._epoch += 1
            if not (header.flags & _REPLAY and self._before):
                self._now += 1
                return self._epoch
        if header.command in _REFUSED_WHEN_LATE:
            raise StatusError(Status.FILE_NOT_AVAILABLE)
        return None

    def settle(self, epoch: int) -> None:
        """A request that was admitted has been answered."""
        if epoch == self._epoch:
            self._now -= 1
        else:
            self._before -= 1
