"""SET_INFO: change what is true of a file (MS-SMB2 3.3.5.21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.security_descriptor import SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.server.access.descriptor_parts import MOST_ENTRIES, TO_SET, amend, check_parts, require_parts
from filesvc.server.access.nfs_entries import kept_mode, take_nfs_entries
from filesvc.server.commands.info import file_settings as file_setting
from filesvc.server.commands.info import refusals
from filesvc.server.commands.info.breaks import before_setting
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.state import durability
from filesvc.server.state.caching import Operation
from filesvc.smb2.contexts.apple import ServerCapabilities
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.set_info import SetInfoRequest, SetInfoResponse

if TYPE_CHECKING:
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open

_RESPONSE = SetInfoResponse().encode()
_REMEMBERED_CLASSES = frozenset({FileInformationClass.RENAME, FileInformationClass.DISPOSITION, FileInformationClass.DISPOSITION_EX})
"""What persistent opens remember of what is set."""


async def set_info(request: SetInfoRequest, call: Call) -> Reply:
    """Change it, if the open was granted the right to."""
    call.charge(len(request.buffer))
    if len(request.buffer) > call.connection.max_transfer:
        raise StatusError(Status.INVALID_PARAMETER)
    open = call.use_file_open(request.file_id)
    buffer = memoryview(request.buffer)
    match request.info_type:
        case InfoType.FILE:
            setting = file_setting.SETTINGS.get(request.file_info_class)
            if setting is None:
                raise StatusError(refusals.FILE_SETTINGS.get(request.file_info_class, refusals.OTHERS))
            if setting.access:
                open.require(setting.access)
            if len(buffer) < setting.minimum:
                raise StatusError(Status.INFO_LENGTH_MISMATCH)
            await before_setting(setting, buffer, open, call)
            await setting.apply(open, buffer, call.connection.server.descriptors)
            if request.file_info_class in _REMEMBERED_CLASSES:
                for other in list(open.node.opens):
                    await durability.save(other)
        case InfoType.SECURITY:
            await _set_security(open, request.additional_information, SecurityDescriptor.parse(buffer, MOST_ENTRIES), call)
        case InfoType.FILESYSTEM:
            raise StatusError(refusals.VOLUME_SETTINGS.get(request.file_info_class, refusals.OTHERS))
        case InfoType.QUOTA:
            raise StatusError(Status.NOT_SUPPORTED)
        case _:
            raise StatusError(Status.INVALID_PARAMETER)
    return Reply(_RESPONSE)


async def _take_mode(
    open: Open, parts: int, new: SecurityDescriptor, descriptors: Descriptors
) -> tuple[int, SecurityDescriptor, int | None]:
    """
    What is left to be set of the descriptor of a Mac or of a client of POSIX, and the mode that it asks for.

    To change a mode, Macs send back the list that they were told, and Linux one that it makes of the mode. Neither is kept then: a file
    without one goes on following its mode.
    """
    rest, mode = take_nfs_entries(new)
    current = await descriptors.to_tell(open)
    if rest is not new and rest.dacl is not None:
        told_before = current.dacl is not None and rest.dacl.aces == current.dacl.aces
        if not rest.dacl.aces or told_before or (open.posix and mode is not None):
            parts &= ~SecurityInformation.DACL
    if mode is not None:
        mode = kept_mode(mode, await open.run(open.file.stat))
    return parts, rest, mode


async def _set_security(open: Open, parts: int, new: SecurityDescriptor, call: Call) -> None:
    """Replace parts of the file's descriptor: nothing else, and nothing if none are named."""
    check_parts(parts)
    require_parts(open.granted_access, parts, TO_SET)
    if not parts:
        return
    await open.node.caching.give_way(Operation.SET_SECURITY, open.holder, call.wait)
    descriptors = call.connection.server.descriptors
    mode = None
    if parts & SecurityInformation.DACL and (open.posix or (open.session.apple or 0) & ServerCapabilities.NFS_ACE):
        parts, new, mode = await _take_mode(open, parts, new, descriptors)
    if parts:
        await descriptors.keep(open, amend(await descriptors.of_open(open), new, parts, open.session.token), parts)
    if mode is not None:
        await open.run(open.file.set_owner, None, None, mode)
    open.tree.server.notifier.modified(open, CompletionFilter.SECURITY)
