"""
Sidecars that nobody points to any more, because a local program has removed their file, or the server was killed between two steps.

Which they are only a walk through the whole share tells, and during it files may move past it. So a sidecar is marked when a walk has not
met it, and removed when another one, days later, has not either.
"""

from __future__ import annotations

from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING, Final

from filesvc.interfaces import Creation, FileIdentity, IFileStore, IOpenFile, Kind, Path
from filesvc.server.files.sidecars import POINTER_SIZE, SIDECARS, is_hidden
from filesvc.server.files.streams import PREFIX, pointers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PAUSE_S = 0.001
GRACE_S: Final = 7 * 86400.0
"""How long a sidecar is kept that nobody points to."""
MARK: Final = "filesvc.missed"
"""The named value that says since when, in seconds since 1970."""


class Interrupted(Exception):
    """There is no time left to look at all of a share."""


def collect(store: IFileStore, now_s: float, stopped: Callable[[], bool] = lambda: False) -> int:
    """
    Mark the sidecars of a store that nobody points to, and remove those marked long ago.

    @param stopped: whether to give up; asked for each folder.
    @return: how many were removed.
    @raise OSError: not all of the share can be looked at. Nothing is marked or removed then.
    @raise Interrupted: it was C{stopped}, and nothing is marked or removed.
    """
    there = list(_sidecars(store))
    if not there:
        return 0
    met = set(_pointed_to(store, stopped))
    removed = 0
    for path in there:
        with suppress(OSError):
            sidecar: IOpenFile = store.open(path, Creation.EXISTING, Kind.FILE, False)
            try:
                removed += _judge(store, sidecar, path[-1] in met, now_s)
            finally:
                sidecar.close()
    return removed


def _judge(store: IFileStore, sidecar: IOpenFile, met: bool, now_s: float) -> bool:
    since = _missed_since(sidecar)
    if met:
        if since is not None:
            sidecar.remove_xattr(MARK)
    elif since is None:
        sidecar.set_xattr(MARK, b"%d" % now_s)
    elif now_s - since >= GRACE_S:
        store.remove(sidecar)
        return True
    return False


def _missed_since(sidecar: IOpenFile) -> int | None:
    try:
        return int(sidecar.get_xattr(MARK))
    except (OSError, ValueError):
        return None


def _sidecars(store: IFileStore) -> Iterator[Path]:
    for group in _names(store, SIDECARS):
        for name in _names(store, (*SIDECARS, group)):
            yield (*SIDECARS, group, name)


def _names(store: IFileStore, path: Path) -> list[str]:
    try:
        folder = store.open(path, Creation.EXISTING, Kind.DIRECTORY, False)
    except FileNotFoundError:
        return []
    try:
        return list(folder.list_names())
    finally:
        folder.close()


def _pointed_to(store: IFileStore, stopped: Callable[[], bool]) -> Iterator[str]:
    """The sidecars that the files of a share point to."""
    waiting: list[Path] = [()]
    seen: set[FileIdentity] = set()
    while waiting:
        if stopped():
            raise Interrupted
        path = waiting.pop()
        try:
            folder = store.open(path, Creation.EXISTING, Kind.DIRECTORY, False)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            # A link can lead back up.
            if folder.identity in seen:
                continue
            seen.add(folder.identity)
            yield from pointers(folder)
            for name in folder.list_names():
                if is_hidden(name):
                    continue
                with suppress(FileNotFoundError):
                    entry = folder.entry(name)
                    if entry.stat.kind is Kind.DIRECTORY:
                        waiting.append((*path, name))
                    elif any(length == POINTER_SIZE and key.startswith(PREFIX) for key, length in entry.xattrs.items()):
                        yield from _of_file(store, (*path, name))
        finally:
            folder.close()
        # This may take long, and is in no hurry.
        sleep(_PAUSE_S)


def _of_file(store: IFileStore, path: Path) -> list[str]:
    file = store.open(path, Creation.EXISTING, None, False)
    try:
        return pointers(file)
    finally:
        file.close()
