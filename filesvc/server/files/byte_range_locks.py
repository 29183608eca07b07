"""Byte-range locks (MS-FSA 2.1.4.10, 2.1.5.8, 2.1.5.9), and the requests that wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.lock_mirror import mirror
from filesvc.server.range_index import RangeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twisted.internet.interfaces import IDelayedCall

    from filesvc.interfaces import ILockableFile
    from filesvc.server.turn import Turn

MOST = 4096
"""Ranges that may be locked of one file at a time, and that may be waited for."""
SHOWN = 256
"""Of these, ranges that other programs see: the kernel goes through all that it knows of, for each that is locked or unlocked."""
_RETRY_S = 0.5
"""Seconds after which to look whether another program's lock has gone."""
_RETRIED = 128
"""Ranges that are looked for in one go; each takes the kernel the longer, the more are locked."""


@dataclass(slots=True, frozen=True, eq=False)
class ByteRange:
    """
    A range that an open holds, or wants. One of length 0 meets only ranges that it lies strictly inside of.

    C{file} is there if other programs are to see it, as far as L{SHOWN} allows.
    """

    owner: object
    offset: int
    length: int
    exclusive: bool
    file: ILockableFile | None = None

    def overlaps(self, offset: int, length: int) -> bool:
        """Whether a range meets this one."""
        if not length and not self.length:
            return False
        if not length:
            return self.offset < offset < self.offset + self.length
        if not self.length:
            return offset < self.offset < offset + length
        return offset < self.offset + self.length and self.offset < offset + length


@dataclass(slots=True)
class _Owned:
    """What one open holds: its ranges, in the order in which it took them, and by what unlocks them."""

    ranges: dict[ByteRange, None] = field(default_factory=dict)
    alike: dict[tuple[int, int], list[ByteRange]] = field(default_factory=dict)
    exclusive: RangeIndex = field(default_factory=RangeIndex)
    shared: RangeIndex = field(default_factory=RangeIndex)
    shown_exclusive: RangeIndex = field(default_factory=RangeIndex)
    shown_shared: RangeIndex = field(default_factory=RangeIndex)

    def add(self, taken: ByteRange) -> None:
        self.ranges[taken] = None
        self.alike.setdefault((taken.offset, taken.length), []).append(taken)
        self.index(taken).add(taken.offset, taken.length)

    def remove(self, given: ByteRange) -> None:
        del self.ranges[given]
        alike = self.alike[given.offset, given.length]
        alike.remove(given)
        if not alike:
            del self.alike[given.offset, given.length]
        self.index(given).remove(given.offset, given.length)

    def index(self, of: ByteRange) -> RangeIndex:
        return self.exclusive if of.exclusive else self.shared

    def shown(self, of: ByteRange) -> RangeIndex:
        return self.shown_exclusive if of.exclusive else self.shown_shared


_NOTHING = _Owned()


@dataclass(slots=True, eq=False)
class _Waiting:
    wanted: ByteRange
    turn: Turn
    granted: Deferred[None] = field(default_factory=Deferred)

    def tell(self) -> None:
        """The range is taken, unless its owner has given up meanwhile."""
        if not self.granted.called:
            self.granted.callback(None)


