"""What all opens of one file share (MS-SMB2 3.3.1.10 has it in the object store, MS-FSA 2.1.1.3)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from filesvc.interfaces import Kind, Path, Stat
from filesvc.server.files.byte_range_locks import ByteRangeLocks
from filesvc.server.state.caching import Caching
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.zerocopy.reserve import Reservation

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping

    from filesvc.interfaces import IFileStore
    from filesvc.server.files.identity import NodeKey
    from filesvc.server.state.open import Open
    from filesvc.server.state.tree import TreeConnect


DATA = CompletionFilter.SIZE | CompletionFilter.LAST_WRITE
"""What a write changes."""

_METADATA = 64 << 10
_METADATA_SHARE = 256
"""A file system takes no more than these bytes, and this part of a file's size, for what it writes down about the file."""
_FREED_AT_ONCE = 256 << 20


class Deletion(NamedTuple):
    """Who has a name deleted: through which tree connect, by what path, and with which key of a lease of the directory."""

    tree: TreeConnect
    path: Path
    parent_key: bytes | None


Folder: TypeAlias = "tuple[IFileStore, Path | None]"

Removal: TypeAlias = "tuple[FileNode, Deletion]"
"""What is to be removed, or was: a name of a file, or a stream."""


@dataclass(slots=True, eq=False)
class FileNode:
    """
    One file (or stream) that is open.

    C{deletions} says which of its names are to be deleted (L{link_at}), each when the last open by it is closed; of a stream it has one for
    C{None}. A stream's C{base} is its file; C{streams} are those of a file that are open. Of a file, C{kept_write_time}
    and C{kept_change_time} are shown, in nanoseconds, where the true times are of what must not show, and C{archived} says that it is known
    to have the attribute ARCHIVE (L{filesvc.server.state.open.Open.note_modified}).
    """

    key: NodeKey
    opens: list[Open] = field(default_factory=list)
    locks: ByteRangeLocks = field(default_factory=ByteRangeLocks)
    kept_write_time: int | None = None
    kept_change_time: int | None = None
    archived: bool = False
    caching: Caching = field(default_factory=Caching)
    reservation: Reservation = field(default_factory=Reservation)
    put_aside: int = 0
    deletions: dict[Hashable, Deletion] = field(default_factory=dict)
    pending_notifications: int = 0
    base: FileNode | None = None
    streams: list[FileNode] = field(default_factory=list)

    @property
    def file(self) -> FileNode:
        """The node of the file that this is or is a stream of."""
        return self.base or self

    @property
    def all_opens(self) -> Iterator[Open]:
        """The opens of the file and of its streams (MS-FSA 2.1.1.3, File.OpenList)."""
        return chain(self.file.opens, *(stream.opens for stream in self.file.streams))

    @property
    def delete_pending(self) -> bool:
        """Whether it is to be deleted, by one of its names at least."""
        return bool(self.deletions)

    def is_unnamed(self, link: Hashable | None) -> bool:
        """Whether a name no longer leads here because it, or the stream, is to be deleted. C{None} for the only one the file has."""
        gone = self.file.deletions
        return (bool(gone) if link is None else link in gone) or (self.base is not None and self.delete_pending)

    # Room on the disk that the file does not use yet (MS-FSCC 2.4.4)

    def find_left_over(self, stat: Stat) -> None:
        """Look whether the file has room that it does not use: an earlier server may have ended without giving that back."""
        if stat.kind is Kind.FILE and stat.allocation > stat.size + stat.size // _METADATA_SHARE + _METADATA:
            self.reservation.owed = max(self.reservation.owed, stat.allocation)

    def find_room(self, descriptor: int, offset: int, length: int) -> None:
        """
        Find room for a write.

        @raise OSError: there is none.
        """
        owed = self.reservation.owed
        try:
            self.reservation.ensure(descriptor, offset, length)
        except OSError:
            self.give_back_more_than(owed, descriptor)
            raise

    def give_back_more_than(self, owed: int, descriptor: int) -> None:
        """A reservation has failed: give back what it took, if it was tried. C{owed}: what the file owed before."""
        if self.reservation.owed > owed:
            self.give_back_room(descriptor)

    def give_back_room(self, descriptor: int) -> None:
        """Give back now what the file does not use, unless something goes on in it, or it is much: then that is for the last close."""
        if not any(open.is_busy for open in self.opens) and not has_much_to_free(descriptor):
            self.reservation.release(descriptor)


def has_much_to_free(descriptor: int) -> bool:
    """Whether it takes the file system more than some milliseconds to free what a file does not use."""
    status = os.fstat(descriptor)
    return status.st_blocks * 512 - status.st_size >= _FREED_AT_ONCE


class NodeTable:
    """The nodes of all files that are open, each there as long as an open of it or of one of its streams is."""

    def __init__(self) -> None:
        self._nodes: dict[NodeKey, FileNode] = {}
        self._folders: dict[Folder, dict[Open, None]] = {}
        self._folder_of: dict[Open, Folder] = {}
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
        self._place(open)
        if node.base is not None and node not in node.base.streams:
            self._nodes[node.base.key] = node.base
            node.base.streams.append(node)

    def detach(self, open: Open) -> list[FileNode]:
        """Count an open out. Gives the nodes that are not open any more: its own, its file's, none or both."""
        node = open.node
        node.opens.remove(open)
        self._displace(open)
        ended = []
        if not node.opens:
            if node.base is not None:
                node.base.streams.remove(node)
            ended = [each for each in (node, node.base) if each is not None and not each.opens and not each.streams]
        for each in ended:
            del self._nodes[each.key]
            self._pending.discard(each)
        return ended

    def _place(self, open: Open) -> None:
        path = open.path
        folder = self._folder_of[open] = open.tree.store, path[:-1] if path else None
        self._folders.setdefault(folder, {})[open] = None

    def _displace(self, open: Open) -> None:
        folder = self._folder_of.pop(open)
        beside = self._folders[folder]
        del beside[open]
        if not beside:
            del self._folders[folder]

    def moved(self, open: Open) -> None:
        """What is open goes by another path."""
        self._displace(open)
        self._place(open)

    @property
    def folders(self) -> Mapping[Folder, Collection[Open]]:
        """The opens of what is in each folder, by the store that it was opened in and the folder's path; C{None} for what is in none."""
        return self._folders

    @property
    def any_pending(self) -> bool:
        """Whether anything is to be deleted."""
        return bool(self._pending)

    def set_deletion(self, node: FileNode, link: Hashable, deletion: Deletion) -> None:
        """A name of what is open is to be deleted, or the stream that is."""
        node.deletions[link] = deletion
        self._pending.add(node)

    def take_deletion(self, node: FileNode, link: Hashable) -> Deletion | None:
        """It is not to be deleted any more, if it was."""
        deletion = node.deletions.pop(link, None)
        if not node.deletions:
            self._pending.discard(node)
        return deletion

    def rename(self, node: FileNode, key: NodeKey) -> None:
        """A stream that is open has another name."""
        del self._nodes[node.key]
        node.key = key
        self._nodes[key] = node
