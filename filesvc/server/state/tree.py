"""Tree connects: a session's use of a share (MS-SMB2 3.3.1.9)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from twisted.internet.threads import deferToThreadPool

from filesvc.interfaces import FileIdentity, IDescriptorFile, IFileStore, IOpenFile, IOverlappingStore, Path, TakesLong
from filesvc.server.files.identity import NodeKey, link_at
from filesvc.zerocopy.workers import fired_by

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from filesvc.server.settings import Share
    from filesvc.server.state.node import FileNode
    from filesvc.server.state.services import Services
    from filesvc.server.state.session import Session

P = ParamSpec("P")
T = TypeVar("T")


_UINT64 = 0xFFFFFFFFFFFFFFFF
_MOUNTED = 1 << 63
"""Set in numbers that are made, which keeps them apart from the inodes of nearly all file systems."""
MANY_BYTES = 16 << 20
"""Bytes that a file system may take some milliseconds to give a file, or to take from it."""


@dataclass(slots=True, eq=False)
class TreeConnect:
    """
    A session's use of one share; C{share} is C{None} for IPC$.

    @ivar device: the file system of the share's folder, where it is known.
    """

    tree_id: int
    session: Session
    server: Services
    share: Share | None
    maximal_access: int
    device: int | None = None
    _volume_serial: int | None = None

    @property
    def must_encrypt(self) -> bool:
        """Whether requests must be encrypted."""
        return self.share is not None and self.share.encrypt

    @property
    def is_continuous(self) -> bool:
        """Whether handles may be persistent (Share.IsCA), of clients that know of such."""
        return self.share is not None and self.share.continuous and self.server.persistence is not None

    @property
    def backup_size(self) -> int:
        """How much backups may take, in bytes, if that is bounded; else 0."""
        return 0 if self.share is None else self.share.time_machine_size

    @property
    def is_access_based(self) -> bool:
        """Whether listings leave out what the user may not read."""
        return self.share is not None and self.share.access_based

    @property
    def store(self) -> IFileStore:
        """The store behind; only for trees of files."""
        assert self.share is not None
        store: IFileStore = self.share.store
        return store

    async def volume_serial(self) -> int:
        """The number of the volume behind, the same wherever clients are told one."""
        if self._volume_serial is None:
            self._volume_serial = (await self.run(self.store.volume)).serial
        return self._volume_serial

    def file_number(self, identity: FileIdentity) -> int:
        """
        The number by which a client is to tell a file from others of the share: its inode's. What is mounted below has inodes of the same
        numbers, so the device goes into those.

        Macs take one for a number that no file has ever again, which an inode's is not; zero has them make numbers of their own.
        """
        if self.session.is_mac:
            return 0
        if identity.device == self.device or self.device is None:
            return identity.inode & _UINT64
        return _MOUNTED | int.from_bytes(blake2b(b"%d:%d" % identity, digest_size=8).digest(), "little")

    async def node_at(self, path: Path) -> FileNode | None:
        """What is open of the file or directory at a path, in any case of the letters, through whatever store."""
        store, nodes = self.store, self.server.nodes
        if IOverlappingStore.providedBy(store):
            try:
                identity = await self.run(store.identity, path)
            except OSError:
                return None
            return nodes.find(NodeKey(store.space, identity))
        folded = [name.casefold() for name in path]
        opens = (one for node in nodes for one in node.opens if one.tree.store is store)
        return next((one.node.file for one in opens if [name.casefold() for name in one.path] == folded), None)

    async def link_at(self, path: Path) -> Hashable:
        """The name at a path, as L{node.link_at} has it."""
        try:
            return await self.run(link_at, self.store, path)
        except OSError:
            # Its directory is not where it was, so nobody else comes by this name.
            return self.store, path

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store or of a file in it: here, or in the share's threads where the store may block."""
        assert self.share is not None
        server = self.server
        while True:
            try:
                if not self.share.store.blocking:
                    return call(*args, **kwargs)
                return await deferToThreadPool(server.reactor, server.threads(self.share), call, *args, **kwargs)
            except TakesLong as error:
                ready = error.ready
            await fired_by(ready, server.reactor)

    async def run_in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same in a thread in any case, for what is known to take long."""
        if self.store.blocking:
            return await self.run(call, *args, **kwargs)
        while True:
            try:
                return await self.server.in_thread(partial(call, *args, **kwargs))
            except TakesLong as error:
                ready = error.ready
            await fired_by(ready, self.server.reactor)

    async def close_unnamed(self, file: IOpenFile) -> None:
        """Close a file that may have lost its last name: if it has, all that it takes on the disk is freed now."""
        allocation = 0
        if IDescriptorFile.providedBy(file):
            with suppress(OSError):
                allocation = (await self.run(file.stat)).allocation
        run = self.run_in_thread if allocation >= MANY_BYTES else self.run
        await run(file.close)
