"""WRITE: data comes into a file (MS-SMB2 3.3.5.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.commands.flush import flush_open
from filesvc.server.commands.ipc.pipes import write_pipe
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.state.caching import Operation
from filesvc.server.state.open import MAX_FILE_SIZE, MAX_OFFSET, Open, PipeOpen
from filesvc.smb2.header import HEADER_LENGTH
from filesvc.smb2.messages.write import WriteFlags, WriteRequest, WriteResponse
from filesvc.zerocopy.receive import write_all
from filesvc.zerocopy.workers import with_descriptor

if TYPE_CHECKING:
    from filesvc.server.state.session import Session

_WRITE_THROUGH = int(WriteFlags.WRITE_THROUGH)
_WRITTEN_IN_THREAD = 256 * 1024
"""Bytes that take longer to write than a worker thread to begin: meanwhile the reactor receives what comes next."""
_MAY_WRITE = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)


HEAD_LENGTH = HEADER_LENGTH + 48
"""Bytes of the header and the fixed part, behind which the data begins."""


def payload_length(request: WriteRequest, frame_length: int, session: Session) -> int | None:
    """How many bytes of data may go from the socket to the file; C{None} if they must be collected first, as for a pipe."""
    open = session.opens.get(request.file_id.volatile)
    laid_out = request.data_offset == HEAD_LENGTH and request.length == frame_length - HEAD_LENGTH
    return request.length if laid_out and isinstance(open, Open) and open.descriptor is not None else None


async def write(request: WriteRequest, call: Call) -> Reply:
    """
    Put the request's data into the file: straight from the socket if it is still on its way, else from the buffer it was collected in.

    Everything that can be refused is refused before the first byte is taken, room on the disk included.
    """
    call.charge(request.length)
    open = call.use_open(request.file_id)
    if isinstance(open, PipeOpen):
        return await write_pipe(open, request, call)
    if open.tree.backup_size:
        await open.find_backup_room(request.offset + request.length)
    _check(request, call, open)
    if request.length:
        await open.before_write()
        await _store(request, call, open)
        call.connection.server.counts.written["copy" if call.payload is None else "recvfile"] += request.length
        if request.flags & _WRITE_THROUGH:
            await flush_open(open)
    return Reply(WriteResponse(request.length).encode())


def _check(request: WriteRequest, call: Call, open: Open) -> None:
    if open.is_directory:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    open.require(_MAY_WRITE)
    if request.length > call.connection.max_transfer:
        raise StatusError(Status.INVALID_PARAMETER)
    if request.offset + request.length > (MAX_FILE_SIZE if request.length else MAX_OFFSET):
        raise StatusError(Status.INVALID_PARAMETER)
    if open.node.locks.forbids(open, request.offset, request.length, write=True):
        raise StatusError(Status.FILE_LOCK_CONFLICT)
    open.node.caching.take(Operation.WRITE, open.holder)


async def _store(request: WriteRequest, call: Call, open: Open) -> None:
    descriptor = open.descriptor
    if descriptor is not None:
        open.node.find_room(descriptor, request.offset, request.length)
        if call.payload is not None:
            with open.busy():
                await call.payload.into(descriptor, request.offset)
            return
        if request.length >= _WRITTEN_IN_THREAD:
            data = memoryview(request.data)
            with open.busy():
                await with_descriptor(call.connection.server.in_thread, descriptor, lambda own: write_all(own, data, request.offset))
            return
    await open.run_up_to(request.offset + request.length, open.file.write, request.offset, memoryview(request.data))
