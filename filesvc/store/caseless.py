"""
Find the name on disk that matches a given one by any case, without reading the directory for each question.

A directory is read once into an index, and the kernel's notices of what comes and goes (C{inotify(7)}) keep the index true, whoever makes
the change. Time stamps could not: two changes within one tick of the kernel's clock look like one, and our own would hide another's.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import ClassVar, Final

from filesvc.store.inotify import IN_CREATE, IN_IGNORED, IN_MOVED_TO, IN_Q_OVERFLOW, Event, Inotify
from filesvc.store.upcase import upcase

CAPACITY: Final = 250_000
"""Names kept in all indexes together; the directory used last is kept whatever its size."""

LIFETIME_S: Final = 10.0
"""The age at which an index is read again: a change that another machine makes to a network file system sends no notice."""

_LIFETIME_READS = 200
_INDEX_COST = 64


@dataclass(slots=True)
class _Index:
    """The names of one directory. C{twins}: some differ by case alone, and only one of them is in C{names}."""

    names: dict[str, bytes]
    twins: bool
    cost: int
    expires: float

    def add(self, name: bytes) -> None:
        self.twins |= self.names.setdefault(_key(name), name) != name

    def discard(self, name: bytes) -> None:
        key = _key(name)
        if self.twins:
            # Its twin may have to take its place: read the directory again.
            self.expires = 0
        elif self.names.get(key) == name:
            del self.names[key]


def _key(name: bytes) -> str:
    return upcase(name.decode(errors="surrogateescape"))


def _read(directory: int) -> _Index:
    started = monotonic()
    found = os.listdir(b"/proc/self/fd/%d" % directory)
    # All keys by one call: neither the decoding nor upcase lets a name reach over the slash to its neighbour.
    names = dict(zip(_key(b"/".join(found)).split("/"), found, strict=True)) if found else {}
    now = monotonic()
    lifetime = max(LIFETIME_S, _LIFETIME_READS * (now - started))
    return _Index(names, len(names) < len(found), len(names) + _INDEX_COST, now + lifetime)


class CaselessIndex:
    """
    The indexes of the directories used last. May be used from several threads.

    @ivar scans: how often a directory was read.
    @raise OSError: C{EMFILE} when the user has more inotify instances than C{fs.inotify.max_user_instances}.
    """

    _common: ClassVar[CaselessIndex | None] = None
    _users: ClassVar[int] = 0

    @classmethod
    def common(cls) -> CaselessIndex:
        """
        The one that all stores of the process share, as the kernel gives a user few inotify instances. Give it back with L{release}.

        @raise OSError: C{EMFILE}, as for a new one.
        """
        if cls._common is None:
            cls._common = cls()
        cls._users += 1
        return cls._common

    def release(self) -> None:
        """Give the common one back; the last user's going closes it."""
        cls = type(self)
        cls._users -= 1
        if not cls._users:
            cls._common = None
            self.close()

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.scans = 0
        self._capacity = capacity
        self._cost = 0
        self._indexes: OrderedDict[int, _Index] = OrderedDict()
        self._lock = Lock()
        self._inotify = Inotify()

    def find(self, directory: int, name: bytes) -> bytes | None:
        """
        The name in a directory that matches C{name}: the very same if it exists, else one that differs by case, else C{None}.

        In a directory that may not be read only the very same name is found.

        @param directory: a descriptor; C{O_PATH} will do.
        """
        try:
            with self._lock:
                for event in self._inotify.read():
                    self._apply(event)
                found = self._index(directory).names.get(_key(name))
        except PermissionError:
            return name if _exists(directory, name) else None
        if found is None or found == name:
            return found
        return name if _exists(directory, name) else found

    def _index(self, directory: int) -> _Index:
        # Asking for the watch before reading the directory: what changes meanwhile is applied to the index afterwards, and does no harm if
        # the reading has seen it already.
        try:
            watch = self._inotify.watch(directory)
        except PermissionError:
            raise
        except OSError:
            self.scans += 1
            return _read(directory)
        index = self._indexes.get(watch)
        if index is None or index.expires < monotonic():
            self._drop(watch)
            self.scans += 1
            index = self._indexes[watch] = _read(directory)
            self._cost += index.cost
            while self._cost > self._capacity and len(self._indexes) > 1:
                self._forget(next(iter(self._indexes)))
        else:
            self._indexes.move_to_end(watch)
        return index

    def _forget(self, watch: int) -> None:
        self._drop(watch)
        self._inotify.unwatch(watch)

    def _drop(self, watch: int) -> None:
        index = self._indexes.pop(watch, None)
        if index is not None:
            self._cost -= index.cost

    def _apply(self, event: Event) -> None:
        if event.mask & IN_Q_OVERFLOW:
            for watch in list(self._indexes):
                self._forget(watch)
        elif event.mask & IN_IGNORED:
            self._drop(event.watch)
        elif (index := self._indexes.get(event.watch)) is not None:
            if event.mask & (IN_CREATE | IN_MOVED_TO):
                index.add(event.name)
            else:
                index.discard(event.name)

    def close(self) -> None:
        """Give back what it holds."""
        self._inotify.close()


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True
