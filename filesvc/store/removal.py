"""What keeps a name from being removed, as far as that is known before it is tried (C{unlink(2)}, C{rmdir(2)})."""

from __future__ import annotations

import errno
import os
import stat

from filesvc.store.descriptors import error_of
from filesvc.store.statx import StatxAttributes, attributes_of

_FIXED = int(StatxAttributes.IMMUTABLE | StatxAttributes.APPEND)
_MOUNT_ROOT = int(StatxAttributes.MOUNT_ROOT)
_ROOT = 0


def check_removable(parent: int, file: int) -> None:
    """
    Raise what removing a name would.

    @param parent: a descriptor of the directory that the name is in.
    @param file: one of what the name stands for.
    @raise OSError: C{EROFS}, C{EBUSY} for what something is mounted on, C{EPERM}, C{EACCES}.
    """
    if os.fstatvfs(parent).f_flag & os.ST_RDONLY:
        raise error_of(errno.EROFS)
    attributes = attributes_of(file)
    if attributes & _MOUNT_ROOT:
        raise error_of(errno.EBUSY)
    if (attributes | attributes_of(parent)) & _FIXED:
        raise error_of(errno.EPERM)
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=parent, effective_ids=True):
        raise error_of(errno.EACCES)
    directory = os.fstat(parent)
    if directory.st_mode & stat.S_ISVTX and os.geteuid() not in (_ROOT, directory.st_uid, os.fstat(file).st_uid):
        raise error_of(errno.EPERM)
