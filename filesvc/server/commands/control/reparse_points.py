"""Control codes for reparse points (MS-FSCC 2.3, MS-FSA 2.1.5.10)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.fscc.reparse_point import ReparseDataBuffer
from filesvc.interfaces import IReparsePointFile, ISpecialFile
from filesvc.server.commands.control.replies import reply, require_room
from filesvc.server.errors import StatusError
from filesvc.server.files.special_files import is_tag_of, reparse_buffer, reparse_tag
from filesvc.server.operations.becoming import become_plain, become_reparse_point

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.server.state.open import Open
    from filesvc.smb2.messages.ioctl import IoctlRequest

_MAY_CHANGE = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_WRITE_ATTRIBUTES)
_HEADER_LENGTH: Final = 8
_LAST_RESERVED_TAG: Final = 1


async def get_reparse_point(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_GET_REPARSE_POINT: what a link or special file is, or what a client has made of a file (MS-FSA 2.1.5.10.17)."""
    buffer = await _buffer(call.use_file_open(request.file_id))
    require_room(request, _HEADER_LENGTH)
    room = request.max_output_response
    return reply(request, buffer[:room], Status.BUFFER_OVERFLOW if len(buffer) > room else Status.SUCCESS)


async def _buffer(open: Open) -> bytes:
    file = open.file
    if ISpecialFile.providedBy(file):
        return reparse_buffer(await open.run(lambda: file.special), open.posix).encode()
    if IReparsePointFile.providedBy(file):
        try:
            return await open.run(file.get_reparse_point)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
    raise StatusError(Status.NOT_A_REPARSE_POINT)


async def set_reparse_point(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SET_REPARSE_POINT: make a link, a special file or another reparse point of what is open (MS-FSA 2.1.5.10.37)."""
    open = call.use_file_open(request.file_id)
    open.require(_MAY_CHANGE)
    if not request.input:
        raise StatusError(Status.INVALID_BUFFER_SIZE)
    asked = _parse(request)
    if asked.tag <= _LAST_RESERVED_TAG:
        raise StatusError(Status.IO_REPARSE_TAG_INVALID)
    stat = await open.stat()
    if reparse_tag(stat) and not is_tag_of(asked.tag, stat):
        raise StatusError(Status.IO_REPARSE_TAG_MISMATCH)
    await become_reparse_point(open, bytes(request.input), call.connection.server.descriptors)
    return reply(request)


async def delete_reparse_point(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_DELETE_REPARSE_POINT: have what is open be a plain file or directory again (MS-FSA 2.1.5.10.3)."""
    open = call.use_file_open(request.file_id)
    open.require(_MAY_CHANGE)
    stat = await open.stat()
    if not reparse_tag(stat):
        raise StatusError(Status.NOT_A_REPARSE_POINT)
    asked = _parse(request)
    if asked.data:
        raise StatusError(Status.IO_REPARSE_DATA_INVALID)
    if not is_tag_of(asked.tag, stat):
        raise StatusError(Status.IO_REPARSE_TAG_MISMATCH)
    await become_plain(open)
    return reply(request)


def _parse(request: IoctlRequest) -> ReparseDataBuffer:
    try:
        return ReparseDataBuffer.parse(request.input)
    except MalformedMessage:
        raise StatusError(Status.IO_REPARSE_DATA_INVALID) from None
