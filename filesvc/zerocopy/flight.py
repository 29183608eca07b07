"""
Leases of bytes that have left for the peer and have not arrived.

sendfile(2) copies nothing: until the peer has taken the bytes, the socket refers to the pages of the file. A file that is truncated in that
time has the rest of the folio behind its new end zeroed in place (measured: 2 MB of zeros in one reply), and the peer would get zeros that
the file never held. So a lease is kept until its bytes have landed.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from filesvc.zerocopy.backlog import Landing
    from filesvc.zerocopy.lease import Hold

INTERVAL = 0.02
"""Seconds between two looks; the interval doubles, up to L{LONGEST_INTERVAL}, while nothing lands."""
LONGEST_INTERVAL = 0.32
HASTE = 0.004
"""Seconds between two looks when somebody wants the file."""
GRACE = 0.1
"""Seconds without progress after which a peer has stopped reading, and a file that somebody wants is given up."""


class _Leg:
    __slots__ = ("end", "fd", "file_end", "hold")

    def __init__(self, end: int, hold: Hold, file_end: int) -> None:
        self.end = end
        self.hold: Hold | None = hold
        self.file_end = file_end
        self.fd = -1

    @property
    def wanted(self) -> bool:
        return self.hold is not None and self.hold.wanted

    def give_up(self) -> None:
        """Let the lease go, keeping an eye on the file."""
        hold = self.hold
        if hold is not None:
            self.fd = os.dup(hold.fd)
            self.hold = None
            hold.release()

    def spoiled(self) -> bool:
        """The file was cut inside the range, so that pages on their way have changed. Cut to nothing, it lost them unchanged."""
        return self.fd >= 0 and 0 < os.fstat(self.fd).st_size < self.file_end

    def release(self) -> None:
        if self.hold is not None:
            self.hold.release()
        if self.fd >= 0:
            os.close(self.fd)


class Flight:
    """
    The leases of one connection whose bytes are on their way.

    A lease is released when its bytes have landed; when somebody wants it and nothing has landed for L{GRACE} seconds; and when nothing has
    landed for C{stall_timeout} seconds. If the file is then cut short while its bytes are still on their way, C{spoiled} is called: what
    arrives may not be what was promised.
    """

    def __init__(self, landing: Landing, reactor: IReactorTime, spoiled: Callable[[], None], stall_timeout: float) -> None:
        self._landing = landing
        self._reactor = reactor
        self._spoiled = spoiled
        self._stall_timeout = stall_timeout
        self._legs: deque[_Leg] = deque()
        self._interval = INTERVAL
        self._look: IDelayedCall | None = None

    def add(self, hold: Hold, file_end: int, since: float) -> None:
        """
        The socket has been given the last bytes that a lease is for.

        @param file_end: where these bytes end in the file.
        @param since: when the socket took bytes last; the reactor's seconds.
        """
        legs, end = self._legs, self._landing.sent()
        last = legs[-1].hold if legs else None
        if last is not None and last.same_file(hold) and file_end >= legs[-1].file_end:
            legs[-1].end, legs[-1].file_end = end, file_end
            hold.release()
            return
        legs.append(_Leg(end, hold, file_end))
        hold.give_back = self._hasten
        if self._look is None:
            # What landed before nobody was looking is no progress now.
            with contextlib.suppress(OSError):
                self._landing.look()
            self._landing.landed_at = since
            self._look_in(INTERVAL)
        if hold.wanted:
            self._hasten()

    def close(self) -> None:
        """The connection is gone, and with it all bytes on their way."""
        self._legs, legs = deque(), self._legs
        for leg in legs:
            leg.release()
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _hasten(self) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look_in(0)

    def _look_in(self, seconds: float) -> None:
        self._interval = seconds
        self._look = self._reactor.callLater(seconds, self._land)

    def _land(self) -> None:
        self._look = None
        try:
            self._landing.look()
        except OSError:
            # The connection is lost; the transport will say so.
            self.close()
            return
        landed = self._landing.landed
        idle = self._reactor.seconds() - self._landing.landed_at
        if idle < self._interval:
            self._interval = INTERVAL
        legs = self._legs
        arrived: list[_Leg] = []
        while legs and legs[0].end <= landed:
            arrived.append(legs.popleft())
        wanted = any(leg.wanted for leg in legs)
        unwaited = [leg for leg in legs if leg.hold is not None and idle >= (GRACE if leg.wanted else self._stall_timeout)]
        spoiled = any(leg.spoiled() for leg in legs)
        if legs:
            self._look_in(HASTE if wanted else min(max(2 * self._interval, INTERVAL), LONGEST_INTERVAL))
        # Whoever waits for a lease runs now, and may come back here.
        for leg in arrived:
            leg.release()
        for leg in unwaited:
            leg.give_up()
        if spoiled:
            self._spoiled()
