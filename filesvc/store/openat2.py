"""
C{openat2(2)}: open a path that cannot leave the directory it starts in.

The kernel resolves the whole path, C{..} and symbolic links included, and refuses it the moment it would step out. No comparison of
strings can be as sure, for the tree may change between the comparison and the opening.
"""

from __future__ import annotations

import ctypes
import errno
import os
from copy import copy
from ctypes import c_int, c_long, c_size_t, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any

from filesvc.store.names import SERVERS_OWN
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

FOLLOWING = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
NOT_FOLLOWING = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS

_SYS_OPENAT2 = 437
_SERVERS_OWN = upcase(SERVERS_OWN)
_ATTEMPTS = 32

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = [c_long, c_int, ctypes.c_char_p, c_void_p, c_size_t]
_syscall.restype = c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", c_uint64), ("mode", c_uint64), ("resolve", c_uint64))


@cache
def _how(flags: int, mode: int, resolve: int) -> Any:
    return ctypes.byref(_OpenHow(flags | os.O_CLOEXEC, mode, resolve))


def open_beneath(directory: int, path: bytes, flags: int, mode: int = 0, resolve: int = FOLLOWING) -> int:
    """
    Open C{path} at or below C{directory}, following symbolic links that stay below it.

    @param path: relative, without NUL.
    @param mode: only with C{O_CREAT}.
    @param resolve: L{FOLLOWING}, or L{NOT_FOLLOWING}, by which any link is C{ELOOP}, but for one that C{O_PATH | O_NOFOLLOW} opens itself.
    @return: a descriptor, closed on C{exec}.
    @raise OSError: C{EXDEV} if the path leads out, C{ELOOP} if it crosses a magic link of C{/proc}, or as C{open(2)} does.
    """
    how = _how(flags, mode, resolve)
    for _ in range(_ATTEMPTS):
        fd: int = _syscall(_SYS_OPENAT2, directory, path, how, ctypes.sizeof(_OpenHow))
        if fd >= 0:
            return fd
        error = ctypes.get_errno()
        # EAGAIN: a rename elsewhere in the tree ran beside a "..", and the kernel could not rule out an escape.
        if error not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(error, os.strerror(error), path)


class Beneath:
    """
    A directory and all that is below it, and nothing else.

    @ivar origin: equal for all that are the same directory, whether they follow links or not.
    @raise OSError: if C{directory} can't be opened.
    """

    __slots__ = ("_resolve", "fd", "origin")

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.origin: object = object()
        self._resolve = FOLLOWING

    def not_following(self) -> Beneath:
        """The same directory, with no link in it followed. It is not to be closed, and of no use after this one is."""
        other = copy(self)
        other._resolve = NOT_FOLLOWING  # noqa: SLF001 - a copy of this
        return other

    def open(self, names: Sequence[bytes], flags: int) -> int:
        """
        Open what C{names} lead to, the directory itself for none. See L{open_beneath}.

        What is the server's own is reached by its name, and by no link.
        """
        return self.find(names, flags)[0]

    def find(self, names: Sequence[bytes], flags: int) -> tuple[int, bool]:
        """The same, and whether a link was followed."""
        path = b"/".join(names) or b"."
        try:
            return open_beneath(self.fd, path, flags, resolve=NOT_FOLLOWING), False
        except OSError as error:
            if error.errno != errno.ELOOP or self._resolve == NOT_FOLLOWING:
                raise
        fd = open_beneath(self.fd, path, flags, resolve=self._resolve)
        if self._is_servers_own(fd):
            os.close(fd)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return fd, True

    def _is_servers_own(self, fd: int) -> bool:
        root, place = (os.readlink(f"/proc/self/fd/{one}".encode()) for one in (self.fd, fd))
        return any(upcase(os.fsdecode(name)) == _SERVERS_OWN for name in place.removeprefix(root).split(b"/"))

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.fd)
