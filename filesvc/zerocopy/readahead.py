"""Bringing in what a sequential reader asks for next, before it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.zerocopy.residency import bring_in, seems_resident
from filesvc.zerocopy.workers import InThread, with_descriptor

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

SMALLEST_WINDOW = 256 << 10
LARGEST_WINDOW = 16 << 20
RUNS = 4
"""How many readers at different places of one open are told apart."""


class _Run:
    __slots__ = ("ahead", "next", "reads", "window")

    def __init__(self, end: int) -> None:
        self.next = end
        self.ahead = end
        self.reads = 1
        self.window = 0


class Sequence:
    """
    Notices sequential readers of one open file, up to L{RUNS} at different places.

    A read belongs to a run if it begins near its end: several requests in flight may arrive a little out of order.
    """

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def next_range(self, offset: int, length: int) -> tuple[int, int] | None:
        """
        Take note of a read.

        @return: the C{(offset, length)} to bring in now, or C{None} for a random reader, and while enough is on its way.
        """
        end = offset + length
        run = self._run_of(offset, length)
        if run is None:
            self._runs.append(_Run(end))
            del self._runs[:-RUNS]
            return None
        run.reads += 1
        run.next = max(run.next, end)
        if run.ahead - run.next >= run.window // 2 and run.window:
            return None
        run.window = min(max(2 * run.window, 2 * length, SMALLEST_WINDOW), LARGEST_WINDOW)
        start = max(run.ahead, run.next)
        run.ahead = run.next + run.window
        return start, run.ahead - start

    def _run_of(self, offset: int, length: int) -> _Run | None:
        for run in reversed(self._runs):
            if -length <= offset - run.next <= 2 * length:
                return run
        return None


class ReadAhead:
    """Brings in what L{Sequence} says comes next, in worker threads."""

    _log = Logger()

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread

    def after(self, sequence: Sequence, fd: int, offset: int, length: int) -> Deferred[None] | None:
        """
        A range was read: bring in the next one if there is a pattern. C{fd} may be closed at any time afterwards.

        @return: fires, never with a failure, when the range is in memory; C{None} if there is nothing to do.
        """
        coming = sequence.next_range(offset, length)
        if coming is None:
            return None
        start, ahead = coming
        if seems_resident(fd, start, ahead):
            return None
        done = with_descriptor(self._in_thread, fd, lambda own: bring_in(own, start, ahead))
        return done.addErrback(self._unread)

    def _unread(self, failure: Failure) -> None:
        # The reader that comes to this place meets the same error, and is told.
        self._log.debug("read-ahead: {error}", error=failure.value)
