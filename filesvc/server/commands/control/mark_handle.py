"""FSCTL_MARK_HANDLE: which copy of the data an open reads, where a volume keeps several (MS-FSCC 2.3.39, MS-FSA 2.1.5.10.19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl_structures import MarkHandleFlags, MarkHandleInfo
from filesvc.server.commands.control.replies import reply
from filesvc.server.errors import StatusError
from filesvc.smb2.messages.create import CreateOptions

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.smb2.messages.ioctl import IoctlRequest

_ONE_OF = frozenset({MarkHandleFlags.READ_COPY, MarkHandleFlags.NOT_READ_COPY})


async def mark_handle(request: IoctlRequest, call: Call) -> Reply:
    """There is one copy, and every open reads it."""
    open = call.use_file_open(request.file_id)
    if len(request.input) < MarkHandleInfo.MINIMUM_LENGTH:
        raise StatusError(Status.BUFFER_TOO_SMALL)
    asked = MarkHandleInfo.parse(request.input)
    if open.is_directory:
        raise StatusError(Status.DIRECTORY_NOT_SUPPORTED)
    if asked.handle_info not in _ONE_OF or not open.mode & CreateOptions.NO_INTERMEDIATE_BUFFERING or asked.copy_number:
        raise StatusError(Status.INVALID_PARAMETER)
    if asked.handle_info == MarkHandleFlags.READ_COPY:
        raise StatusError(Status.NOT_REDUNDANT_STORAGE)
    return reply(request)
