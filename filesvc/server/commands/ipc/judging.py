"""Who a client proves to be inside a pipe (MS-RPCE 3.3.1.5.2): nobody else than the session's user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.auth.acceptor import Continue
from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.names import same_name
from filesvc.rpc.authentication import Verdict
from filesvc.server.printable import printable

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call
    from filesvc.server.state.open import PipeOpen

log = Logger()


async def judge(open: PipeOpen, token: bytes, call: Call) -> Verdict | None:
    """
    What to think of a client's token; C{None} if it is to be refused.

    Calls are made as the session's user, so another one's proof is refused too, and is not told from a wrong password: who is logged on
    cannot try the passwords of others here.
    """
    connection, user = call.connection, open.session.user
    assert user is not None
    if open.conversation is None:
        open.conversation = connection.server.rpc_acceptor.start(connection.peer)
    conversation = open.conversation
    try:
        outcome = await conversation.step(token)
    except (LogonFailure, MalformedToken) as error:
        log.info("{peer}: {user} did not prove that again, in pipe {pipe}", peer=connection.peer, user=user.name, pipe=open.name)
        log.debug("{peer}: because {error}", peer=connection.peer, error=error)
        return None
    if isinstance(outcome, Continue):
        return Verdict(outcome.token)
    open.conversation = None
    outcome.log_off()
    if not same_name(outcome.user.name, user.name):
        name = printable(outcome.user.name)
        log.info("{peer}: {user} says to be {name}, in pipe {pipe}", peer=connection.peer, user=user.name, name=name, pipe=open.name)
        return None
    return Verdict(outcome.token, True, conversation.session_security())
