"""Applications that were moved to another machine: what they had open there gives way to them, and to nobody else."""

from __future__ import annotations

from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import (
    APP_INSTANCE_ID,
    APP_INSTANCE_VERSION,
    QUERY_ON_DISK_ID,
    AppInstanceId,
    AppInstanceVersion,
    CreateContext,
)
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.store.memory import MemoryStore

from .descriptors import allow, listing, owner_of, put
from .dialogue import ANOTHER_USER, CLIENT, Client, MakeClient
from .durability import OTHER_GUID, STRANGER, create, dh2c, dh2q, response, rqls

OURS, OTHERS, ZERO = UUID(int=5), UUID(int=6), UUID(int=0)
EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY
Version = tuple[int, int]
DURABLE = pytest.mark.parametrize(("first", "second"), [([], []), ([dh2q()], [dh2q(OTHER_GUID)])])


def application(instance: UUID = OURS, version: Version | None = None) -> list[CreateContext]:
    """The contexts by which an application says who it is."""
    contexts = [CreateContext(APP_INSTANCE_ID, AppInstanceId(instance).encode())]
    if version is not None:
        contexts.append(CreateContext(APP_INSTANCE_VERSION, AppInstanceVersion(*version).encode()))
    return contexts


def alone(client: Client, *contexts: CreateContext, name: str = "f") -> Status:
    """What becomes of a CREATE that shares the file with nobody, and caches nothing."""
    status = create(client, *contexts, level=0, name=name, share=0).status
    assert isinstance(status, Status)
    return status


def open_alone(client: Client, *contexts: CreateContext, name: str = "f") -> FileId:
    return response(create(client, *contexts, level=0, name=name, share=0)).file_id


@pytest.fixture
def other(make_client: MakeClient) -> Client:
    """The machine that the application is moved to."""
    return make_client(client_guid=STRANGER)


def test_the_open_on_the_other_machine_is_closed(client: Client, other: Client, server: Server) -> None:
    file_id = open_alone(client, *application())
    assert client.lock(file_id, (0, 10, EXCLUSIVE)).status is Status.SUCCESS
    taken = open_alone(other, *application())
    assert other.lock(taken, (0, 10, EXCLUSIVE)).status is Status.SUCCESS
    assert client.breaks() == []
    assert client.write(file_id, b"late").status is Status.FILE_CLOSED
    assert client.close(file_id).status is Status.FILE_CLOSED
    assert other.write(taken, b"in time").status is Status.SUCCESS
    other.close(taken)
    assert len(server.applications) == 0


@pytest.mark.parametrize("instance", [OURS, ZERO])
@pytest.mark.parametrize("more", [[], [CreateContext(QUERY_ON_DISK_ID, b"")]])
@pytest.mark.parametrize("before", [[], [dh2q()]])
def test_with_3_0_too(make_client: MakeClient, before: list[CreateContext], more: list[CreateContext], instance: UUID) -> None:
    client, other = make_client(Dialect.SMB_3_0), make_client(Dialect.SMB_3_0, client_guid=STRANGER)
    file_id = open_alone(client, *before, *application(instance))
    assert alone(other, *application(instance), *more) is Status.SUCCESS
    assert client.write(file_id, b"late, again  ").status is Status.FILE_CLOSED


@pytest.mark.parametrize("dialects", [(Dialect.SMB_2_1, Dialect.SMB_3_1_1), (Dialect.SMB_3_1_1, Dialect.SMB_2_1)])
def test_before_3_0_the_context_says_nothing(make_client: MakeClient, dialects: tuple[Dialect, Dialect]) -> None:
    client, other = make_client(dialects[0]), make_client(dialects[1], client_guid=STRANGER)
    file_id = open_alone(client, *application())
    assert alone(other, *application()) is Status.SHARING_VIOLATION
    assert client.write(file_id, b"still here").status is Status.SUCCESS


@pytest.mark.parametrize(("instance", "name", "guid"), [(OTHERS, "f", STRANGER), (OURS, "g", STRANGER), (OURS, "f", CLIENT)])
def test_another_application_another_file_or_the_same_machine(make_client: MakeClient, instance: UUID, name: str, guid: UUID) -> None:
    client, other = make_client(), make_client(client_guid=guid)
    file_id = open_alone(client, *application())
    assert alone(other, *application(instance), name=name) is (Status.SHARING_VIOLATION if name == "f" else Status.SUCCESS)
    assert client.write(file_id, b"still here").status is Status.SUCCESS


def test_a_name_is_one_in_any_case(client: Client, other: Client) -> None:
    open_alone(client, *application())
    assert alone(other, *application(), name="F") is Status.SUCCESS


