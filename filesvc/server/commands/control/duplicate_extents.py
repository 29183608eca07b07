"""FSCTL_DUPLICATE_EXTENTS_TO_FILE: a copy that shares its blocks with the original (MS-FSCC 2.3.7, MS-SMB2 3.3.5.15.17)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.interfaces import FileAttributes, ICloningStore
from filesvc.server.commands.control.replies import reply
from filesvc.server.errors import StatusError
from filesvc.server.files.streams import StreamFile
from filesvc.server.operations.volumes import volume_of
from filesvc.server.state.caching import Operation
from filesvc.server.state.open import MAX_OFFSET, Open
from filesvc.smb2.duplicate_extents import DuplicateExtents

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.smb2.messages.ioctl import IoctlRequest

_STATUS_OF_ERRNO = {errno.EXDEV: Status.INVALID_PARAMETER, errno.EOPNOTSUPP: Status.INVALID_DEVICE_REQUEST}


async def duplicate_extents(request: IoctlRequest, call: Call) -> Reply:
    """
    Put a range of a file into another file, or elsewhere into the same, without copying it. No file becomes longer.

    Locked ranges are no obstacle: nor are they where this comes from, in ReFS.
    """
    target = call.use_file_open(request.file_id)
    asked = DuplicateExtents.parse(memoryview(request.input))
    source = call.session.opens.get(asked.source.volatile)
    if not isinstance(source, Open) or source.file_id != asked.source:
        raise StatusError(Status.INVALID_HANDLE)
    store = target.tree.store
    if not ICloningStore.providedBy(store) or any(isinstance(open.file, StreamFile) for open in (source, target)):
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    _check(asked, source, target)
    length = await _length(asked, source, target)
    if length > 0:
        target.node.caching.take(Operation.WRITE, target.holder)
        await target.before_write()
        try:
            with source.busy():
                await target.run_in_thread(store.clone_range, source.file, asked.source_offset, target.file, asked.target_offset, length)
        except OSError as error:
            if error.errno in _STATUS_OF_ERRNO:
                raise StatusError(_STATUS_OF_ERRNO[error.errno]) from error
            raise
    return reply(request)


def _check(asked: DuplicateExtents, source: Open, target: Open) -> None:
    offsets = asked.source_offset, asked.target_offset
    if source.is_directory or target.is_directory or min(*offsets, asked.byte_count) < 0 or max(offsets) + asked.byte_count > MAX_OFFSET:
        raise StatusError(Status.INVALID_PARAMETER)
    target.require(AccessMask.FILE_WRITE_DATA)
    source.require(AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE)
    if source.node is target.node and abs(asked.source_offset - asked.target_offset) < asked.byte_count:
        raise StatusError(Status.NOT_SUPPORTED)


async def _length(asked: DuplicateExtents, source: Open, target: Open) -> int:
    """
    How many bytes there are to share: not past the end of either file.

    Clients ask for whole clusters. What the last one has past the end of the source is zeros, which nobody shares, so that it must be past
    the end of the target as well.
    """
    original, copy, volume = await source.stat(), await target.stat(), await volume_of(target)
    if original.attributes & FileAttributes.SPARSE_FILE and not copy.attributes & FileAttributes.SPARSE_FILE:
        raise StatusError(Status.NOT_SUPPORTED)
    length = min(asked.byte_count, copy.size - asked.target_offset)
    there = original.size - asked.source_offset
    if asked.byte_count > -(-there // volume.block) * volume.block or length > there:
        raise StatusError(Status.NOT_SUPPORTED)
    return length
