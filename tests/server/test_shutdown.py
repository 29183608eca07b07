"""The server ends when its last reply is out, at that very moment, or when the time for it is over. Time stands still here."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from filesvc.dtyp.status import Status
from filesvc.server.commands import read as read_module
from filesvc.server.connection.call import Reply
from filesvc.server.server import Server
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client
from .standing_reactor import FakeReactor

ECHO = EchoRequest().encode()
LARGE = 4 << 20


class Work:
    """What a READ waits for."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[None]] = []
        self.then_for: Deferred[None] | None = None

    async def read(self, request: Any, call: Any, open: Any) -> Any:
        self.waiting.append(Deferred())
        await self.waiting[-1]
        if self.then_for is not None:
            await call.wait(self.then_for)
        return Reply(b"")

    def finish(self) -> None:
        while self.waiting:
            self.waiting.pop(0).callback(None)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    monkeypatch.setattr(read_module, "_read_store", work.read)
    return work


def end(server: Any) -> list[None]:
    """Shut down; the list has an element when that is done."""
    done: list[None] = []
    server.shutdown().addCallback(done.append)
    return done


def start_read(client: Client, file_id: FileId) -> None:
    client.send(client.encode(client.header(Command.READ), ReadRequest(file_id, 0, 10).encode()))


def test_without_clients_it_ends_at_once(server: Server, reactor: FakeReactor) -> None:
    assert end(server) == [None]
    assert not reactor.getDelayedCalls()


def test_idle_clients_are_closed_at_once(client: Client, another: Client) -> None:
    assert end(client.server) == [None]
    assert client.closed
    assert another.closed


def test_a_request_that_is_worked_on_is_answered_first(client: Client, another: Client, work: Work) -> None:
    file_id = client.open("a")
    start_read(client, file_id)
    done = end(client.server)
    assert (client.closed, another.closed, done) == (False, True, [])
    client.send(client.encode(client.header(Command.ECHO), ECHO))
    work.finish()
    assert [answer.header.command for answer in client.receive()] == [Command.READ]
    assert client.closed
    assert done == [None]


def test_requests_that_wait_for_something_are_not_waited_for(client: Client) -> None:
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert (
        client.ask(Command.CHANGE_NOTIFY, ChangeNotifyRequest(directory, CompletionFilter.FILE_NAME, 1000).encode()).status
        is Status.PENDING
    )
    assert end(client.server) == [None]
    assert client.closed


def test_nor_are_those_that_begin_to_wait_meanwhile(client: Client, work: Work) -> None:
    start_read(client, client.open("a"))
    done = end(client.server)
    work.then_for = Deferred()
    work.finish()
    assert [answer.status for answer in client.receive()] == [Status.PENDING]
    assert client.closed
    assert done == [None]


def test_a_reply_that_the_client_has_not_taken_is_waited_for(client: Client, store: MemoryStore) -> None:
    store.add("a", bytes(LARGE))
    file_id = client.open("a")
    client.send(client.encode(client.header(Command.READ, charge=64), ReadRequest(file_id, 0, LARGE).encode()))
    done = end(client.server)
    assert (client.closed, done) == (False, [])
    (answer,) = client.receive()
    assert len(answer.message) > LARGE
    assert client.closed
    assert done == [None]


def test_when_the_time_is_over_it_ends(client: Client, reactor: FakeReactor, work: Work) -> None:
    start_read(client, client.open("a"))
    done = end(client.server)
    reactor.advance(client.server.settings.limits.shutdown_timeout - 0.1)
    assert (client.closed, done) == (False, [])
    reactor.advance(0.2)
    assert (client.closed, done) == (True, [None])
    work.finish()


def test_who_comes_when_it_ends_is_turned_away(client: Client, work: Work) -> None:
    start_read(client, client.open("a"))
    done = end(client.server)
    late = Client(client.server)
    assert late.closed
    work.finish()
    assert done == [None]


def test_it_does_not_look_again_and_again(client: Client, reactor: FakeReactor, work: Work) -> None:
    start_read(client, client.open("a"))
    before = len(reactor.getDelayedCalls())
    end(client.server)
    assert len(reactor.getDelayedCalls()) == before + 1
    work.finish()
    assert len(reactor.getDelayedCalls()) == 0
