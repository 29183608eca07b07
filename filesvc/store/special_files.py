"""Making what takes the place of files. A device is never made: whoever may open one reaches the machine."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from filesvc.interfaces import Kind, Special, SpecialType
from filesvc.store import dosattrib
from filesvc.store.dosattrib import DosAttrib
from filesvc.store.names import target_to_disk
from filesvc.store.openat2 import open_beneath

_FORMATS: Final = {SpecialType.FIFO: stat.S_IFIFO, SpecialType.SOCKET: stat.S_IFSOCK}
_SEARCHABLE: Final = 0o111


def make(directory: int, name: bytes, what: Special | bytes | Kind, mode: int) -> None:
    """
    Make a link, pipe or socket, a reparse point that clients take for a directory, or an empty file or directory.

    @param directory: a descriptor; C{O_PATH} will do.
    @param mode: POSIX's permission bits, which a link has none of.
    @raise OSError: C{EINVAL} for a device or a target that no link can have, or as the system calls do.
    """
    match what:
        case Special(type=SpecialType.SYMLINK):
            os.symlink(target_to_disk(what.target), name, dir_fd=directory)
        case Special(type=SpecialType.FIFO | SpecialType.SOCKET):
            os.mknod(name, _FORMATS[what.type] | mode, dir_fd=directory)
        case Special():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), what)
        case Kind.DIRECTORY:
            os.mkdir(name, mode | _SEARCHABLE, dir_fd=directory)
        case _:
            _make_file(directory, name, what if isinstance(what, bytes) else None, mode)


def _make_file(directory: int, name: bytes, buffer: bytes | None, mode: int) -> None:
    fd = open_beneath(directory, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & ~_SEARCHABLE)
    try:
        if buffer is not None:
            os.setxattr(fd, dosattrib.REPARSE_XATTR, buffer)
            os.setxattr(fd, dosattrib.XATTR, dosattrib.encode(DosAttrib(0, None, reparse_point=True, directory=True)))
    except OSError:
        os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(fd)
