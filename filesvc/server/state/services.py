"""What the tables use of the server that they are part of, and of the connections: a protocol for each kind of service (MS-SMB2 3.3.1)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from filesvc.server.tcp import PROBES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from twisted.python.threadpool import ThreadPool

    from filesvc.interfaces import Path, Stat
    from filesvc.server.files.identity import NodeKey
    from filesvc.server.files.short_names import ShortNames
    from filesvc.server.files.times import ChangeTimes
    from filesvc.server.settings import Settings, Share
    from filesvc.server.state.node import FileNode, NodeTable
    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Channel, Session
    from filesvc.server.state.tree import TreeConnect
    from filesvc.server.troubles import Troubles
    from filesvc.server.turn import Turn
    from filesvc.smb2.messages.negotiate import Dialect
    from filesvc.smb2.protection.encryption import EncryptionAlgorithm
    from filesvc.smb2.protection.signing import SigningAlgorithm
    from filesvc.zerocopy.data_path import DataPath
    from filesvc.zerocopy.workers import InThread


class Cache(Enum):
    """What a client caches with; the value is what operators read."""

    OPLOCK = "oplock"
    LEASE = "lease"


class Notice(Protocol):
    """Something that a client is told without having asked."""

    def connection_lost(self) -> None:
        """The connection that it was sent on is gone."""


class Carrier(Protocol):
    """
    A connection, as sessions, breaks and the server see it.

    @ivar peer: the client's address, as it stands in the log.
    @ivar channels: the sessions that it carries, by id.
    @ivar notices: what was sent that no request asked for, and goes out on another connection if this one is lost.
    @ivar lost: it is gone, or about to be: nothing is received or sent any more.
    """

    peer: str
    dialect: Dialect | None
    cipher: EncryptionAlgorithm | None
    signing_algorithm: SigningAlgorithm
    channels: dict[int, Channel]
    notices: list[Notice]
    lost: bool

    def serves(self, client_guid: UUID) -> bool:
        """Whether it is a connection of that client's."""

    def notify(self, cache: Cache, body: bytes, session: Session) -> None:
        """Send an OPLOCK_BREAK that no request asked for; encrypted if all of the session is."""

    def abort(self, reason: str) -> None:
        """Close at once, because of something the client did."""

    def finish(self, now: bool) -> None:
        """Take no more requests, and close when all replies have left; or C{now}."""

    def end_if_vanished(self, silence_s: float, unanswered: int = PROBES) -> None:
        """Close if the client is gone without a word for so long, and what it was sent so often was never acknowledged."""


class ChangeListener(Protocol):
    """Is told of the changes that opens make (MS-FSA 2.1.4.1)."""

    def added(self, open: Open, node: FileNode) -> None:
        """A file, directory or stream was made: what is open, or the file of the stream that is."""

    def linked(self, open: Open, path: Path) -> None:
        """A file got one more name."""

    def removed(self, open: Open, node: FileNode, path: Path) -> None:
        """The stream that was open was removed, or a name of the file or directory."""

    def modified(self, open: Open, completion_filter: int) -> None:
        """What is known of a file or directory was changed, or the data of a stream."""

    def renamed(self, open: Open, old: Path) -> None:
        """A file or directory was renamed."""

    def stream_renamed(self, open: Open, old: Path) -> None:
        """A stream was renamed."""

    def will_be_modified(self, open: Open, completion_filter: int) -> None:
        """A file is about to be changed, which is told when that is done for good, at the latest when an open of it is closed."""

    def tell_pending(self, open: Open) -> None:
        """A file was changed for good, or an open of one that still is there closed: now is told what was put off."""

    def deleting(self, node: FileNode) -> None:
        """A directory is going to be removed: nobody need wait for changes in it."""


class DirectoryListener(Protocol):
    """Is told what happens to directories, of which clients cache the entries (MS-FSA 2.1.4.12)."""

    async def changed(self, tree: TreeConnect, directory: Path, session: Session, parent_key: bytes | None) -> None:
        """What is in a directory changed, in a session whose client has the directory's lease itself if it gave that lease's key."""

    def moved(self, open: Open, before: Path) -> None:
        """A directory has another name."""


class OpenKeeper(Protocol):
    """Keeps opens over a restart of the server (MS-SMB2 3.3.5.9.10, Open.IsPersistent)."""

    async def save(self, open: Open) -> None:
        """
        Return when an open is on disk as it is.

        @raise OSError: it cannot be.
        """

    async def forget(self, open: Open) -> None:
        """Return when nothing of an open is left."""


class Services(Protocol):
    """
    The server, as its tables see it.

    @ivar data_path: holds leases of the kernel's, which are in the way of an open to write.
    @ivar in_thread: calls what may wait for a disk.
    @ivar turn: how long the reactor works for clients before others have their turn.
    """

    settings: Settings
    reactor: Any
    in_thread: InThread
    turn: Turn
    nodes: NodeTable
    open_ids: Iterator[int]
    change_times: ChangeTimes
    short_names: ShortNames
    troubles: Troubles
    data_path: DataPath

    @property
    def waiting_opens(self) -> set[Open]:
        """Those that wait for their clients to come back."""

    @property
    def notifier(self) -> ChangeListener:
        """Who is told of changes."""

    @property
    def directory_leases(self) -> DirectoryListener:
        """Who is told of changed directories."""

    @property
    def persistence(self) -> OpenKeeper | None:
        """What keeps opens over a restart, if anything does."""

    def threads(self, share: Share) -> ThreadPool:
        """The threads in which the blocking store of a share is called."""

    def show(self, key: NodeKey, stat: Stat) -> None:
        """Put what clients are to see of a file in the place of what is true."""
