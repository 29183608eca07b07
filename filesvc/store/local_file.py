"""A file or directory of a local store, open."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from contextlib import nullcontext, suppress
from ctypes import c_int, c_long, c_void_p
from dataclasses import replace
from itertools import islice
from stat import S_ISGID
from typing import TYPE_CHECKING

from zope.interface import implementer

from filesvc.interfaces import (
    Entry,
    FileAttributes,
    FileIdentity,
    ICompressibleFile,
    IDescriptorFile,
    ILockableFile,
    IReparsePointFile,
    Kind,
    SpecialType,
    Stat,
    Times,
)
from filesvc.store import compression, dosattrib, space
from filesvc.store.by_name import read_by_name
from filesvc.store.descriptors import HeldFile, error_of
from filesvc.store.dosattrib import DosAttrib
from filesvc.store.names import from_disk, to_disk
from filesvc.store.record_lock import set_lock
from filesvc.store.set_id import keeping
from filesvc.store.statx import statx

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN_TIME = -11_644_473_600 * 10**9
"""The beginning of Windows' time, which clients show as no time at all."""

_XATTR_PREFIX = "user."
_DOSATTRIB = dosattrib.XATTR.removeprefix(_XATTR_PREFIX)
_OWN = (_DOSATTRIB, dosattrib.REPARSE_XATTR.removeprefix(_XATTR_PREFIX))
_REPARSE_POINT = int(FileAttributes.REPARSE_POINT)
_TAG_LENGTH = 4
HARMLESS = FileAttributes.ARCHIVE | FileAttributes.NORMAL | FileAttributes.DIRECTORY
"""Attributes that may be set where none are kept."""

_UTIME_OMIT = (1 << 30) - 2

_TimeSpecs = c_long * 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.futimens.argtypes = [c_int, c_void_p]


def kept_dosattrib(file: int | str) -> DosAttrib | None:
    """What an open file, or the file at a path, keeps of DOS attributes; C{None} if nothing."""
    try:
        return dosattrib.decode(os.getxattr(file, dosattrib.XATTR))
    except OSError:
        return None


def _xattr(name: str) -> bytes:
    if not name or "\0" in name:
        raise error_of(errno.EINVAL, name)
    return (_XATTR_PREFIX + name).encode(errors="surrogateescape")


def _timespec(time: int | None) -> tuple[int, int]:
    return (0, _UTIME_OMIT) if time is None else divmod(time, 1_000_000_000)


def timespecs(times: Times) -> ctypes.Array[c_long]:
    """When a file was read and written, as C{utimensat(2)} takes it."""
    return _TimeSpecs(*_timespec(times.accessed), *_timespec(times.written))


def _with_tag(stat: Stat, file: int | bytes) -> Stat:
    """What is true of a file that says of itself to be a reparse point, at a path or open; it is none without a tag."""
    try:
        stat.reparse_tag = int.from_bytes(os.getxattr(file, dosattrib.REPARSE_XATTR)[:_TAG_LENGTH], "little")
    except OSError:
        stat.attributes &= ~FileAttributes.REPARSE_POINT
    return stat


