"""
What clients cache of a file, and what takes it back from them (MS-FSA 2.1.1.10, 2.1.4.12, 2.1.5.18, 2.1.5.19).

Oplocks and leases are one thing here: a L{Holder} of some of the rights R, W and H. Level II is R, exclusive is RW, batch is RWH.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from filesvc.dtyp.access_mask import AccessMask
from filesvc.printable import printed
from filesvc.smb2.contexts.lease import LeaseState

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from filesvc.server.state.break_notice import BreakNotice, Ways
    from filesvc.server.state.open import Open

log = Logger(observer=printed)

Wait: TypeAlias = Callable[[Deferred[None]], Awaitable[None]]
"""Lets a client wait for something; raises L{filesvc.server.errors.StatusError} if it does not want to any more."""

LOOK_S = 5.0
"""How often to look whether a client that others wait for has come back."""
BREAK_TIMEOUT = 35.0
"""Seconds that a client has to answer a break (MS-SMB2 3.3.2.1, 3.3.2.5)."""

NONE = LeaseState.NONE
R = LeaseState.READ_CACHING
RW = LeaseState.READ_CACHING | LeaseState.WRITE_CACHING
RH = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING
RWH = RW | RH
W = LeaseState.WRITE_CACHING
H = LeaseState.HANDLE_CACHING

LEASE_BREAKS = {
    (R, RW): NONE,
    (RH, H): R,
    (RH, RW): NONE,
    (RW, W): R,
    (RW, RW): NONE,
    (RWH, W): RH,
    (RWH, H): RW,
    (RWH, RW): NONE,
}
"""What is left of a lease that an operation takes something from; what is not here stays as it is."""

OPLOCK_BREAKS = {
    (R, RW): NONE,
    (RW, W): R,
    (RW, RW): NONE,
    (RWH, W): R,
    (RWH, H): NONE,
    (RWH, RW): NONE,
}
"""The same of an oplock."""

LEASE_OFFERS = {R: (R,), RH: (RH, R), RW: (RW, R), RWH: (RWH, RH, R)}
"""What to try to grant of a requested lease, the best first (MS-SMB2 3.3.5.9). What is not here is no lease."""

OPLOCK_OFFERS = {R: (R,), RW: (RW, R), RWH: (RWH, R)}
"""The same of an oplock."""

STAT_ACCESS = int(AccessMask.FILE_READ_ATTRIBUTES | AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.SYNCHRONIZE)
STAT_OR_SECURITY_ACCESS = STAT_ACCESS | int(AccessMask.READ_CONTROL)


class Operation(Enum):
    """What is done to a file, as far as caches are concerned."""

    OPEN = "open"
    OVERWRITE = "overwrite"
    OPEN_BREAK_H = "open in spite of share modes"
    WRITE = "write"
    LOCK = "lock"
    SET_SIZE = "set the end of file or the allocation"
    ZERO_DATA = "zero data"
    RENAME = "rename or link"
    DELETE = "delete"
    SET_SECURITY = "set security"


_TAKEN = {
    Operation.OPEN: W,
    Operation.OVERWRITE: RW,
    Operation.OPEN_BREAK_H: H,
    Operation.WRITE: RW,
    Operation.LOCK: RW,
    Operation.SET_SIZE: RW,
    Operation.ZERO_DATA: RW,
    Operation.RENAME: H,
    Operation.DELETE: H,
    Operation.SET_SECURITY: H,
}
"""BreakCacheState of each operation (MS-FSA 2.1.4.12)."""


class Holder:
    """
    Somebody who caches a file.

    @cvar is_oplock: it belongs to one open, and not to a client as a lease does.
    @cvar undisturbed: the rights of opens that take nothing from it.
    @cvar breaks: what is left of it when something is taken.
    @cvar offers: what to try to grant of what is wanted, the best first.
    @ivar state: what it may cache.
    @ivar breaking: what it was told to keep, while its answer is awaited.
    @ivar parent_key: the key of the lease that the client has of the directory, if it has.
    """

    is_oplock: ClassVar[bool]
    undisturbed: ClassVar[int]
    breaks: ClassVar[dict[tuple[LeaseState, LeaseState], LeaseState]]
    offers: ClassVar[dict[LeaseState, tuple[LeaseState, ...]]]

    def __init__(self, reactor: IReactorTime, caching: Caching) -> None:
        self.state = NONE
        self.breaking: LeaseState | None = None
        self.opens: list[Open] = []
        self.parent_key: bytes | None = None
        self._reactor = reactor
        self._caching = caching
        self._allowed = NONE
        self._timer: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._notice: BreakNotice | None = None
        self._look: IDelayedCall | None = None

    def notice(self, old: LeaseState, new: LeaseState, acknowledge: bool) -> BreakNotice:
        """What tells the client that its rights break."""
        raise NotImplementedError

    def ways(self) -> Ways:
        """The client's connections, the best first."""
        raise NotImplementedError

    def unreachable(self) -> None:
        """
        A client that lost its connections cannot answer: its opens end. If it has a persistent one, its answer is awaited all the same,
        for it may be back in time. A resilient one is kept, without what was cached with it.
        """
        if self.breaking is None:
            return
        self._withdraw()
        kept = [open for open in self.opens if open.durability is not None and open.durability.persistent]
        if kept:
            self._look = self._look or self._reactor.callLater(LOOK_S, self._look_for_client)
        else:
            self._settle(NONE)
        for open in self.opens:
            if open not in kept and not (open.durability is not None and open.durability.resilient):
                Deferred.fromCoroutine(open.close()).addErrback(lambda failure: log.failure("closing an open", failure))

    def returned(self) -> None:
        """The client opens the file, or has an open back: tell it, after the answer, of a break that it has missed."""
        if self._look is not None:
            self._look.reset(0)

    def _look_for_client(self) -> None:
        self._look = None
        self._tell()

    def _tell(self) -> None:
        """Tell the client to give up what it must not keep, if it is there; it has the usual time for its answer then."""
        if any(not connection.lost for connection, _ in self.ways()):
            self._await_answer(self._allowed)
            self.changed()
            self._announce(self.state, self._allowed, acknowledge=True)
        else:
            self.unreachable()

    def lapse(self) -> None:
        """A client that is away caches nothing any more, and will hear of it when it is back."""
        if not any(open.session.connections for open in self.opens):
            self._settle(NONE)

    def _announce(self, old: LeaseState, new: LeaseState, acknowledge: bool) -> None:
        self._notice = self.notice(old, new, acknowledge)
        if not self._notice.send():
            self.unreachable()

    def _withdraw(self) -> None:
        notice, self._notice = self._notice, None
        if notice is not None:
            notice.withdraw()

    def changed(self) -> None:
        """The rights change: a new one is granted, or a break begins."""
        self._withdraw()

    def admit(self, open: Open) -> None:
        """One more open shares the rights."""
        self.opens.append(open)
        open.holder = self

    def release(self, open: Open) -> None:
        """An open ends; the last one's end gives the rights back."""
        self.opens.remove(open)
        if not self.opens:
            self._caching.holders.remove(self)
            self._settle(NONE)

    def take(self, taken: LeaseState) -> Deferred[None] | None:
        """
        Take rights away. The client's answer is awaited by what it has to wait for: that what was written is here, or that files which
        are open for no more than their handles' sake are closed.

        @return: fires when that is so; C{None} if there is nothing to wait for.
        """
        if self.breaking is not None:
            self._allowed = self.breaks.get((self._allowed, taken), self._allowed)
        else:
            left = self.breaks.get((self.state, taken), self.state)
            if left == self.state:
                return None
            self._begin(left)
        if self.breaking is None or not (self.state & W or self.state & taken & H):
            return None
        settled: Deferred[None] = Deferred()
        self._waiting.append(settled)
        return settled

    def _begin(self, left: LeaseState) -> None:
        old = self.state
        if not old & (W | H):
            self.state = left
            self.changed()
            self._announce(old, left, acknowledge=False)
            return
        self._allowed = left
        self._await_answer(left)
        self._tell()

    def answered(self, state: LeaseState) -> None:
        """
        The client keeps C{state}, which is part of C{breaking}.

        Meanwhile more may have been taken: then it is told again, handles and writes first, and reads after that.
        """
        excess = state & ~self._allowed
        if not excess:
            self._settle(state)
            return
        self._stop_timer()
        self.state = state
        left = R if state & (W | H) else NONE
        if left:
            self._await_answer(left)
        else:
            self._settle(NONE)
        # Not before the response to the answer.
        self._reactor.callLater(0, self._announce_again, state, left)

    def _announce_again(self, old: LeaseState, left: LeaseState) -> None:
        if self.opens:
            self._announce(old, left, acknowledge=bool(left))

    def _await_answer(self, left: LeaseState) -> None:
        self._stop_timer()
        self.breaking = left
        self._timer = self._reactor.callLater(BREAK_TIMEOUT, self._timed_out)

    def _timed_out(self) -> None:
        """MS-SMB2 3.3.6.1, 3.3.6.5."""
        self._timer = None
        log.info("{path}: a client did not answer an oplock break in time", path="/".join(self.opens[0].path))
        self._settle(NONE)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _settle(self, state: LeaseState) -> None:
        """No break is in progress any more."""
        self._stop_timer()
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._withdraw()
        self.state = state
        self.breaking = None
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            # Not before the response to the answer.
            self._reactor.callLater(0, _go_on, waiting)


