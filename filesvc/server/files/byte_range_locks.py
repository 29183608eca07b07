"""Byte-range locks (MS-FSA 2.1.4.10, 2.1.5.8, 2.1.5.9), and the requests that wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.lock_mirror import Locked, mirror

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from filesvc.interfaces import ILockableFile

MOST = 4096
"""Ranges that may be locked of one file at a time: each is looked at by each read and write."""


@dataclass(slots=True, frozen=True)
class ByteRange:
    """
    A range that an open holds, or wants. One of length 0 meets only ranges that it lies strictly inside of.

    C{file} is there if other programs are to see it.
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


@dataclass(slots=True, eq=False)
class _Waiting:
    wanted: ByteRange
    granted: Deferred[None] = field(default_factory=Deferred)


class ByteRangeLocks:
    """All locked ranges of one file."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._held: list[ByteRange] = []
        self._waiting: list[_Waiting] = []

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
        taken: list[ByteRange] = []
        for one in wanted:
            if any(self._conflict(held, one) for held in self._held) or not self._take(one):
                for given in taken:
                    self._give_back(given)
                return False
            taken.append(one)
        return True

    def wait(self, wanted: ByteRange) -> Deferred[None]:
        """
        Take a range as soon as nobody's lock forbids it. Those who wait are served in the order they came, but nobody waits for another
        who waits.

        @return: fires when the range is taken; fails with RANGE_NOT_LOCKED when its owner is released before. Cancel it to wait no longer.
        """
        waiting = _Waiting(wanted)
        waiting.granted = Deferred(lambda _: self._waiting.remove(waiting))
        self._waiting.append(waiting)
        return waiting.granted

    def unlock(self, owner: object, offset: int, length: int) -> bool:
        """Give back exactly one range, an exclusive one before shared ones on top of it; false if the owner does not hold it."""
        mine = [held for held in self._held if held.owner is owner and held.offset == offset and held.length == length]
        if not mine:
            return False
        self._give_back(next((held for held in mine if held.exclusive), mine[0]))
        self.grant()
        return True

    def release(self, owner: object) -> None:
        """Give back all of an owner's ranges, and let it wait for none."""
        if not self._held and not self._waiting:
            return
        mine = [held for held in self._held if held.owner is owner]
        self._held = [held for held in self._held if held.owner is not owner]
        for file in {held.file for held in mine if held.file is not None}:
            file.unlock_range(start := min(held.offset for held in mine), max(held.offset + held.length for held in mine) - start)
        self.stop_waiting(owner)
        self.grant()

    def stop_waiting(self, owner: object) -> None:
        """Let an owner wait for no range any more."""
        lost = [waiting for waiting in self._waiting if waiting.wanted.owner is owner]
        self._waiting = [waiting for waiting in self._waiting if waiting.wanted.owner is not owner]
        for waiting in lost:
            waiting.granted.errback(StatusError(Status.RANGE_NOT_LOCKED))

    def held_by(self, owner: object) -> list[ByteRange]:
        """An owner's ranges, in the order it took them."""
        return [held for held in self._held if held.owner is owner]

    def forbids(self, owner: object, offset: int, length: int, write: bool) -> bool:
        """Whether a lock keeps an owner from reading, or writing, a range."""
        if not length:
            return False
        return any(held.overlaps(offset, length) and (held.owner is not owner if held.exclusive else write) for held in self._held)

    @staticmethod
    def _conflict(held: ByteRange, wanted: ByteRange) -> bool:
        if not held.overlaps(wanted.offset, wanted.length):
            return False
        return wanted.exclusive or (held.exclusive and held.owner is not wanted.owner)

    def _take(self, wanted: ByteRange) -> bool:
        self._held.append(wanted)
        if self._mirror(wanted):
            return True
        self._give_back(wanted)
        return False

    def _give_back(self, held: ByteRange) -> None:
        self._held.remove(held)
        self._mirror(held)

    def _mirror(self, changed: ByteRange) -> bool:
        if changed.file is None:
            return True
        mine = (Locked(held.offset, held.offset + held.length, held.exclusive) for held in self._held if held.owner is changed.owner)
        return mirror(changed.file, changed.offset, changed.offset + changed.length, mine)

    def grant(self) -> None:
        """Give those who wait what nobody's lock forbids any more. Nothing tells of other programs' locks, so for these call it again."""
        granted = [waiting for waiting in self._waiting if self._lock([waiting.wanted])]
        self._waiting = [waiting for waiting in self._waiting if waiting not in granted]
        # Only now: what they do next may come back here.
        for waiting in granted:
            waiting.granted.callback(None)
