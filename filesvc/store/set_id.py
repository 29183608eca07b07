"""
Set-user-id and set-group-id bits of files that are written to: the kernel clears them, unless the writer has the capability CAP_FSETID.

Root has it. Without it a client's writes by whatever way, sendfile's and copy_file_range's included, leave nobody a program to run as
somebody else that the client has written.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAP_FSETID: Final = 1 << 4
_VERSION_3: Final = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _use(wanted: bool) -> bool:
    """Have the capability in effect in this thread or not, if it is permitted; whether it was before."""
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if _libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capget")
    before = bool(sets[0].effective & _CAP_FSETID)
    if wanted != before and sets[0].permitted & _CAP_FSETID:
        sets[0].effective ^= _CAP_FSETID
        if _libc.capset(ctypes.byref(header), sets):
            raise OSError(ctypes.get_errno(), "capset")
    return before


def give_up() -> None:
    """Do without the capability in this thread, and in those that it starts from now on."""
    _use(False)


@contextmanager
def keeping() -> Iterator[None]:
    """Keep the set-group-id bit of a directory whose mode is set: it says which group new files have, and lets nobody act as it."""
    before = _use(True)
    try:
        yield
    finally:
        _use(before)


def runs_as_root() -> str | None:
    """A sentence, if the process is root."""
    if os.geteuid():
        return None
    return (
        "This server runs as root: a mistake in it is a mistake of root's, and modes hold nobody back who comes through it. "
        "twistd --uid, or User= of systemd, has it run as an account of its own"
    )
