"""
What a name leads to, and who follows the links on the way (MS-FSA 2.1.5.1, MS-SMB2 2.2.2.2.1).

The store follows links as long as they lead to something in it. Of all others a client is told where they lead, so that it can go on by
itself; the server never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted.internet.task import deferLater

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.dtyp.unicode import encode_name
from filesvc.fscc.reparse_point import ReparseDataBuffer, ReparseTag, SymbolicLink
from filesvc.interfaces import (
    Creation,
    FileAttributes,
    FileBusy,
    IFileStore,
    IOpenFile,
    IReparsePointFile,
    ISpecialFileStore,
    Kind,
    ParentNotFound,
    Path,
    Special,
    SpecialType,
    Stat,
)
from filesvc.server.access.rights import TOUCHES_DATA, WRITES_DATA
from filesvc.server.errors import StatusError
from filesvc.server.files.identity import NodeKey, space_of
from filesvc.server.files.special_files import reparse_buffer
from filesvc.server.state.caching import BREAK_TIMEOUT
from filesvc.smb2.error import SymbolicLinkErrorResponse
from filesvc.smb2.messages.create import CreateOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.server.files.names import FileName
    from filesvc.server.state.caching import Wait
    from filesvc.server.state.tree import TreeConnect

_DIRECTORY_FILE = int(CreateOptions.DIRECTORY_FILE)
_NON_DIRECTORY_FILE = int(CreateOptions.NON_DIRECTORY_FILE)
_DELETE_ON_CLOSE = int(CreateOptions.DELETE_ON_CLOSE)
_READONLY = int(FileAttributes.READONLY)
LOOK_AGAIN_S: Final = 0.1
"""How often to look whether a local program has given up its lease, which nobody tells."""


@dataclass(slots=True)
class Finder:
    """
    How a client wants what its names lead to.

    @ivar itself: a link or other reparse point at the end of a name is wanted itself (FILE_OPEN_REPARSE_POINT).
    @ivar follows: the client follows links by itself, and wants to know of each.
    @ivar posix: its names are POSIX's, which match only as they are.
    @ivar wait: lets the client wait for local programs that give way.
    """

    tree: TreeConnect
    itself: bool = False
    follows: bool = False
    posix: bool = False
    wait: Wait | None = None

    @property
    def store(self) -> IFileStore:
        """The store as this client sees it."""
        store = self.tree.store
        if (self.follows or self.posix) and ISpecialFileStore.providedBy(store):
            view: IFileStore = store.exact if self.posix else store.unfollowed
            return view
        return store

    async def open(self, path: Path, rights: int, writable: bool) -> IOpenFile:
        """
        Open what is there, if it may be read at all, or if C{rights} want none of its data.

        @raise StatusError: STOPPED_ON_SYMLINK, with what the client needs to go on; IO_REPARSE_TAG_NOT_HANDLED.
        @raise OSError: the store says no.
        """
        store = self.store
        if not ISpecialFileStore.providedBy(store):
            return await self._open(lambda: store.open(path, Creation.EXISTING, None, writable))
        try:
            if self.itself:
                return await self._open(lambda: store.open_itself(path, writable))
            return await self._open(lambda: store.open(path, Creation.EXISTING, None, writable))
        except ParentNotFound:
            await self.explain(path)
            raise
        except PermissionError:
            await self.explain(path)
            file: IOpenFile = await self.tree.run(store.open_path, path, not self.itself)
            # Older clients do not know of reparse points, and delete what they see.
            no_data = not writable and not rights & TOUCHES_DATA
            if no_data and (file.kind is not Kind.OTHER or rights & AccessMask.DELETE):
                return file
            await self.tree.run(file.close)
            if file.kind is Kind.OTHER:
                raise StatusError(Status.IO_REPARSE_TAG_NOT_HANDLED) from None
            raise

    async def explain(self, path: Path) -> None:
        """
        A path leads to nothing in the store.

        @raise StatusError: because of a link, or of another reparse point.
        """
        store = self.store
        if ISpecialFileStore.providedBy(store):
            obstacle = await self.tree.run(store.obstacle, path)
            if obstacle is not None:
                depth, what = obstacle
                buffer = reparse_buffer(what, self.posix) if isinstance(what, Special) else _parse(what)
                raise stopped(buffer, path[depth:])

    async def check(self, file: IOpenFile) -> None:
        """
        Go on only if what was opened, being a reparse point, was to be opened itself.

        @raise StatusError: STOPPED_ON_SYMLINK, IO_REPARSE_TAG_NOT_HANDLED.
        """
        if not self.itself and IReparsePointFile.providedBy(file):
            raise stopped(_parse(await self.tree.run(file.get_reparse_point)), ())

    async def _open(self, call: Callable[[], IOpenFile]) -> IOpenFile:
        """
        Call the store. If our own streams hold a lease that is in the way, they give it up first. If a local program does, the kernel has
        told it so, and takes the lease away from it in the end.
        """
        server, deadline = self.tree.server, None
        while True:
            try:
                return await self.tree.run(call)
            except FileBusy as busy:
                now, again = server.reactor.seconds(), deadline is not None
                deadline = deadline or now + BREAK_TIMEOUT
                drained = server.data_path.kernel_leases.drain(NodeKey(space_of(self.tree.store), busy.identity))
                if drained is not None:
                    await drained
                elif not again:
                    # It may have been our own, which is given up by now.
                    continue
                elif self.wait is None or now >= deadline:
                    raise
                else:
                    await self.wait(deferLater(server.reactor, LOOK_AGAIN_S))


def _parse(buffer: bytes) -> ReparseDataBuffer | None:
    try:
        return ReparseDataBuffer.parse(buffer)
    except MalformedMessage:
        return None


def stopped(buffer: ReparseDataBuffer | None, unparsed: Path) -> StatusError:
    """What a client is told that came to a reparse point: of a link, where to go on with the rest of the path."""
    if buffer is not None and buffer.tag == ReparseTag.SYMLINK:
        try:
            link = SymbolicLink.parse(buffer.data)
        except MalformedMessage:
            return StatusError(Status.IO_REPARSE_DATA_INVALID)
        length = sum(len(encode_name("\\" + name)) for name in unparsed)
        return StatusError(Status.STOPPED_ON_SYMLINK, SymbolicLinkErrorResponse(length, link).encode())
    return StatusError(Status.IO_REPARSE_TAG_NOT_HANDLED)


def settled_options(name: FileName, options: int) -> int:
    """
    The options of a CREATE with what the name says of what is wanted: a directory, or not (MS-FSA 2.1.5.1, phases 1 and 7).

    @raise StatusError: OBJECT_NAME_INVALID, NOT_A_DIRECTORY if the two exclude each other whatever is found.
    """
    if name.trailing and options & _NON_DIRECTORY_FILE:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    if name.stream is not None:
        if options & _DIRECTORY_FILE:
            raise StatusError(Status.NOT_A_DIRECTORY)
        return options | _NON_DIRECTORY_FILE
    if name.directory and not options & _NON_DIRECTORY_FILE:
        return options | _DIRECTORY_FILE
    return options


def check_named_kind(name: FileName, options: int, overwrites: bool, directory: bool) -> None:
    """
    Go on only if what a name says of what it leads to can be, now that it is known whether it leads to anything (MS-FSA 2.1.5.1, phase 7).

    @param directory: it leads to one.
    @raise StatusError: INVALID_PARAMETER, FILE_IS_A_DIRECTORY, OBJECT_NAME_INVALID.
    """
    if name.directory:
        if options & _NON_DIRECTORY_FILE and not name.mistyped:
            raise StatusError(Status.FILE_IS_A_DIRECTORY)
        if overwrites or name.mistyped:
            raise StatusError(Status.INVALID_PARAMETER)
    if name.trailing and not directory and not options & _DIRECTORY_FILE:
        raise StatusError(Status.OBJECT_NAME_INVALID)


def check_kind(file: IOpenFile, stat: Stat, options: int, overwrites: bool) -> None:
    """
    Go on only if what was found is the file or directory that was asked for. Whether a link was made for a directory nobody keeps.

    @raise StatusError: FILE_IS_A_DIRECTORY, NOT_A_DIRECTORY; another for a directory that cannot be overwritten.
    """
    if stat.special is SpecialType.SYMLINK:
        return
    if file.kind is Kind.DIRECTORY or (stat.reparse_tag and stat.attributes & FileAttributes.DIRECTORY):
        if options & _NON_DIRECTORY_FILE:
            raise StatusError(Status.FILE_IS_A_DIRECTORY)
        if overwrites:
            raise StatusError(Status.INVALID_PARAMETER if options & _DIRECTORY_FILE else Status.OBJECT_NAME_COLLISION)
    elif options & _DIRECTORY_FILE:
        raise StatusError(Status.NOT_A_DIRECTORY)


def check_writable(file: IOpenFile, stat: Stat, rights: int, options: int, overwrites: bool, posix: bool) -> None:
    """
    Go on only if nothing is wanted of a file with the attribute READONLY that it forbids. POSIX has none that keeps a file's name.

    @raise StatusError: ACCESS_DENIED, CANNOT_DELETE.
    """
    if stat.attributes & _READONLY and file.kind is not Kind.DIRECTORY:
        if rights & WRITES_DATA or overwrites:
            raise StatusError(Status.ACCESS_DENIED)
        if options & _DELETE_ON_CLOSE and not posix:
            raise StatusError(Status.CANNOT_DELETE)
