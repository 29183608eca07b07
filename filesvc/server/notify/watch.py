"""What one open wants to hear of its directory, and what it has not heard yet (MS-FSA 2.1.5.11)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from filesvc.dtyp.unicode import encode_name
from filesvc.fscc.notify_information import FileNotifyInformation
from filesvc.server.errors import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.dtyp.status import Status
    from filesvc.interfaces import Path
    from filesvc.server.turn import Turn

BUFFER_LIMIT = 1024 * 1024
"""Bytes of changes kept for one watch, whatever buffer its client offers."""

MEMORY = 16 * 1024 * 1024
"""Bytes of changes kept for all watches together."""

_ENTRY = 12
_ALIGNMENT = 4

Records = list[FileNotifyInformation]


def encoded_length(records: Iterable[FileNotifyInformation]) -> int:
    """The bytes that changes take in a response."""
    length = 0
    for _, name in records:
        length += -length % _ALIGNMENT + _ENTRY + len(encode_name(name))
    return length


@dataclass(slots=True)
class Memory:
    """What the watches of a server keep together, in bytes."""

    limit: int = MEMORY
    used: int = 0


class Watch:
    """
    An open's watch: filter, depth and size are those of its first CHANGE_NOTIFY.

    Changes are kept from one request to the next. When there are more than fit they are forgotten, and the next answer says so.
    """

    def __init__(self, path: Path, completion_filter: int, recursive: bool, length: int, memory: Memory, turn: Turn) -> None:
        self.path = path
        self.completion_filter = completion_filter
        self.recursive = recursive
        self._limit = length
        self._memory = memory
        self._turn = turn
        self._kept: Records = []
        self._kept_length = 0
        self._missed = False
        self._ended: Status | None = None
        self._waiting: deque[tuple[Deferred[Records], int]] = deque()

    def covers(self, path: Path) -> bool:
        """Whether what happens to a name is told here."""
        above = path[:-1]
        return bool(path) and (above[: len(self.path)] == self.path if self.recursive else above == self.path)

    def next(self, length: int) -> Deferred[Records]:
        """
        The changes since the last time; fires when there are some, with none if there were more than fit. Cancel it to wait no longer.

        @param length: bytes that there is room for.
        @return: fails with L{StatusError} when there will be no more.
        """
        result: Deferred[Records] = Deferred(self._cancelled)
        if self._ended is not None:
            result.errback(StatusError(self._ended))
        elif self._missed or self._kept:
            records = self._kept
            self._forget()
            self._missed = False
            result.callback(self._fitting(records, length))
        else:
            self._waiting.append((result, length))
        return result

    def tell(self, records: Records) -> None:
        """Something has changed: all of C{records} together, or too much if there are none."""
        if self._waiting:
            waiting, length = self._waiting.popleft()
            fitting = self._fitting(records, length)
            # Many may have waited for the same change.
            self._turn.do(lambda: None if waiting.called else waiting.callback(fitting))
        elif self._ended is None and not self._missed and records != self._kept[-1:]:
            self._keep(records)

    def fail(self, status: Status) -> None:
        """Answer all who wait so."""
        waiting, self._waiting = self._waiting, deque()
        for result, _ in waiting:
            result.errback(StatusError(status))

    def end(self, status: Status) -> None:
        """There will be no more: answer all who wait, and those who ask later."""
        self._ended = status
        self._forget()
        self.fail(status)

    def _keep(self, records: Records) -> None:
        length = encoded_length(records)
        length += -length % _ALIGNMENT
        fits = self._kept_length + length <= min(self._limit, BUFFER_LIMIT) and self._memory.used + length <= self._memory.limit
        if records and fits:
            self._kept += records
            self._kept_length += length
            self._memory.used += length
        else:
            self._forget()
            self._missed = True

    def _forget(self) -> None:
        self._memory.used -= self._kept_length
        self._kept, self._kept_length = [], 0

    def _fitting(self, records: Records, length: int) -> Records:
        return records if encoded_length(records) <= min(length, self._limit) else []

    def _cancelled(self, result: Deferred[Records]) -> None:
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] is not result)
