"""The kernel's count of what a peer has not taken, compared with what we know."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from filesvc.zerocopy.backlog import Backlog, unread_by_peer

Pair = tuple[socket.socket, socket.socket]


def until_acknowledged(condition: Callable[[], bool]) -> None:
    """The peer's kernel may wait 40 ms before it says what it has."""
    end = time.monotonic() + 1
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if request.param == "mapped":
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        target = ("127.0.0.1", listener.getsockname()[1])
    else:
        family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
        listener = socket.create_server((request.param, 0), family=family)
        target = listener.getsockname()[:2]
    with listener, socket.create_connection(target) as peer:
        here, _ = listener.accept()
        with here:
            yield here, peer


def test_local_peer_has_taken_what_it_has_read(pair: Pair) -> None:
    here, peer = pair
    backlog = Backlog(here)
    assert backlog() == 0
    here.sendall(b"x" * 1000)
    until_acknowledged(lambda: backlog() == 1000)
    peer.recv(400)
    assert backlog() == 600
    peer.recv(600)
    assert backlog() == 0


def test_bytes_that_do_not_fit_are_counted(pair: Pair) -> None:
    here, peer = pair
    here.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += here.send(b"x" * 100_000)
    backlog = Backlog(here)
    assert backlog() >= sent
    peer.recv(sent, socket.MSG_WAITALL)
    until_acknowledged(lambda: backlog() == 0)


def test_unix_peer_has_taken_all_when_it_has_read_all() -> None:
    here, peer = socket.socketpair()
    with here, peer:
        backlog = Backlog(here)
        here.sendall(b"x" * 1000)
        assert backlog() >= 1000
        peer.recv(1000)
        assert backlog() == 0


def test_peer_on_another_machine_is_not_found() -> None:
    class Elsewhere:
        family = socket.AF_INET

        def getsockname(self) -> tuple[str, int]:
            return ("192.0.2.1", 445)

        def getpeername(self) -> tuple[str, int]:
            return ("192.0.2.2", 50000)

    assert unread_by_peer(Elsewhere()) is None  # type: ignore[arg-type]


def test_lost_connection_is_an_error(pair: Pair) -> None:
    here, _ = pair
    backlog = Backlog(here)
    here.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        backlog()
