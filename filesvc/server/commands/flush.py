"""FLUSH: what was written is to be on the disk (MS-SMB2 3.3.5.11)."""

from __future__ import annotations

from twisted.internet.threads import deferToThreadPool

from filesvc.server.call import Call, Reply
from filesvc.server.open import PipeOpen
from filesvc.smb2.access import AccessMask
from filesvc.smb2.flush import FlushRequest, FlushResponse


async def flush(request: FlushRequest, call: Call) -> Reply:
    """Flush a file in a thread, because that is what disks take longest for."""
    open = call.find_open(request.file_id)
    if not isinstance(open, PipeOpen):
        open.require(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
        server = call.connection.server
        await deferToThreadPool(server.reactor, server.reactor.getThreadPool(), open.file.flush)
        open.settle_write_time()
    return Reply(FlushResponse().encode())
