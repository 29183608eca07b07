"""Byte-range locks (MS-FSA 2.1.4.10, 2.1.5.8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class ByteRange:
    """A locked range and who holds it. A range of length 0 conflicts only with ranges that it lies strictly inside of."""

    owner: object
    offset: int
    length: int
    exclusive: bool

    def overlaps(self, offset: int, length: int) -> bool:
        """Whether a range meets this one."""
        if not length and not self.length:
            return False
        if not length:
            return self.offset < offset < self.offset + self.length
        if not self.length:
            return offset < self.offset < offset + length
        return offset < self.offset + self.length and self.offset < offset + length


class ByteRangeLocks:
    """All locked ranges of one file."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[ByteRange] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def lock(self, wanted: ByteRange) -> bool:
        """Take a range; false if somebody's lock forbids it. An owner's own exclusive lock conflicts with any further one of its own."""
        for held in self._held:
            if held.overlaps(wanted.offset, wanted.length) and (held.exclusive or wanted.exclusive):
                return False
        self._held.append(wanted)
        return True

    def unlock(self, owner: object, offset: int, length: int) -> bool:
        """Give back exactly one range; false if the owner does not hold it."""
        for index, held in enumerate(self._held):
            if held.owner is owner and held.offset == offset and held.length == length:
                del self._held[index]
                return True
        return False

    def release(self, owner: object) -> None:
        """Give back all of an owner's ranges."""
        self._held = [held for held in self._held if held.owner is not owner]

    def forbids(self, owner: object, offset: int, length: int, write: bool) -> bool:
        """Whether a lock keeps an owner from reading, or writing, a range."""
        if not length:
            return False
        return any(held.overlaps(offset, length) and (held.owner is not owner if held.exclusive else write) for held in self._held)
