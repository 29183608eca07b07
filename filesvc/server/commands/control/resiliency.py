"""FSCTL_LMR_REQUEST_RESILIENCY: an open is to be found again after a lost connection, whatever its client caches (MS-SMB2 3.3.5.15.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl_structures import LmrRequestResiliency
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.state import durability
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.state.open import Open

DEFAULT_TIMEOUT_S: Final = 120.0
"""What a client gets that leaves it to us, from Windows too."""
MAX_TIMEOUT_S: Final = 300
"""MaxResiliencyTimeout: the most that a client may ask for."""


async def request_resiliency(request: IoctlRequest, call: Call) -> Reply:
    """
    Keep an open for so long when its connection is lost. Asked again, it is for how long that is said then.

    Who is nobody in particular could not come back.
    """
    open: Open = call.use_file_open(request.file_id)
    if call.connection.dialect is Dialect.SMB_2_0_2:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    owner = call.session.owner
    if owner is None:
        raise StatusError(Status.NOT_SUPPORTED)
    asked_ms = LmrRequestResiliency.parse(memoryview(request.input)).timeout
    if asked_ms // 1000 > MAX_TIMEOUT_S:
        raise StatusError(Status.INVALID_PARAMETER)
    durability.make_resilient(open, owner, asked_ms / 1000 if asked_ms else DEFAULT_TIMEOUT_S)
    call.connection.server.reclaimable.add(open)
    await durability.save(open)
    return Reply(IoctlResponse(request.ctl_code, open.file_id, b"").encode())