@pytest.mark.parametrize(("first", "second", "gives_way"), [
    (None, None, True),
    (None, (1, 0), True),
    ((1, 0), (2, 1), True),
    ((1, 2), (1, 3), True),
    ((1, 9), (2, 0), True),
    ((2, 0), (1, 0), False),
    ((1, 2), (1, 1), False),
    ((1, 1), (1, 1), False),
    ((2, 0), (1, 9), False),
    ((1, 0), None, False),
])  # fmt: skip
@pytest.mark.parametrize("durable", [False, True])
def test_versions(client: Client, other: Client, first: Version | None, second: Version | None, gives_way: bool, durable: bool) -> None:
    file_id = open_alone(client, *application(version=first), *([dh2q()] if durable else []))
    asked = [*application(version=second), *([dh2q(OTHER_GUID)] if durable else [])]
    assert alone(other, *asked) is (Status.SUCCESS if gives_way else Status.FILE_FORCED_CLOSED)
    assert client.write(file_id, b"data").status is (Status.FILE_CLOSED if gives_way else Status.SUCCESS)


@pytest.mark.parametrize(("dialects", "versions", "gives_way"), [
    ((Dialect.SMB_3_1_1, Dialect.SMB_3_0_2), ((1, 0), None), False),
    ((Dialect.SMB_3_0_2, Dialect.SMB_3_1_1), (None, (1, 0)), True),
    # A version is 3.1.1's: 3.0.2 neither says nor is asked for one.
    ((Dialect.SMB_3_0_2, Dialect.SMB_3_1_1), ((9, 0), (1, 0)), True),
    ((Dialect.SMB_3_1_1, Dialect.SMB_3_0_2), ((9, 0), (1, 0)), True),
])  # fmt: skip
def test_versions_of_two_dialects(
    make_client: MakeClient, dialects: tuple[Dialect, Dialect], versions: tuple[Version | None, Version | None], gives_way: bool
) -> None:
    client, other = make_client(dialects[0]), make_client(dialects[1], client_guid=STRANGER)
    file_id = open_alone(client, *application(version=versions[0]))
    assert alone(other, *application(version=versions[1])) is (Status.SUCCESS if gives_way else Status.FILE_FORCED_CLOSED)
    assert client.write(file_id, b"data").status is (Status.FILE_CLOSED if gives_way else Status.SUCCESS)


def test_who_was_closed_does_not_come_back_with_the_same_version(client: Client, other: Client) -> None:
    file_id = open_alone(client, *application(ZERO, (1, 0)))
    open_alone(other, *application(ZERO, (2, 0)))
    assert client.write(file_id, b"late").status is Status.FILE_CLOSED
    assert alone(client, *application(ZERO, (2, 0))) is Status.FILE_FORCED_CLOSED


@DURABLE
def test_another_share_of_the_same_folder_is_another(
    server: Server, store: MemoryStore, client: Client, other: Client, first: list[CreateContext], second: list[CreateContext]
) -> None:
    server.reload([Share("files", store), Share("again", store)])
    file_id = open_alone(client, *first, *application())
    other.enter("again")
    assert alone(other, *second, *application()) is Status.SHARING_VIOLATION
    assert client.write(file_id, b"still here").status is Status.SUCCESS


@DURABLE
def test_who_may_not_read_a_file_closes_nobody(
    client: Client, make_client: MakeClient, first: list[CreateContext], second: list[CreateContext]
) -> None:
    client.desires = AccessMask.FILE_ALL_ACCESS
    file_id = open_alone(client, *first, *application())
    assert put(client, file_id, listing(allow(owner_of(client, file_id), AccessMask.FILE_ALL_ACCESS))) is Status.SUCCESS
    other = make_client(user=ANOTHER_USER, client_guid=STRANGER)
    assert alone(other, *second, *application()) is Status.ACCESS_DENIED
    assert client.write(file_id, b"still here").status is Status.SUCCESS


def test_who_has_an_open_back_does_not_take_over(client: Client, make_client: MakeClient) -> None:
    created = response(create(client, dh2q(), rqls(), *application()))
    client.transport.loseConnection()
    stranger, again = make_client(client_guid=STRANGER), make_client()
    assert create(stranger, dh2c(created.file_id), rqls(), *application()).status is Status.OBJECT_NAME_NOT_FOUND
    assert response(create(again, dh2c(created.file_id), rqls(), *application())).file_id == created.file_id
    assert again.write(created.file_id, b"still here").status is Status.SUCCESS


def test_who_has_an_open_back_has_it_where_he_is_now(client: Client, make_client: MakeClient) -> None:
    file_id = response(create(client, dh2q(), *application())).file_id
    client.transport.loseConnection()
    other = make_client(client_guid=STRANGER)
    assert create(other, dh2c(file_id)).status is Status.SUCCESS
    assert alone(make_client(), *application()) is Status.SUCCESS
    assert other.write(file_id, b"late").status is Status.FILE_CLOSED
