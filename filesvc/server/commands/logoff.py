"""LOGOFF: a session ends (MS-SMB2 3.3.5.6)."""

from __future__ import annotations

from filesvc.server.connection.call import Call, Reply
from filesvc.smb2.messages.logoff import LogoffRequest, LogoffResponse


async def logoff(request: LogoffRequest, call: Call) -> Reply:
    """Close all that was opened in the session, but for durable opens, and forget it."""
    await call.connection.server.sessions.close(call.session, keep=True)
    return Reply(LogoffResponse().encode())
