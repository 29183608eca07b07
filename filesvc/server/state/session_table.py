"""GlobalSessionTable: the sessions that are logged on, and what is still remembered of those that ended lately (MS-SMB2 3.3.1.5)."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from filesvc.server.state.session import Channel, Session

_ENDED_KEPT = 1024


class SessionTable(dict[int, Session]):
    """All sessions, by id, from the end of their logon on."""

    def __init__(self) -> None:
        super().__init__()
        self._ended: OrderedDict[int, Session] = OrderedDict()

    def next_id(self) -> int:
        """An id of 32 bits that no session has, and that nobody can guess."""
        while True:
            session_id = secrets.randbits(32)
            if session_id and session_id not in self:
                return session_id

    async def close(self, session: Session, keep: bool = False) -> None:
        """End a session, and forget it. Its durable opens may be kept."""
        self._forget(session)
        await session.close(keep)

    async def drop_channel(self, channel: Channel) -> None:
        """A connection does not carry a session any more, which ends if it was the last."""
        session = channel.session
        await session.drop_channel(channel.connection)
        if not session.channels:
            self._forget(session)

    def whose_signature(self, session_id: int) -> Session | None:
        """A session, even one that has ended lately: a client that signs believes nothing about it without its signature."""
        return self.get(session_id) or self._ended.get(session_id)

    def _forget(self, session: Session) -> None:
        if self.pop(session.session_id, None) is not None:
            self._ended[session.session_id] = session
            if len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)
