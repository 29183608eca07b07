"""Opening and making files for CREATE, up to the point where the open exists (MS-FSA 2.1.5.1)."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.interfaces import (
    Creation,
    FileAttributes,
    ICompressibleFile,
    IDescriptorFile,
    IOpenFile,
    Kind,
    ParentNotFound,
    Stat,
)
from filesvc.server.access.audit import audit
from filesvc.server.access.inheritance import create_descriptor
from filesvc.server.access.mode_descriptors import descriptor_mode
from filesvc.server.access.ownership import has_list
from filesvc.server.access.privileges import audit_privilege, privileged_rights
from filesvc.server.access.rights import OVERWRITES, TOUCHES_DATA, WRITES_DATA, desired_rights, granted_rights
from filesvc.server.errors import StatusError
from filesvc.server.files import stream_access
from filesvc.server.files.attributes import kept_attributes
from filesvc.server.files.extended_attributes import remove_extended_attributes
from filesvc.server.files.foreign_streams import ForeignStreams
from filesvc.server.files.stream_access import has_sidecars, node_key
from filesvc.server.files.streams import StreamFile, stream_key
from filesvc.server.operations.finding import Finder, check_kind, check_named_kind, check_writable, settled_options
from filesvc.server.operations.posix import settable_mode
from filesvc.server.state import deletion, durability
from filesvc.server.state import share_modes as sharemode
from filesvc.server.state.caching import Holder, Operation, Wait
from filesvc.server.state.node import DATA, FileNode
from filesvc.server.state.open import Open
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.smb2.messages.create import CreateAction, CreateDisposition, CreateOptions

if TYPE_CHECKING:
    from collections.abc import Hashable

    from twisted.internet.defer import Deferred

    from filesvc.dtyp.security_descriptor import SecurityDescriptor
    from filesvc.server.files.identity import NodeKey
    from filesvc.server.files.names import FileName
    from filesvc.server.operations.caching_request import CachingRequest
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.tree import TreeConnect

_OVERWRITES = frozenset({CreateDisposition.SUPERSEDE, CreateDisposition.OVERWRITE, CreateDisposition.OVERWRITE_IF})
_ONLY_EXISTING = frozenset({CreateDisposition.OPEN, CreateDisposition.OVERWRITE})
_MAXIMUM_ALLOWED = int(AccessMask.MAXIMUM_ALLOWED)
_NOT_OF_READONLY = int(WRITES_DATA | AccessMask.FILE_DELETE_CHILD)
_DELETE_ON_CLOSE = int(CreateOptions.DELETE_ON_CLOSE)
_DIRECTORY_FILE = int(CreateOptions.DIRECTORY_FILE)
_OPEN_REPARSE_POINT = int(CreateOptions.OPEN_REPARSE_POINT)
_NO_COMPRESSION = int(CreateOptions.NO_COMPRESSION)
_READONLY = int(FileAttributes.READONLY)
_TEMPORARY = int(FileAttributes.TEMPORARY)
_MUST_BE_NAMED = int(FileAttributes.HIDDEN | FileAttributes.SYSTEM)
"""What a request to overwrite a file must say it has."""
_NOT_FOR_WRITING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY})
"""What the system says of files that can be opened, but not to be written."""
_MAX_RACES = 10
"""How often a file may be made or deleted by others between our looking for it and our making it."""


@dataclass(slots=True)
class OpenAttempt:
    """
    One attempt to open a file: what is wanted, and how far it came.

    @ivar wait: lets the client wait for others who give way.
    @ivar follows_links: the client does so itself, and wants to know of each.
    @ivar posix_mode: the permissions of what is made; there if names are POSIX's.
    @ivar found: what the file was like when it was opened, if it was there and has not been changed.
    """

    wait: Wait
    descriptors: Descriptors
    tree: TreeConnect
    name: FileName
    desired_access: int
    share_access: int
    disposition: int
    options: int
    attributes: int
    allocation: int = 0
    descriptor: SecurityDescriptor | None = None
    caching: CachingRequest | None = None
    violates_sharing: bool = False
    found: Stat | None = None
    link: Hashable | None = None
    follows_links: bool = False
    posix_mode: int | None = None

    @property
    def finder(self) -> Finder:
        """How the client wants what its name leads to."""
        return Finder(self.tree, bool(self.options & _OPEN_REPARSE_POINT), self.follows_links, self.posix_mode is not None, self.wait)

    @property
    def overwrites(self) -> bool:
        """Whether what is there would lose its data."""
        return self.disposition in _OVERWRITES

    async def open(self) -> tuple[Open, CreateAction]:
        """
        Open what is there, or make it, as the disposition says.

        @raise StatusError: it cannot be.
        @raise OSError: the store says no.
        """
        self.options = settled_options(self.name, self.options)
        if self.name.stream is not None and not (await self.tree.run(self.tree.store.volume)).xattrs:
            raise StatusError(Status.OBJECT_NAME_INVALID)
        rights = desired_rights(self.desired_access, self.tree.session.token)
        granted_rights(rights, self.tree.maximal_access)
        if self.disposition in _ONLY_EXISTING:
            return await self._open_only(rights)
        try:
            return await (self._make(rights) if self.disposition == CreateDisposition.CREATE else self._open_or_make(rights))
        except ParentNotFound:
            await self.finder.explain(self.name.path)
            raise

    async def _open_only(self, rights: int) -> tuple[Open, CreateAction]:
        """OPEN and OVERWRITE: look again each time that others had to give way."""
        while (opened := await self._open_existing(rights)) is None:
            pass
        return opened

    async def _open_or_make(self, rights: int) -> tuple[Open, CreateAction]:
        """OPEN_IF, OVERWRITE_IF and SUPERSEDE. Others may make the file, or delete it, between our looking for it and our making it."""
        for _ in range(_MAX_RACES):
            try:
                return await self._open_only(rights)
            except ParentNotFound:
                raise
            except FileNotFoundError:
                pass
            try:
                return await self._make(rights)
            except FileExistsError:
                pass
        # It can neither be opened nor made, as a name whose file is being deleted.
        raise StatusError(Status.DELETE_PENDING)

    async def _open_existing(self, rights: int) -> tuple[Open, CreateAction] | None:
        """Open what is there; C{None} if others who cache it had to give way first, so that all may be different now."""
        file = await self._open_to_use(rights)
        try:
            stat = await self.tree.run(file.stat)
            if stat.reparse_tag and not self.name.stream:
                await self.finder.check(file)
            self._check_existing(file, stat, rights)
            await self._find_link(file, stat)
            key = node_key(self.tree.store, file)
            granted = await self._check_access(file, stat, rights)
            if self.options & _DELETE_ON_CLOSE:
                await deletion.check_removable(self.tree, file)
            waits = self._make_way(key, granted)
            open = self._enter(file, self.tree.server.nodes.get(key), granted) if waits is None else None
        except BaseException:
            await self.tree.run(file.close)
            raise
        if open is None:
            await self.tree.run(file.close)
            assert waits is not None
            for wait in waits:
                await self.wait(wait)
            return None
        open.node.file.archived = bool(stat.attributes & FileAttributes.ARCHIVE)
        if not self.overwrites:
            self.found = stat
            open.node.find_left_over(stat)
            return open, CreateAction.OPENED
        try:
            await open.note_modified()
            await self._overwrite(open, stat.size)
        except BaseException:
            await open.close()
            raise
        self.tree.server.notifier.modified(open, CompletionFilter.ATTRIBUTES | DATA)
        return open, CreateAction.SUPERSEDED if self.disposition == CreateDisposition.SUPERSEDE else CreateAction.OVERWRITTEN

    async def _open_to_use(self, rights: int) -> IOpenFile:
        """Open what is there, for writing if that is wanted. Who wants all that is possible has what the system allows."""
        if self.name.stream:
            return await self._open_stream(self.name.stream)
        if rights & WRITES_DATA or self.overwrites:
            return await self._open_file(True)
        if rights & _MAXIMUM_ALLOWED and self.tree.maximal_access & WRITES_DATA:
            try:
                return await self._open_file(True)
            except OSError as error:
                if error.errno not in _NOT_FOR_WRITING:
                    raise
        return await self._open_file(False, rights)

    async def _check_access(self, file: IOpenFile, stat: Stat, rights: int) -> int:
        """The rights granted on what is there (MS-FSA 2.1.5.1.2.1)."""
        descriptor, allowed = await self.descriptors.access(self.tree, file, stat)
        maximal = allowed | self._privileged
        if file.kind is not Kind.DIRECTORY and rights & _MAXIMUM_ALLOWED:
            if stat.attributes & _READONLY:
                maximal &= ~_NOT_OF_READONLY
            elif not file.writable:
                maximal &= ~WRITES_DATA
        try:
            granted = granted_rights(rights, maximal)
            if self.overwrites and OVERWRITES & ~maximal:
                raise StatusError(Status.ACCESS_DENIED)
            if self.options & _DELETE_ON_CLOSE and not granted & AccessMask.DELETE:
                raise StatusError(Status.ACCESS_DENIED)
        except StatusError:
            self._audit(descriptor, rights, False, file)
            raise
        self._audit(descriptor, granted, True, file)
        self._audit_privilege(self._demanded(granted) & maximal & ~allowed, file)
        return granted

    def _audit_privilege(self, rights: int, file: IOpenFile) -> None:
        if rights:
            assert self.tree.session.user is not None
            audit_privilege(rights, self.tree.session.user.name, file.path)

    @property
    def _privileged(self) -> int:
        """The rights that the open is to have whatever descriptors say."""
        return privileged_rights(self.options, self.tree.session.token) & self.tree.maximal_access

    def _audit(self, descriptor: SecurityDescriptor, rights: int, granted: bool, file: IOpenFile) -> None:
        session = self.tree.session
        assert session.user is not None
        audit(descriptor, self._demanded(rights), granted, session.token, session.user.name, file.path)

    async def _open_file(self, writable: bool, rights: int = TOUCHES_DATA) -> IOpenFile:
        """Open what is there; C{rights} say whether its data is wanted."""
        return await self.finder.open(self.name.path, rights, writable)

    def _check_existing(self, file: IOpenFile, stat: Stat, rights: int) -> None:
        check_named_kind(self.name, self.options, self.overwrites, file.kind is Kind.DIRECTORY)
        check_kind(file, stat, self.options, self.overwrites)
        check_writable(file, stat, rights, self.options, self.overwrites, self.posix_mode is not None)
        if self.overwrites:
            chosen = stat.attributes & ~stat.implied & _MUST_BE_NAMED
            if chosen & ~self.attributes:
                raise StatusError(Status.ACCESS_DENIED)

    async def _find_link(self, file: IOpenFile, stat: Stat) -> None:
        """Which of its names this is, if a file has more than one, for each is deleted alone."""
        several = file.kind is not Kind.DIRECTORY and stat.links > 1
        self.link = await self.tree.link_at(file.path) if several else None

    def _make_way(self, key: NodeKey, granted: int) -> list[Deferred[None]] | None:
        """
        Break what others cache, before share modes are looked at and after that (MS-FSA 2.1.5.1.2).

        @return: what to wait for before all is looked at again; C{None} if nothing was in the way.
        """
        node = self.tree.server.nodes.find(key)
        if node is None or node.is_unnamed(self.link):
            return None
        actor = self.caching.find() if self.caching is not None else None
        self._check_suspended(node, actor, granted)
        before = len(node.opens)
        waits = self._break_caches(node, actor, granted)
        # Opens whose clients are away do not wait: they end, and perhaps the file with them.
        return waits if waits or len(node.opens) < before else None

    def _check_suspended(self, node: FileNode, actor: Holder | None, granted: int) -> None:
        """
        A persistent open whose client is away is found as it was left (MS-SMB2 3.3.5.9). What its client does with the same lease does not
        change that, nor does who only looks at attributes if there is a lease.
        """
        for open in node.opens:
            holder = open.holder
            if holder is not None and (holder is actor or not (holder.is_oplock or self._demanded(granted) & ~holder.undisturbed)):
                continue
            if durability.is_suspended(open):
                raise StatusError(Status.FILE_NOT_AVAILABLE)

    def _break_caches(self, node: FileNode, actor: Holder | None, granted: int) -> list[Deferred[None]]:
        caching = node.caching
        if not caching.holders:
            return []
        demanded = self._demanded(granted)
        operation = Operation.OVERWRITE if self.overwrites else Operation.OPEN
        if caching.undisturbed_by(demanded):
            return []
        if caching.batch and (waits := caching.take(operation, actor)):
            return waits
        self.violates_sharing = self._is_in_use(node, demanded)
        return caching.take(Operation.OPEN_BREAK_H if self.violates_sharing else operation, actor)

    def _is_in_use(self, node: FileNode, demanded: int) -> bool:
        """Whether share modes forbid the open."""
        share = self.share_access
        return sharemode.conflicts(node.opens, demanded, share) or sharemode.conflict_over_deletion(node, demanded, share)

    def _demanded(self, granted: int) -> int:
        return granted | (AccessMask.FILE_WRITE_DATA if self.overwrites else 0)

    async def _make(self, rights: int) -> tuple[Open, CreateAction]:
        """Make it. Who does so may do with this open whatever was asked for, whatever the new descriptor says (MS-FSA 2.1.5.1.1)."""
        check_named_kind(self.name, self.options, self.overwrites, False)
        if self.options & _DIRECTORY_FILE and self.attributes & _TEMPORARY:
            raise StatusError(Status.INVALID_PARAMETER)
        if not self.tree.maximal_access & AccessMask.FILE_WRITE_DATA:
            raise StatusError(Status.ACCESS_DENIED)
        if self.attributes & _READONLY and self.options & _DELETE_ON_CLOSE and self.posix_mode is None:
            raise StatusError(Status.CANNOT_DELETE)
        if self.name.stream:
            return await self._make_stream(self.name.stream, rights)
        file = await self._make_file()
        try:
            open = self._enter(file, self._node_of(file), granted_rights(rights, self.tree.maximal_access))
        except BaseException:
            await self._unmake(file)
            raise
        open.node.archived = not open.is_directory
        self.tree.server.notifier.added(open, open.node)
        if self.allocation and not open.is_directory:
            await self._allocate(open)
        return open, CreateAction.CREATED

    async def _allocate(self, open: Open) -> None:
        """Give a new file the room that was asked for. That may take a while, in which its share mode counts already."""
        try:
            await open.allocate(self.allocation)
        except BaseException:
            open.delete_on_close = True
            await open.close()
            raise

    async def _make_file(self) -> IOpenFile:
        """Make a file or directory with all that goes with it."""
        if not self.name.path:
            raise StatusError(Status.OBJECT_NAME_COLLISION)
        tree = self.tree
        directory = bool(self.options & _DIRECTORY_FILE)
        kind = Kind.DIRECTORY if directory else Kind.FILE
        descriptor = await self._new_descriptor(directory)
        mode = descriptor_mode(descriptor, 0, directory) if has_list(descriptor) else None
        file = await tree.run(self.finder.store.open, self.name.path, Creation.NEW, kind, not directory, mode)
        try:
            await self.descriptors.keep_new(tree, file, descriptor)
            if self.posix_mode is not None:
                await tree.run(file.set_owner, None, None, settable_mode(self.posix_mode, directory))
            chosen = kept_attributes(self.attributes)
            if chosen:
                archive = 0 if directory else FileAttributes.ARCHIVE
                stat = await tree.run(file.stat)
                await tree.run(file.set_attributes, chosen | archive | stat.implied)
            if self.options & _NO_COMPRESSION and ICompressibleFile.providedBy(file):
                await tree.run(file.set_compressed, False)
        except BaseException:
            await self._unmake(file)
            raise
        return file

    async def _unmake(self, file: IOpenFile) -> None:
        tree = self.tree
        try:
            await tree.run(tree.store.remove, file)
        finally:
            await tree.run(file.close)

    async def _open_stream(self, stream: str) -> StreamFile:
        """Open a stream that is there."""
        base = await self._open_file(False)
        try:
            return await self._find_stream(base, stream)
        except BaseException:
            await self.tree.run(base.close)
            raise

    async def _find_stream(self, base: IOpenFile, stream: str) -> StreamFile:
        """The stream, the file's own or one that others have kept in another way; then all of those become its own."""
        tree = self.tree
        find = partial(stream_access.find, tree.store, base, stream, tree.session.is_mac)
        try:
            return await tree.run(find)
        except FileNotFoundError:
            foreign = await tree.run(ForeignStreams.of, tree.store, base)
            if stream_key(stream) not in map(stream_key, foreign.sizes()):
                raise
        await tree.run_in_thread(foreign.take_over, tree.store, base)
        return await tree.run(find)

    async def _make_stream(self, stream: str, rights: int) -> tuple[Open, CreateAction]:
        """Make a stream, and its file if there is none."""
        tree = self.tree
        try:
            base, made = await self._open_file(False), False
        except FileNotFoundError:
            base, made = await self._make_file(), True
        try:
            maximal = tree.maximal_access if made else await self._access_to_add(base)
            granted = granted_rights(rights, maximal)
            file = await tree.run(stream_access.make, tree.store, base, stream, tree.session.is_mac)
            try:
                open = self._enter(file, self._node_of(file), granted)
            except BaseException:
                await tree.run(file.remove)
                raise
        except BaseException:
            if made:
                await self._unmake(base)
            else:
                await tree.run(base.close)
            raise
        if made:
            open.node.file.archived = True
            tree.server.notifier.added(open, open.node.file)
        else:
            await open.set_archive()
        tree.server.notifier.added(open, open.node)
        return open, CreateAction.CREATED

    async def _access_to_add(self, base: IOpenFile) -> int:
        """All that the user may do with a file to add a stream to."""
        stat = await self.tree.run(base.stat)
        await self._find_link(base, stat)
        allowed = await self.descriptors.maximal_access(self.tree, base)
        maximal = allowed | self._privileged
        if stat.attributes & _READONLY or not maximal & AccessMask.FILE_WRITE_DATA:
            raise StatusError(Status.ACCESS_DENIED)
        self._audit_privilege(AccessMask.FILE_WRITE_DATA & ~allowed, base)
        return maximal

    async def _new_descriptor(self, directory: bool) -> SecurityDescriptor:
        """What the folder and the request make the new file's descriptor."""
        tree, path, descriptors = self.tree, self.name.path, self.descriptors
        await descriptors.require_addable(tree, path, directory, self._privileged)
        if self.descriptor is not None and not tree.maximal_access & AccessMask.WRITE_DAC:
            raise StatusError(Status.ACCESS_DENIED)
        return create_descriptor(await descriptors.of_folder(tree, path[:-1]), self.descriptor, tree.session.token, directory)

    async def _overwrite(self, open: Open, size: int) -> None:
        """The old data goes, with a file's streams and extended attributes, and the attributes are those of the request."""
        run, file = open.run, open.file
        if self.allocation:
            # Whether there is room is known before anything is lost.
            await open.allocate(self.allocation)
        await open.run_sized(size, file.truncate, 0)
        open.node.reservation.forget()
        if self.name.stream:
            return
        if await run(file.list_xattrs):
            run_long = open.run_in_thread if await run(has_sidecars, file) else run
            await run_long(stream_access.remove_all, self.tree.store, file)
            await run(remove_extended_attributes, file)
        stat = await run(file.stat)
        await run(file.set_attributes, kept_attributes(self.attributes) | FileAttributes.ARCHIVE | stat.implied)
        if self.allocation or open.node.reservation.owed:
            await open.allocate(self.allocation)
        else:
            open.put_aside(0)

    def _node_of(self, file: IOpenFile) -> FileNode:
        return self.tree.server.nodes.get(node_key(self.tree.store, file))

    def _enter(self, file: IOpenFile, node: FileNode, granted: int) -> Open:
        """Put the open into the tables, if what is open of the file already allows it."""
        tree, server = self.tree, self.tree.server
        if tree.session.trees.get(tree.tree_id) is not tree:
            raise StatusError(Status.NETWORK_NAME_DELETED)
        if node.is_unnamed(self.link):
            raise StatusError(Status.DELETE_PENDING)
        if self._is_in_use(node, self._demanded(granted)):
            raise StatusError(Status.SHARING_VIOLATION)
        number = next(server.open_ids)
        open = Open(
            FileId(number, number),
            tree.session,
            tree,
            file,
            node,
            file.fileno() if IDescriptorFile.providedBy(file) and file.kind is Kind.FILE else None,
            granted,
            self.share_access,
            self.options,
            delete_on_close=bool(self.options & _DELETE_ON_CLOSE),
            posix=self.posix_mode is not None,
        )
        server.nodes.attach(open)
        tree.session.opens[number] = open
        return open
