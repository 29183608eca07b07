"""Replies to control codes (MS-SMB2 2.2.32)."""

from __future__ import annotations

from filesvc.dtyp.status import Status
from filesvc.server.connection.call import Reply
from filesvc.server.errors import StatusError
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse


def reply(request: IoctlRequest, output: bytes = b"", status: Status = Status.SUCCESS) -> Reply:
    """The response with what a control code gives."""
    return Reply(IoctlResponse(request.ctl_code, request.file_id, output).encode(), status)


def require_room(request: IoctlRequest, length: int, otherwise: Status = Status.BUFFER_TOO_SMALL) -> None:
    """
    Go on only if the client has room for so many bytes.

    @raise StatusError: what MS-FSA has for the control code else.
    """
    if request.max_output_response < length:
        raise StatusError(otherwise)