def _go_on(waiting: list[Deferred[None]]) -> None:
    for settled in waiting:
        settled.callback(None)


class Caching:
    """Who caches one file."""

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders: list[Holder] = []

    def undisturbed_by(self, access: int) -> bool:
        """Whether an open with these rights only looks at attributes. Reading the security descriptor disturbs oplocks, but not leases."""
        return not any(access & ~holder.undisturbed for holder in self.holders)

    @property
    def batch(self) -> bool:
        """Whether somebody holds a batch oplock."""
        return any(holder.is_oplock and holder.state == RWH for holder in self.holders)

    def take(self, operation: Operation, actor: Holder | None) -> list[Deferred[None]]:
        """
        Take from everybody but the actor what an operation leaves nobody.

        A level II oplock is broken by its own holder's writes too.

        @return: what the operation has to wait for before it looks again.
        """
        taken = _TAKEN[operation]
        waits = []
        for holder in list(self.holders):
            if holder is actor and not (taken == RW and holder.is_oplock and holder.state == R):
                continue
            wait = holder.take(taken)
            if wait is not None:
                waits.append(wait)
        return waits

    async def give_way(self, operation: Operation, actor: Holder | None, wait: Wait) -> None:
        """
        Take from everybody but the actor what an operation leaves nobody, and wait until all have given way.

        @raise StatusError: CANCELLED.
        """
        while waits := self.take(operation, actor):
            for gone in waits:
                await wait(gone)

    def acquire(self, holder: Holder, open: Open, wanted: LeaseState, locked: bool) -> None:
        """
        Grant as much of what is wanted as can be (MS-FSA 2.1.5.18).

        @param locked: whether somebody has locked what the file has room for.
        """
        self._grant(holder, open, holder.offers.get(wanted, ()), locked)

    def promote(self, holder: Holder, open: Open, wanted: LeaseState, locked: bool) -> None:
        """Grant more to a holder, if it wants all it has and more: just that or nothing (MS-SMB2 3.3.5.9.8)."""
        if holder.breaking is None and wanted in holder.offers and wanted & holder.state == holder.state != wanted:
            self._grant(holder, open, (wanted,), locked)

    def _grant(self, holder: Holder, open: Open, offers: Iterable[LeaseState], locked: bool) -> None:
        for offer in offers:
            if self._allows(holder, open, offer, locked):
                holder.state = offer
                holder.changed()
                break

    def _allows(self, holder: Holder, open: Open, state: LeaseState, locked: bool) -> bool:
        others = [other for other in self.holders if other is not holder and other.state]
        if any(other.state & W for other in others):
            return False
        if state & H and open.node.delete_pending:
            return False
        if state & W:
            return not others and not any(
                other.holder is not holder and (holder.is_oplock or other.granted_access & ~STAT_ACCESS)
                for other in open.node.opens
                if other is not open
            )
        if locked:
            return False
        if holder.is_oplock:
            return not any(other.state & H for other in others)
        return not state & H or not any(other.is_oplock for other in others)
