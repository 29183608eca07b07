"""LOCK: lock and unlock ranges of a file (MS-SMB2 3.3.5.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.interfaces import ILockableFile
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.files.byte_range_locks import ByteRange
from filesvc.server.state import durability
from filesvc.server.state.caching import Operation
from filesvc.server.state.session import SessionState
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest, LockResponse
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.state.open import Open

_MAY_LOCK = int(AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
_WAITS = frozenset({LockFlags.SHARED_LOCK, LockFlags.EXCLUSIVE_LOCK})
_MODES = _WAITS | {mode | LockFlags.FAIL_IMMEDIATELY for mode in _WAITS}
_END = 1 << 64
_MAX_RANGES = 128
"""Ranges that one request may lock or unlock."""


async def lock(request: LockRequest, call: Call) -> Reply:
    """Take all the ranges of a request or none, waiting if the client wants to; or give ranges back, as far as they are held."""
    open = call.use_file_open(request.file_id)
    if call.session.state is SessionState.EXPIRED and not (request.locks and request.locks[0].flags & LockFlags.UNLOCK):
        raise StatusError(Status.NETWORK_SESSION_EXPIRED)
    if not request.locks or open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(_MAY_LOCK)
    if len(request.locks) > _MAX_RANGES:
        raise StatusError(Status.INSUFFICIENT_RESOURCES)
    # A client gives an index only where it may have to send the request again (MS-SMB2 3.2.4.19); 2.0.2 has none.
    index, number = request.lock_sequence_index, request.lock_sequence_number
    sequenced = call.connection.dialect != Dialect.SMB_2_0_2
    if not (sequenced and open.lock_sequences.is_replay(index, number)):
        try:
            if request.locks[0].flags & LockFlags.UNLOCK:
                _unlock(request.locks, open)
            else:
                await _lock(request.locks, open, call)
            if sequenced:
                open.lock_sequences.succeeded(index, number)
        finally:
            await durability.save(open)
    return Reply(LockResponse().encode())


def _unlock(elements: list[LockElement], open: Open) -> None:
    """MS-SMB2 3.3.5.14.1: what was given back before a mistake stays so."""
    for element in elements:
        if element.flags != LockFlags.UNLOCK:
            raise StatusError(Status.INVALID_PARAMETER)
        if not open.node.locks.unlock(open, element.offset, element.length):
            raise StatusError(Status.RANGE_NOT_LOCKED)


async def _lock(elements: list[LockElement], open: Open, call: Call) -> None:
    """MS-SMB2 3.3.5.14.2: all or none. Only a single range is waited for."""
    for element in elements:
        if element.flags not in _MODES or (len(elements) > 1 and element.flags in _WAITS):
            raise StatusError(Status.INVALID_PARAMETER)
        if element.offset + element.length > _END:
            raise StatusError(Status.INVALID_LOCK_RANGE)
    open.node.caching.take(Operation.LOCK, open.holder)
    shown = open.file if ILockableFile.providedBy(open.file) else None
    wanted = [ByteRange(open, offset, length, bool(flags & LockFlags.EXCLUSIVE_LOCK), shown) for offset, length, flags in elements]
    if open.node.locks.lock(wanted):
        return
    if elements[0].flags not in _WAITS:
        raise StatusError(Status.LOCK_NOT_GRANTED)
    await call.wait(open.node.locks.wait(wanted[0], call.connection.server.turn))
