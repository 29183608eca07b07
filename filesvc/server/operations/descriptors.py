"""Where security descriptors are kept: with each file, as a named value of its store."""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.security_descriptor import SecurityControl, SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.interfaces import Creation, IFileStore, IOpenFile, IOverlappingStore, ISpecialFileStore, Kind, ParentNotFound, Path, Stat
from filesvc.server.access.inheritance import follow_descriptor
from filesvc.server.access.mode_descriptors import SET_ID, descriptor_mode, mode_descriptor
from filesvc.server.access.ownership import (
    UNREADABLE,
    effective_descriptor,
    encode_kept,
    follows,
    group_on_host,
    has_list,
    may_give_away,
    owner_on_host,
    parse_kept,
    says_all,
)
from filesvc.server.access.privileges import audit_privilege
from filesvc.server.access.rights import allowed_rights
from filesvc.server.errors import StatusError
from filesvc.server.files.streams import base_of
from filesvc.store.names import DESCRIPTOR_XATTR

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.dtyp.sid import Sid
    from filesvc.server.state.open import Open
    from filesvc.server.state.tree import TreeConnect


_REMEMBER_S = 1.0
_REMEMBERED = 4096
_SENSELESS = "{path}: its security descriptor makes no sense: {error}"
_UNREADABLE = "{path}: its security descriptor cannot be looked at, so nobody is let in: {error}"
_NONE_KEPT = frozenset({errno.ENODATA, errno.ENOTSUP})
_DELETE = int(AccessMask.DELETE)
_READ_ATTRIBUTES = int(AccessMask.FILE_READ_ATTRIBUTES)


class _Placed(NamedTuple):
    """The descriptor of a file or folder, and where it is."""

    descriptor: SecurityDescriptor
    place: Path


