"""An open file becomes a link, a special file or another reparse point, or stops being one (MS-FSA 2.1.5.10.3, 2.1.5.10.37)."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.fscc.reparse_point import ReparseDataBuffer
from filesvc.interfaces import FileAttributes, IDescriptorFile, IReparsePointFile, ISpecialFile, ISpecialFileStore, Kind, Special, Stat
from filesvc.server.access.ownership import is_owner_alone
from filesvc.server.errors import StatusError
from filesvc.server.files.special_files import special_of
from filesvc.server.files.stream_access import node_key
from filesvc.server.operations.wsl import WSL_MODE, WSL_PREFIX, wsl_mode
from filesvc.server.state.deletion import has_entries
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.store.names import DESCRIPTOR_XATTR

if TYPE_CHECKING:
    from filesvc.interfaces import IOpenFile
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open

_NOT_AS_A_FILE: Final = frozenset({errno.EINVAL, errno.ENAMETOOLONG, errno.EPERM, errno.ENOTSUP, errno.ENOENT})
"""What a store says that cannot have such a link or special file, or not with this target."""


async def become_reparse_point(open: Open, buffer: bytes, descriptors: Descriptors) -> None:
    """
    Make what is open what a reparse point says: a link, pipe or socket, if the store can have it and nothing is lost thereby; else keep the
    buffer with it.

    @raise StatusError: IO_REPARSE_DATA_INVALID; DIRECTORY_NOT_EMPTY; SHARING_VIOLATION. Somebody else has it open.
    @raise OSError: the store says no.
    """
    stat = await open.stat()
    if open.is_directory and await open.run(has_entries, open.file):
        raise StatusError(Status.DIRECTORY_NOT_EMPTY)
    if not await _become_special(open, buffer, stat, descriptors):
        if stat.kind is Kind.FILE:
            await open.run(_reparse_point_of(open).set_reparse_point, buffer)
        elif DESCRIPTOR_XATTR in await open.run(_values, open.file):
            # It would be lost, and with it what its owner wants of it.
            raise StatusError(Status.ACCESS_DENIED)
        else:
            await _become(open, buffer)
    await _tell(open)


async def become_plain(open: Open) -> None:
    """
    Make a reparse point what it was before: an empty file or directory, or a file with its data.

    @raise StatusError: SHARING_VIOLATION. Somebody else has it open.
    @raise OSError: the store says no.
    """
    stat = await open.stat()
    if stat.special is not None:
        await _become(open, Kind.FILE)
    elif stat.kind is Kind.FILE and stat.attributes & FileAttributes.DIRECTORY:
        await _become(open, Kind.DIRECTORY)
    else:
        await open.run(_reparse_point_of(open).set_reparse_point, None)
    await _tell(open)


def _reparse_point_of(open: Open) -> IReparsePointFile:
    if not IReparsePointFile.providedBy(open.file):
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    return open.file


async def _become_special(open: Open, buffer: bytes, stat: Stat, descriptors: Descriptors) -> bool:
    """Whether it could be made a link or special file."""
    try:
        special = special_of(ReparseDataBuffer.parse(buffer))
    except MalformedMessage:
        raise StatusError(Status.IO_REPARSE_DATA_INVALID) from None
    if special is None or stat.reparse_tag or not ISpecialFileStore.providedBy(open.tree.store):
        return False
    mode = None
    if not ISpecialFile.providedBy(open.file):
        names = await open.run(_values, open.file)
        if (stat.kind is Kind.FILE and stat.size) or any(not name.startswith(WSL_PREFIX) for name in names):
            return False
        if WSL_MODE in names and await descriptors.maximal_access(open.tree, open.file) & AccessMask.WRITE_DAC:
            mode = wsl_mode(await open.run(open.file.get_xattr, WSL_MODE))
    try:
        await _become(open, special)
    except OSError as error:
        if error.errno in _NOT_AS_A_FILE:
            return False
        raise
    if mode is not None:
        # It keeps no values, but has a mode of its own.
        await open.run(open.file.set_owner, None, None, mode)
    return True


async def _become(open: Open, what: Special | bytes | Kind) -> None:
    """Have the store put something else in the place of what is open, and go on with that."""
    store, nodes = open.tree.store, open.tree.server.nodes
    if not ISpecialFileStore.providedBy(store):
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    if len(open.node.opens) > 1 or open.node.streams or open.node.base is not None:
        raise StatusError(Status.SHARING_VIOLATION)
    before = open.file
    owner, uid = await open.run(_owner, before), (await open.run(before.stat)).uid
    open.file = await open.run(store.become, before, what)
    await _keep_owner(open, owner, uid)
    # Who watches it knows it by its descriptor.
    open.on_close.append(before.close)
    open.descriptor = open.file.fileno() if IDescriptorFile.providedBy(open.file) and open.file.kind is Kind.FILE else None
    nodes.rename(open.node, node_key(store, open.file))


async def _keep_owner(open: Open, owner: bytes | None, uid: int | None) -> None:
    """Leave it its owner's, as far as the host lets us and the new file keeps values."""
    with suppress(OSError):
        await open.run(open.file.set_owner, uid, None, None)
    if owner is not None:
        with suppress(OSError):
            await open.run(open.file.set_xattr, DESCRIPTOR_XATTR, owner)


def _owner(file: IOpenFile) -> bytes | None:
    """What is kept with a file, if that says whose it is and no more."""
    try:
        value: bytes = file.get_xattr(DESCRIPTOR_XATTR)
    except OSError:
        return None
    return value if is_owner_alone(value) else None


def _values(file: IOpenFile) -> list[str]:
    """The named values that a file keeps, but for one that only says whose it is."""
    names: list[str] = file.list_xattrs()
    return [name for name in names if name != DESCRIPTOR_XATTR or _owner(file) is None]


async def _tell(open: Open) -> None:
    open.tree.server.notifier.modified(open, CompletionFilter.ATTRIBUTES)
    await open.entries_changed(open.path)
