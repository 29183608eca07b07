"""Open.LockSequenceArray: how a LOCK that a client sends again, not knowing what became of it, is told from a new one."""

from __future__ import annotations

_BUCKETS = range(1, 65)


class LockSequences:
    """The number of the last LOCK that succeeded, for each of 64 indices (MS-SMB2 3.3.1.10, 3.3.5.14). Others are not remembered."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def is_replay(self, index: int, number: int) -> bool:
        """Whether the request has succeeded before; if not, what is remembered for C{index} counts no more."""
        if self._numbers.get(index) == number:
            return True
        self._numbers.pop(index, None)
        return False

    @property
    def succeeded_last(self) -> dict[int, int]:
        """What is remembered: numbers by index."""
        return dict(self._numbers)

    def succeeded(self, index: int, number: int) -> None:
        """Remember a request."""
        if index in _BUCKETS:
            self._numbers[index] = number
