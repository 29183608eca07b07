"""Requests that are sent again: which are let in, and what a CREATE answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.errors import StatusError
from filesvc.server.state.channel_sequence import ChannelSequence
from filesvc.smb2.contexts.create_contexts import DURABLE_HANDLE_REQUEST_V2, CreateContext
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command, Header
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateAction, CreateDisposition, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.write import WriteRequest

from .channels import bind, connect
from .dialogue import Client, MakeClient
from .durability import BATCH, GUID, KEY, OTHER_GUID, OTHER_KEY, REPLAY, RH, RWH, STRANGER, create, dh2q, names, replay, response, rqls


def write(client: Client, file_id: FileId, sequence: int, flags: int = 0) -> Status:
    answer = client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode(), status=sequence, flags=flags)
    return Status(answer.status)


@pytest.mark.parametrize("flags", [0, REPLAY])
def test_late_writes_are_refused(client: Client, flags: int) -> None:
    file_id = client.open("f")
    assert write(client, file_id, 1, flags) is Status.SUCCESS
    assert write(client, file_id, 0, flags) is Status.FILE_NOT_AVAILABLE
    assert write(client, file_id, 0x8001, flags) is Status.FILE_NOT_AVAILABLE
    assert write(client, file_id, 0x8000, flags) is Status.SUCCESS
    assert write(client, file_id, 0xFFFF, flags) is Status.SUCCESS
    assert write(client, file_id, 0, flags) is Status.SUCCESS


def test_late_reads_are_not(client: Client) -> None:
    file_id = client.open("f")
    assert write(client, file_id, 5) is Status.SUCCESS
    assert client.ask(Command.READ, ReadRequest(file_id, 0, 1).encode(), status=4).status is Status.SUCCESS


def test_the_sequence_starts_with_that_of_the_create(client: Client) -> None:
    answer = client.ask(Command.CREATE, CreateRequest("f", OF_OTHERS, CreateDisposition.OPEN_IF).encode(), status=9)
    assert write(client, response(answer).file_id, 8) is Status.FILE_NOT_AVAILABLE


def test_before_3_0_there_is_no_sequence(make_client: MakeClient) -> None:
    client = make_client(Dialect.SMB_2_1)
    file_id = client.open("f")
    assert [write(client, file_id, number) for number in (9, 8, 7)] == [Status.SUCCESS] * 3


def test_a_replay_waits_for_those_before_it() -> None:
    sequence = ChannelSequence()
    first = sequence.admit(Header(Command.WRITE, 0))
    with pytest.raises(StatusError) as refused:
        sequence.admit(Header(Command.WRITE, 1, status=1, flags=REPLAY))
    assert refused.value.status is Status.FILE_NOT_AVAILABLE
    assert first is not None
    sequence.settle(first)
    assert sequence.admit(Header(Command.WRITE, 2, status=1, flags=REPLAY)) is not None


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.booleans())))
def test_when_all_are_answered_every_replay_is_let_in(requests: list[tuple[int, bool]]) -> None:
    sequence = ChannelSequence()
    admitted = [sequence.admit(Header(Command.READ, 0, status=number, flags=REPLAY if again else 0)) for number, again in requests]
    for epoch in admitted:
        if epoch is not None:
            sequence.settle(epoch)
    assert sequence.admit(Header(Command.WRITE, 0, status=sequence.number, flags=REPLAY)) is not None


def test_a_create_is_answered_again(client: Client) -> None:
    first = response(create(client, dh2q()))
    again = response(replay(client, dh2q()))
    assert again == first
    assert again.create_action == CreateAction.CREATED
    assert len(client.connection.server.reclaimable) == 1


def test_a_create_guid_is_used_once(client: Client) -> None:
    create(client, dh2q())
    assert create(client, dh2q(), name="g").status is Status.DUPLICATE_OBJECTID


def test_create_guids_are_a_clients_own(client: Client, make_client: MakeClient) -> None:
    first = response(create(client, dh2q()))
    assert response(create(make_client(client_guid=STRANGER), dh2q(), name="g")).file_id != first.file_id


def test_a_create_without_a_guid_is_no_replay(client: Client) -> None:
    first = response(create(client, level=0)).file_id
    assert response(replay(client, level=0)).file_id != first


def test_a_replay_gets_no_more_than_it_asks_for(client: Client) -> None:
    first = response(create(client, dh2q()))
    answer = replay(client, dh2q(), level=OplockLevel.NONE)
    assert (response(answer).file_id, response(answer).oplock_level, names(answer)) == (first.file_id, OplockLevel.NONE, set())


def test_a_replay_gets_no_more_than_there_is(client: Client) -> None:
    create(client, dh2q(), level=OplockLevel.II)
    answer = replay(client, dh2q())
    assert (response(answer).oplock_level, names(answer)) == (OplockLevel.II, set())


def test_a_replay_gets_the_lease_as_it_is_now(client: Client) -> None:
    first = response(create(client, dh2q(), rqls(RH)))
    upgraded = create(client, dh2q(OTHER_GUID), rqls(RWH))
    answer = replay(client, dh2q(), rqls(RH))
    assert response(answer).file_id == first.file_id
    assert response(answer).create_contexts == response(upgraded).create_contexts
    assert DURABLE_HANDLE_REQUEST_V2 in names(answer)


@pytest.mark.parametrize(("first", "second"), [([], [rqls()]), ([rqls()], []), ([rqls(key=KEY)], [rqls(key=OTHER_KEY)])])
def test_a_replay_means_the_same_lease(client: Client, first: list[CreateContext], second: list[CreateContext]) -> None:
    create(client, dh2q(), *first)
    assert replay(client, dh2q(), *second).status is Status.ACCESS_DENIED


def test_who_knows_an_open_replays_no_create(client: Client) -> None:
    first = response(create(client, dh2q()))
    query = QueryInfoRequest(first.file_id, InfoType.FILE, FileInformationClass.POSITION, 8)
    assert client.ask(Command.QUERY_INFO, query.encode()).status is Status.SUCCESS
    pending = replay(client, dh2q())
    assert pending.status is Status.PENDING


def test_a_closed_open_is_not_found(client: Client) -> None:
    client.close(response(create(client, dh2q())).file_id)
    assert response(replay(client, dh2q())).create_action == CreateAction.OPENED


def test_another_session_gets_nothing(client: Client, make_client: MakeClient) -> None:
    create(client, dh2q())
    assert replay(make_client(), dh2q()).status is Status.DUPLICATE_OBJECTID


def test_a_replay_has_an_open_back_whose_client_was_away(client: Client, make_client: MakeClient) -> None:
    first = response(create(client, dh2q()))
    client.transport.loseConnection()
    again = make_client()
    assert create(again, dh2q()).status is Status.DUPLICATE_OBJECTID
    assert response(replay(again, dh2q())).file_id == first.file_id
    assert again.close(first.file_id).status is Status.SUCCESS


def test_a_replay_on_another_channel(client: Client) -> None:
    first = response(create(client, dh2q()))
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    other.tree_id, other.sign = client.tree_id, False
    client.transport.loseConnection()
    assert response(replay(other, dh2q())).file_id == first.file_id


@pytest.fixture
def holder(make_client: MakeClient) -> tuple[Client, FileId]:
    """A client of another machine that holds a batch oplock, and the open."""
    holder = make_client(client_guid=STRANGER)
    return holder, response(create(holder)).file_id


def test_a_create_that_waits_is_not_begun_again(client: Client, holder: tuple[Any, FileId]) -> None:
    pending = create(client, dh2q())
    assert pending.status is Status.PENDING
    assert replay(client, dh2q()).status is Status.ACCESS_DENIED
    assert create(client, dh2q()).status is Status.DUPLICATE_OBJECTID
    holder[0].close(holder[1])
    (final,) = [answer for answer in client.receive() if answer.header.message_id == pending.header.message_id]
    assert response(replay(client, dh2q())).file_id == CreateResponse.parse(final.message).file_id


def test_a_create_that_waits_for_others_to_share_is_begun_again(client: Client, make_client: MakeClient) -> None:
    holder = make_client(client_guid=STRANGER)
    held = response(create(holder, rqls(), share=0)).file_id
    waiting = [create(client, dh2q(GUID), level=0, share=0), create(client, dh2q(GUID), level=0, share=0)]
    assert [answer.status for answer in waiting] == [Status.PENDING] * 2
    holder.ask(Command.CLOSE, CloseRequest(held).encode())
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS, Status.SHARING_VIOLATION]


def test_a_create_goes_on_without_its_channel(client: Client, holder: tuple[Any, FileId]) -> None:
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    other.tree_id, other.sign = client.tree_id, False
    assert create(client, dh2q()).status is Status.PENDING
    client.transport.loseConnection()
    assert replay(other, dh2q()).status is Status.ACCESS_DENIED
    holder[0].close(holder[1])
    assert response(replay(other, dh2q())).oplock_level == BATCH
