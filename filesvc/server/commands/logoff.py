"""LOGOFF: a session ends (MS-SMB2 3.3.5.6)."""

from __future__ import annotations

from filesvc.server.call import Call, Reply
from filesvc.smb2.logoff import LogoffRequest, LogoffResponse


async def logoff(request: LogoffRequest, call: Call) -> Reply:
    """Close all that was opened in the session, and forget it."""
    session = call.session
    call.connection.server.sessions.pop(session.session_id, None)
    await session.close()
    return Reply(LogoffResponse().encode())
