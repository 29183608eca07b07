"""A directory being listed: where a client is in it, between its requests."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from twisted.logger import Logger

from filesvc.interfaces import Creation, Entry, IFileStore, IOpenFile
from filesvc.server.patterns import compile_pattern, has_wildcards
from filesvc.store.upcase import upcase

log = Logger()

_DOTS = (".", "..")


class Enumeration:
    """
    The entries of a directory that match a pattern, C{.} and C{..} first, one at a time.

    The store lists lazily, so that a large directory costs no more memory than a small one.
    """

    def __init__(self, store: IFileStore, directory: IOpenFile, pattern: str) -> None:
        """@raise StatusError: OBJECT_NAME_INVALID for a pattern that no name can match."""
        self.pattern = pattern
        self.started = False
        self._store = store
        self._directory = directory
        self._matches = compile_pattern(pattern)
        self._pushed: Entry | None = None
        self._entries = self._iterate()

    def next(self) -> Entry | None:
        """The next entry; C{None} at the end."""
        entry, self._pushed = self._pushed, None
        return entry or next(self._entries, None)

    def push_back(self, entry: Entry) -> None:
        """Have an entry come again: it did not fit."""
        self._pushed = entry

    def close(self) -> None:
        """Give back what the store holds for the listing."""
        self._entries.close()

    def _iterate(self) -> Generator[Entry, None, None]:
        directory, matches = self._directory, self._matches
        for name in _DOTS:
            if matches is None or matches(name):
                yield Entry(name, directory.stat())
        for name in self._names():
            if matches is None or matches(upcase(name)):
                try:
                    yield directory.entry(name)
                except FileNotFoundError:
                    continue

    def _names(self) -> Iterable[str]:
        """The names that may match. Who asks for one name, which many do, does not wait until a large directory has been searched."""
        path, pattern = self._directory.path, self.pattern
        if not has_wildcards(pattern) and pattern not in _DOTS:
            try:
                file = self._store.open((*path, pattern), Creation.EXISTING, None, False)
            except FileNotFoundError:
                return ()
            except OSError:
                log.debug("{name} cannot be opened, so it is searched for", name=pattern)
            else:
                found: str = file.path[-1]
                file.close()
                return (found,)
        names: Iterable[str] = self._directory.list_names()
        return names
