"""What a connection has to do, and whether it takes on more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.smb2.header import Header, HeaderFlags

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.server.connection.call import Call
    from filesvc.server.connection.compound import Compound
    from filesvc.server.connection.sender import Sender
    from filesvc.server.settings import Limits
    from filesvc.server.turn import Turn
    from filesvc.zerocopy.outbox import Outbox

_ASYNC = int(HeaderFlags.ASYNC_COMMAND)


class Workload:
    """
    The requests of one connection that are worked on, those that wait for something to happen (Connection.AsyncCommandList), and the
    replies that have not left.

    The client is not read from while it takes replies more slowly than it asks for them, or asks faster than it is served, or others have
    their turn; a stranger not while a request of its is worked on.

    @ivar limits: of them, C{waiting}, C{parallel} and C{backlog} count here.
    @ivar held_back: it is not read from.
    @ivar running: the frames that are worked on, those with a request that waits included.
    """

    __slots__ = (
        "_close",
        "_go_on",
        "_hold_back",
        "_lost",
        "_outbox",
        "_put_off",
        "_sender",
        "_turn",
        "_waiting",
        "held_back",
        "limits",
        "running",
    )

    def __init__(
        self, outbox: Outbox, sender: Sender, turn: Turn, limits: Limits, hold_back: Callable[[], None], go_on: Callable[[], None]
    ) -> None:
        """
        @param hold_back: is called when nothing is to be read any more, until C{go_on} is.
        """
        self.held_back = False
        self.running: list[Compound] = []
        self._outbox = outbox
        self._sender = sender
        self._turn = turn
        self._put_off = 0
        self._hold_back = hold_back
        self._go_on = go_on
        self.limits = limits
        self._waiting: dict[int, Call] = {}
        self._close: Callable[[], None] | None = None
        self._lost = False

    # Requests

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on, but for what waits."""
        waiting = {call.compound for call in self._waiting.values()}
        return all(compound in waiting for compound in self.running)

    @property
    def may_wait(self) -> bool:
        """Whether one more request may wait for something to happen."""
        return len(self._waiting) < self.limits.waiting

    @property
    def waiting(self) -> list[Call]:
        """The requests that wait."""
        return list(self._waiting.values())

    def wait(self, call: Call) -> None:
        """A request begins to wait."""
        self._waiting[call.header.message_id] = call

    def wait_no_more(self, call: Call) -> None:
        """A request waits no longer."""
        self._waiting.pop(call.header.message_id, None)

    def find(self, header: Header) -> Call | None:
        """The waiting request that a CANCEL means (MS-SMB2 3.3.5.16): one that was given an AsyncId has its message id for that."""
        return self._waiting.get(header.async_id if header.flags & _ASYNC else header.message_id)

    def put_off(self, call: Callable[[], None]) -> None:
        """Do something in a later turn, as the time of the present one is used up, and read nothing from the client before."""

        def go_on() -> None:
            self._put_off -= 1
            call()
            self.ease()

        self._put_off += 1
        self._turn.later(go_on)

    # Whether there is room for more

    @property
    def swamped(self) -> bool:
        """Whether more replies wait for the client to take them than may."""
        return self._outbox.pending > self.limits.backlog

    @property
    def _overloaded(self) -> bool:
        too_many = len(self.running) - len(self._waiting) > self.limits.parallel
        return too_many or self._put_off > 0 or self._outbox.pending + self._sender.in_thread > self.limits.backlog

    def throttle(self) -> None:
        """There is more to do than before. Take on no more if that is too much."""
        if self._overloaded and not self.held_back and not self._lost:
            self.held_back = True
            self._hold_back()
            self._look_when_flushed()

    def ease(self) -> None:
        """Replies have left, or requests have been answered or begun to wait: perhaps it is time to go on, or to end."""
        if self._close is not None:
            self._close_if_done()
        elif not self.held_back or self._lost:
            return
        elif self.swamped:
            self._look_when_flushed()
        elif not self._overloaded:
            self.held_back = False
            self._go_on()

    def _look_when_flushed(self) -> None:
        self._outbox.flushed().addCallbacks(lambda _: self.ease(), lambda _: None)

    def finish(self, close: Callable[[], None]) -> None:
        """Have C{close} called when all that is worked on has been answered, and the replies have left. C{go_on} is not called any more."""
        self._close = close
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._lost or not self.idle:
            return
        if self._outbox.pending:
            self._look_when_flushed()
        elif not self._sender.in_thread:
            assert self._close is not None
            self._close()

    def lost(self) -> None:
        """The connection is gone: it is neither read from nor closed any more."""
        self._lost = True