class Descriptors:
    """
    The descriptors of all files of a server.

    A file that keeps no list has what its folder passes on; without one on any folder above either, access is what the system allows the
    server. Folders are those that a file is in, not those that a client came by: a link gives nobody more. What a folder has is remembered
    for a second, so that opening a file in a share where nobody ever set one costs next to nothing.

    What cannot be looked at lets nobody in, and the log says so.
    """

    def __init__(self, seconds: Callable[[], float], machine: Sid) -> None:
        """
        @param machine: the server's SID, as L{ownership.encode_kept} wants it.
        """
        self._seconds = seconds
        self._machine = machine
        self._folders: dict[tuple[IFileStore, Path], _Placed] = {}
        self._forget_at = 0.0

    async def of_file(self, tree: TreeConnect, file: IOpenFile, stat: Stat | None = None) -> SecurityDescriptor:
        """
        The descriptor of an open file; one without a list if neither it nor a folder above has one.

        @param stat: what the file is like, if that is known.
        """
        return (await self._find(tree, file, stat)).descriptor

    async def _find(self, tree: TreeConnect, file: IOpenFile, stat: Stat | None) -> _Placed:
        place, kept = await self._place(tree, file), await self._kept(tree, file)
        if kept is not None and says_all(kept):
            return _Placed(kept, place)
        above = (await self._folder(tree, place[:-1])).descriptor if place and follows(kept) else None
        if stat is None:
            stat = await tree.run(file.stat)
        return _Placed(effective_descriptor(kept, above, stat, tree.session.token), place)

    async def of_folder(self, tree: TreeConnect, path: Path) -> SecurityDescriptor:
        """
        The descriptor of the folder at a path.

        @raise ParentNotFound: there is no folder.
        """
        return (await self._folder(tree, path)).descriptor

    async def _folder(self, tree: TreeConnect, path: Path) -> _Placed:
        now = self._seconds()
        if now >= self._forget_at or len(self._folders) > _REMEMBERED:
            self.forget()
            self._forget_at = now + _REMEMBER_S
        folders, store, token = self._folders, tree.store, tree.session.token
        following = []
        while (store, path) not in folders:
            try:
                place, kept, stat = await self._look_at(tree, path)
            except PermissionError as error:
                _tell_unreadable(tree, path, error)
                folders[store, path] = _Placed(UNREADABLE, path)
                break
            if not place or not follows(kept):
                folders[store, path] = _Placed(effective_descriptor(kept, None, stat, token), place)
                break
            following.append((path, place, kept, stat))
            path = place[:-1]
        found = folders[store, path]
        for path, place, kept, stat in reversed(following):
            found = folders[store, path] = _Placed(effective_descriptor(kept, found.descriptor, stat, token), place)
        return found

    async def _look_at(self, tree: TreeConnect, path: Path) -> tuple[Path, SecurityDescriptor | None, Stat]:
        """Where the folder at a path is, what is kept with it, and what it is like."""
        try:
            folder = await tree.run(tree.store.open, path, Creation.EXISTING, Kind.DIRECTORY, False)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ParentNotFound(*error.args) from error
        except PermissionError as error:
            if ISpecialFileStore.providedBy(tree.store) and await tree.run(tree.store.obstacle, path) is not None:
                raise ParentNotFound(*error.args) from error
            raise
        try:
            return await self._place(tree, folder), await self._kept(tree, folder), await tree.run(folder.stat)
        finally:
            await tree.run(folder.close)

    async def _place(self, tree: TreeConnect, file: IOpenFile) -> Path:
        """Where a file is, by whatever links a client came to it."""
        store = tree.store
        if not IOverlappingStore.providedBy(store):
            there: Path = file.path
            return there
        place: Path = await tree.run(store.place_of, base_of(file))
        return place

    async def _kept(self, tree: TreeConnect, file: IOpenFile) -> SecurityDescriptor | None:
        try:
            value = await tree.run(file.get_xattr, DESCRIPTOR_XATTR)
        except PermissionError as error:
            _tell_unreadable(tree, file.path, error)
            return UNREADABLE
        except OSError as error:
            if error.errno in _NONE_KEPT:
                return None
            _tell_unreadable(tree, file.path, error)
            raise
        try:
            return parse_kept(value, self._machine)
        except MalformedMessage as error:
            tree.server.troubles.tell("/".join(file.path), error, _SENSELESS)
            raise StatusError(Status.FILE_CORRUPT_ERROR) from error

    async def maximal_access(self, tree: TreeConnect, file: IOpenFile) -> int:
        """All that the user of a tree connect may do with a file."""
        _, maximal = await self.access(tree, file)
        return maximal

    async def access(self, tree: TreeConnect, file: IOpenFile, stat: Stat | None = None) -> tuple[SecurityDescriptor, int]:
        """
        The descriptor of a file, and all that it lets the user of a tree connect do (MS-FSA 2.1.5.1.2.1).

        Who may delete what is in a folder, or list it, may delete this file or read its attributes.

        @param stat: what the file is like, if that is known.
        """
        descriptor, place = await self._find(tree, file, stat)
        allowed = allowed_rights(descriptor, tree.session.token)
        if place and (_DELETE | _READ_ATTRIBUTES) & ~allowed:
            in_folder = await self.folder_access(tree, place[:-1])
            if in_folder & AccessMask.FILE_DELETE_CHILD:
                allowed |= _DELETE
            if in_folder & AccessMask.FILE_LIST_DIRECTORY:
                allowed |= _READ_ATTRIBUTES
        if place != (path := file.path) and not await self._may_remove_link(tree, path, place):
            allowed &= ~_DELETE
        return descriptor, allowed & tree.maximal_access

    async def _may_remove_link(self, tree: TreeConnect, path: Path, place: Path) -> bool:
        """What came by a link is removed, or renamed, as that link: by who may do so with what is in the link's folder."""
        folder = await self._folder(tree, path[:-1])
        above, token = folder.descriptor, tree.session.token
        if (*folder.place, path[-1]) == place or allowed_rights(above, token) & AccessMask.FILE_DELETE_CHILD:
            return True
        assert above.owner is not None
        assert above.group is not None
        return bool(allowed_rights(follow_descriptor(above, above.owner, above.group, False), token) & AccessMask.DELETE)

    async def folder_access(self, tree: TreeConnect, path: Path) -> int:
        """All that the user of a tree connect may do with a folder."""
        return tree.maximal_access & allowed_rights(await self.of_folder(tree, path), tree.session.token)

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
        """The descriptor of an open file."""
        with open.busy():
            return await self.of_file(open.tree, open.file)

    async def to_tell(self, open: Open) -> SecurityDescriptor:
        """The descriptor to tell a client: with a list that says what the mode says, if the file has none."""
        descriptor = await self.of_open(open)
        return descriptor if has_list(descriptor) else mode_descriptor(await open.stat(), descriptor)

    async def keep_new(self, tree: TreeConnect, file: IOpenFile, descriptor: SecurityDescriptor) -> None:
        """
        Keep the descriptor of a file that was just made. One without a list says whose the file is, if the host does not say it; guests
        own nothing.
        """
        token = tree.session.token
        if not has_list(descriptor) and descriptor.sacl is None:
            if descriptor.owner == token.account or not tree.maximal_access & AccessMask.WRITE_OWNER:
                return
            descriptor = SecurityDescriptor(descriptor.owner)
        if may_give_away(token):
            with suppress(OSError):
                await tree.run(file.set_owner, owner_on_host(descriptor.owner, token), None, None)
        await self._keep(tree, file, descriptor)

    async def _keep(self, tree: TreeConnect, file: IOpenFile, descriptor: SecurityDescriptor) -> None:
        """Have the store keep a descriptor; one that keeps none has the mode only."""
        try:
            await tree.run(file.set_xattr, DESCRIPTOR_XATTR, encode_kept(descriptor, self._machine))
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise

    async def keep_followed(self, open: Open, folder: Path) -> None:
        """
        A file is about to get a name in another folder: it keeps the list that it follows, whatever that one passes on.

        One that follows none comes to follow the new folder's only if that is for the user to say.

        @raise StatusError: ACCESS_DENIED. It is not known what it follows.
        @raise OSError: it cannot.
        """
        tree, file, token = open.tree, open.file, open.session.token
        with open.busy():
            if not follows(await self._kept(tree, file)):
                return
            descriptor = await self.of_file(tree, file)
            if descriptor is UNREADABLE:
                raise StatusError(Status.ACCESS_DENIED)
            if has_list(descriptor):
                await self._keep(tree, file, descriptor)
            elif not allowed_rights(descriptor, token) & AccessMask.WRITE_DAC and has_list(await self.of_folder(tree, folder)):
                await self._keep(tree, file, replace(descriptor, control=int(SecurityControl.DACL_PROTECTED)))

    async def keep(self, open: Open, descriptor: SecurityDescriptor, parts: int) -> None:
        """
        Change the descriptor of an open file, and its mode, owner and group as far as they can follow.

        To set the mode even where it stays is how the system is asked whether the server may decide about this file.

        @param parts: what is set of it; the rest is as it was.
        @raise OSError: it may not, or there is no room.
        """
        run, file, token = open.run, open.file, open.session.token
        stat = await run(file.stat)
        directory = file.kind is Kind.DIRECTORY
        mode = stat.mode
        if not directory and parts & (SecurityInformation.OWNER | SecurityInformation.GROUP | SecurityInformation.BACKUP):
            mode &= ~SET_ID
        if parts & (SecurityInformation.DACL | SecurityInformation.BACKUP):
            mode = descriptor_mode(descriptor, mode, directory)
        await run(file.set_owner, None, None, mode)
        try:
            with open.busy():
                await self._keep(open.tree, file, descriptor)
        except OSError:
            await run(file.set_owner, None, None, stat.mode)
            raise
        finally:
            self.forget()
        uid, gid = owner_on_host(descriptor.owner, token), group_on_host(descriptor.group)
        if uid != stat.uid or (gid is not None and gid != stat.gid):
            with suppress(PermissionError):
                await run(file.set_owner, uid, gid, None)

    def forget(self) -> None:
        """A folder has changed its descriptor or its name: what is remembered, or being read now, counts no more."""
        self._folders = {}


def _tell_unreadable(tree: TreeConnect, path: Path, error: OSError) -> None:
    tree.server.troubles.tell("/".join(path), error, _UNREADABLE)
