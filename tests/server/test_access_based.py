"""Listings that leave out what the user may not read."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import AceFlags
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.interfaces import Creation, FileBusy, FileIdentity
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.query_directory import QueryDirectoryFlags, QueryDirectoryRequest
from filesvc.smb2.messages.tree_connect import ShareFlags, TreeConnectResponse
from filesvc.store.memory import MemoryStore
from filesvc.store.names import DESCRIPTOR_XATTR as XATTR

from .descriptors import allow, folder, listing, owner_of, put
from .dialogue import Client, MakeClient, MakeServer
from .listings import NAMES, names

READ = int(AccessMask.FILE_GENERIC_READ)


@pytest.fixture
def server(make_server: MakeServer, store: MemoryStore) -> Server:
    return make_server(Settings(), [Share("files", store, access_based=True), Share("all", store)])


def list_some(client: Client, directory: Any, pattern: str = "*", flags: int = 0, room: int = 65536) -> tuple[Status, list[str]]:
    request = QueryDirectoryRequest(directory, NAMES, room, pattern, flags)
    client.send(client.encode(client.header(Command.QUERY_DIRECTORY), request.encode()))
    while not (answers := client.receive()):
        # Others have their turn.
        assert client.server.reactor.getDelayedCalls()
        client.server.reactor.advance(0)
    (answer,) = answers
    return answer.status, names(answer) if answer.status is Status.SUCCESS else []


def seen(client: Client, name: str = "", pattern: str = "*") -> set[str]:
    """What a client lists of a folder."""
    directory = client.open(name, access=AccessMask.FILE_LIST_DIRECTORY, create_options=CreateOptions.DIRECTORY_FILE)
    status, found = list_some(client, directory, pattern)
    client.close(directory)
    assert status in (Status.SUCCESS, Status.NO_SUCH_FILE)
    return set(found) - {".", ".."}


def give(client: Client, name: str, rights: int, mine: bool = True) -> None:
    """Make a file that lets its owner, or everybody, do some things."""
    file_id = client.open(name, access=AccessMask.FILE_ALL_ACCESS)
    assert put(client, file_id, listing(allow(owner_of(client, file_id) if mine else EVERYONE, rights))) is Status.SUCCESS
    client.close(file_id)


def test_the_share_says_so(client: Client) -> None:
    assert TreeConnectResponse.parse(client.enter().message).share_flags & ShareFlags.ACCESS_BASED_DIRECTORY_ENUM
    assert not TreeConnectResponse.parse(client.enter("all").message).share_flags & ShareFlags.ACCESS_BASED_DIRECTORY_ENUM


def test_what_one_may_read_is_seen(client: Client, make_client: MakeClient) -> None:
    give(client, "mine", READ)
    give(client, "everybodys", READ, mine=False)
    client.close(client.open("without a descriptor"))
    carol = make_client(user="carol")
    assert seen(client) == {"mine", "everybodys", "without a descriptor"}
    assert seen(carol) == {"everybodys", "without a descriptor"}
    carol.enter("all")
    assert seen(carol) == {"mine", "everybodys", "without a descriptor"}


@pytest.mark.parametrize("missing", [AccessMask.FILE_READ_DATA, AccessMask.FILE_READ_ATTRIBUTES, AccessMask.FILE_READ_EA])
def test_part_of_reading_is_not_enough(client: Client, missing: int) -> None:
    give(client, "f", READ & ~missing)
    assert seen(client) == set()
    assert seen(client, pattern="f") == set()


def test_what_a_folder_passes_on_counts(client: Client, make_client: MakeClient) -> None:
    mine = client.open("mine")
    inherit = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT
    owner = owner_of(client, mine)
    folder(client, "d", allow(owner, AccessMask.FILE_ALL_ACCESS, inherit), allow(EVERYONE, READ))
    client.close(client.open("d\\f"))
    client.close(client.open("d\\e", create_options=CreateOptions.DIRECTORY_FILE))
    assert seen(client, "d") == {"f", "e"}
    assert seen(make_client(user="carol"), "d") == set()


def test_folders_are_left_out_too(client: Client, make_client: MakeClient) -> None:
    mine = client.open("mine")
    folder(client, "d", allow(owner_of(client, mine), AccessMask.FILE_ALL_ACCESS))
    assert "d" in seen(client)
    assert "d" not in seen(make_client(user="carol"))


def test_a_listing_goes_on_past_what_is_left_out(client: Client, make_client: MakeClient) -> None:
    for number in range(60):
        give(client, f"{number:02}", READ, mine=number % 20 > 0)
    carol = make_client(user="carol")
    directory = carol.open("", access=AccessMask.FILE_LIST_DIRECTORY, create_options=CreateOptions.DIRECTORY_FILE)
    for flags, room in ((0, 100), (QueryDirectoryFlags.RETURN_SINGLE_ENTRY, 65536)):
        found: list[str] = []
        status, some = list_some(carol, directory, flags=flags | QueryDirectoryFlags.REOPEN, room=room)
        while status is Status.SUCCESS:
            found += some
            status, some = list_some(carol, directory, flags=flags, room=room)
        assert status is Status.NO_MORE_FILES
        assert set(found) == {".", "..", "00", "20", "40"}


def test_others_have_their_turn_while_what_is_to_be_seen_is_looked_for(client: Client, make_client: MakeClient) -> None:
    folder(client, "d", allow(EVERYONE, AccessMask.FILE_ALL_ACCESS))
    for number in range(200):
        give(client, f"d\\{number:0100}", READ)
    carol = make_client(user="carol")
    directory = carol.open("d", access=AccessMask.FILE_LIST_DIRECTORY, create_options=CreateOptions.DIRECTORY_FILE)
    request = QueryDirectoryRequest(directory, NAMES, 65536, "*").encode()
    carol.send(carol.encode(carol.header(Command.QUERY_DIRECTORY), request))
    assert not carol.transport.value()
    carol.send(carol.encode(carol.header(Command.ECHO), EchoRequest().encode()))
    carol.send(carol.encode(carol.header(Command.CLOSE), CloseRequest(directory).encode()))
    assert [(answer.header.command, answer.status) for answer in carol.receive()] == [
        (Command.ECHO, Status.SUCCESS),
        (Command.CLOSE, Status.SUCCESS),
        (Command.QUERY_DIRECTORY, Status.SUCCESS),
    ]


def test_what_cannot_be_opened_is_left_out(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add("d/denied")
    store.add("d/busy")
    store.add("d/damaged")
    damaged = store.open(("d", "damaged"), Creation.EXISTING, None, False)
    damaged.set_xattr(XATTR, b"no descriptor")
    opening = store.open

    def open_(path: tuple[str, ...], *arguments: Any) -> Any:
        if path == ("d", "denied"):
            raise PermissionError(13, "")
        if path == ("d", "busy"):
            raise FileBusy(FileIdentity(0, 0))
        return opening(path, *arguments)

    monkeypatch.setattr(store, "open", open_)
    assert seen(client, "d") == set()
