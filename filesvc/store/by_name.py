"""
What is kept with a file in a directory, read without opening the file: what listings show for each of many.

The values are not read by L{os}'s functions, whose exceptions take longer than the system call.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_size_t, c_ssize_t, c_void_p
from typing import TYPE_CHECKING, Final

from filesvc.store import dosattrib

if TYPE_CHECKING:
    from filesvc.store.dosattrib import DosAttrib

_PREFIX = b"user."
_DOSATTRIB = dosattrib.XATTR.encode()
_DOSATTRIB_MAX: Final = 512
_REPARSE = dosattrib.REPARSE_XATTR.encode()

_DosAttribBuffer = ctypes.c_char * _DOSATTRIB_MAX

_libc = ctypes.CDLL(None, use_errno=True)
_libc.lgetxattr.argtypes = [c_char_p, c_char_p, c_void_p, c_size_t]
_libc.lgetxattr.restype = c_ssize_t


def read_by_name(path: bytes) -> tuple[DosAttrib | None, dict[str, int]]:
    """
    The DOS attributes that are kept with what is at a path, and the length of each other named value, as far as the system tells.

    A link at the end of the path is not followed.
    """
    kept: DosAttrib | None = None
    lengths: dict[str, int] = {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return kept, lengths
    for name in map(os.fsencode, names):
        if name == _DOSATTRIB:
            buffer = _DosAttribBuffer()
            length = _libc.lgetxattr(path, name, buffer, _DOSATTRIB_MAX)
            kept = dosattrib.decode(buffer.raw[:length]) if length > 0 else None
        elif name.startswith(_PREFIX) and name != _REPARSE:
            length = _libc.lgetxattr(path, name, None, 0)
            if length >= 0:
                lengths[name.removeprefix(_PREFIX).decode(errors="surrogateescape")] = length
    return kept, lengths
