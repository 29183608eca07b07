"""
C{fanotify(7)}: the kernel tells what is done to files and directories, and whether it was this process that did it.

That is what C{inotify} cannot say. Since Linux 5.13 no privilege is needed to watch single files and directories.
"""

from __future__ import annotations

import ctypes
import os
import struct
from ctypes import c_char_p, c_int, c_uint, c_uint64, c_void_p
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FAN_MODIFY = 0x2
FAN_ATTRIB = 0x4
FAN_CLOSE_WRITE = 0x8
FAN_OPEN = 0x20
FAN_MOVED_FROM = 0x40
FAN_MOVED_TO = 0x80
FAN_CREATE = 0x100
FAN_DELETE = 0x200
FAN_MOVE_SELF = 0x800
FAN_Q_OVERFLOW = 0x4000
FAN_EVENT_ON_CHILD = 0x08000000
FAN_ONDIR = 0x40000000

_FAN_CLOEXEC = 0x1
_FAN_NONBLOCK = 0x2
_FAN_REPORT_FID = 0x200
_FAN_REPORT_DIR_FID = 0x400
_FAN_MARK_ADD = 0x1
_FAN_MARK_REMOVE = 0x2
_AT_EMPTY_PATH = 0x1000

_EVENT = struct.Struct("=IBBHQii")
_INFO = struct.Struct("=BBH")
_HANDLE = struct.Struct("=Ii")
_FSID = struct.Struct("=Q")
_MAX_HANDLE = 128
_BUFFER = 65536

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_init.argtypes = [c_uint, c_uint]
_libc.fanotify_mark.argtypes = [c_int, c_uint, c_uint64, c_int, c_char_p]
_libc.name_to_handle_at.argtypes = [c_int, c_char_p, c_void_p, c_void_p, c_int]


class Relation(IntEnum):
    """What a handle in an event is of."""

    FILE = 1
    """The file that something was done to."""
    DIRECTORY = 3
    """The directory that it was done in, or the directory that something was done to."""


@dataclass(slots=True)
class Event:
    """One or several things done by one process, as C{FAN_} bits, and the handles of what it was done to and in."""

    mask: int
    handles: list[tuple[int, bytes]]


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def handle_of(fd: int) -> bytes:
    """
    What identifies a file in events.

    @raise OSError: C{EOPNOTSUPP} where the file system has no such thing.
    """
    buffer = ctypes.create_string_buffer(_HANDLE.pack(_MAX_HANDLE, 0), _HANDLE.size + _MAX_HANDLE)
    mount_id = c_int()
    _checked(_libc.name_to_handle_at(fd, b"", buffer, ctypes.byref(mount_id), _AT_EMPTY_PATH))
    length, _ = _HANDLE.unpack_from(buffer)
    return _FSID.pack(os.fstatvfs(fd).f_fsid & 0xFFFFFFFFFFFFFFFF) + buffer.raw[: _HANDLE.size + length]


class Fanotify:
    """
    A queue of what other processes do.

    @raise OSError: C{EPERM} or C{EINVAL} where the kernel, or a container, does not let unprivileged processes have one; C{EMFILE}.
    """

    def __init__(self) -> None:
        flags = _FAN_CLOEXEC | _FAN_NONBLOCK | _FAN_REPORT_FID | _FAN_REPORT_DIR_FID
        self._fd = _checked(_libc.fanotify_init(flags, os.O_RDONLY))
        self._own = os.getpid()

    def fileno(self) -> int:
        """Readable when there is something to L{read}."""
        return self._fd

    def mark(self, fd: int, mask: int) -> None:
        """
        Watch a file or directory.

        @raise OSError: C{ENOSPC} when the user has too many of these; others where the file system does not do it.
        """
        _checked(_libc.fanotify_mark(self._fd, _FAN_MARK_ADD, mask, fd, None))

    def unmark(self, fd: int, mask: int) -> None:
        """Watch it no more."""
        _libc.fanotify_mark(self._fd, _FAN_MARK_REMOVE, mask, fd, None)

    def read(self) -> Iterator[Event]:
        """What other processes have done until now, oldest first. Does not wait."""
        while True:
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(data):
                length, _, _, head, mask, _, pid = _EVENT.unpack_from(data, offset)
                # To the unprivileged, others have no number.
                if pid != self._own:
                    yield Event(mask, list(_handles(data[offset + head : offset + length])))
                offset += length

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._fd)


def _handles(records: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(records):
        kind, _, length = _INFO.unpack_from(records, offset)
        start = offset + _INFO.size
        size, _ = _HANDLE.unpack_from(records, start + _FSID.size)
        yield kind, records[start : start + _FSID.size + _HANDLE.size + size]
        offset += length
