"""Finding what a path of a client's leads to in a folder of this machine, in any case of the letters."""

from __future__ import annotations

import errno
import os
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

from filesvc.interfaces import ParentNotFound
from filesvc.store.caseless import CaselessIndex, exists
from filesvc.store.descriptors import closing_descriptor, error_of

if TYPE_CHECKING:
    from filesvc.store.openat2 import Beneath

Names = tuple[bytes, ...]
"""The way from a root, as the names are on disk."""


class Found(NamedTuple):
    """What a path leads to: its names as they are on disk, an C{O_PATH} descriptor, and whether a link was followed on the way."""

    names: Names
    fd: int
    linked: bool


FIND_DIRECTORY = os.O_PATH | os.O_DIRECTORY
ITSELF = os.O_PATH | os.O_NOFOLLOW
"""Flags that find a link, not what it leads to."""


def _parent_not_found(names: Names, error: OSError) -> OSError:
    """What to raise when opening a directory on the way failed so."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EXDEV, errno.ELOOP):
        return ParentNotFound(errno.ENOENT, os.strerror(errno.ENOENT), names)
    return error


class Lookup:
    """
    The ways to all that is below a root.

    @ivar root: where they begin.
    @ivar is_exact: whether names match only as they are.
    """

    def __init__(self, root: Beneath, caseless: CaselessIndex) -> None:
        self.root = root
        self._caseless = caseless
        self.is_exact = False

    def not_following(self) -> Lookup:
        """The same for clients that follow links themselves. It is of no use after the root is closed."""
        other = copy(self)
        other.root = self.root.not_following()
        return other

    def exact(self) -> Lookup:
        """The same for clients whose names match only as they are."""
        other = self.not_following()
        other.is_exact = True
        return other

    def spelled(self, directory: int, name: bytes) -> bytes | None:
        """How a name in a directory is spelled; C{None} if there is none."""
        if self.is_exact:
            return name if exists(directory, name) else None
        return self._caseless.find(directory, name)

    def _alike(self, directory: int, name: bytes) -> bytes | None:
        """The name in a directory that a client may mean by another."""
        return self.spelled(directory, name) if self.is_exact else self._caseless.find_alike(directory, name)

    def find(self, names: Names, follow: bool = True) -> Found:
        """
        What C{names} lead to by any case.

        @param follow: or have the link that the last name may stand for.
        """
        flags = os.O_PATH if follow else ITSELF
        try:
            return Found(names, *self.root.find(names, flags))
        except FileNotFoundError:
            above, parent, _ = self.directory(names[:-1])
        except OSError as error:
            raise self._refusal(names, error) from error
        with closing_descriptor(parent):
            name = self._alike(parent, names[-1])
            if name is None:
                raise error_of(errno.ENOENT, names)
            names = (*above, name)
            try:
                return Found(names, *self.root.find(names, flags))
            except FileNotFoundError as error:
                # A link that leads nowhere, unless the name itself is gone by now.
                os.stat(name, dir_fd=parent, follow_symlinks=False)
                raise error_of(errno.EACCES, names) from error
            except OSError as error:
                raise self._refusal(names, error) from error

    def directory(self, names: Names) -> Found:
        """The same for a directory on the way to a name; L{ParentNotFound} for whatever keeps it from being one."""
        try:
            return Found(names, *self.root.find(names, FIND_DIRECTORY))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _parent_not_found(names, error) from error
        found: Names = ()
        directory, linked = self.root.open((), FIND_DIRECTORY), False
        for name in names:
            with closing_descriptor(directory):
                match = self._alike(directory, name)
                if match is None:
                    raise ParentNotFound(errno.ENOENT, os.strerror(errno.ENOENT), names)
                found = (*found, match)
                try:
                    directory, linked = self.root.find(found, FIND_DIRECTORY)
                except OSError as error:
                    raise _parent_not_found(names, error) from error
        return Found(found, directory, linked)

    def _refusal(self, names: Names, error: OSError) -> OSError:
        """What to raise when the kernel refuses to resolve C{names}."""
        if error.errno == errno.ENOTDIR:
            return _parent_not_found(names, error)
        if error.errno in (errno.EXDEV, errno.ELOOP):
            os.close(self.directory(names[:-1]).fd)
            return error_of(errno.EACCES, names)
        return error
