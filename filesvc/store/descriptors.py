"""Descriptors of this machine's files, for the modules of the local store."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filesvc.interfaces import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator


def error_of(code: int, subject: object) -> OSError:
    """The error that a number stands for."""
    return OSError(code, os.strerror(code), subject)


def identity_of(fd: int) -> FileIdentity:
    """The file that is open."""
    status = os.fstat(fd)
    return FileIdentity(status.st_dev, status.st_ino)


@contextmanager
def closing_descriptor(fd: int) -> Iterator[int]:
    """Close a descriptor in the end."""
    try:
        yield fd
    finally:
        os.close(fd)
