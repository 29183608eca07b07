"""Telling a client that what it caches breaks, on one of its connections or on another (MS-SMB2 3.3.4.6, 3.3.4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from filesvc.server.state.services import Cache, Carrier
    from filesvc.server.state.session import Session

Ways: TypeAlias = "Iterable[tuple[Carrier, Session]]"
"""A client's connections, the best first, each with a session that it has there."""

LOOK_S = 0.5
"""How often to look whether a client has vanished."""
ELSEWHERE_S = 1.5
"""The silence after which it has, if it has other connections."""
ALONE_S = 20.0
"""The silence after which it has, if it has no other: Windows sends for about so long again what nobody acknowledges."""
UNANSWERED = 3
"""How often it has been sent the notification by then: for a second and a half, as the kernel sends."""
_MAX_LOOKS = 70


class BreakNotice:
    """
    A notification, which goes out again on another connection if the one that it was sent on is lost.

    For half a minute, as long as a client has for its answer, or until it is withdrawn.
    """

    def __init__(self, cache: Cache, body: bytes, ways: Callable[[], Ways], unreachable: Callable[[], None], reactor: IReactorTime) -> None:
        """
        @param cache: what breaks.
        @param unreachable: called if the last connection is lost.
        """
        self._cache = cache
        self._reactor = reactor
        self._body = body
        self._ways = ways
        self._unreachable = unreachable
        self._connection: Carrier | None = None
        self._look: IDelayedCall | None = None
        self._looks = 0

    def send(self) -> bool:
        """Send it on the first connection; false if there is none."""
        for connection, session in self._ways():
            if not connection.lost:
                self._connection = connection
                connection.notices.append(self)
                connection.notify(self._cache, self._body, session)
                self._look_later(connection)
                return True
        return False

    def withdraw(self) -> None:
        """The client has answered, or need not any more."""
        if self._connection is not None:
            self._connection.notices.remove(self)
            self._connection = None
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def connection_lost(self) -> None:
        """The connection that it was sent on is gone."""
        self.withdraw()
        if not self.send():
            self._unreachable()

    def _look_later(self, connection: Carrier) -> None:
        self._look = self._reactor.callLater(LOOK_S, self._look_for_client, connection)

    def _look_for_client(self, connection: Carrier) -> None:
        self._look = None
        self._looks += 1
        if self._looks == _MAX_LOOKS:
            self.withdraw()
            return
        alone = all(other is connection or other.lost for other, _ in self._ways())
        self._look_later(connection)
        connection.end_if_vanished(ALONE_S if alone else ELSEWHERE_S, UNANSWERED)
