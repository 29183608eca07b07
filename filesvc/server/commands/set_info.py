"""SET_INFO: change what is true of a file (MS-SMB2 3.3.5.21)."""

from __future__ import annotations

from filesvc.interfaces import Kind
from filesvc.server import file_setting
from filesvc.server.caching import Operation
from filesvc.server.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.open import Open
from filesvc.server.security import descriptor_of, mode_of
from filesvc.smb2.access import AccessMask
from filesvc.smb2.query_info import InfoType
from filesvc.smb2.security_descriptor import SecurityDescriptor, SecurityInformation
from filesvc.smb2.set_info import SetInfoRequest, SetInfoResponse
from filesvc.smb2.status import Status
from filesvc.smb2.well_known_sids import unix_gid, unix_uid

_DONE = SetInfoResponse().encode()


async def set_info(request: SetInfoRequest, call: Call) -> Reply:
    """Change it, if the open was granted the right to."""
    call.charge(len(request.buffer))
    open = call.file(request.file_id)
    buffer = memoryview(request.buffer)
    match request.info_type:
        case InfoType.FILE:
            setting = file_setting.SETTINGS.get(request.file_info_class)
            if setting is None:
                raise StatusError(Status.INVALID_INFO_CLASS)
            if setting.access:
                open.require(setting.access)
            if len(buffer) < setting.minimum:
                raise StatusError(Status.INFO_LENGTH_MISMATCH)
            await _give_way(setting, buffer, open, call)
            await setting.apply(open, buffer)
        case InfoType.SECURITY:
            await open.node.caching.give_way(Operation.SET_SECURITY, open.holder, call)
            await _set_security(open, request.additional_information, SecurityDescriptor.parse(buffer))
        case InfoType.FILESYSTEM | InfoType.QUOTA:
            raise StatusError(Status.NOT_SUPPORTED)
        case _:
            raise StatusError(Status.INVALID_PARAMETER)
    return Reply(_DONE)


async def _give_way(setting: file_setting.FileSetting, buffer: memoryview, open: Open, call: Call) -> None:
    """Break what others cache and will not be so any more; in a directory that is renamed, all that is open (MS-FSA 2.1.4.2)."""
    operation = setting.operation
    if operation is None or (operation is Operation.DELETE and not buffer[0]):
        return
    await open.node.caching.give_way(operation, open.holder, call)
    if operation is Operation.RENAME and open.is_directory:
        for node in open.tree.server.nodes.below(open.tree.store, open.path):
            await node.caching.give_way(operation, None, call)


async def _set_security(open: Open, parts: int, descriptor: SecurityDescriptor) -> None:
    """Set owner, group and mode as near as they come to a descriptor."""
    if parts & (SecurityInformation.OWNER | SecurityInformation.GROUP):
        open.require(AccessMask.WRITE_OWNER)
    if parts & SecurityInformation.DACL:
        open.require(AccessMask.WRITE_DAC)
    if parts & SecurityInformation.SACL:
        open.require(AccessMask.ACCESS_SYSTEM_SECURITY)
    stat = await open.stat()
    now = descriptor_of(stat)
    owner = descriptor.owner if parts & SecurityInformation.OWNER and descriptor.owner else now.owner
    group = descriptor.group if parts & SecurityInformation.GROUP and descriptor.group else now.group
    assert owner is not None
    assert group is not None
    uid, gid = unix_uid(owner), unix_gid(group)
    if uid is None or gid is None:
        raise StatusError(Status.INVALID_OWNER)
    mode = stat.mode
    if parts & SecurityInformation.DACL:
        mode = mode_of(descriptor.dacl, owner, group) if descriptor.dacl is not None else 0o777
        if open.file.kind is Kind.DIRECTORY:
            mode |= mode >> 2 & 0o111
    await open.tree.run(
        open.file.set_owner,
        uid if uid != stat.uid else None,
        gid if gid != stat.gid else None,
        mode if mode != stat.mode else None,
    )
