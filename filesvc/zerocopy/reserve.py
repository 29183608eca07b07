"""Room on the disk, found before a payload is taken, so that a full disk is known while nothing has been written."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal

SMALLEST_STEP = 1 << 20
LARGEST_STEP = 64 << 20

_FALLOC_FL_KEEP_SIZE = 1
_FALLOC_FL_PUNCH_HOLE = 2
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV, errno.ESPIPE)

# CDLL lets other threads run: the kernel may have to search the disk for room.
_fallocate = ctypes.CDLL(None, use_errno=True).fallocate64
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def allocate(fd: int, mode: int, offset: int, length: int) -> None:
    """
    fallocate(2), which the standard library has only without its flags.

    @raise OSError: C{ENOSPC}, C{EDQUOT}, C{EOPNOTSUPP} and others.
    """
    while _fallocate(fd, mode, offset, length) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


class Reservation:
    """
    Blocks reserved for the writers of one file, without changing its size. All writers of a file share one.

    What lies inside the file is reserved as asked, for it may have holes; a file that goes on growing gets growing steps.
    """

    __slots__ = ("_end", "_start", "_step", "_supported")

    def __init__(self) -> None:
        self._start = self._end = 0
        self._step = 0
        self._supported = True

    def ensure(self, fd: int, offset: int, length: int) -> None:
        """
        Find room for a range. Costs nothing inside what was reserved just before.

        A file system that cannot reserve is asked once.

        @param fd: the file, opened for writing.
        @raise OSError: C{ENOSPC} or C{EDQUOT}: there is no room; C{EFBIG} and others.
        """
        end = offset + length
        if not self._supported or length == 0 or (self._start <= offset and end <= self._end):
            return
        grows = end > os.fstat(fd).st_size
        ahead = max(end, offset + self._step) if grows else end
        try:
            self._reserve(fd, offset, ahead, end)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self._supported = False
            return
        if grows:
            self._step = min(max(2 * self._step, SMALLEST_STEP), LARGEST_STEP)

    def _reserve(self, fd: int, offset: int, ahead: int, end: int) -> None:
        try:
            allocate(fd, _FALLOC_FL_KEEP_SIZE, offset, ahead - offset)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or ahead == end:
                raise
            allocate(fd, _FALLOC_FL_KEEP_SIZE, offset, end - offset)
            ahead = end
        joined = self._start <= offset <= self._end
        self._start, self._end = (self._start if joined else offset), max(ahead, self._end if joined else 0)

    def release(self, fd: int) -> None:
        """
        Give back what was reserved beyond the end of the file, when its last writer is about to close it. Never raises.

        Where punching a hole there does not do it (ext4), setting the size that the file has does; but a writer elsewhere could make the
        file grow in between, and would lose what it wrote. So that is done under a write lease, which is only given while nobody else has
        the file open; otherwise the blocks stay with the file until it is truncated.
        """
        end, self._start, self._end = self._end, 0, 0
        # Blocks that stay allocated do no harm to what the file says.
        with contextlib.suppress(OSError):
            if end > os.fstat(fd).st_size:
                _give_back(fd, end)


def _give_back(fd: int, end: int) -> None:
    before = os.fstat(fd)
    try:
        allocate(fd, _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE, before.st_size, end - before.st_size)
        after = os.fstat(fd)
        if after.st_blocks == before.st_blocks and after.st_blocks * 512 > before.st_size:
            _cut_at_size(fd)
    finally:
        # All this counts as writing, but nothing has been written.
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _cut_at_size(fd: int) -> None:
    # Should the lease be wanted in the moment that it is held, the signal must be one that is ignored unless asked for.
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    try:
        os.ftruncate(fd, os.fstat(fd).st_size)
    finally:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        fcntl.fcntl(fd, fcntl.F_SETSIG, 0)
