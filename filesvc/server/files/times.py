"""Change times that clients set, though no POSIX system can store them (MS-FSA 2.1.5.15.2)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from filesvc.interfaces import Stat


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
