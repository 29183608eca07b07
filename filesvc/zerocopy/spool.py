"""Where promised ranges go for which there is no memory, when the lease that guards their file must go: files that have no name."""

from __future__ import annotations

import os
from typing import Final

from filesvc.zerocopy.producer import ShortFile

FOLDER: Final = "/var/tmp"  # noqa: S108 a folder, and files in it that have no name
"""Not /tmp, which may be memory."""
_SHARE = 4
"""No more than this part of what is free there is used: one quarter."""
MOST: Final = 1 << 30
"""Bytes that are used at most, for as many as may want it."""


class Spool:
    """
    Room on a disk for copies of ranges.

    @ivar used: bytes.
    """

    def __init__(self, folder: str = FOLDER) -> None:
        self.used = 0
        self._folder = folder

    def take(self, size: int) -> bool:
        """Account for room; false if there is not enough."""
        try:
            volume = os.statvfs(self._folder)
        except OSError:
            return False
        if self.used + size > min((self.used + volume.f_bavail * volume.f_frsize) // _SHARE, MOST):
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Room is free again."""
        self.used -= size

    def copy(self, fd: int, offset: int, length: int) -> int:
        """
        Copy a range, waiting for the disk.

        @return: the descriptor of a file that nobody else can reach, and that holds just this range.
        @raise ShortFile: the file is too short.
        @raise OSError: it cannot be read, or the copy cannot be kept.
        """
        copy = os.open(self._folder, os.O_RDWR | os.O_TMPFILE, 0o600)
        try:
            done = 0
            while done < length:
                copied = os.sendfile(copy, fd, offset + done, length - done)
                if copied == 0:
                    raise ShortFile(f"the file ends at {offset + done}, with {length - done} bytes of the range to come")
                done += copied
        except BaseException:
            os.close(copy)
            raise
        return copy


class Spooled:
    """
    The hold on a copy, in the place of one on the file. Nobody can want it back.

    @ivar fd: of the copy.
    """

    __slots__ = ("_size", "_spool", "fd")
    wanted = False

    def __init__(self, fd: int, size: int, spool: Spool) -> None:
        self.fd = fd
        self._size = size
        self._spool = spool

    def release(self) -> None:
        """It has been sent, or never will be. What is on its way stays as it is: a file that goes loses its pages, and none is zeroed."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self._spool.give(self._size)
