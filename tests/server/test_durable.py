"""Durable handles: which opens outlive their connection, for how long, and who gets them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileAllocationInformation, FileInformationClass
from filesvc.server.commands.create_contexts.durable import DEFAULT_TIMEOUT, MAX_TIMEOUT, TIMEOUT
from filesvc.server.server import Server
from filesvc.server.settings import Limits, Settings, Share
from filesvc.smb2.contexts.create_contexts import (
    REQUEST_LEASE,
    CreateContext,
    DurableHandleFlags,
    DurableHandleResponseV2,
)
from filesvc.smb2.contexts.lease import Lease, LeaseState, LeaseV2, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateAction, CreateDisposition, CreateOptions, OplockLevel
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from .dialogue import USER, Client, MakeClient, MakeServer
from .durability import BATCH, DHNQ, KEY, OTHER_GUID, OTHER_KEY, RH, RWH, STRANGER, create, dh2c, dh2q, dhnc, names, response, rqls
from .standing_reactor import FakeReactor


@pytest.fixture
def durable(client: Client) -> FileId:
    """A durable open of version 1 of the client's."""
    return response(create(client, DHNQ)).file_id


@pytest.fixture
def durable_v2(client: Client) -> FileId:
    """A durable open of version 2 of the client's."""
    return response(create(client, dh2q())).file_id


@pytest.fixture
def back(client: Client, make_client: MakeClient) -> MakeClient:
    """Makes the client lose its connection and come back on another."""

    def come_back(dialect: int = Dialect.SMB_3_1_1, user: str = USER, **fields: Any) -> Client:
        client.transport.loseConnection()
        return make_client(dialect, user, **fields)

    return come_back


@pytest.mark.parametrize(("level", "granted"), [(BATCH, True), (OplockLevel.EXCLUSIVE, False), (OplockLevel.II, False), (0, False)])
@pytest.mark.parametrize("asked", [DHNQ, dh2q()])
def test_a_batch_oplock_makes_an_open_durable(client: Client, asked: CreateContext, level: int, granted: bool) -> None:
    assert names(create(client, asked, level=level)) == ({asked.name} if granted else set())


@pytest.mark.parametrize(("state", "granted"), [(RWH, True), (RH, True), (LeaseState.READ_CACHING, False)])
@pytest.mark.parametrize("asked", [DHNQ, dh2q()])
def test_a_lease_of_handles_makes_an_open_durable(client: Client, asked: CreateContext, state: LeaseState, granted: bool) -> None:
    assert names(create(client, asked, rqls(state))) == ({asked.name, REQUEST_LEASE} if granted else {REQUEST_LEASE})


def test_a_directory_is_never_durable(client: Client) -> None:
    lease = CreateContext(REQUEST_LEASE, LeaseV2(KEY, RH).encode())
    assert names(create(client, dh2q(), lease, create_options=CreateOptions.DIRECTORY_FILE)) == {REQUEST_LEASE}


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_0_2, Dialect.SMB_2_1])
@pytest.mark.parametrize("second", [dh2q(UUID(int=0)), dh2c(FileId(1, 0), UUID(int=0))])
def test_version_2_has_no_place_beside_version_1(make_client: MakeClient, dialect: int, second: CreateContext) -> None:
    client = make_client(dialect)
    file_id = response(create(client, DHNQ)).file_id
    client.transport.loseConnection()
    again = make_client(dialect)
    assert create(again, dhnc(FileId(file_id.persistent, 0)), second).status is Status.INVALID_PARAMETER
    assert create(again, DHNQ, second, name="g").status is Status.INVALID_PARAMETER
    assert response(create(again, dhnc(file_id))).file_id == file_id


def test_version_2_is_for_3x(make_client: MakeClient) -> None:
    assert names(create(make_client(Dialect.SMB_2_1), dh2q(), dh2c(FileId(1, 1)), name="g")) == set()
    assert names(create(make_client(Dialect.SMB_2_1), dh2q())) == set()


