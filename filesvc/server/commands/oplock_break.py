"""OPLOCK_BREAK: a client gives back what it was told to (MS-SMB2 3.3.5.22)."""

from __future__ import annotations

from filesvc.dtyp.status import Status
from filesvc.server.caches.oplock import Oplock
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.messages.oplock_break import LeaseBreak, OplockBreak


def oplock_break(request: OplockBreak | LeaseBreak, call: Call) -> Reply:
    """Take the client's answer, and let those go on who waited for it."""
    if isinstance(request, LeaseBreak):
        return _acknowledge_lease(request, call)
    open = call.use_file_open(request.file_id)
    if not isinstance(open.holder, Oplock):
        raise StatusError(Status.INVALID_DEVICE_STATE)
    kept = open.holder.acknowledge(request.oplock_level)
    return Reply(OplockBreak(open.file_id, kept).encode())


def _acknowledge_lease(request: LeaseBreak, call: Call) -> Reply:
    leases, client_guid = call.connection.server.leases, call.connection.negotiated.client_guid
    lease = leases.find(client_guid, request.lease_key, call.session)
    if lease is None:
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    lease.acknowledge(request.lease_state)
    return Reply(LeaseBreak(lease.key, LeaseState(request.lease_state)).encode())
