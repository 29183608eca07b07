"""Who a client proves to be inside a pipe (MS-RPCE 3.3.1.5.2): nobody else than the session's user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.auth.acceptor import Continue
from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.names import same_name
from filesvc.rpc.authentication import Verdict

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call
    from filesvc.server.state.open import PipeOpen


async def judge(open: PipeOpen, token: bytes, call: Call) -> Verdict | None:
    """
    What to think of a client's token; C{None} if it is to be refused.

    Calls are made as the session's user, so another one's proof is refused too, and is not told from a wrong password: who is logged on
    cannot try the passwords of others here.
    """
    connection, user = call.connection, open.session.user
    assert user is not None
    if open.conversation is None:
        open.conversation = connection.server.rpc_acceptor.start(connection.peer, connection.client_host, connection.host)
    conversation = open.conversation
    try:
        outcome = await conversation.step(token)
    except (LogonFailure, MalformedToken) as error:
        lines, peer = connection.server.client_lines, connection.peer
        lines.info("{peer}: {user} did not prove it again, in pipe {pipe}: {error}", peer=peer, user=user.name, pipe=open.name, error=error)
        return None
    if isinstance(outcome, Continue):
        return Verdict(outcome.token)
    open.conversation = None
    outcome.log_off()
    if not same_name(outcome.user.name, user.name):
        lines, name = connection.server.client_lines, outcome.user.name
        lines.info("{peer}: {user} says to be {name}, in pipe {pipe}", peer=connection.peer, user=user.name, name=name, pipe=open.name)
        return None
    return Verdict(outcome.token, True, conversation.session_security())
