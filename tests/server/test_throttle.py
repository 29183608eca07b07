"""A client that asks faster than it takes, or than it can be served, is not read from."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from filesvc.dtyp.status import Status
from filesvc.server.commands import read as read_module
from filesvc.server.connection.call import Reply
from filesvc.smb2.header import Command
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client

MIB = 1 << 20


def test_replies_that_are_not_taken_stop_the_reading(client: Client, store: MemoryStore) -> None:
    store.add("a", bytes(MIB))
    file_id = client.open("a")
    limits = client.server.settings.limits
    client.ask(Command.ECHO, EchoRequest().encode(), credits=8000)
    requests = limits.backlog // MIB + 50
    for _ in range(requests):
        client.send(client.encode(client.header(Command.READ, charge=16), ReadRequest(file_id, 0, MIB).encode()))
    assert client.transport.producerState == "paused"
    assert client.server.data_path.buffers.outstanding <= limits.backlog // MIB + 2
    answers = client.receive()
    while len(answers) < requests:
        more = client.receive()
        assert more
        answers += more
    assert {answer.status for answer in answers} == {Status.SUCCESS}
    assert client.transport.producerState == "producing"


def test_requests_that_take_time_stop_the_reading(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = client.open("a")
    client.ask(Command.ECHO, EchoRequest().encode(), credits=1000)
    waiting: list[Deferred[None]] = []

    async def slow(request: Any, call: Any, open: Any) -> Any:
        done: Deferred[None] = Deferred()
        waiting.append(done)
        await done
        return Reply(b"")

    monkeypatch.setattr(read_module, "_read_store", slow)
    parallel = client.server.settings.limits.parallel
    for _ in range(parallel + 10):
        client.send(client.encode(client.header(Command.READ), ReadRequest(file_id, 0, 10).encode()))
    assert len(waiting) == parallel + 1
    assert client.transport.producerState == "paused"
    while waiting:
        waiting.pop(0).callback(None)
    assert client.transport.producerState == "producing"
    assert len(client.receive()) == parallel + 10


def test_requests_that_begin_to_wait_make_room_for_others(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what they wait for could never come."""
    file_id = client.open("a")
    begun: list[Deferred[None]] = []
    awaited: list[Deferred[None]] = []

    async def slow(request: Any, call: Any, open: Any) -> Any:
        begun.append(Deferred())
        await begun[-1]
        awaited.append(Deferred())
        await call.wait(awaited[-1])
        return Reply(b"")

    monkeypatch.setattr(read_module, "_read_store", slow)
    for _ in range(client.server.settings.limits.parallel + 1):
        client.send(client.encode(client.header(Command.READ), ReadRequest(file_id, 0, 10).encode()))
    assert client.transport.producerState == "paused"
    begun[0].callback(None)
    assert client.transport.producerState == "producing"
    for waiting in begun[1:]:
        waiting.callback(None)
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    for each in awaited:
        each.callback(None)
