"""
Object ids, by which links to files are tracked (MS-FSA 2.1.5.10).

They are made of what identifies the file anyway, so that each file has one, and none can be set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl_structures import ObjectIdBuffer
from filesvc.server.commands.control.replies import reply, require_room
from filesvc.server.errors import StatusError

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.smb2.messages.ioctl import IoctlRequest

_ID_LENGTH = 16
_MAY_CHANGE = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_WRITE_ATTRIBUTES)
_UINT64 = 0xFFFFFFFFFFFFFFFF


async def object_id(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_CREATE_OR_GET_OBJECT_ID, FSCTL_GET_OBJECT_ID: the same, as every file has one (MS-FSA 2.1.5.10.1, 2.1.5.10.13)."""
    open = call.use_file_open(request.file_id)
    require_room(request, ObjectIdBuffer.MINIMUM_LENGTH, Status.INVALID_PARAMETER)
    identity = open.file.identity
    own = (identity.inode & _UINT64).to_bytes(8, "little") + (identity.device & _UINT64).to_bytes(8, "little")
    serial = await open.tree.volume_serial()
    return reply(request, ObjectIdBuffer(own, serial.to_bytes(_ID_LENGTH, "little"), own).encode())


async def set_object_id(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SET_OBJECT_ID (MS-FSA 2.1.5.10.35)."""
    call.use_file_open(request.file_id)
    if len(request.input) != ObjectIdBuffer.MINIMUM_LENGTH:
        raise StatusError(Status.INVALID_PARAMETER)
    raise StatusError(Status.ACCESS_DENIED)


async def set_object_id_extended(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SET_OBJECT_ID_EXTENDED (MS-FSA 2.1.5.10.36)."""
    open = call.use_file_open(request.file_id)
    if len(request.input) != ObjectIdBuffer.MINIMUM_LENGTH - _ID_LENGTH:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(_MAY_CHANGE)
    raise StatusError(Status.ACCESS_DENIED)
