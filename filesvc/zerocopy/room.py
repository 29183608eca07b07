"""Room on a file system: how much is left, what of a file has none yet, and what a file has beyond its end."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import struct

_FIEMAP = 0xC020660B
_HEADER = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQ16xI12x")
_MAX_EXTENTS = 64
_IS_LAST = 0x01
_EVERYTHING = 0xFFFFFFFFFFFFFFFF

# CDLL lets other threads run: the kernel may have to search the disk for room.
_fallocate = ctypes.CDLL(None, use_errno=True).fallocate64
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def allocate(fd: int, mode: int, offset: int, length: int) -> None:
    """
    fallocate(2), which the standard library has only without its flags. Where it fails, it may have taken a part of what there was.

    @raise OSError: C{ENOSPC}, C{EDQUOT}, C{EOPNOTSUPP} and others.
    """
    while _fallocate(fd, mode, offset, length) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def available(fd: int) -> int | None:
    """The bytes that are left to those who are not root, quotas aside; C{None} if the file system does not say."""
    volume = os.fstatvfs(fd)
    return volume.f_bavail * volume.f_frsize if volume.f_blocks else None


def gaps(fd: int, offset: int, end: int) -> list[tuple[int, int]] | None:
    """The C{(offset, length)} ranges inside the given one for which the file has no blocks; C{None} if the file system does not say."""
    found = []
    while offset < end:
        try:
            extents = _extents(fd, offset, end - offset)
        except OSError:
            return None
        for start, length, _ in extents:
            if offset < start < end:
                found.append((offset, start - offset))
            offset = max(offset, start + length)
        if not extents or extents[-1][2]:
            if offset < end:
                found.append((offset, end - offset))
            break
    return found


def has_surplus(fd: int) -> bool:
    """Whether a file has blocks beyond its end."""
    status = os.fstat(fd)
    end = -(-status.st_size // status.st_blksize) * status.st_blksize
    try:
        return bool(_extents(fd, end, _EVERYTHING - end))
    except OSError:
        return status.st_blocks * 512 > end


def _extents(fd: int, offset: int, length: int) -> list[tuple[int, int, bool]]:
    """The first of the file's extents in a range: where each starts, its length, and whether it is the file's last."""
    request = bytearray(_HEADER.size + _MAX_EXTENTS * _EXTENT.size)
    _HEADER.pack_into(request, 0, offset, length, 0, 0, _MAX_EXTENTS, 0)
    fcntl.ioctl(fd, _FIEMAP, request)
    count = _HEADER.unpack_from(request)[3]
    extents = (_EXTENT.unpack_from(request, _HEADER.size + number * _EXTENT.size) for number in range(count))
    return [(start, length, bool(flags & _IS_LAST)) for start, _, length, flags in extents]


def give_back(fd: int) -> bool:
    """
    Free the blocks that a file has beyond its end. Nothing may be written through C{fd} meanwhile.

    To set the size that the file has does that on every file system. But a writer elsewhere could make the file grow in between, and would
    lose what it wrote. So it is done under a write lease, which is only given while nobody else has the file open.

    @return: whether it has none there any more.
    @raise OSError: it could not be cut.
    """
    if not has_surplus(fd):
        return True
    try:
        # Should the lease be wanted in the moment that it is held, the signal must be one that is ignored unless asked for.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        os.ftruncate(fd, status.st_size)
        # That counts as writing, but nothing has been written.
        os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        fcntl.fcntl(fd, fcntl.F_SETSIG, 0)
    return True
