"""Oplocks: what one open may cache (MS-SMB2 3.3.4.6, 3.3.5.22.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.state.break_notice import BreakNotice
from filesvc.server.state.caching import NONE, OPLOCK_BREAKS, OPLOCK_OFFERS, RW, RWH, STAT_ACCESS, Caching, Holder, R
from filesvc.server.state.services import Cache, Carrier
from filesvc.smb2.messages.create import OplockLevel
from filesvc.smb2.messages.oplock_break import OplockBreak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.internet.interfaces import IReactorTime

    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Session
    from filesvc.smb2.contexts.lease import LeaseState

_STATE_OF_LEVEL = {OplockLevel.II: R, OplockLevel.EXCLUSIVE: RW, OplockLevel.BATCH: RWH}
_LEVEL_OF_STATE = {NONE: OplockLevel.NONE, R: OplockLevel.II, RW: OplockLevel.EXCLUSIVE, RWH: OplockLevel.BATCH}


class Oplock(Holder):
    """The oplock of one open."""

    is_oplock = True
    undisturbed = STAT_ACCESS
    breaks = OPLOCK_BREAKS
    offers = OPLOCK_OFFERS

    def __init__(self, reactor: IReactorTime, caching: Caching, connection: Carrier | None) -> None:
        super().__init__(reactor, caching)
        self._connection = connection

    @property
    def level(self) -> OplockLevel:
        """Open.OplockLevel."""
        return _LEVEL_OF_STATE[self.state]

    def notice(self, old: LeaseState, new: LeaseState, acknowledge: bool) -> BreakNotice:
        """For the open's session."""
        (open,) = self.opens
        return BreakNotice(
            Cache.OPLOCK, OplockBreak(open.file_id, _LEVEL_OF_STATE[new]).encode(), self.ways, self.unreachable, self._reactor
        )

    def ways(self) -> Iterator[tuple[Carrier, Session]]:
        """The connections of the session, and first the one that the oplock was granted on."""
        for open in self.opens:
            for connection in sorted(open.session.connections, key=lambda one: one is not self._connection):
                yield connection, open.session

    def acknowledge(self, level: int) -> OplockLevel:
        """
        The client gives the oplock back, or goes down to C{level}.

        @return: The level that it keeps by that; who waited may have broken it again by now, of which it is told in a notification.
        @raise StatusError: INVALID_DEVICE_STATE, INVALID_OPLOCK_PROTOCOL or INVALID_PARAMETER if it was not asked to, which changes
            nothing; the latter two for a level it cannot keep, which leaves it none.
        """
        if self.breaking is None:
            raise StatusError(self._unasked(level))
        if level == OplockLevel.LEASE:
            self.answered(NONE)
            raise StatusError(Status.INVALID_PARAMETER)
        if level not in (OplockLevel.II, OplockLevel.NONE) and (level != OplockLevel.EXCLUSIVE or self.state != RWH):
            self.answered(NONE)
            raise StatusError(Status.INVALID_OPLOCK_PROTOCOL)
        kept = self.breaking if level == OplockLevel.II else NONE
        self.answered(kept)
        return _LEVEL_OF_STATE[kept]

    def _unasked(self, level: int) -> Status:
        """
        What Windows and its own tests say of an acknowledgment while no break is under way. The present text of MS-SMB2 3.3.5.22.1 has
        INVALID_DEVICE_STATE for each; what was taken without an answer being due is not mentioned there.
        """
        if not self.state:
            return Status.INVALID_OPLOCK_PROTOCOL
        if level == OplockLevel.LEASE:
            return Status.INVALID_PARAMETER
        gives_up = level == OplockLevel.NONE or (level == OplockLevel.II and self.state != R)
        return Status.INVALID_DEVICE_STATE if gives_up else Status.INVALID_OPLOCK_PROTOCOL


@dataclass(slots=True)
class OplockRequest:
    """What a CREATE asks for; C{connection} is the one that it came on, if any."""

    level: int
    reactor: IReactorTime
    connection: Carrier | None = None

    def find(self) -> None:
        """An oplock is never there before its open."""

    def acquire(self, open: Open, locked: bool = False) -> None:
        """Grant an oplock, or none. Directories have none."""
        wanted = _STATE_OF_LEVEL.get(OplockLevel(self.level))
        if wanted is None or open.is_directory:
            return
        caching = open.node.caching
        oplock = Oplock(self.reactor, caching, self.connection)
        caching.acquire(oplock, open, wanted, locked)
        if oplock.state:
            caching.holders.append(oplock)
            oplock.admit(open)
