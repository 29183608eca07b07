"""Opens: a session's use of a file or a pipe (MS-SMB2 3.3.1.10)."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import time_ns
from typing import TYPE_CHECKING, ParamSpec, TypeAlias, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.interfaces import FileAttributes, IDescriptorFile, IFileStore, IOpenFile, ISpecialFileStore, Kind, Path, Stat, Times
from filesvc.printable import printed
from filesvc.server.access.privileges import privileged_rights
from filesvc.server.errors import StatusError
from filesvc.server.files.names import join_name
from filesvc.server.files.streams import StreamFile, shown
from filesvc.server.files.time_machine import backup_space
from filesvc.server.state import deletion
from filesvc.server.state.channel_sequence import ChannelSequence
from filesvc.server.state.lock_sequence import LockSequences
from filesvc.server.state.node import DATA, FileNode, Removal, has_much_to_free
from filesvc.server.state.tree import MANY_BYTES
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.zerocopy.readahead import Sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from filesvc.auth.acceptor import Conversation
    from filesvc.rpc.dcerpc import RpcConnection
    from filesvc.server.files.listing import Enumeration
    from filesvc.server.state.caching import Holder
    from filesvc.server.state.durability import Durability
    from filesvc.server.state.origin import Application, Origin
    from filesvc.server.state.session import Session
    from filesvc.server.state.tree import TreeConnect
    from filesvc.smb2.file_id import FileId

log = Logger(observer=printed)

P = ParamSpec("P")
T = TypeVar("T")

MAX_OFFSET = 0x7FFFFFFFFFFFFFFF
"""The last offset that a request may name."""
MAX_FILE_SIZE = 0xFFFFFFF0000
"""How large a file may become: NTFS's limit, which clients count on."""

MODES = 0x100E
"""
The create options that make an open's mode: WRITE_THROUGH, SEQUENTIAL_ONLY, NO_INTERMEDIATE_BUFFERING, DELETE_ON_CLOSE (MS-FSA 2.1.5.1).
The two SYNCHRONOUS_IO options of a CREATE are ignored (MS-SMB2 2.2.13).
"""

CLUSTER = 4096
"""The unit of allocation that clients are told of."""


