"""A slow disk holds up those who want something from it, and nobody else: real connections, and disks that take their time."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Factory

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.interfaces import IFileStore
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryFile, MemoryStore
from filesvc.zerocopy import copy, preflight
from filesvc.zerocopy.copy import read_true
from filesvc.zerocopy.residency import bring_in

from ..interop.rawclient import RawClient

DELAY_S = 0.3
"""What each access to the disk takes."""
HOLD_UP_S = 0.02
"""What an ECHO may take all the same."""
SIZE = 1 << 20


class SlowStore(MemoryStore):
    """A store that must be called in threads."""

    blocking = True

    def open(self, *arguments: Any) -> MemoryFile:
        time.sleep(DELAY_S)
        return super().open(*arguments)


@pytest.fixture(params=["store", "disk"])
def slow_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IFileStore:
    """A store without descriptors that is slow, and a local folder on a disk that is."""

    def slowly(function: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*arguments: Any) -> Any:
            time.sleep(DELAY_S)
            return function(*arguments)

        return slow

    def read(fd: int, view: memoryview, offset: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError(errno.EAGAIN, "not in memory")
        time.sleep(DELAY_S)
        return read_true(fd, view, offset)

    if request.param == "store":
        store = SlowStore()
        monkeypatch.setattr(MemoryFile, "read_into", slowly(MemoryFile.read_into))
        store.add("file", bytes(SIZE))
        return store
    (tmp_path / "file").write_bytes(bytes(SIZE))
    monkeypatch.setattr(preflight, "bring_in", slowly(bring_in))
    monkeypatch.setattr(copy, "read_true", read)
    return LocalStore(tmp_path)


@pytest.fixture
def port(slow_store: IFileStore) -> Iterator[int]:
    """A server's port; its reactor runs in a thread."""
    reactor: Any = EPollReactor()
    portal = Portal(UserRealm())
    portal.registerChecker(InMemoryUsernamePasswordDatabaseDontUse(alice=b"secret"), IUsernameHashedPassword, INTLMv2Response)
    server = Server(Settings(), portal, [Share("rw", slow_store)], reactor)
    server.preflight._resident = lambda *_: False
    # Here, for only the main thread may listen for signals.
    server.leases.start()
    connections = Factory()
    connections.buildProtocol = server.buildProtocol  # type: ignore[method-assign]
    listening = reactor.listenTCP(0, connections, interface="127.0.0.1")
    thread = Thread(target=lambda: reactor.run(installSignalHandlers=False))
    thread.start()
    yield listening.getHost().port
    reactor.callFromThread(reactor.stop)
    thread.join()
    server.leases.stop()
    slow_store.close()


def connect(port: int) -> RawClient:
    client = RawClient(port)
    client.negotiate()
    client.log_on("alice", "secret")
    client.connect_tree("rw")
    return client


def longest_echo(client: RawClient, wanted: Callable[[], bool]) -> float:
    longest = 0.0
    while wanted():
        begun = time.monotonic()
        client.echo()
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.001)
    return longest


def test_a_cold_read_delays_no_echo_of_another_client(port: int) -> None:
    reader, bystander = connect(port), connect(port)
    file_id = reader.create("file")
    # The machine may be busy with something else, but not each time.
    assert min(hold_up(reader, file_id, bystander) for _ in range(3)) < HOLD_UP_S
    reader.close()
    bystander.close()


def hold_up(reader: RawClient, file_id: bytes, bystander: RawClient) -> float:
    """The longest ECHO while the other client reads."""
    taken: list[float] = []

    def read() -> None:
        begun = time.monotonic()
        for offset in range(0, SIZE, SIZE // 4):
            reader.read(file_id, offset, SIZE // 4)
        taken.append(time.monotonic() - begun)

    thread = Thread(target=read)
    thread.start()
    longest = longest_echo(bystander, thread.is_alive)
    thread.join()
    assert taken[0] >= 4 * DELAY_S, "the disk was not slow"
    return longest
