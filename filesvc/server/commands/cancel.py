"""CANCEL: the client no longer wants an answer that takes time (MS-SMB2 3.3.5.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.server.connection.call import Call, Reply

if TYPE_CHECKING:
    from filesvc.smb2.messages.cancel import CancelRequest


def cancel(request: CancelRequest, call: Call) -> Reply:
    """Cancel the request that the header names, if it still waits. A CANCEL itself is never answered."""
    waiting = call.connection.workload.find(call.header)
    if waiting is not None and waiting.cancel is not None:
        waiting.cancel()
    return Reply(b"")
