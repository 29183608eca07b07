"""CHANGE_NOTIFY: tell a client when a directory changes (MS-SMB2 3.3.5.19)."""

from __future__ import annotations

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.notify_information import FileNotifyInformation, encode_notify_information
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.operations.access_based import select_told
from filesvc.smb2.messages.change_notify import ChangeNotifyFlags, ChangeNotifyRequest, ChangeNotifyResponse


async def change_notify(request: ChangeNotifyRequest, call: Call) -> Reply:
    """Answer with the changes since the last answer: at once if there are some, else when there are."""
    length = request.output_buffer_length
    call.charge(length)
    open = call.use_file_open(request.file_id)
    if length > call.connection.max_transfer or not open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(AccessMask.FILE_LIST_DIRECTORY)
    if open.node.delete_pending:
        raise StatusError(Status.DELETE_PENDING)
    notifier = call.connection.server.notifier
    watch = notifier.watch_of(open)
    if watch is None:
        watch = notifier.watch(open, request.completion_filter, bool(request.flags & ChangeNotifyFlags.WATCH_TREE), length)
    records: list[FileNotifyInformation] | None = []
    try:
        while True:
            changes = watch.next(length)
            heard = await (changes if changes.called else call.wait(changes))
            records = await select_told(heard, open, call.connection.server.descriptors)
            if records or records is None or not heard:
                break
    except StatusError as ended:
        if ended.status is not Status.NOTIFY_CLEANUP:
            raise
        # The directory was closed, which is no failure (MS-SMB2 3.3.4.17).
        return Reply(ChangeNotifyResponse().encode(), Status.NOTIFY_CLEANUP)
    if not records:
        return Reply(ChangeNotifyResponse().encode(), Status.NOTIFY_ENUM_DIR)
    return Reply(ChangeNotifyResponse(encode_notify_information(records)).encode())
