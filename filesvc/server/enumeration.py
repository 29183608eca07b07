"""A directory being listed: where a client is in it, between its requests."""

from __future__ import annotations

from collections.abc import Generator

from filesvc.interfaces import Entry, IOpenFile
from filesvc.server.names import compile_pattern


class Enumeration:
    """
    The entries of a directory that match a pattern, C{.} and C{..} first, one at a time.

    The store lists lazily, so that a large directory costs no more memory than a small one.
    """

    def __init__(self, directory: IOpenFile, pattern: str) -> None:
        self.pattern = pattern
        self.started = False
        self._directory = directory
        self._pushed: Entry | None = None
        self._entries = self._iterate(pattern)

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

    def _iterate(self, pattern: str) -> Generator[Entry, None, None]:
        expression = compile_pattern(pattern)
        directory = self._directory
        for name in (".", ".."):
            if expression is None or expression.fullmatch(name):
                yield Entry(name, directory.stat())
        for name in directory.list_names():
            if expression is None or expression.fullmatch(name):
                try:
                    yield directory.entry(name)
                except FileNotFoundError:
                    continue
