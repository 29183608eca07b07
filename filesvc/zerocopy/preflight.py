"""
What is asked before a promise is made: may this range be streamed from its file, copied first, or not sent at all?

A may_send_from_file range whose file is leased already costs about 6 microseconds, any other less than 15.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from twisted.internet.defer import Deferred

from filesvc.zerocopy.lease import Hold, LeaseTable, NoLease
from filesvc.zerocopy.producer import FileRange
from filesvc.zerocopy.residency import Resident, bring_in, resident
from filesvc.zerocopy.workers import InThread, with_descriptor

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure


class Slow(Enum):
    """Why a range is copied, beside L{NoLease}."""

    SMALL = "small"
    """Copying it costs less than sendfile would."""
    LATE = "late"
    """It was not in memory before the deadline."""
    EVICTED = "evicted"
    """It came into memory, and went again."""


@dataclass(slots=True)
class Refuse:
    """
    Nothing can be sent.

    @ivar error: C{EOFError} past the end of the file, C{OSError} if it cannot be read, or what one of the caller's questions returned.
    """

    error: Exception


@dataclass(slots=True)
class FromFile:
    """
    The range can be promised and sent from the file. Whoever has this must stream it or C{release} it.

    @ivar source: the range, ending with the file; its descriptor is open for as long as C{hold} is held.
    @ivar hold: keeps the file as it is.
    """

    source: FileRange
    hold: Hold

    def release(self) -> None:
        """It will not be streamed."""
        self.hold.release()


@dataclass(slots=True)
class Copy:
    """The range must be read before anything is promised."""

    reason: Slow | NoLease


Verdict: TypeAlias = Refuse | FromFile | Copy
Question: TypeAlias = Callable[[int, int], Exception | None]
"""Asked with an offset and a length in bytes; an answer refuses."""


class Preflight:
    """
    Comes to verdicts, and counts them.

    @ivar counts: how often each verdict was come to: C{"stream"}, C{"copy:small"}, C{"refuse:EOFError"} and so on.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        leases: LeaseTable,
        in_thread: InThread,
        minimum: int = 64 << 10,
        deadline: float = 0.020,
        resident: Resident = resident,
    ) -> None:
        """
        @param minimum: bytes below which a copy costs less than sendfile. Over loopback, copied and streamed, in microseconds: 24 and
            29 for 16 KiB, 36 and 34 for 64 KiB, 53 and 41 for 128 KiB.
        @param deadline: seconds that a range may take to come into memory, before it is copied in a worker thread.
        """
        self.counts: Counter[str] = Counter()
        self._reactor = reactor
        self._leases = leases
        self._in_thread = in_thread
        self._minimum = minimum
        self._deadline = deadline
        self._resident = resident

    def check(
        self, fd: int, identity: Hashable, offset: int, length: int, questions: Sequence[Question] = ()
    ) -> Verdict | Deferred[Verdict]:
        """
        Come to a verdict about a range of a file.

        @param fd: the file, opened read-only; it may be closed once there is a verdict, or a Deferred of one.
        @param identity: the same for all descriptors of one file.
        @param length: at least 1; the range may reach past the end of the file.
        @param questions: the caller's own.
        @return: the verdict; a Deferred, which never fails, if the range must come into memory first.
        """
        verdict = self._ask(fd, identity, offset, length, questions)
        if verdict is None:
            return self._wait(fd, identity, offset, length, questions)
        return self._count(verdict)

    def _ask(self, fd: int, identity: Hashable, offset: int, length: int, questions: Sequence[Question]) -> Verdict | None:
        """The verdict, or C{None} if the range is not in memory."""
        for question in questions:
            refusal = question(offset, length)
            if refusal is not None:
                return Refuse(refusal)
        if length < self._minimum:
            return Copy(Slow.SMALL)
        hold = self._leases.acquire(fd, identity)
        if isinstance(hold, NoLease):
            return Copy(hold)
        left = hold.size - offset
        if left > 0 and self._resident(fd, offset, min(length, left)):
            return FromFile(FileRange(hold.fd, offset, min(length, left)), hold)
        hold.release()
        return Refuse(EOFError("the range begins past the end of the file")) if left <= 0 else None

    def _wait(self, fd: int, identity: Hashable, offset: int, length: int, questions: Sequence[Question]) -> Deferred[Verdict]:
        own = os.dup(fd)
        result: Deferred[Verdict] = Deferred()

        def settle(verdict: Verdict) -> None:
            os.close(own)
            result.callback(self._count(verdict))

        def arrived(_: None) -> None:
            if late.active():
                late.cancel()
                settle(self._ask(own, identity, offset, length, questions) or Copy(Slow.EVICTED))

        def failed(failure: Failure) -> None:
            if late.active():
                late.cancel()
                error = failure.value
                settle(Refuse(error if isinstance(error, Exception) else OSError(errno.EIO, repr(error))))

        late = self._reactor.callLater(self._deadline, lambda: settle(Copy(Slow.LATE)))
        with_descriptor(self._in_thread, own, lambda there: bring_in(there, offset, length)).addCallbacks(arrived, failed)
        return result

    def _count(self, verdict: Verdict) -> Verdict:
        match verdict:
            case FromFile():
                self.counts["stream"] += 1
            case Copy(reason=reason):
                self.counts[f"copy:{reason.value}"] += 1
            case Refuse(error=error):
                self.counts[f"refuse:{type(error).__name__}"] += 1
        return verdict
