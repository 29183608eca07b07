"""CHANGE_NOTIFY: tell a client when a directory changes (MS-SMB2 3.3.5.19)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from filesvc.server.call import Call, Reply, error_reply
from filesvc.server.errors import StatusError
from filesvc.smb2.access import AccessMask
from filesvc.smb2.change_notify import ChangeNotifyRequest
from filesvc.smb2.status import Status


async def change_notify(request: ChangeNotifyRequest, call: Call) -> Reply:
    """Wait, until the client cancels or closes the directory."""
    call.charge(request.output_buffer_length)
    open = call.file(request.file_id)
    if request.output_buffer_length > call.connection.max_transfer or not open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(AccessMask.FILE_LIST_DIRECTORY)
    answer: Deferred[Status] = Deferred()

    def settle(status: Status) -> None:
        if not answer.called:
            answer.callback(status)

    open.on_close.append(lambda: settle(Status.NOTIFY_CLEANUP))
    call.pending(lambda: settle(Status.CANCELLED))
    return error_reply(await answer)