@pytest.mark.parametrize(("asked", "seconds"), [(0, DEFAULT_TIMEOUT), (10_000, 10), (0xFFFFFFFF, MAX_TIMEOUT)])
def test_how_long_version_2_waits(client: Client, make_client: MakeClient, reactor: FakeReactor, asked: int, seconds: float) -> None:
    created = response(create(client, dh2q(timeout=asked)))
    (context,) = created.create_contexts
    assert DurableHandleResponseV2.parse(memoryview(context.data)) == DurableHandleResponseV2(int(seconds * 1000))
    client.transport.loseConnection()
    reactor.advance(seconds - 1)
    again = make_client()
    assert create(again, dh2c(created.file_id)).status is Status.SUCCESS
    again.transport.loseConnection()
    reactor.advance(seconds)
    assert create(make_client(), dh2c(created.file_id)).status is Status.OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize(
    "contexts",
    [
        (DHNQ, dh2q()),
        (DHNQ, dh2c(FileId(1, 1))),
        (dh2q(), dh2c(FileId(1, 1))),
        (dhnc(FileId(1, 1)), dh2q()),
        (dhnc(FileId(1, 1)), dh2c(FileId(1, 1))),
    ],
)
def test_contexts_that_exclude_each_other(client: Client, contexts: tuple[CreateContext, ...]) -> None:
    assert create(client, *contexts).status is Status.INVALID_PARAMETER


def test_an_open_is_found_as_it_was(client: Client, back: MakeClient, store: MemoryStore, durable: FileId) -> None:
    client.ask(Command.WRITE, WriteRequest(durable, 0, b"before").encode())
    again = back()
    reply = response(create(again, dhnc(durable), name="no matter"))
    assert (reply.file_id, reply.create_action, reply.oplock_level) == (durable, CreateAction.OPENED, BATCH)
    assert reply.end_of_file == 6
    assert not reply.create_contexts
    assert again.ask(Command.WRITE, WriteRequest(durable, 6, b"after").encode()).status is Status.SUCCESS
    assert again.close(durable).status is Status.SUCCESS


def test_what_else_a_reconnect_says_does_not_matter(back: MakeClient, durable: FileId) -> None:
    nonsense: dict[str, Any] = {"disposition": 0x12345678, "access": 0x12345678, "share": 0x12345678, "create_options": 0x12345678}
    assert create(back(), dhnc(durable), DHNQ, level=0x78, impersonation_level=0x12345678, **nonsense).status is Status.SUCCESS


def test_locks_are_kept(client: Client, back: MakeClient, make_client: MakeClient, durable: FileId) -> None:
    exclusive = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY
    client.ask(Command.LOCK, LockRequest(durable, [LockElement(0, 10, exclusive)]).encode())
    again = back()
    assert create(again, dhnc(durable)).status is Status.SUCCESS
    unlock = LockRequest(durable, [LockElement(0, 10, LockFlags.UNLOCK)]).encode()
    assert again.ask(Command.LOCK, unlock).status is Status.SUCCESS


@pytest.mark.parametrize(("cached", "status"), [(RWH, Status.SUCCESS), (RH, Status.OBJECT_NAME_NOT_FOUND)])
def test_locks_are_kept_only_with_what_is_written(client: Client, back: MakeClient, cached: LeaseState, status: Status) -> None:
    file_id = response(create(client, dh2q(), rqls(cached))).file_id
    client.lock(file_id, (0, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY))
    assert create(back(), dh2c(file_id), rqls(cached)).status is status


def test_only_who_is_away_comes_back(client: Client, make_client: MakeClient, durable: FileId) -> None:
    assert create(make_client(), dhnc(durable)).status is Status.OBJECT_NAME_NOT_FOUND
    client.transport.loseConnection()
    assert create(make_client(), dhnc(durable)).status is Status.SUCCESS
    assert create(make_client(), dhnc(durable)).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_closed_open_is_gone(client: Client, back: MakeClient, durable: FileId) -> None:
    client.close(durable)
    assert create(back(), dhnc(durable)).status is Status.OBJECT_NAME_NOT_FOUND


