"""What is asked of TCP, whatever lies between."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from filesvc.server.server import Server
from filesvc.server.tcp import GONE_S, LOOK_S, has_vanished, set_tcp_options

from .dialogue import Client
from .standing_reactor import FakeReactor


class Bare:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def getHandle(self) -> socket.socket:
        return self._socket


class Wrapper:
    """As TLS is."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    def getHandle(self) -> object:
        return object()


@pytest.mark.parametrize("wrapped", [0, 1, 2])
def test_silent_connections_are_probed_and_small_replies_are_not_held_back(wrapped: int) -> None:
    with socket.socket() as sock:
        transport: Any = Bare(sock)
        for _ in range(wrapped):
            transport = Wrapper(transport)
        set_tcp_options(transport)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        idle, interval, probes = (
            sock.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + interval * probes == 120


def test_clients_that_have_vanished_are_looked_for(
    server: Server, client: Client, reactor: FakeReactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [(client.transport, GONE_S)]
    monkeypatch.setattr(
        "filesvc.server.connection.connection.has_vanished", lambda transport, silence_s, unanswered: (transport, silence_s) in gone
    )
    server.doStart()
    try:
        reactor.advance(LOOK_S - 1)
        assert not client.closed
        reactor.advance(1)
        assert client.closed
    finally:
        server.doStop()


def test_without_tcp_there_is_nothing_to_ask() -> None:
    here, there = socket.socketpair()
    with here, there:
        set_tcp_options(Bare(here))
        assert not has_vanished(Bare(here), 0)
    set_tcp_options(object())
    assert not has_vanished(object(), 0)
