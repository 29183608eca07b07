"""LOCK: lock and unlock ranges of a file (MS-SMB2 3.3.5.14)."""

from __future__ import annotations

from filesvc.server.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.locks import ByteRange
from filesvc.server.open import Open
from filesvc.smb2.access import AccessMask
from filesvc.smb2.lock import LockElement, LockFlags, LockRequest, LockResponse
from filesvc.smb2.status import Status

_MAY_LOCK = int(AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
_MODES = frozenset(
    {
        LockFlags.SHARED_LOCK,
        LockFlags.EXCLUSIVE_LOCK,
        LockFlags.SHARED_LOCK | LockFlags.FAIL_IMMEDIATELY,
        LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY,
    }
)
_END = 1 << 64


def lock(request: LockRequest, call: Call) -> Reply:
    """Take or give back all the ranges of a request, or none."""
    open = call.file(request.file_id)
    if not request.locks:
        raise StatusError(Status.INVALID_PARAMETER)
    if open.is_directory:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    open.require(_MAY_LOCK)
    if request.locks[0].flags & LockFlags.UNLOCK:
        _unlock(request.locks, open)
    else:
        _lock(request.locks, open)
    return Reply(LockResponse().encode())


def _lock(elements: list[LockElement], open: Open) -> None:
    for element in elements:
        if element.flags not in _MODES:
            raise StatusError(Status.INVALID_PARAMETER)
        if element.offset + element.length > _END:
            raise StatusError(Status.INVALID_LOCK_RANGE)
    taken: list[LockElement] = []
    for element in elements:
        wanted = ByteRange(open, element.offset, element.length, bool(element.flags & LockFlags.EXCLUSIVE_LOCK))
        if not open.node.locks.lock(wanted):
            for given in taken:
                open.node.locks.unlock(open, given.offset, given.length)
            raise StatusError(Status.LOCK_NOT_GRANTED)
        taken.append(element)


def _unlock(elements: list[LockElement], open: Open) -> None:
    for element in elements:
        if element.flags != LockFlags.UNLOCK:
            raise StatusError(Status.INVALID_PARAMETER)
    for element in elements:
        if not open.node.locks.unlock(open, element.offset, element.length):
            raise StatusError(Status.RANGE_NOT_LOCKED)
