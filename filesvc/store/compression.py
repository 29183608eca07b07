"""
Files that the file system compresses: btrfs, by C{ioctl_iflags(2)}.

Other file systems let the flag be set and do nothing about it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from ctypes import c_int, c_long, c_void_p

_BTRFS = 0x9123683E

_LONG = struct.calcsize("l")
_GETFLAGS = 0x80006601 | _LONG << 16
_SETFLAGS = 0x40006602 | _LONG << 16
_COMPRESSED = 0x4
_NOT_COMPRESSED = 0x400
_FLAGS = struct.Struct("=i")

_Statfs = c_long * 32

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fstatfs.argtypes = [c_int, c_void_p]


def can_compress(fd: int) -> bool:
    """Whether the file system that an open file is on compresses what it is told to."""
    answer = _Statfs()
    return _libc.fstatfs(fd, answer) == 0 and answer[0] & 0xFFFFFFFF == _BTRFS


def set_compressed(fd: int, compressed: bool) -> None:
    """
    Compress what is written to a file from now on, or not; of a directory, what is made in it.

    @raise OSError: C{EOPNOTSUPP} where it can't be; others as C{ioctl_iflags(2)}.
    """
    if not can_compress(fd):
        if compressed:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return
    (before,) = _FLAGS.unpack(fcntl.ioctl(fd, _GETFLAGS, bytes(_FLAGS.size)))
    flags = before & ~_NOT_COMPRESSED | _COMPRESSED if compressed else before & ~_COMPRESSED
    if flags != before:
        fcntl.ioctl(fd, _SETFLAGS, _FLAGS.pack(flags))
