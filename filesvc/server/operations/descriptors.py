"""Where security descriptors are kept: with each file, as a named value of its store."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.security_descriptor import SecurityDescriptor
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import unix_gid, unix_uid
from filesvc.interfaces import Creation, IFileStore, IOpenFile, Kind, ParentNotFound, Path
from filesvc.server.access.inheritance import follow_descriptor
from filesvc.server.access.mode_descriptors import descriptor_mode, mode_descriptor
from filesvc.server.access.privileges import audit_privilege
from filesvc.server.access.rights import ALL, allowed_rights
from filesvc.server.errors import StatusError
from filesvc.store.names import DESCRIPTOR_XATTR

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.server.state.open import Open
    from filesvc.server.state.tree import TreeConnect

log = Logger()

_REMEMBER_S = 1.0
_REMEMBERED = 4096
_NONE_KEPT = frozenset({errno.ENODATA, errno.ENOTSUP, errno.EACCES, errno.EPERM})
_DELETE = int(AccessMask.DELETE)
_READ_ATTRIBUTES = int(AccessMask.FILE_READ_ATTRIBUTES)


class Descriptors:
    """
    The descriptors of all files of a server.

    A file without one has what its folder passes on; without one on any folder above either, it has none, and access is what the system
    allows the server. What a folder has is remembered for a second, so that opening a file in a share where nobody ever set one costs next
    to nothing.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._folders: dict[tuple[IFileStore, Path], SecurityDescriptor | None] = {}
        self._forget_at = 0.0

    async def of_file(self, tree: TreeConnect, file: IOpenFile) -> SecurityDescriptor | None:
        """The descriptor of an open file; C{None} if neither it nor a folder above has one."""
        kept = await self._kept(tree, file)
        if kept is not None or not (path := file.path):
            return kept
        above = await self.of_folder(tree, path[:-1])
        return None if above is None else follow_descriptor(above, file.kind is Kind.DIRECTORY)

    async def of_folder(self, tree: TreeConnect, path: Path) -> SecurityDescriptor | None:
        """
        The descriptor of the folder at a path.

        @raise ParentNotFound: there is no folder.
        """
        now = self._seconds()
        if now >= self._forget_at or len(self._folders) > _REMEMBERED:
            self.forget()
            self._forget_at = now + _REMEMBER_S
        folders, store = self._folders, tree.store
        following = []
        while (store, path) not in folders:
            try:
                kept = await self._kept_by_folder(tree, path)
            except PermissionError:
                folders[store, path] = None
                break
            if kept is not None or not path:
                folders[store, path] = kept
                break
            following.append(path)
            path = path[:-1]
        descriptor = folders[store, path]
        for path in reversed(following):
            if descriptor is not None:
                descriptor = follow_descriptor(descriptor, True)
            folders[store, path] = descriptor
        return descriptor

    async def _kept_by_folder(self, tree: TreeConnect, path: Path) -> SecurityDescriptor | None:
        try:
            folder = await tree.run(tree.store.open, path, Creation.EXISTING, Kind.DIRECTORY, False)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ParentNotFound(*error.args) from error
        try:
            return await self._kept(tree, folder)
        finally:
            await tree.run(folder.close)

    async def _kept(self, tree: TreeConnect, file: IOpenFile) -> SecurityDescriptor | None:
        try:
            value = await tree.run(file.get_xattr, DESCRIPTOR_XATTR)
        except OSError as error:
            if error.errno in _NONE_KEPT:
                return None
            raise
        try:
            return SecurityDescriptor.parse(memoryview(value))
        except MalformedMessage as error:
            log.error("{path}: its security descriptor makes no sense: {error}", path="/".join(file.path), error=error)
            raise StatusError(Status.FILE_CORRUPT_ERROR) from error

    async def maximal_access(self, tree: TreeConnect, file: IOpenFile) -> int:
        """All that the user of a tree connect may do with a file."""
        _, maximal = await self.access(tree, file)
        return maximal

    async def access(self, tree: TreeConnect, file: IOpenFile) -> tuple[SecurityDescriptor | None, int]:
        """
        The descriptor of a file, and all that it lets the user of a tree connect do (MS-FSA 2.1.5.1.2.1).

        Who may delete what is in a folder, or list it, may delete this file or read its attributes.
        """
        descriptor = await self.of_file(tree, file)
        if descriptor is None:
            return None, tree.maximal_access
        token = tree.session.token
        allowed = allowed_rights(descriptor, token)
        if file.path and (_DELETE | _READ_ATTRIBUTES) & ~allowed:
            in_folder = await self.folder_access(tree, file.path[:-1])
            if in_folder & AccessMask.FILE_DELETE_CHILD:
                allowed |= _DELETE
            if in_folder & AccessMask.FILE_LIST_DIRECTORY:
                allowed |= _READ_ATTRIBUTES
        return descriptor, allowed & tree.maximal_access

    async def folder_access(self, tree: TreeConnect, path: Path) -> int:
        """All that the user of a tree connect may do with a folder."""
        descriptor = await self.of_folder(tree, path)
        return tree.maximal_access & (ALL if descriptor is None else allowed_rights(descriptor, tree.session.token))

    async def require_addable(self, tree: TreeConnect, path: Path, directory: bool, privileged: int) -> None:
        """
        Go on only if the user of a tree connect may give a file the name C{path}, or make one there.

        @param privileged: the rights that the user has whatever the folder's descriptor says.
        @raise StatusError: DELETE_PENDING if the folder is to be deleted; ACCESS_DENIED.
        """
        if tree.server.nodes.any_pending:
            folder = await tree.node_at(path[:-1])
            if folder is not None and folder.delete_pending:
                raise StatusError(Status.DELETE_PENDING)
        right = AccessMask.FILE_ADD_SUBDIRECTORY if directory else AccessMask.FILE_ADD_FILE
        if await self.folder_access(tree, path[:-1]) & right:
            return
        if not privileged & tree.maximal_access & right:
            raise StatusError(Status.ACCESS_DENIED)
        assert tree.session.user is not None
        audit_privilege(int(right), tree.session.user.name, path[:-1])

    async def of_open(self, open: Open) -> SecurityDescriptor:
        """The descriptor to tell a client: the file's, else the one that says what its mode says."""
        with open.busy():
            descriptor = await self.of_file(open.tree, open.file)
        return descriptor or mode_descriptor(await open.stat(), open.session.token)

    async def keep_new(self, tree: TreeConnect, file: IOpenFile, descriptor: SecurityDescriptor) -> None:
        """Keep the descriptor of a file that was just made, with the mode that goes with it; a store that keeps none has the mode only."""
        try:
            await tree.run(file.set_xattr, DESCRIPTOR_XATTR, descriptor.encode())
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise

    async def keep_followed(self, open: Open) -> None:
        """
        A file that has what its folder passes on is about to get a name in another: it keeps what it has, whatever that one passes on.

        @raise OSError: it cannot.
        """
        tree, file = open.tree, open.file
        with open.busy():
            if await self._kept(tree, file) is None:
                descriptor = await self.of_file(tree, file)
                if descriptor is not None:
                    await self.keep_new(tree, file, descriptor)

    async def keep(self, open: Open, descriptor: SecurityDescriptor) -> None:
        """
        Change the descriptor of an open file, and its mode, owner and group as far as they can follow.

        To set the mode even where it stays is how the system is asked whether the server may decide about this file.

        @raise OSError: it may not, or there is no room.
        """
        run, file, token = open.run, open.file, open.session.token
        stat = await run(file.stat)
        await run(file.set_owner, None, None, descriptor_mode(descriptor, stat.mode, file.kind is Kind.DIRECTORY))
        try:
            with open.busy():
                await self.keep_new(open.tree, file, descriptor)
        except OSError:
            await run(file.set_owner, None, None, stat.mode)
            raise
        finally:
            self.forget()
        uid = unix_uid(token.account) if descriptor.owner == token.user else None
        gid = unix_gid(descriptor.group) if descriptor.group is not None else None
        if (uid is not None and uid != stat.uid) or (gid is not None and gid != stat.gid):
            with suppress(PermissionError):
                await run(file.set_owner, uid, gid, None)

    def forget(self) -> None:
        """A folder has changed its descriptor or its name: what is remembered, or being read now, counts no more."""
        self._folders = {}