class ByteRangeLocks:
    """All locked ranges of one file."""

    __slots__ = ("_again", "_exclusive", "_held", "_owned", "_retried", "_shared", "_shown", "_waiting")

    def __init__(self) -> None:
        self._held: dict[ByteRange, None] = {}
        self._owned: dict[object, _Owned] = {}
        self._exclusive = RangeIndex()
        self._shared = RangeIndex()
        self._shown: set[ByteRange] = set()
        self._waiting: dict[_Waiting, None] = {}
        self._retried: dict[_Waiting, None] = {}
        self._again: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[ByteRange]:
        return iter(self._held)

    def lock(self, wanted: Sequence[ByteRange]) -> bool:
        """
        Take ranges, all or none; false if somebody's lock forbids one of them.

        An owner can put shared locks on top of its exclusive one, nothing else.

        @raise StatusError: INSUFFICIENT_RESOURCES if there are too many.
        """
        if len(self._held) + len(wanted) > MOST:
            raise StatusError(Status.INSUFFICIENT_RESOURCES)
        return self._lock(wanted)

    def _lock(self, wanted: Sequence[ByteRange]) -> bool:
        if any(map(self._is_forbidden, wanted)):
            return False
        taken: list[ByteRange] = []
        for one in wanted:
            # Again, for what the same request has taken.
            if (taken and self._is_forbidden(one)) or not self._take(one):
                for given in taken:
                    self._give_back(given)
                return False
            taken.append(one)
        return True

    def wait(self, wanted: ByteRange, turn: Turn) -> Deferred[None]:
        """
        Take a range as soon as nobody's lock forbids it. Those who wait are served in the order they came, but nobody waits for another
        who waits.

        @return: fires when the range is taken; fails with RANGE_NOT_LOCKED when its owner is released before. Cancel it to wait no longer.
        @raise StatusError: INSUFFICIENT_RESOURCES if too many wait.
        """
        if len(self._waiting) >= MOST:
            raise StatusError(Status.INSUFFICIENT_RESOURCES)
        waiting = _Waiting(wanted, turn)
        waiting.granted = Deferred(lambda _: self._wait_no_more(waiting))
        self._waiting[waiting] = None
        if wanted.file is not None:
            self._retried[waiting] = None
            self._retry_later(turn)
        return waiting.granted

    def _wait_no_more(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._forget([waiting])
        elif waiting.wanted in self._held:
            # It was just granted.
            self._give_back(waiting.wanted)
            self._grant(waiting.wanted)

    def unlock(self, owner: object, offset: int, length: int) -> bool:
        """Give back exactly one range, an exclusive one before shared ones on top of it; false if the owner does not hold it."""
        mine = self._of(owner).alike.get((offset, length))
        if not mine:
            return False
        freed = next((held for held in mine if held.exclusive), mine[0])
        self._give_back(freed)
        self._grant(freed)
        return True

    def release(self, owner: object) -> None:
        """Give back all of an owner's ranges, and let it wait for none."""
        if not self._held and not self._waiting:
            return
        mine = self._owned.pop(owner, _NOTHING).ranges
        if mine:
            self._held = {held: None for held in self._held if held.owner is not owner}
            self._exclusive = RangeIndex((held.offset, held.length) for held in self._held if held.exclusive)
            self._shared = RangeIndex((held.offset, held.length) for held in self._held if not held.exclusive)
        shown = self._shown.intersection(mine)
        self._shown -= shown
        for file in {held.file for held in shown if held.file is not None}:
            file.unlock_range(start := min(held.offset for held in shown), max(held.offset + held.length for held in shown) - start)
        self.stop_waiting(owner)
        if mine:
            self._grant(None)

    def stop_waiting(self, owner: object) -> None:
        """Let an owner wait for no range any more."""
        lost = [waiting for waiting in self._waiting if waiting.wanted.owner is owner]
        self._forget(lost)
        for waiting in lost:
            waiting.granted.errback(StatusError(Status.RANGE_NOT_LOCKED))

    def held_by(self, owner: object) -> list[ByteRange]:
        """An owner's ranges, in the order it took them."""
        return list(self._of(owner).ranges)

    def forbids(self, owner: object, offset: int, length: int, write: bool) -> bool:
        """Whether a lock keeps an owner from reading, or writing, a range."""
        if not length or not self._held:
            return False
        return self._others_exclude(owner, offset, length) or (write and self._shared.count(offset, length) > 0)

    def _is_forbidden(self, wanted: ByteRange) -> bool:
        if wanted.exclusive:
            return bool(self._exclusive.count(wanted.offset, wanted.length) or self._shared.count(wanted.offset, wanted.length))
        return self._others_exclude(wanted.owner, wanted.offset, wanted.length)

    def _others_exclude(self, owner: object, offset: int, length: int) -> bool:
        return self._exclusive.count(offset, length) > self._of(owner).exclusive.count(offset, length)

    def _of(self, owner: object) -> _Owned:
        return self._owned.get(owner, _NOTHING)

    def _take(self, wanted: ByteRange) -> bool:
        self._held[wanted] = None
        (self._exclusive if wanted.exclusive else self._shared).add(wanted.offset, wanted.length)
        owned = self._owned.get(wanted.owner)
        if owned is None:
            owned = self._owned[wanted.owner] = _Owned()
        owned.add(wanted)
        if wanted.file is None or len(self._shown) >= SHOWN:
            return True
        self._shown.add(wanted)
        owned.shown(wanted).add(wanted.offset, wanted.length)
        if self._mirror(wanted):
            return True
        self._give_back(wanted)
        return False

    def _give_back(self, held: ByteRange) -> None:
        shown = held in self._shown
        self._remove(held)
        if shown:
            self._mirror(held)

    def _remove(self, held: ByteRange) -> None:
        del self._held[held]
        (self._exclusive if held.exclusive else self._shared).remove(held.offset, held.length)
        owned = self._owned[held.owner]
        owned.remove(held)
        if held in self._shown:
            self._shown.remove(held)
            owned.shown(held).remove(held.offset, held.length)
        if not owned.ranges:
            del self._owned[held.owner]

    def _mirror(self, changed: ByteRange) -> bool:
        assert changed.file is not None
        mine = self._of(changed.owner)
        return mirror(changed.file, changed.offset, changed.offset + changed.length, mine.shown_exclusive, mine.shown_shared)

    # Those who wait

    def _grant(self, freed: ByteRange | None) -> None:
        """Give those who wait for some of a range, or all who wait, what nobody's lock forbids any more."""

        def may_gain(wanted: ByteRange) -> bool:
            return freed is None or wanted.overlaps(freed.offset, freed.length)

        self._give([waiting for waiting in self._waiting if may_gain(waiting.wanted) and self._lock([waiting.wanted])])

    def _give(self, granted: list[_Waiting]) -> None:
        self._forget(granted)
        # Only now: what they do next may come back here. Not all in one turn: they may be many.
        for waiting in granted:
            waiting.turn.do(waiting.tell)

    def _forget(self, done: Sequence[_Waiting]) -> None:
        for waiting in done:
            del self._waiting[waiting]
            self._retried.pop(waiting, None)
        if self._again is not None and not self._retried:
            self._again.cancel()
            self._again = None

    def _retry_later(self, turn: Turn) -> None:
        if self._again is None:
            self._again = turn.reactor.callLater(_RETRY_S, self._retry, turn)

    def _retry(self, turn: Turn) -> None:
        """Nothing tells of other programs' locks, so look for ranges again that no client's lock forbids."""
        self._again = None
        granted = []
        for waiting in list(islice(self._retried, _RETRIED)):
            if self._lock([waiting.wanted]):
                granted.append(waiting)
            else:
                # Next time it is the others' turn.
                del self._retried[waiting]
                self._retried[waiting] = None
        self._give(granted)
        if self._retried:
            self._retry_later(turn)
