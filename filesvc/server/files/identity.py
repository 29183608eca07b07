"""What tells files, streams and names apart, whichever stores they are used in (MS-FSA 2.1.1.3, 2.1.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from filesvc.interfaces import FileIdentity, IFileStore, IOverlappingStore, Path
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Hashable


class NodeKey(NamedTuple):
    """A file, or a stream of one; C{space} is the store, or what it has in common with those that may hold the same files."""

    space: Hashable
    identity: FileIdentity
    stream: str = ""


def space_of(store: IFileStore) -> Hashable:
    """Where a store's identities tell files apart."""
    if IOverlappingStore.providedBy(store):
        space: Hashable = store.space
        return space
    return store


def link_at(store: IFileStore, path: Path) -> Hashable:
    """
    What tells a file's names apart, whichever store they are used in (MS-FSA 2.1.1.5, Link): the directory, and the name in it.

    @raise OSError: the directory is not found.
    """
    names = tuple(map(upcase, path))
    if IOverlappingStore.providedBy(store):
        return store.identity(path[:-1]), names[-1:]
    return store, names
