"""Ranges in an order that can be searched: how many meet another, without looking at each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class RangeIndex:
    """
    Any number of ranges, each an offset and a length in bytes; some may be equal.

    Of the ranges that begin before the end of another, those meet it that do not end before its beginning: two searches tell how many.
    """

    __slots__ = ("_empty", "_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._empty: list[int] = []
        for offset, length in ranges:
            if length:
                self._starts.append(offset)
                self._ends.append(offset + length)
            else:
                self._empty.append(offset)
        # Each file that is open has such indexes, and nearly all stay empty.
        if ranges:
            for places in (self._starts, self._ends, self._empty):
                places.sort()

    def add(self, offset: int, length: int) -> None:
        """One more."""
        if length:
            insort(self._starts, offset)
            insort(self._ends, offset + length)
        else:
            insort(self._empty, offset)

    def remove(self, offset: int, length: int) -> None:
        """One less of those that are there."""
        if length:
            del self._starts[bisect_left(self._starts, offset)]
            del self._ends[bisect_left(self._ends, offset + length)]
        else:
            del self._empty[bisect_left(self._empty, offset)]

    def count(self, offset: int, length: int) -> int:
        """How many meet a range; what is empty meets only what it lies strictly inside of."""
        if not length:
            return bisect_left(self._starts, offset) - bisect_right(self._ends, offset)
        meeting = bisect_left(self._starts, offset + length) - bisect_right(self._ends, offset)
        if self._empty:
            meeting += max(bisect_left(self._empty, offset + length) - bisect_right(self._empty, offset), 0)
        return meeting

    def covering(self, offset: int) -> int:
        """How many have the byte at an offset."""
        return bisect_right(self._starts, offset) - bisect_right(self._ends, offset)

    def steps(self, offset: int, end: int) -> Iterator[tuple[int, int]]:
        """Where inside a range one begins (1) or ends (-1), in no order."""
        for places, step in ((self._starts, 1), (self._ends, -1)):
            for place in places[bisect_right(places, offset) : bisect_left(places, end)]:
                yield place, step