@implementer(ICompressibleFile, IDescriptorFile, ILockableFile, IReparsePointFile)
class LocalFile(HeldFile):
    """A regular file or directory below the root of a L{filesvc.store.local.LocalStore}."""

    __slots__ = ("_listed",)

    # What it says of itself

    def stat(self) -> Stat:
        """What is true of it now."""
        stat = dosattrib.describe(statx(self._fd), self._is_dot_file(), kept_dosattrib(self._fd))
        return stat if not int(stat.attributes) & _REPARSE_POINT else _with_tag(stat, self._fd)

    def set_times(self, times: Times) -> None:
        """
        Set those times that are not C{None}, but C{changed}, which is the kernel's.

        Where the file system has no extended attributes, C{created} can't be kept either.
        """
        self._check_changeable()
        if (times.accessed is not None or times.written is not None) and _libc.futimens(self._fd, timespecs(times)):
            raise error_of(ctypes.get_errno())
        if times.created is not None:
            kept = kept_dosattrib(self._fd) or DosAttrib(0, None)
            kept.created = times.created
            try:
                self._keep(kept)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise

    def set_attributes(self, attributes: FileAttributes) -> None:
        """
        Set the DOS attributes. Where the file system has no extended attributes, C{ARCHIVE} is let go and others are C{ENOTSUP}; so is to
        show a dot file, unless that is by the way, for what has C{ARCHIVE} is a copy of a file elsewhere.
        """
        self._check_changeable()
        try:
            self._keep(dosattrib.choose(attributes, self._is_dot_file(), kept_dosattrib(self._fd)))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            stat = self.stat()
            shows = stat.implied & ~attributes and not attributes & FileAttributes.ARCHIVE
            if shows or attributes & ~(HARMLESS | stat.attributes):
                raise

    def _keep(self, kept: DosAttrib) -> None:
        os.setxattr(self._fd, dosattrib.XATTR, dosattrib.encode(kept))

    def set_compressed(self, compressed: bool) -> None:
        """See L{ICompressibleFile.set_compressed}."""
        self._check_changeable()
        compression.set_compressed(self._fd, compressed)

    def set_owner(self, uid: int | None, gid: int | None, mode: int | None) -> None:
        """Set POSIX's owner, group and permission bits; C{None} leaves one as it is."""
        self._check_changeable()
        if uid is not None or gid is not None:
            os.fchown(self._fd, -1 if uid is None else uid, -1 if gid is None else gid)
        if mode is not None:
            with keeping() if mode & S_ISGID and self.kind is Kind.DIRECTORY else nullcontext():
                os.fchmod(self._fd, mode & 0o7777)

    # Data

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill C{buffer} from C{offset}; returns the bytes read, fewer only at the end of the file."""
        filled = 0
        while filled < len(buffer):
            count = os.preadv(self._fd, [buffer[filled:]], offset + filled)
            if count == 0:
                break
            filled += count
        return filled

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of C{data} at C{offset}."""
        fd = self._writable_fd()
        written = 0
        while written < len(data):
            written += os.pwrite(fd, data[written:], offset + written)

    def truncate(self, size: int) -> None:
        """Set the size, growing with zeros."""
        os.ftruncate(self._writable_fd(), size)

    def allocate(self, size: int) -> None:
        """See L{space.allocate}."""
        space.allocate(self._writable_fd(), size)

    def punch(self, offset: int, length: int) -> None:
        """See L{space.punch}."""
        space.punch(self._writable_fd(), offset, length)

    def allocated_ranges(self, offset: int, length: int, most: int | None = None) -> list[tuple[int, int]]:
        """See L{IOpenFile.allocated_ranges}."""
        return list(islice(space.allocated_ranges(self._fd, offset, length), most))

    def flush(self) -> None:
        """Return when what was written is on stable storage."""
        os.fsync(self._fd)

    def _writable_fd(self) -> int:
        if not self.writable:
            raise error_of(errno.EACCES)
        return self._fd

    # Locks

    def lock_range(self, offset: int, length: int, exclusive: bool) -> bool:
        """See L{ILockableFile.lock_range}. What is not open for writing can only be locked shared, and is so."""
        kind = fcntl.F_WRLCK if exclusive and self.writable else fcntl.F_RDLCK
        try:
            return set_lock(self._fd, offset, length, kind)
        except OSError:
            # Not every file system has locks; without, other programs don't see what they can't.
            return True

    def unlock_range(self, offset: int, length: int) -> None:
        """See L{ILockableFile.unlock_range}."""
        with suppress(OSError):
            set_lock(self._fd, offset, length, fcntl.F_UNLCK)

    # What is in a directory

    def list_names(self) -> Iterator[str]:
        """The names in this directory, read from the kernel as they are asked for; each call has a position of its own."""
        with os.scandir(b"/proc/self/fd/%d" % self._fd) as entries:
            for entry in entries:
                self._listed = entry
                yield from_disk(entry.name)

    def entry(self, name: str) -> Entry:
        """
        What a name stands for. A symbolic link stands for what it leads to below the root, else it is L{Kind.OTHER}. Of the name that was
        listed last, what the directory says is known even where nothing else is.
        """
        disk = to_disk(name)
        try:
            stat = statx(self._fd, disk)
        except FileNotFoundError:
            raise
        except OSError as error:
            return self._listed_entry(name, disk, error)
        lengths: dict[str, int] = {}
        if stat.kind is Kind.OTHER:
            stat, kept = self._follow(disk, stat)
        else:
            kept, lengths = read_by_name(b"/proc/self/fd/%d/%b" % (self._fd, disk))
        stat = dosattrib.describe(stat, disk.startswith(b"."), kept)
        if kept is not None and kept.reparse_point:
            stat = _with_tag(stat, b"/proc/self/fd/%d/%b" % (self._fd, disk))
        return Entry(name, stat, lengths)

    def _listed_entry(self, name: str, disk: bytes, problem: OSError) -> Entry:
        """
        What the directory itself says of a name.

        @raise OSError: nothing.
        """
        listed: os.DirEntry[bytes] | None = getattr(self, "_listed", None)
        if listed is None or listed.name != disk:
            raise problem
        kind = (
            Kind.DIRECTORY if listed.is_dir(follow_symlinks=False) else Kind.FILE if listed.is_file(follow_symlinks=False) else Kind.OTHER
        )
        identity = FileIdentity(self.identity.device, listed.inode())
        return Entry(name, Stat(identity, kind, 0, 0, *(UNKNOWN_TIME,) * 4, FileAttributes(0)), problem=problem)

    def _follow(self, disk: bytes, stat: Stat) -> tuple[Stat, DosAttrib | None]:
        if stat.special is not SpecialType.SYMLINK:
            return stat, None
        try:
            target = self.root.open((*self.names, disk), os.O_PATH)
        except OSError:
            return stat, None
        try:
            return statx(target), kept_dosattrib(f"/proc/self/fd/{target}")
        finally:
            os.close(target)

    # Named values

    def get_xattr(self, name: str) -> bytes:
        """A named value kept with the file; C{ENODATA} if there is none."""
        if name in _OWN:
            raise error_of(errno.ENODATA, name)
        return os.getxattr(self._fd, _xattr(name))

    def set_xattr(self, name: str, value: bytes) -> None:
        """Keep a named value with the file; C{EPERM} for those that are the store's own."""
        self._check_changeable()
        if name in _OWN:
            raise error_of(errno.EPERM, name)
        os.setxattr(self._fd, _xattr(name), value)

    def remove_xattr(self, name: str) -> None:
        """Forget a named value; C{ENODATA} if there is none."""
        self._check_changeable()
        if name in _OWN:
            raise error_of(errno.ENODATA, name)
        os.removexattr(self._fd, _xattr(name))

    def list_xattrs(self) -> list[str]:
        """The names of all named values but the store's own."""
        try:
            names = os.listxattr(self._fd)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return []
            raise
        own = (name.removeprefix(_XATTR_PREFIX) for name in names if name.startswith(_XATTR_PREFIX))
        return [name for name in own if name not in _OWN]

    # Reparse points

    def get_reparse_point(self) -> bytes:
        """See L{IReparsePointFile}."""
        return os.getxattr(self._fd, dosattrib.REPARSE_XATTR)

    def set_reparse_point(self, buffer: bytes | None) -> None:
        """See L{IReparsePointFile}."""
        self._check_changeable()
        if buffer is None:
            os.removexattr(self._fd, dosattrib.REPARSE_XATTR)
        else:
            os.setxattr(self._fd, dosattrib.REPARSE_XATTR, buffer)
        self._keep(replace(kept_dosattrib(self._fd) or DosAttrib(0, None), reparse_point=buffer is not None))
