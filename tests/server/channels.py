"""Other connections of a client's, and one session on two of them."""

from __future__ import annotations

from typing import Any

import spnego

from filesvc.dtyp.status import Status
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.session_setup import SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from filesvc.smb2.protection.keys import signing_key
from filesvc.smb2.protection.signing import signer_for

from .dialogue import Answer, Client


def connect(client: Client, **fields: Any) -> Client:
    """Another client of the same server, after NEGOTIATE."""
    other = Client(client.server, **fields)
    assert other.negotiate().status is Status.SUCCESS
    return other


def bind(client: Client, other: Client, sign: bool = True, user: str = "alice") -> Answer:
    """Ask for C{client}'s session on C{other}'s connection; the last answer."""
    other.session_id, other.signer, other.sign = client.session_id, client.signer, sign
    context = spnego.client(user, "secret", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
    token = context.step()
    preauth = other.preauth.copy()
    while True:
        header = other.header(Command.SESSION_SETUP, tree_id=0)
        request = other.encode(header, SessionSetupRequest(token or b"", flags=SessionSetupFlags.BINDING).encode())
        preauth.update(request)
        other.send(request)
        (answer,) = other.receive()
        if answer.status not in (Status.SUCCESS, Status.MORE_PROCESSING_REQUIRED):
            return answer
        token = context.step(bytes(SessionSetupResponse.parse(answer.message).security_buffer))
        if answer.status is Status.SUCCESS:
            key = signing_key(other.dialect, context.session_key, preauth.value)
            other.signer = signer_for(other.connection.signing_algorithm, key)
            assert other.verifies(answer)
            return answer
        assert other.verifies(answer) or not answer.header.flags & HeaderFlags.SIGNED
        preauth.update(answer.message)
