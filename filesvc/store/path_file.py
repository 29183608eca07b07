"""
What a local store holds without opening it: links, special files, and what may be neither read nor written.

An C{O_PATH} descriptor never runs a driver, wakes a pipe's other end or follows a link, whatever is put in the way.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from ctypes import c_char_p, c_int, c_void_p
from typing import TYPE_CHECKING, NoReturn

from zope.interface import implementer

from filesvc.interfaces import Entry, FileAttributes, IOpenFile, ISpecialFile, Kind, Special, SpecialType, Stat, Times
from filesvc.store import dosattrib
from filesvc.store.descriptors import HeldFile, error_of
from filesvc.store.local_file import HARMLESS, kept_dosattrib, timespecs
from filesvc.store.names import target_from_disk
from filesvc.store.statx import SPECIAL_TYPES, statx

if TYPE_CHECKING:
    from collections.abc import Iterator


_EMPTY_PATH = 0x1000
_PREFIX = "user."

_libc = ctypes.CDLL(None, use_errno=True)
_libc.utimensat.argtypes = [c_int, c_char_p, c_void_p, c_int]
_libc.fchownat.argtypes = [c_int, c_char_p, c_int, c_int, c_int]


def _check(result: int) -> None:
    if result:
        raise error_of(ctypes.get_errno())


@implementer(IOpenFile)
class PathFile(HeldFile):
    """Anything below a store's root, held by an C{O_PATH} descriptor, which is good for nothing but looking."""

    __slots__ = ()

    @property
    def _by_path(self) -> str:
        return f"/proc/self/fd/{self._fd}"

    # What it says of itself

    def stat(self) -> Stat:
        """What is true of it now."""
        kept = kept_dosattrib(self._by_path) if self.kind is not Kind.OTHER else None
        return dosattrib.describe(statx(self._fd), self._is_dot_file(), kept)

    def set_times(self, times: Times) -> None:
        """Set when it was read and written; the other times can't be kept."""
        self._check_changeable()
        if times.accessed is not None or times.written is not None:
            _check(_libc.utimensat(self._fd, b"", timespecs(times), _EMPTY_PATH))

    def set_attributes(self, attributes: FileAttributes) -> None:
        """Nothing can be kept: C{ENOTSUP} for what is not so already."""
        self._check_changeable()
        if attributes & ~(HARMLESS | self.stat().attributes):
            raise error_of(errno.ENOTSUP)

    def set_owner(self, uid: int | None, gid: int | None, mode: int | None) -> None:
        """Set POSIX's owner, group and permission bits; C{None} leaves one as it is, and a link has no bits of its own."""
        self._check_changeable()
        if uid is not None or gid is not None:
            _check(_libc.fchownat(self._fd, b"", -1 if uid is None else uid, -1 if gid is None else gid, _EMPTY_PATH))
        if mode is not None and not stat.S_ISLNK(os.fstat(self._fd).st_mode):
            os.chmod(self._by_path, mode & 0o7777)

    # Data, which it has none of

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """A file or directory may not be read: C{EACCES}."""
        self._refuse()

    def write(self, offset: int, data: memoryview) -> None:
        """C{EACCES}."""
        self._refuse()

    def truncate(self, size: int) -> None:
        """C{EACCES}."""
        self._refuse()

    def allocate(self, size: int) -> None:
        """C{EACCES}."""
        self._refuse()

    def punch(self, offset: int, length: int) -> None:
        """C{EACCES}."""
        self._refuse()

    def allocated_ranges(self, offset: int, length: int, most: int | None = None) -> list[tuple[int, int]]:
        """None are known."""
        return []

    def flush(self) -> None:
        """Nothing was written."""

    def list_names(self) -> Iterator[str]:
        """C{EACCES}."""
        self._refuse()

    def entry(self, name: str) -> Entry:
        """C{EACCES}."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise error_of(errno.EACCES, self.names)

    # Named values

    def get_xattr(self, name: str) -> bytes:
        """See L{filesvc.interfaces.IOpenFile}."""
        return os.getxattr(self._by_path, _PREFIX + name)

    def set_xattr(self, name: str, value: bytes) -> None:
        """C{EACCES}: whoever may set them may open the file."""
        self._refuse()

    def remove_xattr(self, name: str) -> None:
        """C{EACCES}."""
        self._refuse()

    def list_xattrs(self) -> list[str]:
        """None that could be read."""
        return []


@implementer(ISpecialFile)
class SpecialFile(PathFile):
    """A link or special file, open as itself. It keeps no named values."""

    __slots__ = ()

    @property
    def special(self) -> Special:
        """See L{ISpecialFile}."""
        status = os.fstat(self._fd)
        kind = SPECIAL_TYPES[stat.S_IFMT(status.st_mode)]
        if kind is SpecialType.SYMLINK:
            return Special(kind, target_from_disk(os.readlink(b"", dir_fd=self._fd)))
        if kind in (SpecialType.CHARACTER_DEVICE, SpecialType.BLOCK_DEVICE):
            return Special(kind, "", os.major(status.st_rdev), os.minor(status.st_rdev))
        return Special(kind)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """The end."""
        return 0

    def get_xattr(self, name: str) -> bytes:
        """C{ENODATA}."""
        raise error_of(errno.ENODATA, name)

    def set_xattr(self, name: str, value: bytes) -> None:
        """C{ENOTSUP}."""
        raise error_of(errno.ENOTSUP, name)

    def remove_xattr(self, name: str) -> None:
        """C{ENODATA}."""
        raise error_of(errno.ENODATA, name)
