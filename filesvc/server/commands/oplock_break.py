"""OPLOCK_BREAK: a client gives back what it was told to (MS-SMB2 3.3.5.22)."""

from __future__ import annotations

from filesvc.server.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.smb2.oplock_break import LeaseBreak, OplockBreak
from filesvc.smb2.status import Status


def oplock_break(request: OplockBreak | LeaseBreak, call: Call) -> Reply:
    """No oplock or lease has been granted, so none can be given back."""
    if isinstance(request, LeaseBreak):
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    call.file(request.file_id)
    raise StatusError(Status.INVALID_OPLOCK_PROTOCOL)
