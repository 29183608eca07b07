"""
Hear of every change in folders of this machine, by C{inotify(7)}.

The kernel watches single directories, so a tree takes a watch for each directory in it. Those that are there already are found in a
thread; one that is made later is watched, and looked into, at the moment that the kernel tells of it.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Final

from zope.interface import implementer

from filesvc.interfaces import Change, FileIdentity, Happening, IOpenFile, IWatcher, Kind
from filesvc.store.local_file import LocalFile
from filesvc.store.names import from_disk
from filesvc.store.watching.inotify import (
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_EXCL_UNLINK,
    IN_IGNORED,
    IN_ISDIR,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_Q_OVERFLOW,
    NAMES,
    Event,
    Inotify,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filesvc.store.openat2 import Beneath

CAPACITY: Final = 65536
"""Directories watched at a time, whatever the kernel allows."""

TEMPORARY: Final = b".filesvc-"
"""How the names begin that this program gives to what is not finished: nobody is told of them."""

_ALL = NAMES | IN_MODIFY | IN_ATTRIB | IN_EXCL_UNLINK
_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_Names = tuple[bytes, ...]


class _Root:
    """One thing that somebody wants to hear of."""

    __slots__ = ("names", "recursive")

    def __init__(self, names: _Names, recursive: bool) -> None:
        self.names = names
        self.recursive = recursive

    def covers(self, names: _Names) -> bool:
        """Whether what happens in a directory is wanted."""
        return names[: len(self.names)] == self.names if self.recursive else names == self.names


@implementer(IWatcher)
class LocalWatcher:
    """
    The watches of one store. C{catch_up} may be called in a thread.

    @ivar complete: see L{IWatcher}.
    @raise OSError: C{EMFILE} when the user has more inotify instances than C{fs.inotify.max_user_instances}.
    """

    def __init__(self, root: Beneath, capacity: int = CAPACITY) -> None:
        self._root = root
        self._capacity = capacity
        self._inotify = Inotify()
        self._lock = Lock()
        self.complete = True
        self._closed = False
        self._numbers = count(1)
        self._roots: dict[int, _Root] = {}
        self._names: dict[int, _Names] = {}
        self._watches: dict[_Names, int] = {}
        self._unseen: deque[_Names] = deque()
        self._unwanted: deque[_Names] = deque()
        self._found: dict[int, set[bytes]] = {}

    def fileno(self) -> int:
        """Readable when there are changes."""
        return self._inotify.fileno()

    @property
    def behind(self) -> bool:
        """Whether C{catch_up} has something to do."""
        return bool(self._unseen or self._unwanted)

    def close(self) -> None:
        """End all watches."""
        with self._lock:
            self._closed = True
            self._inotify.close()

    def watch(self, directory: IOpenFile, recursive: bool) -> int:
        """
        See L{IWatcher.watch}.

        @raise OSError: C{ENOSPC} when the user has more watches than C{fs.inotify.max_user_watches}.
        """
        if not isinstance(directory, LocalFile):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), directory)
        root = _Root(directory.names, recursive)
        with self._lock:
            self._put(root.names, self._inotify.watch(directory.fileno(), _ALL))
            if root.names:
                # A directory that is open, as this one is, hears nothing of its own end. The one above does.
                self._open_and_put(root.names[:-1])
            number = next(self._numbers)
            self._roots[number] = root
            if recursive:
                self._unseen.append(root.names)
        return number

    def unwatch(self, watch: int) -> None:
        """See L{IWatcher.unwatch}."""
        with self._lock:
            root = self._roots.pop(watch)
            if root.recursive:
                self._unwanted.append(root.names)
            self._tidy(root.names)
            self._tidy(root.names[:-1])

    # Directories below

    def catch_up(self) -> None:
        """See L{IWatcher.catch_up}."""
        while self._unwanted:
            above = self._unwanted.popleft()
            for names in list(self._watches):
                if names[: len(above)] == above:
                    with self._lock:
                        self._tidy(names)
        while self._unseen:
            for names in self._directories_in(self._unseen.popleft()):
                with self._lock:
                    if not self._closed and self._add(names):
                        self._unseen.append(names)

    def _directories_in(self, names: _Names) -> Iterator[_Names]:
        for entry in self._entries(names):
            if entry.is_dir(follow_symlinks=False):
                yield (*names, entry.name)

    def _entries(self, names: _Names) -> list[os.DirEntry[bytes]]:
        """What is in a directory; nothing if it is gone or may not be read."""
        try:
            fd = self._root.open(names, _LIST)
        except OSError:
            return []
        try:
            with os.scandir(b"/proc/self/fd/%d" % fd) as entries:
                return list(entries)
        finally:
            os.close(fd)

    def _add(self, names: _Names) -> bool:
        """Watch a directory if it is to be watched together with all that is below; false if not."""
        return any(root.recursive and root.covers(names) for root in self._roots.values()) and self._open_and_put(names)

    def _open_and_put(self, names: _Names) -> bool:
        try:
            fd = self._root.open(names, _LOOK)
        except OSError:
            return False
        try:
            if len(self._names) >= self._capacity:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._put(names, self._inotify.watch(fd, _ALL))
        except PermissionError:
            return False
        except OSError:
            self.complete = False
            return False
        finally:
            os.close(fd)
        return True

    def _put(self, names: _Names, watch: int) -> None:
        before = self._names.get(watch)
        if before is not None:
            self._watches.pop(before, None)
        self._names[watch] = names
        self._watches[names] = watch

    def _forget(self, watch: int) -> None:
        names = self._names.pop(watch, None)
        if names is not None and self._watches.get(names) == watch:
            del self._watches[names]

    def _tidy(self, names: _Names) -> None:
        """End the watch of a directory that nobody wants any more."""
        watch = self._watches.get(names)
        if watch is None or self._closed or self._is_heard(names) or any(root.names[:-1] == names for root in self._roots.values()):
            return
        self._inotify.unwatch(watch)
        self._forget(watch)
        self.complete = True

    def _is_heard(self, names: _Names) -> bool:
        """Whether somebody wants to hear what happens in a directory."""
        return any(root.covers(names) for root in self._roots.values())

    # Changes

    def changes(self) -> list[Change]:
        """See L{IWatcher.changes}."""
        with self._lock:
            changes = [] if self._closed else list(self._read())
            # What was found by looking and told by the kernel as well has been read by now.
            self._found.clear()
        return changes

    def _read(self) -> Iterator[Change]:
        left: tuple[int, _Names, Kind] | None = None
        for event in self._inotify.read():
            if event.mask & IN_Q_OVERFLOW:
                self._unseen.extend(root.names for root in self._roots.values() if root.recursive)
                yield Change(Happening.LOST)
                continue
            if event.mask & IN_IGNORED:
                self._forget(event.watch)
            above = self._names.get(event.watch)
            if above is None or not event.name or event.name.startswith(TEMPORARY):
                continue
            names, kind = (*above, event.name), Kind.DIRECTORY if event.mask & IN_ISDIR else Kind.FILE
            if left is not None and not (event.mask & IN_MOVED_TO and event.cookie == left[0]):
                yield from self._left(*left[1:])
                left = None
            if event.mask & IN_MOVED_FROM:
                left = event.cookie, names, kind
            elif left is not None:
                yield from self._moved(left[1], names, kind)
                left = None
            elif event.mask & IN_DELETE:
                yield from self._left(names, kind)
            elif self._is_heard(above):
                yield from self._happened(event, names, kind)
        if left is not None:
            yield from self._left(*left[1:])

    def _happened(self, event: Event, names: _Names, kind: Kind) -> Iterator[Change]:
        path = tuple(map(from_disk, names))
        if event.mask & IN_CREATE:
            found = self._found.get(event.watch)
            if found is not None and event.name in found:
                return
            yield Change(Happening.ADDED, path, kind)
            if kind is Kind.DIRECTORY:
                yield from self._look_into(names)
        elif event.mask & IN_MOVED_TO:
            yield Change(Happening.ADDED, path, kind)
            if kind is Kind.DIRECTORY and self._add(names):
                self._unseen.append(names)
        elif event.mask & IN_MODIFY:
            yield Change(Happening.WRITTEN, path, kind, self._identity(names))
        elif event.mask & IN_ATTRIB:
            yield Change(Happening.DESCRIBED, path, kind, self._identity(names))

    def _look_into(self, names: _Names) -> Iterator[Change]:
        """Watch a new directory, and tell of what was put into it before it was watched."""
        if not self._add(names):
            return
        found = self._found[self._watches[names]] = set()
        for entry in self._entries(names):
            found.add(entry.name)
            below = (*names, entry.name)
            directory = entry.is_dir(follow_symlinks=False)
            yield Change(Happening.ADDED, tuple(map(from_disk, below)), Kind.DIRECTORY if directory else Kind.FILE)
            if directory:
                yield from self._look_into(below)

    def _moved(self, old: _Names, new: _Names, kind: Kind) -> Iterator[Change]:
        roots = [root for root in self._roots.values() if root.names[: len(old)] == old] if kind is Kind.DIRECTORY else []
        heard = roots or self._is_heard(old[:-1]) or self._is_heard(new[:-1])
        if kind is Kind.DIRECTORY:
            for root in roots:
                root.names = new + root.names[len(old) :]
            for names in [names for names in self._watches if names[: len(old)] == old]:
                self._put(new + names[len(old) :], self._watches[names])
            self._unwanted.append(new)
            if self._add(new):
                self._unseen.append(new)
        if heard:
            yield Change(Happening.RENAMED, tuple(map(from_disk, new)), kind, old_path=tuple(map(from_disk, old)))

    def _left(self, names: _Names, kind: Kind) -> Iterator[Change]:
        roots = {root.names for root in self._roots.values()} if kind is Kind.DIRECTORY else set()
        if kind is Kind.DIRECTORY:
            for below in [below for below in self._watches if below[: len(names)] == names and below not in roots]:
                self._inotify.unwatch(self._watches[below])
                self._forget(self._watches[below])
        if names in roots or self._is_heard(names[:-1]):
            yield Change(Happening.REMOVED, tuple(map(from_disk, names)), kind)

    def _identity(self, names: _Names) -> FileIdentity | None:
        try:
            fd = self._root.open(names, os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        return FileIdentity(status.st_dev, status.st_ino)
