"""Showing other programs which ranges an open has locked."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.interfaces import ILockableFile


class Locked(NamedTuple):
    """A locked range."""

    offset: int
    end: int
    exclusive: bool


def mirror(file: ILockableFile, offset: int, end: int, locked: Iterable[Locked]) -> bool:
    """
    Make the kernel's locks in a range what C{locked} are there together: the kernel keeps one lock for each byte, where SMB stacks them.

    @return: false if another program's lock forbids one; those before it are made.
    """
    inside = [one for one in locked if one.offset < end and offset < one.end]
    edges = {offset, end}
    for one in inside:
        edges.add(max(one.offset, offset))
        edges.add(min(one.end, end))
    for start, stop in pairwise(sorted(edges)):
        over = [one.exclusive for one in inside if one.offset <= start and stop <= one.end]
        if not over:
            file.unlock_range(start, stop - start)
        elif not file.lock_range(start, stop - start, any(over)):
            return False
    return True
