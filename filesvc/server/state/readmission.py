"""It has changed who may log on: what becomes of the sessions of those who have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.printable import printed
from filesvc.server.access.principals import Principals, SidTaken

if TYPE_CHECKING:
    from filesvc.auth.acceptor import Acceptor
    from filesvc.server.state.session import Session
    from filesvc.server.state.session_table import SessionTable
    from filesvc.zerocopy.workers import InThread

log = Logger(observer=printed)


class Readmission:
    """
    Asks again whether users may log on.

    @ivar count: how often. Who is logging on while that changes has to begin anew.
    """

    def __init__(self, sessions: SessionTable, acceptor: Acceptor, principals: Principals, in_thread: InThread) -> None:
        """@param in_thread: calls what may have to wait for another machine."""
        self.count = 0
        self._sessions = sessions
        self._acceptor = acceptor
        self._principals = principals
        self._in_thread = in_thread

    async def run(self) -> None:
        """
        Ask for each session whether its user could log on as when it was made, and end it if not; one who was removed could not, nor who
        has another password. The others' groups are what they are now.
        """
        self.count += 1
        for session in list(self._sessions.values()):
            if session.guest or session.anonymous or session.user is None or await self._admit(session):
                continue
            if self._sessions.get(session.session_id) is session:
                log.info("the session of {user} ends: this user may not log on any more, or has another password", user=session.user.name)
                await self._sessions.close(session)

    async def _admit(self, session: Session) -> bool:
        user = session.user
        assert user is not None
        if session.proof is None or not await self._acceptor.still_lets_in(session.proof, user.name):
            return False
        try:
            session.token = await self._in_thread(partial(self._principals.token, user, False))
        except SidTaken as error:
            log.error("{error}", error=error)
            return False
        return True
