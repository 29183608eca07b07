"""Descriptors of this machine's files, for the modules of the local store."""

from __future__ import annotations

import os
from contextlib import contextmanager
from errno import EROFS
from typing import TYPE_CHECKING

from filesvc.interfaces import FileIdentity
from filesvc.store.names import from_disk, to_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filesvc.interfaces import Kind, Path
    from filesvc.store.openat2 import Beneath


def error_of(code: int, subject: object = None) -> OSError:
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


class HeldFile:
    """
    Something below the root of a L{filesvc.store.local.LocalStore}, held by a descriptor: what all that is so held has of
    L{filesvc.interfaces.IOpenFile}.

    @ivar names: the way from the root, as the names are on disk.
    @ivar linked: a link was followed on the way.
    @ivar writable: the descriptor takes data.
    @ivar read_only: every change is refused with C{EROFS}.
    """

    __slots__ = ("_fd", "identity", "kind", "linked", "names", "read_only", "root", "writable")

    def __init__(
        self,
        root: Beneath,
        names: tuple[bytes, ...],
        fd: int,
        linked: bool,
        identity: FileIdentity,
        kind: Kind,
        writable: bool,
        read_only: bool,
    ) -> None:
        self.root = root
        self._fd = fd
        self.names = names
        self.linked = linked
        self.identity = identity
        self.kind = kind
        self.writable = writable
        self.read_only = read_only

    @property
    def path(self) -> Path:
        """See L{filesvc.interfaces.IOpenFile}."""
        return tuple(map(from_disk, self.names))

    def moved(self, path: Path) -> None:
        """See L{filesvc.interfaces.IOpenFile}."""
        self.names = tuple(map(to_disk, path))

    def fileno(self) -> int:
        """The descriptor; it stays the file's."""
        return self._fd

    def close(self) -> None:
        """Give back the descriptor; an error is one of what was written, which some file systems send on only now."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _is_dot_file(self) -> bool:
        return bool(self.names) and self.names[-1].startswith(b".")

    def _check_changeable(self) -> None:
        if self.read_only:
            raise error_of(EROFS)
