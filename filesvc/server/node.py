"""What all opens of one file share (MS-SMB2 3.3.1.10 has it in the object store, MS-FSA 2.1.1.3)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from filesvc.interfaces import FileIdentity, IFileStore, IOverlappingStore, Path
from filesvc.server.caching import Caching
from filesvc.server.locks import ByteRangeLocks
from filesvc.server.times import WriteTime
from filesvc.zerocopy.reserve import Reservation

if TYPE_CHECKING:
    from filesvc.server.open import Open
    from filesvc.server.tree import TreeConnect


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


class Deletion(NamedTuple):
    """Who has a file deleted: through which tree connect, by what name, and with which key of a lease of the directory."""

    tree: TreeConnect
    path: Path
    parent_key: bytes | None


@dataclass(slots=True, eq=False)
class FileNode:
    """
    One file (or stream) that is open.

    It is deleted when its last open is closed if C{deletion} says how. A stream's C{base} is its file; C{streams} are those of a file that
    are open.
    """

    key: NodeKey
    opens: list[Open] = field(default_factory=list)
    locks: ByteRangeLocks = field(default_factory=ByteRangeLocks)
    write_time: WriteTime = field(default_factory=WriteTime)
    caching: Caching = field(default_factory=Caching)
    reservation: Reservation = field(default_factory=Reservation)
    put_aside: int = 0
    deletion: Deletion | None = None
    pending_notifications: int = 0
    base: FileNode | None = None
    streams: list[FileNode] = field(default_factory=list)

    @property
    def file(self) -> FileNode:
        """The node of the file that this is or is a stream of."""
        return self.base or self

    @property
    def delete_pending(self) -> bool:
        """Whether it is to be deleted."""
        return self.deletion is not None

    @property
    def unnamed(self) -> bool:
        """Whether names no longer lead here, because the file or the stream is to be deleted."""
        return self.delete_pending or self.file.delete_pending


class NodeTable:
    """The nodes of all files that are open, each there as long as an open of it or of one of its streams is."""

    def __init__(self) -> None:
        self._nodes: dict[NodeKey, FileNode] = {}
        self._pending: set[FileNode] = set()

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[FileNode]:
        return iter(self._nodes.values())

    def find(self, key: NodeKey) -> FileNode | None:
        """The node of a file, if it is open."""
        return self._nodes.get(key)

    def get(self, key: NodeKey) -> FileNode:
        """The node of a file; a new one, not in the table before its first L{attach}, if it is not open."""
        found = self._nodes.get(key)
        if found is not None:
            return found
        return FileNode(key, base=self.get(key._replace(stream="")) if key.stream else None)

    def attach(self, open: Open) -> None:
        """Count an open in."""
        node = open.node
        node.opens.append(open)
        self._nodes[node.key] = node
        if node.base is not None and node not in node.base.streams:
            self._nodes[node.base.key] = node.base
            node.base.streams.append(node)

    def detach(self, open: Open) -> list[FileNode]:
        """Count an open out. Gives the nodes that are not open any more: its own, its file's, none or both."""
        node = open.node
        node.opens.remove(open)
        ended = []
        if not node.opens:
            if node.base is not None:
                node.base.streams.remove(node)
            ended = [each for each in (node, node.base) if each is not None and not each.opens and not each.streams]
        for each in ended:
            del self._nodes[each.key]
            self._pending.discard(each)
        return ended

    @property
    def any_pending(self) -> bool:
        """Whether anything is to be deleted."""
        return bool(self._pending)

    def set_deletion(self, node: FileNode, deletion: Deletion | None) -> None:
        """What is open is to be deleted, or not any more."""
        node.deletion = deletion
        if deletion is not None:
            self._pending.add(node)
        else:
            self._pending.discard(node)

    def rename(self, node: FileNode, key: NodeKey) -> None:
        """A stream that is open has another name."""
        del self._nodes[node.key]
        node.key = key
        self._nodes[key] = node
