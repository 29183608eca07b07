"""What all opens of one file share (MS-SMB2 3.3.1.10 has it in the object store, MS-FSA 2.1.1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from filesvc.interfaces import FileIdentity, IFileStore, Path
from filesvc.server.caching import Caching
from filesvc.server.locks import ByteRangeLocks
from filesvc.server.times import WriteTime
from filesvc.zerocopy.reserve import Reservation

if TYPE_CHECKING:
    from filesvc.server.open import Open


class NodeKey(NamedTuple):
    """A file, or a stream of one, in a store."""

    store: IFileStore
    identity: FileIdentity
    stream: str = ""


@dataclass(slots=True, eq=False)
class FileNode:
    """
    One file (or stream) that is open.

    C{deleted_with} is the key of the directory's lease that whoever set C{delete_pending} has, C{deleted_path} the name by which it was
    opened, as a file may have several. A stream's C{base} is its file; C{streams} are those of a file that are open.
    """

    key: NodeKey
    opens: list[Open] = field(default_factory=list)
    locks: ByteRangeLocks = field(default_factory=ByteRangeLocks)
    write_time: WriteTime = field(default_factory=WriteTime)
    caching: Caching = field(default_factory=Caching)
    reservation: Reservation = field(default_factory=Reservation)
    put_aside: int = 0
    delete_pending: bool = False
    pending_notifications: int = 0
    deleted_with: bytes | None = None
    deleted_path: Path | None = None
    base: FileNode | None = None
    streams: list[FileNode] = field(default_factory=list)

    @property
    def file(self) -> FileNode:
        """The node of the file that this is or is a stream of."""
        return self.base or self

    @property
    def unnamed(self) -> bool:
        """Whether names no longer lead here, because the file or the stream is to be deleted."""
        return self.delete_pending or self.file.delete_pending


class NodeTable:
    """The nodes of all files that are open, each there as long as an open of it or of one of its streams is."""

    def __init__(self) -> None:
        self._nodes: dict[NodeKey, FileNode] = {}

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
        return ended

    def rename(self, node: FileNode, key: NodeKey) -> None:
        """A stream that is open has another name."""
        del self._nodes[node.key]
        node.key = key
        self._nodes[key] = node

    def any_below(self, store: IFileStore, path: Path) -> bool:
        """Whether something inside a directory is open."""
        return bool(self.below(store, path))

    def below(self, store: IFileStore, path: Path) -> list[FileNode]:
        """What is open inside a directory."""
        length = len(path)
        return [
            node
            for key, node in self._nodes.items()
            if key.store is store and any(len(open.path) > length and open.path[:length] == path for open in node.opens)
        ]

    def at(self, store: IFileStore, path: Path) -> FileNode | None:
        """The file that is open by a path, in any case of the letters."""
        folded = [name.casefold() for name in path]
        return next((open.node.file for open in self._opens(store) if [name.casefold() for name in open.path] == folded), None)

    def any_at(self, store: IFileStore, path: Path, besides: FileNode) -> bool:
        """Whether a file other than C{besides} is open by a path, in any case of the letters."""
        node = self.at(store, path)
        return node is not None and node is not besides

    def _opens(self, store: IFileStore) -> Iterator[Open]:
        for key, node in self._nodes.items():
            if key.store is store:
                yield from node.opens
