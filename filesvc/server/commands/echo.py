"""ECHO: is the server there (MS-SMB2 3.3.5.17)."""

from __future__ import annotations

from filesvc.server.connection.call import Call, Reply
from filesvc.smb2.messages.echo import EchoRequest, EchoResponse

_REPLY = EchoResponse().encode()


def echo(request: EchoRequest, call: Call) -> Reply:
    """It is."""
    return Reply(_REPLY)