def test_an_open_that_is_not_durable_is_gone(client: Client, back: MakeClient) -> None:
    file_id = response(create(client)).file_id
    assert create(back(), dhnc(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_tree_disconnect_closes(client: Client, make_client: MakeClient, durable: FileId) -> None:
    client.ask(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode())
    assert create(make_client(), dhnc(durable)).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_logoff_keeps(client: Client, make_client: MakeClient, durable: FileId) -> None:
    client.ask(Command.LOGOFF, LogoffRequest().encode())
    assert create(make_client(), dhnc(durable)).status is Status.SUCCESS


def test_a_session_that_takes_the_place_of_another_keeps(client: Client, server: Server, make_client: MakeClient, durable: FileId) -> None:
    again = make_client()
    assert create(again, dhnc(durable)).status is Status.OBJECT_NAME_NOT_FOUND
    again.session_id, previous = 0, client.session_id
    assert again.log_on(previous_session_id=previous).status is Status.SUCCESS
    again.enter()
    assert create(again, dhnc(durable)).status is Status.SUCCESS


def test_another_user_gets_nothing(back: MakeClient, durable: FileId) -> None:
    assert create(back(user="carol"), dhnc(durable)).status is Status.ACCESS_DENIED


def test_the_create_guid_must_be_right(back: MakeClient, durable_v2: FileId) -> None:
    again = back()
    assert create(again, dh2c(durable_v2, OTHER_GUID)).status is Status.OBJECT_NAME_NOT_FOUND
    assert create(again, dh2c(durable_v2)).status is Status.SUCCESS


def test_there_is_no_persistent_handle_here(client: Client, back: MakeClient) -> None:
    created = response(create(client, dh2q(flags=DurableHandleFlags.PERSISTENT)))
    (context,) = created.create_contexts
    assert not DurableHandleResponseV2.parse(memoryview(context.data)).flags
    again = back()
    wrong = create(again, dh2c(created.file_id, flags=DurableHandleFlags.PERSISTENT))
    assert wrong.status is Status.INVALID_PARAMETER
    assert create(again, dh2c(created.file_id)).status is Status.SUCCESS


@pytest.mark.parametrize(
    ("contexts", "name", "status"),
    [
        ([rqls()], "F", Status.SUCCESS),
        ([rqls(LeaseState.NONE)], "f", Status.SUCCESS),
        ([], "f", Status.OBJECT_NAME_NOT_FOUND),
        ([rqls(key=OTHER_KEY)], "f", Status.OBJECT_NAME_NOT_FOUND),
        ([CreateContext(REQUEST_LEASE, LeaseV2(KEY, RWH).encode())], "f", Status.OBJECT_NAME_NOT_FOUND),
        ([rqls()], "other", Status.INVALID_PARAMETER),
    ],
)
def test_a_lease_must_be_named(client: Client, back: MakeClient, contexts: list[CreateContext], name: str, status: Status) -> None:
    file_id = response(create(client, DHNQ, rqls())).file_id
    answer = create(back(), dhnc(file_id), *contexts, name=name)
    assert answer.status is status
    if status is Status.SUCCESS:
        (context,) = response(answer).create_contexts
        assert parse_lease(memoryview(context.data)) == Lease(KEY, RWH)


def test_a_lease_is_its_clients(client: Client, back: MakeClient) -> None:
    file_id = response(create(client, DHNQ, rqls())).file_id
    assert create(back(client_guid=STRANGER), dhnc(file_id), rqls()).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_lease_must_not_be_named_for_an_oplock(back: MakeClient, durable: FileId) -> None:
    assert create(back(), dhnc(durable), rqls()).status is Status.OBJECT_NAME_NOT_FOUND


def test_who_wants_to_write_ends_an_open_whose_client_is_away(client: Client, make_client: MakeClient, durable: FileId) -> None:
    client.transport.loseConnection()
    other = make_client(client_guid=STRANGER)
    assert response(create(other)).oplock_level == BATCH
    assert create(make_client(), dhnc(durable)).status is Status.OBJECT_NAME_NOT_FOUND


def test_who_is_not_let_share_ends_an_open_whose_client_is_away(client: Client, make_client: MakeClient) -> None:
    file_id = response(create(client, DHNQ, rqls(RH), share=0)).file_id
    client.transport.loseConnection()
    assert create(make_client(client_guid=STRANGER), level=0).status is Status.SUCCESS
    assert create(make_client(), dhnc(file_id), rqls()).status is Status.OBJECT_NAME_NOT_FOUND


def test_who_only_reads_leaves_readers_alone(client: Client, make_client: MakeClient) -> None:
    file_id = response(create(client, DHNQ, rqls(RH))).file_id
    client.transport.loseConnection()
    assert create(make_client(client_guid=STRANGER), rqls(RH, OTHER_KEY)).status is Status.SUCCESS
    assert create(make_client(), dhnc(file_id), rqls()).status is Status.SUCCESS


def test_looking_at_attributes_ends_nothing(client: Client, make_client: MakeClient, durable: FileId) -> None:
    client.transport.loseConnection()
    looking = make_client(client_guid=STRANGER)
    assert create(looking, level=0, access=AccessMask.FILE_READ_ATTRIBUTES).status is Status.SUCCESS
    assert create(make_client(), dhnc(durable)).status is Status.SUCCESS


def test_the_file_of_an_open_that_ends_may_be_gone(client: Client, make_client: MakeClient) -> None:
    create(client, DHNQ, create_options=CreateOptions.DELETE_ON_CLOSE)
    client.transport.loseConnection()
    assert response(create(make_client(), level=0)).create_action == CreateAction.CREATED


def test_delete_on_close_is_kept(client: Client, back: MakeClient, make_client: MakeClient) -> None:
    file_id = response(create(client, DHNQ, create_options=CreateOptions.DELETE_ON_CLOSE)).file_id
    again = back()
    assert create(again, dhnc(file_id)).status is Status.SUCCESS
    again.close(file_id)
    assert create(again, disposition=CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND


def test_who_is_nobody_in_particular_cannot_come_back(client: Client, make_server: MakeServer, store: MemoryStore) -> None:
    client.close(client.open("f"))
    guest = Client(make_server(Settings(guest=True), [Share("files", store, guest=True)]))
    guest.negotiate()
    guest.log_on("whoever", "whatever")
    guest.enter()
    opened = create(guest, DHNQ, access=AccessMask.FILE_READ_DATA)
    assert (response(opened).oplock_level, names(opened)) == (BATCH, set())
    guest.transport.loseConnection()


def test_so_many_wait_for_their_clients(client: Client, make_server: MakeServer, store: MemoryStore) -> None:
    other = Client(make_server(Settings(limits=Limits(opens=2))))
    other.negotiate()
    other.log_on()
    other.enter()
    for name in "ab":
        create(other, DHNQ, name=name)
    other.transport.loseConnection()
    again = Client(other.server)
    again.negotiate()
    again.log_on()
    again.enter()
    create(again, DHNQ, name="c")
    again.transport.loseConnection()
    assert {open.path for open in other.server.reclaimable} == {("a",), ("b",)}


def test_a_lock_is_not_waited_for_any_more(client: Client) -> None:
    file_id = response(create(client, DHNQ, rqls())).file_id
    other = response(create(client, rqls())).file_id
    client.ask(Command.LOCK, LockRequest(other, [LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)]).encode())
    waiting = client.ask(Command.LOCK, LockRequest(file_id, [LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)]).encode())
    assert waiting.status is Status.PENDING
    client.ask(Command.LOGOFF, LogoffRequest().encode())
    (answer,) = client.unasked
    assert (answer.header.message_id, answer.status) == (waiting.header.message_id, Status.RANGE_NOT_LOCKED)


def test_nobody_comes_back(client: Client, server: Server, reactor: FakeReactor, durable: FileId) -> None:
    client.transport.loseConnection()
    reactor.advance(TIMEOUT - 1)
    assert len(server.nodes) == 1
    reactor.advance(1)
    assert len(server.nodes) == len(server.reclaimable) == 0


def test_room_for_writes_to_come_is_given_back(client: Client, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(shares=[Share("files", LocalStore(str(tmp_path)))])
    writer = Client(server)
    writer.negotiate()
    writer.log_on()
    writer.enter()
    file_id = response(create(writer, DHNQ)).file_id
    for offset in range(0, 1 << 20, 1 << 16):
        writer.ask(Command.WRITE, WriteRequest(file_id, offset, bytes(1 << 16)).encode())
    reserved = (tmp_path / "f").stat().st_blocks * 512
    writer.transport.loseConnection()
    assert (tmp_path / "f").stat().st_blocks * 512 < reserved
    assert (tmp_path / "f").stat().st_size == 1 << 20
    server.reactor.advance(TIMEOUT)


def test_room_that_was_asked_for_is_given_back_when_nobody_comes_back(client: Any, make_server: Any, tmp_path: Path) -> None:
    server = make_server(shares=[Share("files", LocalStore(str(tmp_path)))])
    writer = type(client)(server)
    writer.negotiate()
    writer.log_on()
    writer.enter()
    file_id = response(create(writer, DHNQ)).file_id
    writer.set_info(file_id, FileInformationClass.ALLOCATION, FileAllocationInformation(8 << 20))
    writer.write(file_id, b"data")
    writer.transport.loseConnection()
    assert (tmp_path / "f").stat().st_blocks * 512 >= 8 << 20
    server.reactor.advance(TIMEOUT)
    assert (tmp_path / "f").stat().st_blocks * 512 <= 16 << 10
    assert (tmp_path / "f").read_bytes() == b"data"
