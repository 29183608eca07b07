"""What is remembered of sessions that have ended."""

from __future__ import annotations

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.state import session_table
from filesvc.smb2.header import Command
from filesvc.smb2.messages.logoff import LogoffRequest

from .dialogue import MakeClient


def test_only_so_many_are_remembered_the_last_ones(server: Server, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_table, "_ENDED_KEPT", 2)
    clients = [make_client() for _ in range(4)]
    for client in clients[:3]:
        assert client.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.SUCCESS
    known = [server.sessions.whose_signature(client.session_id) is not None for client in clients]
    assert known == [False, True, True, True]