@dataclass(slots=True, eq=False)
class Open:
    """
    An open file or directory; C{descriptor} is there if its store gives one.

    @ivar refusal: what the host refused first while it was closed: to remove the file, or to keep what had been written.
    """

    file_id: FileId
    session: Session
    tree: TreeConnect
    file: IOpenFile
    node: FileNode
    descriptor: int | None
    granted_access: int
    share_access: int
    create_options: int
    delete_on_close: bool = False
    enumeration: Enumeration | None = None
    holder: Holder | None = None
    sequence: Sequence = field(default_factory=Sequence)
    lock_sequences: LockSequences = field(default_factory=LockSequences)
    channel_sequence: ChannelSequence = field(default_factory=ChannelSequence)
    posix: bool = False
    origin: Origin | None = None
    application: Application | None = None
    durability: Durability | None = None
    position: int = 0
    mode: int = field(init=False)
    has_written: bool = False
    keeps_write_time: bool = False
    keeps_change_time: bool = False
    closed: bool = False
    refusal: OSError | None = None
    _in_threads: int = 0
    _idle: Deferred[None] | None = None
    on_close: list[Callable[[], None]] = field(default_factory=list)
    _listing: DeferredLock | None = None

    def __post_init__(self) -> None:
        self.mode = self.create_options & MODES

    @property
    def listing(self) -> DeferredLock:
        """What lets one request at a time go on with the enumeration."""
        if self._listing is None:
            self._listing = DeferredLock()
        return self._listing

    @property
    def store(self) -> IFileStore:
        """The store of the file, as the client's names are meant in it."""
        store = self.tree.store
        exact: IFileStore = store.exact if self.posix and ISpecialFileStore.providedBy(store) else store
        return exact

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.file.kind is Kind.DIRECTORY

    @property
    def path(self) -> Path:
        """Where it was opened, or has been renamed to since."""
        path: Path = self.file.path
        return path

    @property
    def full_path(self) -> Path:
        """The same, with the name of the stream behind that of the file."""
        if not isinstance(self.file, StreamFile):
            return self.path
        *above, name = self.path or ("",)
        return (*above, f"{name}:{shown(self.file.name)}")

    @property
    def privileged_rights(self) -> int:
        """The rights that it has whatever a descriptor says."""
        return privileged_rights(self.create_options, self.session.token)

    def require(self, access: int) -> None:
        """
        Go on only if one of the rights in C{access} was granted.

        @raise StatusError: ACCESS_DENIED.
        """
        if not self.granted_access & access:
            raise StatusError(Status.ACCESS_DENIED)

    @property
    def is_busy(self) -> bool:
        """Whether something goes on in the file for this open."""
        return bool(self._in_threads)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keep the file open while a thread may be in one of its methods, or data comes into it."""
        self._in_threads += 1
        try:
            yield
        finally:
            self._in_threads -= 1
            if not self._in_threads and self._idle is not None:
                idle, self._idle = self._idle, None
                idle.callback(None)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Call a method of the file, or of the store that it is in, as L{TreeConnect.run} does; the file stays open meanwhile.

        @raise StatusError: FILE_CLOSED. It was closed since the last time.
        """
        self._require_open()
        with self.busy():
            return await self.tree.run(call, *args, **kwargs)

    async def run_in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        The same for what takes long with a real file: in a thread, unless the file is none. What else takes long its store knows.

        @raise StatusError: FILE_CLOSED.
        """
        if self.descriptor is None and not isinstance(self.file, StreamFile):
            return await self.run(call, *args, **kwargs)
        self._require_open()
        with self.busy():
            return await self.tree.run_in_thread(call, *args, **kwargs)

    async def run_up_to(self, end: int, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for what reads or changes a file that has no descriptor, up to an offset: in a thread if that concerns a disk."""
        run = self.run_in_thread if isinstance(self.file, StreamFile) and await self.run(self.file.takes_long, end) else self.run
        return await run(call, *args, **kwargs)

    async def run_sized(self, size: int, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for what gives the file C{size} bytes, or takes them from it: in a thread if they are many, or may have to be moved."""
        if isinstance(self.file, StreamFile):
            return await self.run_up_to(size, call, *args, **kwargs)
        run = self.run_in_thread if size >= MANY_BYTES else self.run
        return await run(call, *args, **kwargs)

    def _require_open(self) -> None:
        if self.closed:
            raise StatusError(Status.FILE_CLOSED)

    async def stat(self) -> Stat:
        """What clients are to see of the file now."""
        return self.shown(await self.run(self.file.stat))

    def shown(self, stat: Stat) -> Stat:
        """What clients are to see of the file, of what is true."""
        self.tree.server.show(self.node.key, stat)
        return stat

    def put_aside(self, size: int) -> None:
        """A client set the allocation: tell that size, in whole clusters, as long as the file is open and no larger."""
        self.node.put_aside = -(-size // CLUSTER) * CLUSTER

    async def before_write(self) -> None:
        """The file is about to be written to. Who caches the directory hears of it when the open ends."""
        self.has_written = True
        await self.before_change()

    async def before_change(self) -> None:
        """The file's data is about to change by this open, and with it its times, unless those are kept (MS-FSA 2.1.4.17)."""
        self.tree.server.notifier.will_be_modified(self, DATA)
        await self.note_modified()

    async def note_modified(self) -> None:
        """
        The same for who tells watchers otherwise. The file system changes times by itself; what this open keeps is shown in the place of
        the true times until it ends or lets them go.
        """
        file = self.node.file
        if not file.archived:
            await self.set_archive()
        if not self.keeps_change_time:
            file.kept_change_time = None
        elif file.kept_change_time is None:
            file.kept_change_time = (await self.stat()).changed
        if self.keeps_write_time:
            if file.kept_write_time is None:
                file.kept_write_time = (await self.run(self.file.stat)).written
            return
        file.kept_write_time = None
        if self.node.base is not None:
            # To the file system, a stream is none of the file's data.
            with suppress(OSError):
                await self.run(self.file.set_times, Times(written=time_ns()))

    async def set_archive(self) -> None:
        """The file has changed since the last backup. Where nothing keeps the attribute that says so, nobody misses it."""
        if self.node.file.archived:
            return
        self.node.file.archived = True
        with suppress(OSError):
            attributes = (await self.run(self.file.stat)).attributes
            if not attributes & FileAttributes.ARCHIVE:
                self.tree.server.notifier.will_be_modified(self, CompletionFilter.ATTRIBUTES)
                await self.run(self.file.set_attributes, attributes | FileAttributes.ARCHIVE)

    async def free_write_time(self) -> None:
        """
        From now on it changes with what is written by this open; what was shown until now is made true.

        @raise OSError: it cannot be set.
        """
        kept = self.node.file.kept_write_time
        if self.keeps_write_time and kept is not None and not any(other.keeps_write_time for other in self._others):
            self.node.file.kept_write_time = None
            await self.tree.run(self.file.set_times, Times(written=kept))

    async def free_change_time(self) -> None:
        """The same for the change time, which no file system can be told: what was shown stays until the file changes."""
        kept = self.node.file.kept_change_time
        if self.keeps_change_time and kept is not None and not any(other.keeps_change_time for other in self._others):
            self.node.file.kept_change_time = None
            self.tree.server.change_times.set(self.node.file.key, kept, await self.tree.run(self.file.stat))

    @property
    def _others(self) -> Iterator[Open]:
        return (other for other in self.node.all_opens if other is not self)

    @property
    def parent_key(self) -> bytes | None:
        """The key of the lease that the client has of the directory, if it has."""
        return self.holder.parent_key if self.holder is not None else None

    async def entries_changed(self, path: Path) -> None:
        """By this open, a directory entry came, went, or tells something else now."""
        if path:
            await self.tree.server.directory_leases.changed(self.tree, path[:-1], self.session, self.parent_key)

    def note_refusal(self, error: OSError) -> None:
        """The end of the open goes on after what the host refuses; who waits to hear of it does."""
        log.info("closing {path}: {error}", path=join_name(self.full_path), error=error)
        self.refusal = self.refusal or error

    async def close(self) -> None:
        """
        End the open: give back its locks and its room, and remove the file if it was the last open of one to be deleted.

        What the host refuses of that is its C{refusal}; the open has ended all the same.
        """
        if self.closed:
            return
        self.closed = True
        self.session.opens.pop(self.file_id.volatile, None)
        node, tree = self.node, self.tree
        for notify in self.on_close:
            notify()
        node.locks.release(self)
        if self.delete_on_close:
            await deletion.begin_on_close(self)
        if self._in_threads:
            # It counts until then: nobody is to open meanwhile what will be removed.
            self._idle = Deferred()
            await self._idle
        ended = tree.server.nodes.detach(self)
        removed: list[Removal] = []
        try:
            removed = await deletion.carry_out(self, ended)
            if self.has_written and not removed:
                await self.entries_changed(self.path)
        finally:
            await self._stop_listing()
            owes = not removed and node.file in ended and bool(node.file.reservation.owed)
            unused = await self._give_back_room_at_last() if owes else None
            try:
                await self.free_write_time()
                await self.free_change_time()
            except OSError as error:
                self.note_refusal(error)
            self.descriptor = None
            try:
                await (tree.close_unnamed(self.file) if removed else tree.run(self.file.close))
            except OSError as error:
                self.note_refusal(error)
            if unused is not None:
                await self._release_room(unused)
                os.close(unused)
            deletion.tell(self, removed)
            if not removed:
                tree.server.notifier.tell_pending(self)
            if self.holder is not None:
                self.holder.release(self)
            if self.durability is not None and self.durability.persistent and tree.server.persistence is not None:
                await tree.server.persistence.forget(self)

    async def find_backup_room(self, end: int) -> None:
        """
        In a share that bounds what backups may take, see that the file may be as long as C{end}. What there is is counted when files
        have grown by as much as was left the last time; what is on its way into other files meanwhile is not counted.

        @raise StatusError: DISK_FULL, or FILE_CLOSED.
        @raise OSError: it cannot be counted.
        """
        before = (await self.run(self.file.stat)).size
        if self.is_directory or end <= before:
            return
        store = self.tree.store
        space = backup_space(store, self.tree.backup_size)
        if end - before > space.left:
            with self.busy():
                space.left = space.size - await self.tree.run_in_thread(space.used, store)
            if space.left < space.needed(self.path, before, end):
                raise StatusError(Status.DISK_FULL)
        space.left -= end - before

    async def allocate(self, size: int) -> None:
        """
        Have room for the first C{size} bytes of the file, and for no more beyond its end (MS-FSA 2.1.5.15.1).

        @raise OSError: there is none; the file has what it had.
        @raise StatusError: DISK_FULL, or FILE_CLOSED.
        """
        if self.tree.backup_size:
            await self.find_backup_room(size)
        node, descriptor = self.node, self.descriptor
        if descriptor is None:
            await self.run_sized(size, self.file.allocate, size)
        else:
            if node.reservation.owed > size:
                node.give_back_room(descriptor)
            owed = node.reservation.owed
            try:
                await self.run_sized(size, node.reservation.allocate, descriptor, size)
            except OSError:
                node.give_back_more_than(owed, descriptor)
                raise
        self.put_aside(size)

    def give_back_room(self) -> None:
        """The client is away, and may come back: what was reserved for its writes is given back, not what it set the allocation to."""
        descriptor = self.descriptor
        if descriptor is not None and self.file.writable and os.fstat(descriptor).st_size >= self.node.put_aside:
            self.node.give_back_room(descriptor)

    async def _give_back_room_at_last(self) -> int | None:
        """
        The file is open no more: give back what it does not use.

        @return: a descriptor with which to do so once the open's own is closed. Who could not write may be the last as well, but the lease
            that it takes is not given beside such a descriptor.
        """
        file = self.file.base if isinstance(self.file, StreamFile) else self.file
        if not IDescriptorFile.providedBy(file):
            return None
        if file.writable:
            await self._release_room(file.fileno())
        elif self.tree.maximal_access & AccessMask.FILE_WRITE_DATA:
            with suppress(OSError):
                return os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        return None

    async def _release_room(self, descriptor: int) -> None:
        run = self.tree.run_in_thread if has_much_to_free(descriptor) else self.tree.run
        await run(self.node.file.reservation.release, descriptor)

    async def link(self) -> Hashable:
        """The name of the file that it was opened by; for a stream, that of its file."""
        return await self.tree.link_at(self.path)

    async def _stop_listing(self) -> None:
        """The directory may be being listed in a thread."""
        if self.enumeration is not None:
            await self.listing.acquire()
            await self.tree.run(self.enumeration.close)
            self.listing.release()


@dataclass(slots=True, eq=False)
class PipeOpen:
    """
    An open pipe of IPC$; one request at a time speaks with its service. C{broken}: its client wrote what is no RPC. C{readers} wait for
    something to read, or for the end. C{conversation} is its client's proof of who it is, as long as that goes on.
    """

    file_id: FileId
    session: Session
    tree: TreeConnect
    name: str
    rpc: RpcConnection
    conversation: Conversation | None = None
    broken: bool = False
    closed: bool = False
    turn: DeferredLock = field(default_factory=DeferredLock)
    readers: list[Deferred[None]] = field(default_factory=list)

    def wait_to_read(self) -> Deferred[None]:
        """Wait until it is worth while to look again."""
        reader: Deferred[None] = Deferred(self._forget)
        self.readers.append(reader)
        return reader

    def _forget(self, reader: Deferred[None]) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def wake_readers(self) -> None:
        """Something changed for those who wait to read; who finds nothing waits again, in the order of before."""
        readers, self.readers = self.readers, []
        for reader in readers:
            if not reader.called:
                reader.callback(None)

    async def close(self) -> None:
        """End the open, and the wait of who reads."""
        self.closed = True
        self.session.opens.pop(self.file_id.volatile, None)
        self.wake_readers()


AnyOpen: TypeAlias = Open | PipeOpen
