"""CLOSE: a client is done with an open (MS-SMB2 3.3.5.10)."""

from __future__ import annotations

from filesvc.server.connection.call import Call, Reply
from filesvc.server.files.network_times import network_times
from filesvc.server.state.open import Open, PipeOpen
from filesvc.smb2.messages.close import CloseFlags, CloseRequest, CloseResponse

_POSTQUERY_ATTRIB = int(CloseFlags.POSTQUERY_ATTRIB)
_BARE = CloseResponse().encode()


async def close(request: CloseRequest, call: Call) -> Reply:
    """
    Close it, and tell the last attributes if asked.

    @raise OSError: the host refused to delete the file, or to keep what had been written. The open has ended all the same.
    """
    open = call.use_open(request.file_id)
    body = _BARE
    if request.flags & _POSTQUERY_ATTRIB and not isinstance(open, PipeOpen):
        stat = await open.stat()
        body = CloseResponse(flags=CloseFlags.POSTQUERY_ATTRIB, **network_times(stat)).encode()
    await open.close()
    if isinstance(open, Open) and open.refusal is not None:
        raise open.refusal
    return Reply(body)
