"""
Locks of ranges that belong to an open file, not to a process: C{F_OFD_SETLK} of fcntl(2).

They and the locks that other programs take with C{lockf} or C{fcntl} keep each other out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

END: Final = 1 << 63
"""Where the kernel's offsets end."""

_FLOCK = struct.Struct("@hhqqi4x")
_REFUSED = frozenset({errno.EAGAIN, errno.EACCES})


def set_lock(fd: int, offset: int, length: int, kind: int) -> bool:
    """
    Lock a range, or unlock it, in place of what was locked there by this open file.

    What of it is past L{END}, or empty, is left out.

    @param kind: C{F_RDLCK}, C{F_WRLCK} or C{F_UNLCK} of L{fcntl}.
    @return: false if somebody else's lock forbids it.
    @raise OSError: C{EBADF} for a write lock of a file that is not open for writing; C{ENOLCK} where there are none.
    """
    end = min(offset + length, END)
    if offset >= end:
        return True
    # A length of 0 stands for all there can be.
    flock = _FLOCK.pack(kind, os.SEEK_SET, offset, 0 if end == END else end - offset, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, flock)
    except OSError as error:
        if error.errno in _REFUSED:
            return False
        raise
    return True
