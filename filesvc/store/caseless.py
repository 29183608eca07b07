"""
Find the name on disk that matches a given one by any case, without reading the directory for each question.

A directory is read once into an index, and the kernel's notices of what comes and goes (C{inotify(7)}) keep the index true, whoever makes
the change. Time stamps could not: two changes within one tick of the kernel's clock look like one, and our own would hide another's.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Final

from filesvc.interfaces import TakesLong
from filesvc.store.upcase import other_forms, upcase
from filesvc.store.watching.inotify import IN_CREATE, IN_IGNORED, IN_MOVED_TO, IN_Q_OVERFLOW, Event, Inotify

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPACITY: Final = 250_000
"""Names kept in all indexes together; the directory used last is kept whatever its size."""

LIFETIME_S: Final = 10.0
"""The age at which an index is read again: a change that another machine makes to a network file system sends no notice."""

AT_ONCE: Final = 2000
"""Names that are read while the caller waits, which takes a millisecond. A directory of more is read in a thread."""

_LIFETIME_READS = 200
_LIFETIME_IN_DOUBT_S = 1.0
_INDEX_COST = 64
_CHUNK = 4096
_READERS = 2


@dataclass(slots=True)
class _Index:
    """The names of one directory. C{twins}: some differ by case alone, and only one of them is in C{names}. C{wrong}: one is missing."""

    names: dict[str, bytes]
    twins: bool
    cost: int
    expires: float
    wrong: bool = False

    def apply(self, event: Event) -> None:
        """A name has come or gone."""
        key = _key(event.name)
        if event.mask & (IN_CREATE | IN_MOVED_TO):
            self.twins |= self.names.setdefault(key, event.name) != event.name
        elif self.twins:
            # Its twin may have to take its place: read the directory again.
            self.wrong = True
        elif self.names.get(key) == event.name:
            del self.names[key]


@dataclass(slots=True, eq=False)
class _Reading:
    """A directory that a thread reads, and what has happened there meanwhile; C{lost}: not all of that is known."""

    ready: Future[None] = field(default_factory=Future)
    events: list[Event] = field(default_factory=list)
    lost: bool = False


def _key(name: bytes) -> str:
    return upcase(name.decode(errors="surrogateescape"))


def _read(found: Iterable[bytes], started: float) -> _Index:
    """The index of names, in steps that are short enough for other threads to get their turn."""
    names: dict[str, bytes] = {}
    count, rest = 0, iter(found)
    while chunk := list(islice(rest, _CHUNK)):
        # All keys by one call: neither the decoding nor upcase lets a name reach over the slash to its neighbour.
        names.update(zip(_key(b"/".join(chunk)).split("/"), chunk, strict=True))
        count += len(chunk)
    now = monotonic()
    lifetime = max(LIFETIME_S, _LIFETIME_READS * (now - started))
    return _Index(names, len(names) < count, len(names) + _INDEX_COST, now + lifetime)


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
        self._readings: dict[int, _Reading] = {}
        self._readers = ThreadPoolExecutor(_READERS, "filesvc names")
        self._lock = Lock()
        self._inotify = Inotify()

    def find(self, directory: int, name: bytes) -> bytes | None:
        """
        The name in a directory that matches C{name}: the very same if it exists, else one that differs by case, else C{None}.

        In a directory that may not be read only the very same name is found.

        @param directory: a descriptor; C{O_PATH} will do.
        @raise TakesLong: it is large.
        """
        try:
            with self._lock:
                for event in self._inotify.read():
                    self._apply(event)
                found = self._index(directory).names.get(_key(name))
        except PermissionError:
            return name if exists(directory, name) else None
        if found is None or found == name:
            return found
        return name if exists(directory, name) else found

    def find_alike(self, directory: int, name: bytes) -> bytes | None:
        """The same, and if there is none, a name with accents in another form. Only what is there is found so: both may be made."""
        found = self.find(directory, name)
        if found is None and not name.isascii():
            for form in other_forms(name.decode(errors="surrogateescape")):
                found = found or self.find(directory, form.encode(errors="surrogateescape"))
        return found

    def _index(self, directory: int) -> _Index:
        # Asking for the watch before reading the directory: what changes meanwhile is applied to the index afterwards, and does no harm if
        # the reading has seen it already.
        try:
            watch = self._inotify.watch(directory)
        except PermissionError:
            raise
        except OSError:
            self.scans += 1
            return _read(os.listdir(b"/proc/self/fd/%d" % directory), monotonic())
        index = self._indexes.get(watch)
        if index is None or index.wrong or index.expires < monotonic():
            reading = self._readings.get(watch) or self._begin(watch, directory)
            index = self._indexes.get(watch)
            # One that is only old serves until the new one is there.
            if reading is not None and (index is None or index.wrong):
                raise TakesLong(reading.ready)
            assert index is not None
        self._indexes.move_to_end(watch)
        return index

    def _begin(self, watch: int, directory: int) -> _Reading | None:
        """Read a directory, or have the rest of it read in a thread if it is large."""
        self.scans += 1
        started = monotonic()
        entries = os.scandir(b"/proc/self/fd/%d" % directory)
        found = [entry.name for entry in islice(entries, AT_ONCE)]
        if len(found) < AT_ONCE:
            entries.close()
            self._keep(watch, _read(found, started))
            return None
        reading = self._readings[watch] = _Reading()
        names = chain(found, (entry.name for entry in entries))
        self._readers.submit(self._finish, watch, reading, names, started)
        return reading

    def _finish(self, watch: int, reading: _Reading, names: Iterable[bytes], started: float) -> None:
        try:
            index = _read(names, started)
        except Exception as error:  # noqa: BLE001 who waits for the reading gets it
            with self._lock:
                self._readings.pop(watch, None)
            reading.ready.set_exception(error)
            return
        with self._lock:
            # Unless it is not watched any more.
            if self._readings.pop(watch, None) is reading:
                for event in reading.events:
                    index.apply(event)
                if reading.lost:
                    index.expires = monotonic() + _LIFETIME_IN_DOUBT_S
                self._keep(watch, index)
        reading.ready.set_result(None)

    def _keep(self, watch: int, index: _Index) -> None:
        self._drop(watch)
        self._indexes[watch] = index
        self._cost += index.cost
        while self._cost > self._capacity and len(self._indexes) > 1:
            self._forget(next(iter(self._indexes)))

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
            for each in self._readings.values():
                each.lost = True
        elif event.mask & IN_IGNORED:
            self._drop(event.watch)
            self._readings.pop(event.watch, None)
        else:
            if (index := self._indexes.get(event.watch)) is not None:
                index.apply(event)
            if (reading := self._readings.get(event.watch)) is not None:
                reading.events.append(event)

    def close(self) -> None:
        """Give back what it holds."""
        self._readers.shutdown(wait=False)
        self._inotify.close()


def exists(directory: int, name: bytes) -> bool:
    """Whether a name is in a directory, whatever it stands for."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True
