"""Notifications of breaks: on which of a client's connections they go out, and on which again when that is lost."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.state.break_notice import ALONE_S, ELSEWHERE_S, LOOK_S
from filesvc.server.state.caching import BREAK_TIMEOUT
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateResponse, OplockLevel
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakNotification, OplockBreak
from filesvc.smb2.messages.write import WriteRequest

from .channels import bind, connect
from .dialogue import Client, MakeClient
from .durability import BATCH, KEY, OTHER_KEY, RH, RWH, STRANGER, create, response, rqls
from .standing_reactor import FakeReactor

II, NONE = OplockLevel.II, OplockLevel.NONE


@pytest.fixture
def channel(client: Client) -> Client:
    """One more connection of the client's, which carries the same session."""
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    other.tree_id, other.sign = client.tree_id, False
    return other


@pytest.fixture
def another(make_client: MakeClient) -> Client:
    """A client of another machine."""
    return make_client(client_guid=STRANGER)


@pytest.fixture
def vanished(monkeypatch: pytest.MonkeyPatch) -> dict[Any, float]:
    """For how long nothing has been heard, by transport."""
    silences: dict[Any, float] = {}
    monkeypatch.setattr(
        "filesvc.server.connection.connection.has_vanished",
        lambda transport, silence_s, unanswered: silences.get(transport, 0) >= silence_s,
    )
    return silences


def batch(client: Client, name: str = "f") -> FileId:
    answer = response(create(client, name=name))
    assert answer.oplock_level == BATCH
    return answer.file_id


def is_opened(client: Client) -> bool:
    client.unasked += client.receive()
    return bool(client.unasked) and client.unasked[-1].status is Status.SUCCESS


def test_an_oplock_break_goes_out_where_the_oplock_was_granted(client: Client, channel: Client, another: Client) -> None:
    there, here = batch(channel, "there"), batch(client, "here")
    create(another, name="there")
    assert (client.breaks(), channel.breaks()) == ([], [OplockBreak(there, II)])
    create(another, name="here")
    assert (client.breaks(), channel.breaks()) == ([OplockBreak(here, II)], [])


@pytest.mark.parametrize("first", [0, 1])
def test_if_that_connection_is_lost_the_break_goes_out_on_another(client: Client, channel: Client, another: Client, first: int) -> None:
    lost, left = (client, channel) if first == 0 else (channel, client)
    file_id = batch(lost)
    assert create(another).status is Status.PENDING
    lost.transport.loseConnection()
    assert left.breaks() == [OplockBreak(file_id, II)]
    assert left.ask(Command.OPLOCK_BREAK, OplockBreak(file_id, II).encode()).status is Status.SUCCESS
    assert is_opened(another)


def test_and_so_does_one_that_needs_no_answer(client: Client, channel: Client, another: Client) -> None:
    file_id = response(create(client, level=II)).file_id
    other = response(create(another, level=II)).file_id
    another.ask(Command.WRITE, WriteRequest(other, 0, b"x").encode())
    assert client.breaks() == [OplockBreak(file_id, NONE)]
    client.transport.loseConnection()
    assert channel.breaks() == [OplockBreak(file_id, NONE)]


@pytest.mark.parametrize("seconds", [BREAK_TIMEOUT - LOOK_S, BREAK_TIMEOUT])
def test_for_as_long_as_an_answer_may_take(client: Client, channel: Client, another: Client, reactor: FakeReactor, seconds: float) -> None:
    response(create(client, level=II))
    other = response(create(another, level=II)).file_id
    another.ask(Command.WRITE, WriteRequest(other, 0, b"x").encode())
    reactor.pump([LOOK_S] * int(seconds / LOOK_S))
    client.transport.loseConnection()
    assert len(channel.breaks()) == (1 if seconds < BREAK_TIMEOUT else 0)


def test_not_if_it_was_answered(client: Client, channel: Client, another: Client) -> None:
    file_id = batch(client)
    create(another)
    client.ask(Command.OPLOCK_BREAK, OplockBreak(file_id, II).encode())
    client.transport.loseConnection()
    assert not channel.breaks()


def test_nor_if_there_is_nothing_left_to_break(client: Client, channel: Client, another: Client) -> None:
    file_id = batch(client)
    create(another)
    channel.ask(Command.CLOSE, CloseRequest(file_id).encode())
    client.transport.loseConnection()
    assert not channel.breaks()


def test_nor_if_the_client_has_been_granted_more_since(client: Client, channel: Client, another: Client) -> None:
    create(client, rqls(state=LeaseState.READ_CACHING))
    other = response(create(another, level=NONE)).file_id
    another.ask(Command.WRITE, WriteRequest(other, 0, b"x").encode())
    assert len(client.breaks()) == 1
    another.close(other)
    create(channel, rqls(state=RWH))
    client.transport.loseConnection()
    assert not channel.breaks()


def test_a_lease_break_goes_out_on_any_connection_of_the_clients(client: Client, make_client: MakeClient, another: Client) -> None:
    """Of whichever session; not before all are lost are its opens closed."""
    second = make_client()
    create(second, rqls(state=RWH))
    assert create(another, rqls(key=OTHER_KEY)).status is Status.PENDING
    assert len(client.breaks()) == 1
    client.transport.loseConnection()
    (told,) = second.breaks()
    assert isinstance(told, LeaseBreakNotification)
    assert (told.lease_key, told.new_lease_state) == (KEY, RH)
    assert second.ask(Command.OPLOCK_BREAK, LeaseBreak(KEY, RH).encode()).status is Status.SUCCESS
    assert is_opened(another)


def test_a_client_that_acknowledges_nothing_is_told_on_another_connection(
    client: Client, channel: Client, another: Client, reactor: FakeReactor, vanished: dict[Any, float]
) -> None:
    file_id = batch(client)
    create(another)
    vanished[client.transport] = ELSEWHERE_S - 0.1
    reactor.advance(LOOK_S)
    assert not client.closed
    vanished[client.transport] = ELSEWHERE_S
    reactor.advance(LOOK_S)
    assert client.closed
    assert channel.breaks() == [OplockBreak(file_id, II)]


def test_its_only_connection_is_given_more_time(client: Client, another: Client, reactor: FakeReactor, vanished: dict[Any, float]) -> None:
    batch(client)
    create(another)
    vanished[client.transport] = ALONE_S - 1
    reactor.advance(LOOK_S)
    assert not client.closed
    vanished[client.transport] = ALONE_S
    reactor.advance(LOOK_S)
    assert client.closed
    assert is_opened(another)
    assert CreateResponse.parse(another.unasked[-1].message).oplock_level == BATCH


def test_the_answer_is_awaited_no_longer_for_all_that(
    client: Client, channel: Client, another: Client, reactor: FakeReactor, vanished: dict[Any, float]
) -> None:
    batch(client)
    create(another)
    vanished[client.transport] = ELSEWHERE_S
    reactor.pump([LOOK_S] * 6)
    assert not is_opened(another)
    reactor.advance(BREAK_TIMEOUT - 6 * LOOK_S)
    assert is_opened(another)
    assert not channel.closed


def test_nobody_looks_any_more_when_all_is_answered(client: Client, another: Client, reactor: FakeReactor) -> None:
    before = len(reactor.getDelayedCalls())
    file_id = batch(client)
    create(another)
    client.ask(Command.OPLOCK_BREAK, OplockBreak(file_id, II).encode())
    assert len(reactor.getDelayedCalls()) == before
