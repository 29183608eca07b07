"""
Requests that a client sends again because a channel failed, not knowing what became of them (MS-SMB2 3.3.5.2.10, 3.3.5.9.10).

Those that change a file are told from late ones by the channel sequence; a CREATE is recognized by its create GUID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.messages.create import CreateAction

if TYPE_CHECKING:
    from filesvc.server.commands.create_contexts.app_instance import Application
    from filesvc.server.operations.opening import Opening
    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Session

_REPLAY = int(HeaderFlags.REPLAY_OPERATION)
_NEWEST = 0x7FFF
_REFUSED_WHEN_LATE = frozenset({Command.WRITE, Command.SET_INFO, Command.IOCTL})
_USES_DATA = int(
    AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE | AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.DELETE
)


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


@dataclass(slots=True)
class Origin:
    """The CREATE that made an open, as far as that tells it when it is sent again. C{replayable} is Open.IsReplayEligible."""

    client_guid: UUID
    create_guid: UUID
    application: Application | None = None
    action: CreateAction = CreateAction.OPENED
    replayable: bool = False

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What tells this CREATE from all others."""
        return self.client_guid, self.create_guid


class PendingCreates:
    """The CREATEs with a create GUID that are being processed."""

    def __init__(self) -> None:
        self._openings: dict[tuple[UUID, UUID], Opening] = {}

    def begin(self, origin: Origin, opening: Opening, header: Header) -> None:
        """
        Note a CREATE.

        As in Windows, the file is open for one that waits for caches, but not for one that waits for a sharing violation to pass.

        @raise StatusError: ACCESS_DENIED if it is a replay of one that waits, DUPLICATE_OBJECTID if it says that it is none.
        """
        other = self._openings.get(origin.key)
        if other is not None and not other.violates_sharing:
            raise StatusError(Status.ACCESS_DENIED if header.flags & _REPLAY else Status.DUPLICATE_OBJECTID)
        self._openings[origin.key] = opening

    def end(self, origin: Origin, opening: Opening) -> None:
        """Forget it."""
        if self._openings.get(origin.key) is opening:
            del self._openings[origin.key]


def is_replayable(open: Open) -> bool:
    """Whether a CREATE may be replayed that had this outcome."""
    return not open.is_directory and bool(open.granted_access & _USES_DATA)


def check_replay(open: Open, header: Header, session: Session) -> None:
    """
    Whether a CREATE with the create GUID of this open may have it, as its answer.

    @raise StatusError: DUPLICATE_OBJECTID if it is no replay, or of a session that does not have the open.
    """
    abandoned = open.durability is not None and open.durability.disconnected
    if not header.flags & _REPLAY or not (abandoned or open.session is session):
        raise StatusError(Status.DUPLICATE_OBJECTID)
