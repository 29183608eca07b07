"""How long the reactor works for clients before it looks again who else wants something."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET_S = 0.004
"""Seconds of a turn after which nothing more is taken up. What was begun before may take as long again, and the turn no more than 10 ms."""


class Turn:
    """
    What all clients together take of one turn of the reactor.

    The time runs between L{begin} and L{end}. What finds it used up goes on in a later turn, in the order in which it came.

    The reactor serves a client once in a turn, so when one comes for the second time a new turn has begun.
    """

    __slots__ = ("_began", "_depth", "_hurries", "_queue", "_scheduled", "_served", "_used_s", "reactor")

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._began = 0.0
        self._depth = 0
        self._used_s = 0.0
        self._served: set[int] = set()
        self._scheduled = False
        self._hurries = False
        self._queue: deque[Callable[[], None]] = deque()

    def begin(self, client: object = None) -> None:
        """Something is done for a client, or because of something that was waited for."""
        self._depth += 1
        if self._depth == 1:
            if client is not None:
                if id(client) in self._served:
                    self._start_anew()
                self._served.add(id(client))
            self._began = self.reactor.seconds()

    def end(self) -> None:
        """It is done. What was begun inside of something else is part of that."""
        self._depth -= 1
        if not self._depth:
            self._used_s += self.reactor.seconds() - self._began

    def is_over(self) -> bool:
        """Whether others are to have their turn before anything more is begun."""
        used_s: float = self._used_s
        if self._depth:
            used_s += self.reactor.seconds() - self._began
        return used_s > BUDGET_S and not self._hurries

    def hurry(self) -> None:
        """From now on put nothing off: the server ends, and what is not done when the reactor stops never is."""
        self._hurries = True

    async def caught_up(self) -> None:
        """Return when all that was put off has been gone on with."""
        if self._queue:
            await self.next()

    def do(self, call: Callable[[], None]) -> None:
        """Do something: now, or in a later turn if this one is over."""
        if self.is_over():
            self.later(call)
        else:
            call()

    def later(self, call: Callable[[], None]) -> None:
        """Do something in a later turn."""
        self._queue.append(call)
        self._schedule()

    async def rest(self) -> None:
        """Return in a later turn if this one is over, else at once. Who does many things for one client waits so between them."""
        if self.is_over():
            await self.next()

    def next(self) -> Deferred[None]:
        """Fires in a later turn."""
        result: Deferred[None] = Deferred()
        self.later(lambda: result.callback(None))
        return result

    def _schedule(self) -> None:
        if self._queue and not self._scheduled:
            self._scheduled = True
            self.reactor.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        self._start_anew()
        self.begin()
        try:
            while self._queue and not self.is_over():
                self._queue.popleft()()
        finally:
            self.end()
            self._schedule()
        # What comes in now has time of its own.
        self._start_anew()

    def _start_anew(self) -> None:
        self._served.clear()
        self._used_s = 0.0
