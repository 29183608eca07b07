"""
Kernel read leases: while one is held, no other process can truncate the file or open it for writing.

The kernel makes such a process wait, asks for the lease back with SIGIO, and takes it after C{/proc/sys/fs/lease-break-time} seconds (45).
See fcntl(2), "Leases".
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import FrameType

    from twisted.internet.interfaces import IReactorFromThreads


class NoLease(Enum):
    """Why there is no lease to be had."""

    OPEN_FOR_WRITING = "open-for-writing"
    """Somebody, perhaps we, has the file open for writing."""
    NOT_OWNER = "not-owner"
    """The file is not ours and we lack C{CAP_LEASE}."""
    WANTED_BACK = "wanted-back"
    """The lease there was is being given back."""
    UNSUPPORTED = "unsupported"
    """Not with this file or file system, or the table is not started."""


_REASONS = {errno.EAGAIN: NoLease.OPEN_FOR_WRITING, errno.EACCES: NoLease.NOT_OWNER, errno.EPERM: NoLease.NOT_OWNER}


class Hold:
    """
    One stream's part in the lease of a file.

    @ivar fd: a descriptor of the file that stays open as long as this is held.
    @ivar size: the file's, bytes; nobody can change it as long as the lease is held.
    @ivar give_back: called when somebody wants the file: finish without it and call L{release}, soon.
    @ivar wanted: somebody does; a holder that sets C{give_back} late looks here.
    """

    __slots__ = ("_lease", "fd", "give_back", "size")

    def __init__(self, lease: FileLease) -> None:
        self.fd = lease.fd
        self.size = lease.size
        self.give_back: Callable[[], None] | None = None
        self._lease: FileLease | None = lease

    @property
    def wanted(self) -> bool:
        return self._lease is not None and self._lease.wanted

    def same_file(self, other: Hold) -> bool:
        """Both are parts of one lease that is held."""
        return self._lease is not None and self._lease is other._lease

    def release(self) -> None:
        """Let go; the last holder's going gives the lease back. Letting go twice is harmless."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self.give_back = None
            lease.let_go(self)


class FileLease:
    """The lease of one file, shared by the streams of that file. L{LeaseTable} makes them."""

    __slots__ = ("_forget", "_gone", "_holds", "_locked", "fd", "identity", "size", "wanted")

    def __init__(self, identity: Hashable, fd: int, forget: Callable[[FileLease], None]) -> None:
        self.identity = identity
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.wanted = False
        self._locked = True
        self._forget = forget
        self._holds: set[Hold] = set()
        self._gone: list[Deferred[None]] = []

    def hold(self) -> Hold:
        """One more holder."""
        hold = Hold(self)
        self._holds.add(hold)
        return hold

    def let_go(self, hold: Hold) -> None:
        """One holder less."""
        self._holds.remove(hold)
        if not self._holds:
            self.unlock()
            os.close(self.fd)
            waiting, self._gone = self._gone, []
            for deferred in waiting:
                deferred.callback(None)

    def unlock(self) -> None:
        """Give the lease back to the kernel. The descriptor stays, for holders that still read from it."""
        if self._locked:
            self._locked = False
            self._forget(self)
            fcntl.fcntl(self.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def is_broken(self) -> bool:
        """The kernel wants it back."""
        return fcntl.fcntl(self.fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK

    def give_back(self) -> Deferred[None]:
        """Ask all holders to let go; fires when they have."""
        gone: Deferred[None] = Deferred()
        self._gone.append(gone)
        if not self.wanted:
            self.wanted = True
            for hold in list(self._holds):
                if hold.give_back is not None:
                    hold.give_back()
        return gone


class LeaseTable:
    """
    All leases of this process: one for each file, however many streams it has.

    @ivar breaks: how often the kernel wanted one back.
    """

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self.breaks = 0
        self._reactor = reactor
        self._leases: dict[Hashable, FileLease] = {}
        self._before: Any = None
        self._started = False

    @property
    def held(self) -> int:
        """How many files we hold a lease of."""
        return len(self._leases)

    def start(self) -> None:
        """Listen for SIGIO, whose default action would end the process. Only in the main thread; until then there are no leases."""
        self._before = signal.signal(signal.SIGIO, self._signalled)
        self._started = True

    def stop(self) -> None:
        """Give every lease back, wait for nobody, and let SIGIO do what it did before. Streams go on without a lease."""
        self._started = False
        for lease in list(self._leases.values()):
            lease.unlock()
        signal.signal(signal.SIGIO, self._before)

    def acquire(self, fd: int, identity: Hashable) -> Hold | NoLease:
        """
        A part in the lease of a file. About 2 microseconds for the first holder, less for the others.

        @param fd: the file, opened read-only. It may be closed while the lease is held.
        @param identity: the same for all descriptors of one file.
        """
        lease = self._leases.get(identity)
        if lease is not None:
            return NoLease.WANTED_BACK if lease.wanted else lease.hold()
        if not self._started:
            return NoLease.UNSUPPORTED
        # A duplicate shares the lease with the original, and keeps it when that is closed.
        own = os.dup(fd)
        try:
            fcntl.fcntl(own, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            os.close(own)
            return _REASONS.get(error.errno or 0, NoLease.UNSUPPORTED)
        lease = self._leases[identity] = FileLease(identity, own, self._forget)
        return lease.hold()

    def drain(self, identity: Hashable) -> Deferred[None] | None:
        """
        Make our own streams of a file finish without the lease, for an open of ours that conflicts with it.

        @return: fires when the lease is gone; C{None} if there is none.
        """
        lease = self._leases.get(identity)
        return None if lease is None else lease.give_back()

    def look_for_breaks(self) -> None:
        """Ask of every lease whether the kernel wants it back, and give it back. SIGIO does not say which."""
        for lease in [lease for lease in self._leases.values() if not lease.wanted and lease.is_broken()]:
            self.breaks += 1
            lease.give_back()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.look_for_breaks)
        if callable(self._before):
            self._before(number, frame)

    def _forget(self, lease: FileLease) -> None:
        if self._leases.get(lease.identity) is lease:
            del self._leases[lease.identity]
