"""
C{inotify(7)}: the kernel tells which names come and go in a directory, before the call that makes them come or go returns.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from ctypes import c_char_p, c_int, c_uint32
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x01000000
IN_EXCL_UNLINK = 0x04000000
IN_ISDIR = 0x40000000

NAMES = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR
"""What comes and goes in a directory."""

_EVENT = struct.Struct("iIII")
_BUFFER = 65536

_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = [c_int, c_char_p, c_uint32]
_libc.inotify_rm_watch.argtypes = [c_int, c_int]


@dataclass(slots=True)
class Event:
    """
    One change: C{mask} of C{IN_} bits, and the name in the watched directory that it is about, C{b""} for the directory itself.

    The two halves of a rename have the same C{cookie}.
    """

    watch: int
    mask: int
    cookie: int
    name: bytes


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class Inotify:
    """
    A queue of changes in watched directories.

    @raise OSError: C{EMFILE} when the user has too many of these.
    """

    def __init__(self) -> None:
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """The descriptor, readable when something has changed."""
        return self._fd

    def watch(self, directory: int, mask: int = NAMES) -> int:
        """
        Watch the directory of a descriptor, which may be C{O_PATH}.

        @param mask: which changes, as C{IN_} bits.
        @return: the watch: the same for the same directory, never one used before for another.
        @raise OSError: C{ENOSPC} when the user has too many of these, C{EACCES} without permission to read the directory.
        """
        return _checked(_libc.inotify_add_watch(self._fd, b"/proc/self/fd/%d" % directory, mask))

    def unwatch(self, watch: int) -> None:
        """End a watch, if the kernel hasn't."""
        _libc.inotify_rm_watch(self._fd, watch)

    def read(self) -> Iterator[Event]:
        """What has changed until now, oldest first. Does not wait."""
        with suppress(BlockingIOError):
            while True:
                data = os.read(self._fd, _BUFFER)
                offset = 0
                while offset < len(data):
                    watch, mask, cookie, length = _EVENT.unpack_from(data, offset)
                    offset += _EVENT.size
                    yield Event(watch, mask, cookie, data[offset : offset + length].rstrip(b"\0"))
                    offset += length

    def close(self) -> None:
        """End all watches."""
        os.close(self._fd)
