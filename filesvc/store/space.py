"""
The room that a file takes on disk: reserve it, give it back, see where it is, share it, and copy what is there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from ctypes import c_int, c_longlong
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02

_FICLONERANGE = 0x4020940D
_CLONE = struct.Struct("=qQQQ")

_BUFFER = 1 << 20
_CANNOT_CLONE = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)

_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = [c_int, c_int, c_longlong, c_longlong]


def _call_fallocate(fd: int, mode: int, offset: int, length: int) -> bool:
    """C{False} if the file system has no such call."""
    while _fallocate(fd, mode, offset, length):
        error = ctypes.get_errno()
        if error == errno.EOPNOTSUPP:
            return False
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error))
    return True


def allocate(fd: int, size: int) -> None:
    """
    Reserve room for the first C{size} bytes without changing the file's size.

    @raise OSError: C{ENOSPC}. Where the file system can't reserve, this is as sure as looking at the free space makes it.
    """
    if size == 0 or _call_fallocate(fd, _KEEP_SIZE, 0, size):
        return
    volume = os.fstatvfs(fd)
    if size - os.fstat(fd).st_blocks * 512 > volume.f_bavail * volume.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def punch(fd: int, offset: int, length: int) -> None:
    """
    Make a range read as zeros, by taking its blocks away or else by writing. The size stays.
    """
    length = min(length, os.fstat(fd).st_size - offset)
    if length <= 0 or _call_fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, offset, length):
        return
    zeros = memoryview(bytes(min(length, _BUFFER)))
    while length > 0:
        written = os.pwrite(fd, zeros[:length], offset)
        offset += written
        length -= written


def allocated_ranges(fd: int, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """
    The C{(offset, length)} ranges that hold data, as C{SEEK_DATA} tells, cut to the given one.
    """
    end = min(offset + length, os.fstat(fd).st_size)
    while offset < end:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        if start >= end:
            return
        offset = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        yield start, offset - start


def copy_range(source: int, source_offset: int, target: int, target_offset: int, length: int) -> int:
    """
    Copy between two files, or within one, inside the kernel where that can be.

    @return: the bytes copied, fewer only where the source ends.
    """
    # Not past the end that the source has now: copying within a file may move it.
    length = min(length, os.fstat(source).st_size - source_offset)
    copied = 0
    while copied < length:
        try:
            count = os.copy_file_range(source, target, length - copied, source_offset + copied, target_offset + copied)
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
            count = _copy_buffer(source, source_offset + copied, target, target_offset + copied, length - copied)
        if count == 0:
            break
        copied += count
    return copied


def _copy_buffer(source: int, source_offset: int, target: int, target_offset: int, length: int) -> int:
    data = memoryview(os.pread(source, min(length, _BUFFER), source_offset))
    written = 0
    while written < len(data):
        written += os.pwrite(target, data[written:], target_offset + written)
    return written


def clone_range(source: int, source_offset: int, target: int, target_offset: int, length: int) -> None:
    """
    Let a range of a file share the blocks of a range of the other, or of another range of its own.

    Less than a block at the end of the range is copied, unless there both files end.

    @raise OSError: C{EOPNOTSUPP} if the file system can't, C{EXDEV} for two of them, C{EINVAL} for offsets that are no whole blocks.
    """
    block = os.fstatvfs(target).f_frsize
    if source_offset % block or target_offset % block:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    ends = source_offset + length == os.fstat(source).st_size and target_offset + length >= os.fstat(target).st_size
    rest = 0 if ends else length % block
    whole = length - rest
    if whole:
        fcntl.ioctl(target, _FICLONERANGE, _CLONE.pack(source, source_offset, whole, target_offset))
    copy_range(source, source_offset + whole, target, target_offset + whole, rest)


def can_clone(directory: int) -> bool:
    """
    Whether files in a directory can share blocks. A file without a name is cloned into itself there to see that: it is empty, and is gone.
    """
    try:
        fd = os.open(f"/proc/self/fd/{directory}", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.ioctl(fd, _FICLONERANGE, _CLONE.pack(fd, 0, 0, 0))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
