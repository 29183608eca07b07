"""
C{statx(2)}: everything about a file in one call, its time of birth included, which C{stat(2)} doesn't tell.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from ctypes import c_char_p, c_int, c_uint, c_void_p
from enum import IntFlag
from typing import Final

from filesvc.interfaces import FileAttributes, FileIdentity, Kind, SpecialType, Stat

_EMPTY_PATH = 0x1000
_NO_AUTOMOUNT = 0x800
_SYMLINK_NOFOLLOW = 0x100
_BASIC_STATS_AND_BTIME = 0xFFF
_BTIME = 0x800

# mask, attributes, links, uid, gid, mode, inode, size, blocks, then atime, btime, ctime and mtime, and the device's two numbers.
_STATX = struct.Struct("=I4xQIIIH2xQQQ8xqI4xqI4xqI4xqI4x8xII")
_Buffer = ctypes.c_char * 256
_FLAGS = _EMPTY_PATH | _NO_AUTOMOUNT | _SYMLINK_NOFOLLOW
_SECOND = 1_000_000_000
_FORMAT = 0o170000
_PERMISSIONS = 0o7777
_NO_ATTRIBUTES = FileAttributes(0)
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY}


class StatxAttributes(IntFlag):
    """What C{stx_attributes} says of a file."""

    COMPRESSED = 0x4
    IMMUTABLE = 0x10
    APPEND = 0x20
    MOUNT_ROOT = 0x2000


_COMPRESSED = int(StatxAttributes.COMPRESSED)

SPECIAL_TYPES: Final = {
    stat.S_IFLNK: SpecialType.SYMLINK,
    stat.S_IFIFO: SpecialType.FIFO,
    stat.S_IFSOCK: SpecialType.SOCKET,
    stat.S_IFCHR: SpecialType.CHARACTER_DEVICE,
    stat.S_IFBLK: SpecialType.BLOCK_DEVICE,
}
"""What the format in C{st_mode} says of L{Kind.OTHER}."""

_statx = ctypes.CDLL(None, use_errno=True).statx
_statx.argtypes = [c_int, c_char_p, c_int, c_uint, c_void_p]


def kind_of(mode: int) -> Kind:
    """What C{st_mode} says it is."""
    return _KINDS.get(mode & _FORMAT, Kind.OTHER)


def statx(directory: int, name: bytes = b"") -> Stat:
    """
    What the kernel knows of C{name} in C{directory}, or of the descriptor itself. A symbolic link is not followed.

    Of its C{attributes}, C{COMPRESSED} alone is known. Where the file system keeps no time of birth, C{created} is the oldest of the
    others.

    @raise OSError: as C{statx(2)}.
    """
    buffer = _ask(directory, name)
    # fmt: off
    (
        mask, attributes, links, uid, gid, mode, inode, size, blocks,
        accessed, accessed_ns, born, born_ns, changed, changed_ns, written, written_ns,
        major, minor,
    ) = _STATX.unpack_from(buffer)
    # fmt: on
    accessed = accessed * _SECOND + accessed_ns
    changed = changed * _SECOND + changed_ns
    written = written * _SECOND + written_ns
    return Stat(
        FileIdentity(os.makedev(major, minor), inode),
        kind_of(mode),
        size,
        blocks * 512,
        born * _SECOND + born_ns if mask & _BTIME else min(accessed, changed, written),
        accessed,
        written,
        changed,
        FileAttributes.COMPRESSED if attributes & _COMPRESSED else _NO_ATTRIBUTES,
        links,
        mode & _PERMISSIONS,
        uid,
        gid,
        SPECIAL_TYPES.get(mode & _FORMAT),
    )


def attributes_of(fd: int) -> int:
    """
    The L{StatxAttributes} of what a descriptor holds.

    @raise OSError: as C{statx(2)}.
    """
    attributes: int = _STATX.unpack_from(_ask(fd, b""))[1]
    return attributes


def _ask(directory: int, name: bytes) -> ctypes.Array[ctypes.c_char]:
    buffer = _Buffer()
    if _statx(directory, name, _FLAGS, _BASIC_STATS_AND_BTIME, buffer):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)
    return buffer
