"""
What is kept with a file in a directory, read without opening the file: what listings show for each of many.

Not by L{os}'s functions, whose exceptions, of which the usual file gives one, take half of the time of a listing.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_size_t, c_ssize_t, c_void_p
from typing import Final

from filesvc.store import dosattrib
from filesvc.store.dosattrib import DosAttrib

_PREFIX = b"user."
_DOSATTRIB = dosattrib.XATTR.encode()
_DOSATTRIB_MAX: Final = 512
_NAMES_MAX: Final = 1024

_DosAttribBuffer = ctypes.c_char * _DOSATTRIB_MAX
_NamesBuffer = ctypes.c_char * _NAMES_MAX

_libc = ctypes.CDLL(None, use_errno=True)
_libc.lgetxattr.argtypes = [c_char_p, c_char_p, c_void_p, c_size_t]
_libc.lgetxattr.restype = c_ssize_t
_libc.llistxattr.argtypes = [c_char_p, c_void_p, c_size_t]
_libc.llistxattr.restype = c_ssize_t


def read_by_name(path: bytes) -> tuple[DosAttrib | None, dict[str, int]]:
    """
    The DOS attributes that are kept with what is at a path, and the length of each other named value, as far as the system tells.

    A link at the end of the path is not followed.
    """
    kept, lengths = None, {}
    for name in _list(path):
        if name == _DOSATTRIB:
            buffer = _DosAttribBuffer()
            length = _libc.lgetxattr(path, name, buffer, _DOSATTRIB_MAX)
            kept = dosattrib.decode(buffer.raw[:length]) if length > 0 else None
        elif name.startswith(_PREFIX):
            length = _libc.lgetxattr(path, name, None, 0)
            if length >= 0:
                lengths[name.removeprefix(_PREFIX).decode(errors="surrogateescape")] = length
    return kept, lengths


def _list(path: bytes) -> list[bytes]:
    buffer = _NamesBuffer()
    length = _libc.llistxattr(path, buffer, _NAMES_MAX)
    if length >= 0:
        return buffer.raw[:length].split(b"\0")[:-1] if length else []
    try:
        return list(map(os.fsencode, os.listxattr(path, follow_symlinks=False)))
    except OSError:
        return []
