"""Finishing a promised range from memory, when the lease that guards its file must go before the peer has taken it."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

from filesvc.zerocopy.buffers import BufferPool
from filesvc.zerocopy.producer import ShortFile
from filesvc.zerocopy.spool import Spool
from filesvc.zerocopy.workers import InThread, thread_pool

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads


class Room(Enum):
    """Where the rest of a range goes whose lease must go."""

    MEMORY = "memory"
    DISK = "disk"
    NONE = "none"


class Drainer(Protocol):
    """A connection that finishes without its leases."""

    progressed: float
    """When its peer took bytes last; the reactor's seconds."""

    def look(self) -> None:
        """See what the peer has taken meanwhile."""

    def abort(self) -> None:
        """End the connection and give its memory back, at once."""

    def __hash__(self) -> int: ...


class DrainBudget:
    """
    The memory that all connections together may use for ranges whose lease is gone, and the disk where more of them go.

    @ivar used: bytes of memory in use.
    @ivar aborted: how many connections had to go for want of both.
    @ivar pool: where the memory comes from.
    @ivar spool: the room on the disk.
    @ivar in_thread: where what is not in memory is read.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        pool: BufferPool | None = None,
        in_thread: InThread | None = None,
        limit: int = 64 << 20,
        spool: Spool | None = None,
    ) -> None:
        self.used = 0
        self.aborted = 0
        self.pool = pool if pool is not None else BufferPool()
        self.spool = spool if spool is not None else Spool()
        self.in_thread = in_thread if in_thread is not None else thread_pool(reactor)
        self._limit = limit
        self._users: dict[Drainer, int] = {}

    def take(self, user: Drainer, size: int) -> Room:
        """
        Account for memory, or for room on the disk. Where there is neither, the connections whose peers have taken nothing for longest are
        aborted, perhaps this one.

        @return: what may be used; C{NONE} if C{user} was aborted.
        """
        if self.used + size > self._limit and self.spool.take(size):
            return Room.DISK
        self.used += size
        self._users[user] = self._users.get(user, 0) + size
        if self.used > self._limit:
            self._make_room(user, size)
        return Room.MEMORY if user in self._users else Room.NONE

    def _make_room(self, user: Drainer, size: int) -> None:
        for one in self._users:
            one.look()
        while self.used > self._limit:
            slowest = user if size > self._limit else min(self._users, key=lambda one: one.progressed)
            self._log.warn(
                "aborting a connection that takes no data: {used} bytes are kept for slow connections, {limit} are allowed ({user})",
                used=self.used,
                limit=self._limit,
                user=slowest,
            )
            self.aborted += 1
            self.used -= self._users.pop(slowest)
            slowest.abort()

    def give(self, user: Drainer, size: int) -> None:
        """Memory is free again. Says nothing of a connection that was aborted for it: its memory was taken off then."""
        if user in self._users:
            self.used -= size
            self._users[user] -= size
            if not self._users[user]:
                del self._users[user]


def read_now(fd: int, view: memoryview, offset: int) -> int:
    """Read what of a range is in memory, up to the first byte that is not. Returns the bytes read."""
    done = 0
    try:
        while done < len(view):
            read = os.preadv(fd, (view[done:],), offset + done, os.RWF_NOWAIT)
            if read == 0:
                break
            done += read
    except OSError:
        # Not in memory, or it cannot be told: whoever reads the rest finds out what is wrong.
        pass
    return done


def read_fully(fd: int, view: memoryview, offset: int) -> None:
    """
    Fill a buffer from a file, waiting for the disk.

    @raise ShortFile: the file is too short.
    @raise OSError: it cannot be read.
    """
    done = 0
    while done < len(view):
        read = os.preadv(fd, (view[done:],), offset + done)
        if read == 0:
            raise ShortFile(f"the file ends at {offset + done}, with {len(view) - done} bytes of the range to come")
        done += read
