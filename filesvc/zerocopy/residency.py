"""Whether a range of a file is in memory, so that reading it does not wait for a disk; and how to bring it in."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = mmap.PAGESIZE

_SYS_CACHESTAT = 451
_SCRATCH = memoryview(mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
_ONE_BYTE = (_SCRATCH[:1],)
_SCRATCHES = [_SCRATCH] * 16
_WINDOW = len(_SCRATCH) * len(_SCRATCHES)


class Resident(Protocol):
    """Tells whether a range that lies within a file is in memory."""

    def __call__(self, fd: int, offset: int, length: int) -> bool:
        """Never waits for a disk. C{length} is at least 1; a range past the end of the file is not resident."""


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _CacheStat(ctypes.Structure):
    _fields_ = (
        ("cached", ctypes.c_uint64),
        ("dirty", ctypes.c_uint64),
        ("writeback", ctypes.c_uint64),
        ("evicted", ctypes.c_uint64),
        ("recently_evicted", ctypes.c_uint64),
    )


def _prepared_cachestat() -> Callable[[int, int, int], int]:
    # PyDLL keeps the interpreter's lock: the call is shorter than giving it up and getting it back.
    syscall = ctypes.PyDLL(None, use_errno=True).syscall
    syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)
    syscall.restype = ctypes.c_long
    asked, answer = _Range(), _CacheStat()
    asked_at, answer_at = ctypes.addressof(asked), ctypes.addressof(answer)

    def cached_pages(fd: int, offset: int, length: int) -> int:
        asked.offset, asked.length = offset, length
        if syscall(_SYS_CACHESTAT, fd, asked_at, answer_at, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return int(answer.cached)

    return cached_pages


_cached_pages = _prepared_cachestat()


def _readable_now(fd: int, offset: int) -> bool:
    try:
        return os.preadv(fd, _ONE_BYTE, offset, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


def resident_by_cachestat(fd: int, offset: int, length: int) -> bool:
    """
    L{Resident} by cachestat(2), which Linux has since 6.5. Only for the reactor's thread.

    The kernel counts a page as soon as it has a place in memory, before the disk has filled it. Pages are filled upwards, so the last one
    is tried as well.

    @raise OSError: C{ENOSYS} on an older kernel; C{EOPNOTSUPP} where the file system has no page cache.
    """
    pages = (offset + length - 1) // PAGE - offset // PAGE + 1
    return _cached_pages(fd, offset, length) >= pages and _readable_now(fd, offset + length - 1)


def resident_by_probe(fd: int, offset: int, length: int) -> bool:
    """
    L{Resident} by preadv2(2) with C{RWF_NOWAIT}, which Linux has since 4.14: a byte of every 64 KiB, and the last.

    @raise OSError: C{EOPNOTSUPP} where the file system does not know the flag.
    """
    end = offset + length
    return all(_readable_now(fd, at) for at in range(offset, end, 1 << 16)) and _readable_now(fd, end - 1)


def seems_resident(fd: int, offset: int, length: int) -> bool:
    """
    Whether what there is of a large range is likely to be in memory, by a byte of every MiB: a third of the time of asking of each page.

    For who loses nothing by a wrong answer; C{False} where nothing can tell.
    """
    try:
        for at in range(offset, offset + length, 1 << 20):
            if not os.preadv(fd, _ONE_BYTE, at, os.RWF_NOWAIT):
                break
    except OSError:
        return False
    return True


def best_resident() -> Resident:
    """The cheapest L{Resident} that this kernel has."""
    fd = os.memfd_create("probe", os.MFD_CLOEXEC)
    try:
        _cached_pages(fd, 0, 1)
    except OSError:
        return resident_by_probe
    finally:
        os.close(fd)
    return resident_by_cachestat


_resident: Resident | None = None


def resident(fd: int, offset: int, length: int) -> bool:
    """L{Resident} by whatever this kernel has; C{False} where nothing can tell."""
    global _resident  # noqa: PLW0603 one kernel, asked once
    if _resident is None:
        _resident = best_resident()
    try:
        return _resident(fd, offset, length)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise


def bring_in(fd: int, offset: int, length: int) -> None:
    """
    Wait until a range is in memory. For a worker thread.

    Reads into one small buffer over and over, which costs less than asking page by page. Stops at the end of the file.

    @raise OSError: the disk could not be read.
    """
    os.posix_fadvise(fd, offset, length, os.POSIX_FADV_WILLNEED)
    end = offset + length
    while offset < end:
        whole, rest = divmod(min(end - offset, _WINDOW), len(_SCRATCH))
        read = os.preadv(fd, [*_SCRATCHES[:whole], _SCRATCH[:rest]], offset)
        if read == 0:
            return
        offset += read
