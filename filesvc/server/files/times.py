"""
The times that clients see, where they differ from the file system's (MS-FSA 2.1.4.17, 2.1.5.15.2).

A write shows in the write time after two seconds, or at the next flush, change of size or close. A write time that a client has set stays,
whatever is written through the same open. The change time can be set, though no POSIX system can store it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from filesvc.interfaces import Stat

WRITE_TIME_DELAY = 2.0
"""Seconds."""


@dataclass(slots=True)
class WriteTime:
    """The write time that is shown of an open file, in nanoseconds; C{None} if it is the true one."""

    shown: int | None = None
    _due: IDelayedCall | None = None

    def hold(self, written: int, now: Callable[[], int], reactor: IReactorTime) -> None:
        """Somebody is about to write: go on showing the write time before that for a while, and then C{now()}."""
        if self.shown is not None:
            return
        self.shown = written

        def due() -> None:
            self._due = None
            self.shown = now()

        self._due = reactor.callLater(WRITE_TIME_DELAY, due)

    def pin(self, written: int | None) -> None:
        """Show this write time."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self.shown = written


class ChangeTimes:
    """
    The change times that clients have set, each shown until its file changes.

    They are kept in memory, the latest ones, because a file system has only a change time of its own.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._times: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def set(self, file: Hashable, changed: int, now: Stat) -> None:
        """Show C{changed} of a file that is as in C{now}."""
        self._times[file] = changed, now.changed
        self._times.move_to_end(file)
        if len(self._times) > self._capacity:
            self._times.popitem(last=False)

    def get(self, file: Hashable, now: Stat) -> int | None:
        """The change time that a client set, if the file, which is as in C{now}, has not changed since."""
        found = self._times.get(file)
        if found is None:
            return None
        changed, before = found
        if now.changed != before:
            self._times.pop(file, None)
            return None
        return changed

    def show(self, file: Hashable, stat: Stat) -> None:
        """Put what was set in the place of what is true."""
        if self._times:
            changed = self.get(file, stat)
            if changed is not None:
                stat.changed = changed
