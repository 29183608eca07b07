"""Resilient handles: kept for their clients whatever these cache, for the time that was asked for (FSCTL_LMR_REQUEST_RESILIENCY)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.fsctl_structures import LmrRequestResiliency
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateOptions, OplockLevel
from filesvc.smb2.messages.ioctl import IoctlResponse
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.store.memory import MemoryStore

from .dialogue import ANOTHER_USER, Answer, Client, MakeClient, MakeServer
from .durability import BATCH, DHNQ, KEY, OTHER_GUID, OTHER_KEY, RH, STRANGER, create, dh2c, dh2q, dhnc, response, rqls
from .standing_reactor import FakeReactor

EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY
NOT_THERE = Status.OBJECT_NAME_NOT_FOUND


def ask(client: Client, file_id: FileId, timeout_ms: int = 150_000, more: bytes = b"") -> Answer:
    return client.control(file_id, Fsctl.LMR_REQUEST_RESILIENCY, LmrRequestResiliency(timeout_ms).encode() + more, room=0)


def resilient(client: Client, timeout_ms: int = 150_000, level: int = 0, **fields: Any) -> FileId:
    file_id = response(create(client, level=level, **fields)).file_id
    assert ask(client, file_id, timeout_ms).status is Status.SUCCESS
    return file_id


def test_what_is_answered(client: Client) -> None:
    file_id = client.open("f")
    answer = ask(client, file_id, 300)
    assert answer.status is Status.SUCCESS
    assert IoctlResponse.parse(answer.message) == IoctlResponse(Fsctl.LMR_REQUEST_RESILIENCY, file_id, b"")
    assert client.close(file_id).status is Status.SUCCESS


@pytest.mark.parametrize(("dialect", "status"), [
    (Dialect.SMB_2_0_2, Status.INVALID_DEVICE_REQUEST),
    (Dialect.SMB_2_1, Status.SUCCESS),
    (Dialect.SMB_3_0, Status.SUCCESS),
])  # fmt: skip
def test_dialects(make_client: MakeClient, dialect: Dialect, status: Status) -> None:
    client = make_client(dialect)
    assert ask(client, client.open("f")).status is status


@pytest.mark.parametrize(("timeout_ms", "status"), [
    (0, Status.SUCCESS),
    (300_000, Status.SUCCESS),
    (300_999, Status.SUCCESS),
    (301_000, Status.INVALID_PARAMETER),
    (0xFFFFFFFF, Status.INVALID_PARAMETER),
])  # fmt: skip
def test_how_much_may_be_asked_for(client: Client, timeout_ms: int, status: Status) -> None:
    file_id = client.open("f")
    assert ask(client, file_id, timeout_ms).status is status
    client.transport.loseConnection()
    assert len(client.server.nodes) == (1 if status is Status.SUCCESS else 0)


def test_the_input(client: Client) -> None:
    file_id = client.open("f")
    assert client.control(file_id, Fsctl.LMR_REQUEST_RESILIENCY, bytes(7)).status is Status.INVALID_PARAMETER
    assert ask(client, file_id, more=b"more").status is Status.SUCCESS
    assert ask(client, FileId(5, 5)).status is Status.FILE_CLOSED


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(300, 0.3), (150_000, 150), (0, 120)])
def test_how_long_it_waits(client: Client, make_client: MakeClient, reactor: FakeReactor, timeout_ms: int, seconds: float) -> None:
    file_id = resilient(client, timeout_ms)
    client.transport.loseConnection()
    reactor.advance(seconds * 0.99)
    again = make_client()
    assert response(create(again, dhnc(file_id), level=0, create_options=0)).file_id == file_id
    again.transport.loseConnection()
    reactor.advance(seconds * 1.01)
    assert create(make_client(), dhnc(file_id), level=0).status is NOT_THERE


def test_the_last_word_counts(client: Client, server: Server, reactor: FakeReactor) -> None:
    file_id = resilient(client, 150_000)
    assert ask(client, file_id, 10_000).status is Status.SUCCESS
    client.transport.loseConnection()
    reactor.advance(10)
    assert len(server.nodes) == 0


@pytest.mark.parametrize("level", [BATCH, OplockLevel.LEASE, 0])
def test_locks_and_lock_sequences_are_kept(client: Client, make_client: MakeClient, level: int) -> None:
    file_id = resilient(client, 300_000)
    client.write(file_id, b"12345678")
    assert client.lock(file_id, (0, 4, EXCLUSIVE), index=2, number=0).status is Status.SUCCESS
    client.transport.loseConnection()
    again = make_client()
    assert response(create(again, dhnc(file_id), level=level)).file_id == file_id
    assert again.lock(file_id, (0, 4, EXCLUSIVE), index=2, number=0).status is Status.SUCCESS
    assert again.lock(file_id, (0, 4, EXCLUSIVE), index=2, number=1).status is Status.LOCK_NOT_GRANTED
    assert again.read(file_id, 0, 8).status is Status.SUCCESS


def log_off(client: Client, make_client: MakeClient) -> Client:
    assert client.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.SUCCESS
    return make_client()


def log_on_anew(client: Client, make_client: MakeClient) -> Client:
    again = Client(client.server)
    again.negotiate()
    assert again.log_on(previous_session_id=client.session_id).status is Status.SUCCESS
    again.enter()
    return again


@pytest.mark.parametrize("leave", [log_off, log_on_anew])
def test_ways_to_leave(client: Client, make_client: MakeClient, leave: Callable[[Client, MakeClient], Client]) -> None:
    file_id = resilient(client)
    assert response(create(leave(client, make_client), dhnc(file_id), level=0)).file_id == file_id


def test_who_leaves_the_share_leaves_what_is_open_in_it(client: Client, server: Server) -> None:
    resilient(client)
    client.ask(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode())
    assert len(server.nodes) == 0


def test_it_is_had_back_once_away(client: Client, make_client: MakeClient) -> None:
    file_id = resilient(client)
    assert create(make_client(), dhnc(file_id), level=0).status is NOT_THERE
    client.transport.loseConnection()
    assert create(make_client(user=ANOTHER_USER), dhnc(file_id), level=0).status is Status.ACCESS_DENIED
    assert create(make_client(), dhnc(file_id), rqls()).status is NOT_THERE
    # Without a lease, nobody asks which machine it is.
    assert response(create(make_client(client_guid=STRANGER), dhnc(file_id), level=0)).file_id == file_id


def test_a_lease_is_had_back_with_it(client: Client, make_client: MakeClient) -> None:
    file_id = response(create(client, rqls())).file_id
    assert ask(client, file_id).status is Status.SUCCESS
    client.transport.loseConnection()
    again, stranger = make_client(), make_client(client_guid=STRANGER)
    assert create(again, dhnc(file_id), level=0).status is NOT_THERE
    assert create(again, dhnc(file_id), rqls(key=OTHER_KEY)).status is NOT_THERE
    assert create(stranger, dhnc(file_id), rqls()).status is NOT_THERE
    assert create(again, dhnc(file_id), rqls(), name="g").status is Status.INVALID_PARAMETER
    assert response(create(again, dhnc(file_id), rqls())).file_id == file_id


def test_one_with_a_create_guid_is_found_by_that(client: Client, make_client: MakeClient) -> None:
    created = response(create(client, dh2q(), level=0))
    assert created.create_contexts == []
    assert ask(client, created.file_id).status is Status.SUCCESS
    client.transport.loseConnection()
    again = make_client()
    assert create(again, dh2c(created.file_id, OTHER_GUID), level=0).status is NOT_THERE
    assert response(create(again, dh2c(created.file_id), level=0)).file_id == created.file_id


@pytest.mark.parametrize("leased", [False, True])
def test_a_break_takes_the_cache_and_not_the_handle(client: Client, make_client: MakeClient, leased: bool) -> None:
    contexts = [rqls(RH, KEY)] if leased else []
    file_id = response(create(client, *contexts, share=7)).file_id
    assert ask(client, file_id).status is Status.SUCCESS
    client.transport.loseConnection()
    other = make_client(client_guid=STRANGER)
    written = response(create(other, level=0, share=7)).file_id
    assert other.write(written, b"data").status is Status.SUCCESS
    back = response(create(make_client(), dhnc(file_id), *contexts, level=BATCH))
    assert back.file_id == file_id
    assert back.oplock_level == (OplockLevel.LEASE if leased else OplockLevel.NONE)


def test_nobody_opens_what_it_does_not_share(client: Client, make_client: MakeClient) -> None:
    file_id = resilient(client, share=0, level=BATCH)
    client.transport.loseConnection()
    other = make_client(client_guid=STRANGER)
    assert create(other, level=0).status is Status.SHARING_VIOLATION
    assert response(create(make_client(), dhnc(file_id), level=0)).file_id == file_id


def test_a_durable_one_becomes_resilient(client: Client, server: Server, reactor: FakeReactor) -> None:
    file_id = response(create(client, DHNQ)).file_id
    assert ask(client, file_id, 10_000).status is Status.SUCCESS
    client.transport.loseConnection()
    reactor.advance(9)
    assert len(server.nodes) == 1
    reactor.advance(1)
    assert len(server.nodes) == len(server.reclaimable) == 0


def test_a_directory(client: Client, make_client: MakeClient) -> None:
    file_id = resilient(client, create_options=CreateOptions.DIRECTORY_FILE)
    client.transport.loseConnection()
    assert response(create(make_client(), dhnc(file_id), level=0)).file_id == file_id


def test_who_is_nobody_in_particular_has_none(client: Client, make_server: MakeServer, store: MemoryStore) -> None:
    client.open("f")
    guest = Client(make_server(Settings(guest=True), [Share("files", store, guest=True)]))
    guest.negotiate()
    guest.log_on("whoever", "whatever")
    guest.enter()
    assert ask(guest, guest.open("f", access=AccessMask.FILE_READ_DATA)).status is Status.NOT_SUPPORTED
