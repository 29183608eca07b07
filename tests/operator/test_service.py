"""The service, in memory: what only shows when time is held still."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from filesvc.config import Config, Said, ShareConfig
from filesvc.provision import Listen
from filesvc.server.files.identity import NodeKey
from filesvc.server.state.node import Deletion, FileNode
from filesvc.server.state.open import Open
from filesvc.server.state.services import Carrier
from filesvc.server.state.tree import TreeConnect
from filesvc.service import CannotListen, FileService
from filesvc.store.local import LocalStore


class Reactor(MemoryReactorClock):
    """A reactor whose stop is noticed, and whose threads are none."""

    stopped = False

    def stop(self) -> None:
        self.stopped = True

    def getThreadPool(self) -> Reactor:
        return self

    def callInThreadWithCallback(self, on_result: Callable[[bool, object], None], function: Callable[[], object]) -> None:
        on_result(True, function())

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        function(*args)


@implementer(IStreamServerEndpoint)
class Endpoint:
    """Listens when it is told to."""

    def __init__(self) -> None:
        self.listening: Deferred[IListeningPort] = Deferred()

    def listen(self, protocolFactory: object) -> Deferred[IListeningPort]:
        return self.listening


class Connection:
    """Has a reply to finish."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def finish(self, late: bool) -> None:
        self.asked.append(late)


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def service(reactor: Reactor, tmp_path: Path) -> FileService:
    where = Said(str(tmp_path), "here")
    config = Config(listen=(Said("tcp:445", "here"),), shares=(ShareConfig("docs", where, "here"),), auth=(Said("memory:a:b", "here"),))
    return FileService(reactor, lambda mistakes: config)


def test_started_by_twistd_or_without_privileges_it_listens_once(reactor: Reactor, service: FileService) -> None:
    service.privilegedStartService()
    assert [server[0] for server in reactor.tcpServers] == [445]
    service.startService()
    assert len(reactor.tcpServers) == 1
    service.stopService()


def test_started_as_any_service_it_listens(reactor: Reactor, service: FileService) -> None:
    service.startService()
    assert len(reactor.tcpServers) == 1
    assert service.server.listening == ["0.0.0.0"]
    service.stopService()


def test_the_server_goes_on_until_its_last_reply_is_out(reactor: Reactor, service: FileService) -> None:
    service.startService()
    connection = Connection()
    service.server.add(cast(Carrier, connection))
    stopped: list[object] = []
    service.stopService().addCallback(stopped.append)
    reactor.advance(1)
    assert connection.asked[-1] is False
    assert (stopped, service.server.numPorts) == ([], 1)
    service.server.remove(cast(Carrier, connection))
    reactor.advance(1)
    assert (stopped, service.server.numPorts) == ([None], 0)


def test_signals_are_as_before_afterwards(service: FileService) -> None:
    before = signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGIO)
    service.startService()
    assert signal.getsignal(signal.SIGHUP) != before[0]
    service.stopService()
    assert (signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGIO)) == before


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, service: FileService) -> Iterator[Endpoint]:
    """An endpoint of the service that takes its time."""
    endpoint = Endpoint()
    monkeypatch.setattr(service, "_endpoints", [*service._endpoints, Listen("slow:1", endpoint)])
    yield endpoint
    service.stopService()


def test_it_serves_when_all_endpoints_listen(monkeypatch: pytest.MonkeyPatch, service: FileService, late: Endpoint) -> None:
    told: list[object] = []
    monkeypatch.setattr(service, "_listening", told.append)
    service.startService()
    assert told == []
    late.listening.callback(port := service._ports[0])
    assert told == [[port, port]]


def test_an_endpoint_that_fails_late_ends_the_process(reactor: Reactor, service: FileService, late: Endpoint) -> None:
    service.startService()
    late.listening.errback(CannotListenError("host", 1, "no"))
    assert reactor.stopped


def test_an_endpoint_that_fails_at_once_is_told(service: FileService, late: Endpoint) -> None:
    late.listening.errback(CannotListenError("host", 1, "no"))
    with pytest.raises(CannotListen, match="Cannot listen on slow:1: Couldn't listen on host:1: no") as refused:
        service.startService()
    assert refused.value.code == 1
    service.startService()


def test_a_store_that_has_a_file_to_delete_stays_open(reactor: Reactor, service: FileService, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    store = next(iter(service.server.shares.values())).store
    assert isinstance(store, LocalStore)
    identity = store.identity(("f",))
    node = FileNode(
        NodeKey(store.space, identity), deletions={None: Deletion(cast(TreeConnect, SimpleNamespace(store=store)), ("f",), None)}
    )
    elsewhere = Mock(Open, node=node, path=("f",), tree=Mock(TreeConnect, store=store))
    service.server.nodes.attach(elsewhere)
    (tmp_path / "other").mkdir()
    other = ShareConfig("other", Said(str(tmp_path / "other"), "here"), "here")
    service._load = lambda mistakes: replace(service._config, shares=(other,))
    service.reload()
    assert store.identity(("f",)) == identity
    service.server.nodes.detach(elsewhere)
    service.reload()
    with pytest.raises(OSError, match="Bad file descriptor"):
        store.identity(("f",))
