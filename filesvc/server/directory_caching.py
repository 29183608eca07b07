"""Leases of directories: what clients cache of their entries (MS-FSA 2.1.4.12, PARENT_OBJECT)."""

from __future__ import annotations

from filesvc.interfaces import IFileStore, Path
from filesvc.server.caching import RW
from filesvc.server.lease import Lease
from filesvc.server.open import Open


class DirectoryCaching:
    """The leases of all directories, by their paths."""

    def __init__(self) -> None:
        self._leases: dict[tuple[IFileStore, Path], set[Lease]] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def add(self, open: Open, lease: Lease) -> None:
        """Watch over a lease that was granted to an open, until that is closed."""
        key = (open.tree.store, _folded(open.path))
        self._leases.setdefault(key, set()).add(lease)
        open.on_close.append(lambda: self._remove(key, lease))

    def _remove(self, key: tuple[IFileStore, Path], lease: Lease) -> None:
        leases = self._leases.get(key, set())
        if not any(_folded(open.path) == key[1] for open in lease.opens if not open.closed):
            leases.discard(lease)
        if not leases:
            self._leases.pop(key, None)

    def changed(self, store: IFileStore, directory: Path, parent_key: bytes | None) -> None:
        """
        What is in a directory changed, by a client that has the directory's lease itself if it gave that lease's key.

        Nobody waits for an answer.
        """
        if self._leases:
            for lease in list(self._leases.get((store, _folded(directory)), ())):
                if lease.key != parent_key:
                    lease.take(RW)

    def moved(self, store: IFileStore, directory: Path) -> None:
        """A directory has another name: nothing that was cached by the old one, or below it, is true any more."""
        old = _folded(directory)
        for kept_by, path in list(self._leases):
            if kept_by is store and path[: len(old)] == old:
                for lease in self._leases.pop((kept_by, path)):
                    lease.take(RW)


def _folded(path: Path) -> Path:
    return tuple(name.casefold() for name in path)
