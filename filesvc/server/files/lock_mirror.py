"""Showing other programs which ranges an open has locked."""

from __future__ import annotations

from enum import IntEnum
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filesvc.interfaces import ILockableFile
    from filesvc.server.range_index import RangeIndex


class _Kind(IntEnum):
    """What the kernel keeps of a byte."""

    FREE = 0
    SHARED = 1
    EXCLUSIVE = 2


def mirror(file: ILockableFile, offset: int, end: int, exclusive: RangeIndex, shared: RangeIndex) -> bool:
    """
    Make the kernel's locks in a range what an open's locks are there together: the kernel keeps one lock for each byte, where SMB stacks
    them.

    @return: false if another program's lock forbids one; those before it are made.
    """
    steps = sorted(
        chain(
            ((place, step, 0) for place, step in exclusive.steps(offset, end)),
            ((place, 0, step) for place, step in shared.steps(offset, end)),
            [(end, 0, 0)],
        )
    )
    exclusives, shares = exclusive.covering(offset), shared.covering(offset)
    start, kind = offset, _kind(exclusives, shares)
    for index, (place, more_exclusives, more_shares) in enumerate(steps):
        exclusives += more_exclusives
        shares += more_shares
        if place < end and steps[index + 1][0] == place:
            continue
        following = _kind(exclusives, shares)
        if place == end or following is not kind:
            if start < place and not _set(file, start, place - start, kind):
                return False
            start, kind = place, following
    return True


def _kind(exclusives: int, shares: int) -> _Kind:
    return _Kind.EXCLUSIVE if exclusives else _Kind.SHARED if shares else _Kind.FREE


def _set(file: ILockableFile, offset: int, length: int, kind: _Kind) -> bool:
    if kind is _Kind.FREE:
        file.unlock_range(offset, length)
        return True
    locked: bool = file.lock_range(offset, length, kind is _Kind.EXCLUSIVE)
    return locked
