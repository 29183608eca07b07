"""FLUSH: what was written is to be on the disk (MS-SMB2 3.3.5.11)."""

from __future__ import annotations

import os

from filesvc.dtyp.access_mask import AccessMask
from filesvc.server.connection.call import Call, Reply
from filesvc.server.state.open import Open, PipeOpen
from filesvc.smb2.messages.flush import FULL_SYNC, FlushRequest, FlushResponse
from filesvc.zerocopy.workers import with_descriptor

_MAY_FLUSH = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)


async def flush(request: FlushRequest, call: Call) -> Reply:
    """Flush a file in a thread, because that is what disks take longest for."""
    open = call.use_open(request.file_id)
    if not isinstance(open, PipeOpen):
        open.require(_MAY_FLUSH)
        await flush_open(open, full=request.reserved1 == FULL_SYNC)
    return Reply(FlushResponse().encode())


async def flush_open(open: Open, full: bool = False) -> None:
    """
    Return when the data of a file is on the disk, whether or not it is closed meanwhile.

    @param full: with all that is known of the file.
    """
    server = open.tree.server
    if open.descriptor is not None:
        await with_descriptor(server.in_thread, open.descriptor, os.fsync if full else os.fdatasync)
    else:
        with open.busy():
            await server.in_thread(open.file.flush)
