"""Leases of directories: what clients cache of their entries (MS-FSA 2.1.4.12, PARENT_OBJECT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.interfaces import IOverlappingStore, Path
from filesvc.server.caches.lease import Lease
from filesvc.server.files.identity import NodeKey
from filesvc.server.state.caching import RW

if TYPE_CHECKING:
    from collections.abc import Hashable

    from twisted.internet.interfaces import IReactorTime

    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Session
    from filesvc.server.state.tree import TreeConnect


class DirectoryLeases:
    """
    The leases of all directories: by path, or by identity where a directory may have another path in another store.

    What breaks them is answered before they break: nobody waits for that, and Windows does so too.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._leases: dict[Hashable, set[Lease]] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def add(self, open: Open) -> None:
        """Watch over the lease of an open directory, until that is closed."""
        lease, key = open.holder, _key_of(open)
        assert isinstance(lease, Lease)
        self._leases.setdefault(key, set()).add(lease)
        open.on_close.append(lambda: self._remove(key, lease))

    def _remove(self, key: Hashable, lease: Lease) -> None:
        leases = self._leases.get(key, set())
        if not any(_key_of(open) == key for open in lease.opens if not open.closed):
            leases.discard(lease)
        if not leases:
            self._leases.pop(key, None)

    async def changed(self, tree: TreeConnect, directory: Path, session: Session, parent_key: bytes | None) -> None:
        """What is in a directory changed, in a session whose client has the directory's lease itself if it gave that lease's key."""
        if self._leases:
            for lease in list(self._leases.get(await _key_at(tree, directory), ())):
                if lease.key != parent_key or not lease.is_for(session):
                    self._break(lease)

    def _break(self, lease: Lease) -> None:
        self._reactor.callLater(0, lease.take, RW)

    def moved(self, open: Open, before: Path) -> None:
        """A directory has another name: nothing that was cached by the old one is true any more."""
        by_path = not IOverlappingStore.providedBy(open.tree.store)
        leases = self._leases.pop((open.tree.store, _folded(before)), ()) if by_path else self._leases.get(open.node.key, ())
        for lease in list(leases):
            self._break(lease)


def _key_of(open: Open) -> Hashable:
    store = open.tree.store
    return open.node.key if IOverlappingStore.providedBy(store) else (store, _folded(open.path))


async def _key_at(tree: TreeConnect, path: Path) -> Hashable:
    store = tree.store
    if not IOverlappingStore.providedBy(store):
        return store, _folded(path)
    try:
        return NodeKey(store.space, await tree.run(store.identity, path))
    except OSError:
        return None


def _folded(path: Path) -> Path:
    return tuple(name.casefold() for name in path)
