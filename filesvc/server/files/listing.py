"""A directory being listed: where a client is in it, between its requests."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.interfaces import Entry, IFileStore, IOpenFile, TakesLong
from filesvc.printable import printed
from filesvc.server.files.names import join_name
from filesvc.server.files.patterns import compile_pattern, has_wildcards, may_be_short
from filesvc.server.files.short_names import ShortNames, short_name
from filesvc.server.files.sidecars import is_hidden
from filesvc.server.files.special_files import open_anything
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from filesvc.server.troubles import Troubles

log = Logger(observer=printed)

DOTS = (".", "..")
"""The directory itself and the one above, in every listing."""

_BYTES_OF_CHARACTER = 2
_LOOKED_AT = 2048
"""Names looked at in a row, by a pattern of one character; by a longer one each takes longer."""
_AT_LEAST = 32
"""Entries taken before others have their turn: a small folder is told in one answer, however slow the machine."""
_PAUSE = ""


class Enumeration:
    """
    The entries of a directory that match a pattern, by their names or their short names, C{.} and C{..} first.

    The store lists lazily, so that a large directory costs no more memory than a small one.

    @ivar started: whether a request has been answered.
    @ivar answered_at: when the last one was, by the reactor's clock; infinity before the first.
    """

    def __init__(self, store: IFileStore, directory: IOpenFile, pattern: str, short_names: ShortNames, troubles: Troubles) -> None:
        """@raise StatusError: OBJECT_NAME_INVALID for a pattern that no name can match."""
        self.pattern = pattern
        self.started = False
        self.answered_at = math.inf
        self._no_more_names = False
        self._store = store
        self._directory = directory
        self._matches = compile_pattern(pattern)
        self._short_names = short_names if may_be_short(pattern) else None
        self._pushed: deque[str] = deque()
        self._hidden: dict[str, Entry] = {}
        self._troubles = troubles
        self._names: Generator[str, None, None] | None = None
        self._only: str | None = None

    def take(self, room: int, fixed: int, enough: Callable[[], bool]) -> list[Entry]:
        """
        The next entries, about as many as fit into C{room} bytes where each takes C{fixed} bytes and its name. None at all may also mean
        that of many names none matched, unless it has C{ended}.

        @param enough: whether others are to have their turn before the next.
        @raise TakesLong: the directory must be read first to know whether it has the only name that may match.
        """
        names = self._names
        if names is None:
            names = self._names = self._iterate(self._candidates())
        taken: list[Entry] = []
        while not taken or room >= fixed:
            name = self._pushed.popleft() if self._pushed else next(names, None)
            if name is None:
                self._no_more_names = True
                break
            if name == _PAUSE:
                break
            entry = self._entry(name)
            if entry is not None:
                taken.append(entry)
                if len(taken) >= _AT_LEAST and enough():
                    break
                room -= fixed + len(name) * _BYTES_OF_CHARACTER
        return taken

    @property
    def ended(self) -> bool:
        """Whether there are no more names."""
        return self._no_more_names and not self._pushed

    def push_back(self, entries: Iterable[Entry]) -> None:
        """Have entries come again: they did not fit."""
        again = list(entries)
        self._pushed.extendleft(reversed([entry.name for entry in again]))
        self._hidden = {entry.name: entry for entry in again if entry.problem is not None}

    def close(self) -> None:
        """Give back what the store holds for the listing."""
        if self._names is not None:
            self._names.close()

    def _entry(self, name: str) -> Entry | None:
        """What a name stands for, or as much as the directory says of it; C{None} if it is gone by now, or nothing is known of it."""
        if name in DOTS:
            return Entry(name, self._directory.stat())
        try:
            entry: Entry = self._directory.entry(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._troubles.tell(join_name((*self._directory.path, name)), error)
            return self._hidden.get(name)
        if entry.problem is not None:
            self._troubles.tell(join_name((*self._directory.path, name)), entry.problem)
        return entry

    def _iterate(self, candidates: Iterable[str]) -> Generator[str, None, None]:
        matches, in_a_row = self._matches, max(_LOOKED_AT // len(self.pattern), 1)
        for name in DOTS:
            if matches is None or matches(name):
                yield name
        for number, name in enumerate(candidates, 1):
            wanted = matches is None or name == self._only or matches(upcase(name)) or self._has_matching_short_name(name)
            if wanted and not (name[0] == "." and is_hidden(name)):
                yield name
            if not number % in_a_row:
                yield _PAUSE

    def _has_matching_short_name(self, name: str) -> bool:
        """Whether the client may look for a file by its short name. Who has found it so opens it so."""
        if self._short_names is None or self._matches is None or not self._matches(short_name(name)):
            return False
        self._short_names.of(name)
        return True

    def _candidates(self) -> Iterable[str]:
        """The names that may match. Who asks for one name, which many do, does not wait until a large directory has been searched."""
        path, pattern = self._directory.path, self.pattern
        if not has_wildcards(pattern) and pattern not in DOTS:
            try:
                file = open_anything(self._store, (*path, pattern))
            except TakesLong:
                raise
            except FileNotFoundError:
                if self._short_names is None:
                    return ()
            except OSError:
                log.debug("{name} cannot be opened, so it is searched for", name=pattern)
            else:
                found: str = file.path[-1]
                file.close()
                # The store may know more names that are as good as another than patterns do.
                self._only = found
                return (found,)
        names: Iterable[str] = self._directory.list_names()
        return names
