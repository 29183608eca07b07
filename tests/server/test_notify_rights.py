"""Whoever watches a folder hears of no name that he may not list."""

from __future__ import annotations

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import AceFlags
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.server.access.rights import ALL
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.store.memory import MemoryStore

from .descriptors import allow, folder, listing, owner_of, put
from .dialogue import Client, MakeClient, MakeServer
from .test_notify import ADDED, NAME, REMOVED, changes_in, heard, start

INHERIT = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT


@pytest.fixture
def access_based() -> bool:
    return False


@pytest.fixture
def server(make_server: MakeServer, store: MemoryStore, access_based: bool) -> Server:
    return make_server(Settings(), [Share("files", store, access_based=access_based)])


@pytest.fixture
def carol(make_client: MakeClient) -> Client:
    return make_client(user="carol")


@pytest.fixture
def secret(client: Client) -> str:
    """A folder of Alice's alone."""
    folder(client, "secret", allow(owner_of(client, client.open("mine")), ALL, INHERIT))
    return "secret"


def watching(client: Client) -> FileId:
    file_id = client.open("", access=AccessMask.FILE_LIST_DIRECTORY)
    start(client, file_id, NAME | CompletionFilter.SIZE, tree=True)
    return file_id


def test_names_in_folders_that_one_may_not_list(client: Client, carol: Client, secret: str) -> None:
    hers, mine = watching(carol), watching(client)
    made = client.open(r"secret\plan")
    client.write(made, b"x")
    assert client.delete(made).status is Status.SUCCESS
    client.close(made)
    client.close(client.open("open"))
    assert heard(carol, hers) == [(ADDED, "open")]
    assert heard(client, mine) == [(ADDED, r"secret\plan"), (REMOVED, r"secret\plan"), (ADDED, "open")]


def test_who_waits_goes_on_waiting(client: Client, carol: Client, secret: str) -> None:
    hers = carol.open("", access=AccessMask.FILE_LIST_DIRECTORY)
    waiting = carol.watch(hers, NAME, True, 1000)
    assert waiting.status is Status.PENDING
    client.close(client.open(r"secret\plan"))
    assert carol.receive() == []
    client.close(client.open("open"))
    (answer,) = carol.receive()
    assert changes_in(answer) == [(ADDED, "open")]


def test_nor_below_them(client: Client, carol: Client, secret: str) -> None:
    """A folder that everybody may list, in one that only Alice may."""
    folder(client, r"secret\public", allow(EVERYONE, ALL, INHERIT))
    hers = watching(carol)
    client.close(client.open(r"secret\public\plan"))
    assert heard(carol, hers) == []


@pytest.mark.parametrize("access_based", [True])
def test_what_access_based_hides(client: Client, carol: Client) -> None:
    client.close(client.open("before"))
    plan = client.open("plan", access=ALL)
    assert put(client, plan, listing(allow(owner_of(client, plan), ALL))) is Status.SUCCESS
    hers = watching(carol)
    assert client.rename(plan, "plan b").status is Status.SUCCESS
    answer = carol.watch(hers)
    assert answer.status is Status.NOTIFY_ENUM_DIR, "a name is gone: she lists anew, and sees what she may"
    client.write(plan, b"x")
    client.close(plan)
    client.close(client.open("open"))
    assert heard(carol, hers) == [(ADDED, "open")]
