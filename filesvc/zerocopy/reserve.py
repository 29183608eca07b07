"""Room on the disk, found before a payload is taken, so that a full disk is known while nothing has been written."""

from __future__ import annotations

import contextlib
import errno
import os

from filesvc.zerocopy.room import allocate, available, gaps, give_back

SMALLEST_STEP = 1 << 20
LARGEST_STEP = 16 << 20

_SHARE = 64
"""What is reserved for writes to come is no more than this part of what is free: near the end of a disk, nothing."""
_METADATA = 1024
"""A file system that has no more left than this part of what is wanted has no room to write down where that is."""
_FALLOC_FL_KEEP_SIZE = 1
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV, errno.ESPIPE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Reservation:
    """
    Blocks reserved for the writers of one file, without changing its size. All writers of a file share one.

    What lies inside the file is reserved as asked, for it may have holes; a file that goes on growing gets growing steps, as long as the
    disk has room for many more of them. Where the disk says that it has no room, it is not tried: on ext4 a reservation that fails keeps
    what there was.

    @ivar owed: up to where the file may have blocks; what of that is beyond its end is to be given back.
    """

    __slots__ = ("_end", "_start", "_step", "_supported", "owed")

    def __init__(self) -> None:
        self._start = self._end = 0
        self._step = 0
        self._supported = True
        self.owed = 0

    def ensure(self, fd: int, offset: int, length: int) -> None:
        """
        Find room for a range. Costs nothing inside what was reserved just before.

        A file system that cannot reserve is asked once. If there is no room, and nothing goes on in the file, call L{release}.

        @param fd: the file, opened for writing.
        @raise OSError: C{ENOSPC} or C{EDQUOT}: there is no room; C{EFBIG} and others.
        """
        end = offset + length
        if not self._supported or length == 0 or (self._start <= offset and end <= self._end):
            return
        room = available(fd)
        try:
            if room is None or length + length // _METADATA <= room:
                end = self._reserve(fd, offset, end, room)
            else:
                self._reserve_gaps(fd, offset, end, room)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self._supported = False
            return
        joined = self._start <= offset <= self._end
        self._start, self._end = (self._start if joined else offset), max(end, self._end if joined else 0)

    def _reserve(self, fd: int, offset: int, end: int, room: int | None) -> int:
        """Reserve a range, and what is likely to be written next. Gives the end of both."""
        ahead, status = end, os.fstat(fd)
        if end > status.st_size:
            # It takes a lease to give back what is not used, and that is for the file's owner, and root, to have.
            if room is not None and os.geteuid() in (status.st_uid, 0):
                ahead = max(end, min(offset + self._step, end + (room - (end - offset)) // _SHARE))
            self._step = min(max(2 * self._step, SMALLEST_STEP), LARGEST_STEP)
        self.owed = max(self.owed, ahead)
        try:
            allocate(fd, _FALLOC_FL_KEEP_SIZE, offset, ahead - offset)
        except OSError as error:
            if error.errno not in _FULL or ahead == end:
                raise
            allocate(fd, _FALLOC_FL_KEEP_SIZE, offset, end - offset)
            return end
        return ahead

    def _reserve_gaps(self, fd: int, offset: int, end: int, room: int) -> None:
        """Reserve a range for which there is not room enough, unless a part of it needs none: that takes longer to find out."""
        found = gaps(fd, offset, end)
        needed = end - offset - os.fstat(fd).st_blocks * 512 if found is None else sum(length for _, length in found)
        if needed > 0 and needed + needed // _METADATA > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for start, length in [(offset, end - offset)] if found is None else found:
            self.owed = max(self.owed, end)
            allocate(fd, _FALLOC_FL_KEEP_SIZE, start, length)

    def allocate(self, fd: int, size: int) -> None:
        """
        Reserve room for the first C{size} bytes of a file. What it has beyond that stays.

        If there is no room, and nothing goes on in the file, call L{release}.

        @raise OSError: C{ENOSPC} or C{EDQUOT}: there is no room; C{EFBIG} and others.
        """
        room = available(fd)
        try:
            if room is not None and size + size // _METADATA > room:
                self._reserve_gaps(fd, 0, size, room)
            elif size:
                self.owed = max(self.owed, size)
                allocate(fd, _FALLOC_FL_KEEP_SIZE, 0, size)
        except OSError as error:
            # Where nothing can be reserved, this is as sure as looking at what is free makes it.
            if error.errno not in _UNSUPPORTED:
                raise

    def forget(self) -> None:
        """The file has been cut, or has got holes: what was reserved may be gone."""
        self._start = self._end = 0

    def release(self, fd: int) -> None:
        """
        Give back what is reserved beyond the end of the file, if nobody else has it open; else it stays C{owed}. Never raises.

        @param fd: the file, opened for writing. Nothing may be written through it meanwhile.
        """
        self.forget()
        with contextlib.suppress(OSError):
            if self.owed <= os.fstat(fd).st_size or give_back(fd):
                self.owed = 0
