"""TREE_CONNECT and TREE_DISCONNECT (MS-SMB2 3.3.5.7, 3.3.5.8), and shares that come and go."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.tree_connect import ShareFlags, ShareType, TreeConnectRequest, TreeConnectResponse
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeClient, MakeServer


def connect(client: Client, path: str) -> Any:
    return client.ask(Command.TREE_CONNECT, TreeConnectRequest(path).encode())


def disconnect(client: Client) -> Status:
    status: Status = client.ask(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()).status
    return status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (r"\\server\files", Status.SUCCESS),
        (r"\\anything\FILES", Status.SUCCESS),
        (r"\\server\IPC$", Status.SUCCESS),
        (r"\\server\nothing", Status.BAD_NETWORK_NAME),
        (r"\\server\files\below", Status.INVALID_PARAMETER),
        (r"\\server", Status.INVALID_PARAMETER),
        (r"\server\files", Status.INVALID_PARAMETER),
        ("files", Status.INVALID_PARAMETER),
        ("", Status.INVALID_PARAMETER),
    ],
)
def test_paths(client: Client, path: str, status: Status) -> None:
    assert connect(client, path).status is status


@pytest.mark.parametrize("path", [r"\\server\files", r"\\server\IPC$", r"\\server\nothing", "nonsense"])
def test_who_speaks_3_1_1_signs_or_is_disconnected(client: Client, path: str) -> None:
    client.send(client.header(Command.TREE_CONNECT).encode() + TreeConnectRequest(path).encode())
    assert client.receive() == []
    assert client.closed


def test_who_must_sign_anyhow_is_told_so(client: Client) -> None:
    client.server.sessions[client.session_id].signing_required = True
    client.send(client.header(Command.TREE_CONNECT).encode() + TreeConnectRequest(r"\\server\files").encode())
    (answer,) = client.receive()
    assert answer.status is Status.ACCESS_DENIED
    assert client.verifies(answer)


def test_who_encrypts_need_not_sign(client: Client) -> None:
    client.seal = True
    assert connect(client, r"\\server\files").status is Status.SUCCESS


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_0_2])
def test_who_speaks_what_is_older_need_not_sign(make_client: MakeClient, dialect: int) -> None:
    answer = connect(make_client(dialect), r"\\server\files")
    assert answer.status is Status.SUCCESS
    assert not answer.header.flags & HeaderFlags.SIGNED


def test_a_guest_need_not_sign(make_server: MakeServer, store: MemoryStore) -> None:
    guest = Client(make_server(Settings(guest=True), [Share("open", store, guest=True)]))
    guest.negotiate()
    assert guest.log_on("whoever", "whatever").status is Status.SUCCESS
    assert connect(guest, r"\\server\open").status is Status.SUCCESS


def test_what_a_response_tells(client: Client) -> None:
    told = TreeConnectResponse.parse(client.enter().message)
    assert (told.share_type, told.share_flags) == (ShareType.DISK, ShareFlags.MANUAL_CACHING)
    assert told.maximal_access == AccessMask.FILE_ALL_ACCESS


def test_a_read_only_share_tells_what_is_allowed(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    other = Client(make_server(shares=[Share("files", store, read_only=True)]))
    other.negotiate()
    other.log_on()
    told = TreeConnectResponse.parse(other.enter().message)
    assert told.maximal_access == AccessMask.FILE_GENERIC_READ | AccessMask.FILE_GENERIC_EXECUTE


def test_a_hidden_share_can_be_entered(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    other = Client(make_server(shares=[Share("files", store, hidden=True)]))
    other.negotiate()
    other.log_on()
    assert other.enter().status is Status.SUCCESS


def test_every_connect_is_a_tree_of_its_own(client: Client) -> None:
    first = client.tree_id
    client.enter()
    assert client.tree_id != first
    file_id = client.open("a")
    client.tree_id = first
    assert client.close(file_id).status is Status.FILE_CLOSED


def test_a_tree_that_is_none(client: Client) -> None:
    client.tree_id = 999
    assert client.create("a").status is Status.NETWORK_NAME_DELETED


def test_trees_are_of_their_session(client: Client, another: Client) -> None:
    another.enter()
    client.tree_id = another.tree_id
    assert client.create("a").status is Status.NETWORK_NAME_DELETED


def test_disconnecting_closes_what_was_opened_through_the_tree(client: Client) -> None:
    kept_tree = client.tree_id
    kept = client.open("kept")
    client.enter()
    client.open("a")
    assert disconnect(client) is Status.SUCCESS
    assert len(client.server.nodes) == 1
    assert client.create("b").status is Status.NETWORK_NAME_DELETED
    assert disconnect(client) is Status.NETWORK_NAME_DELETED
    client.tree_id = kept_tree
    assert client.close(kept).status is Status.SUCCESS


def test_before_a_logon_there_is_nothing_to_enter(server: Server, client: Client) -> None:
    other = Client(server)
    other.negotiate()
    assert other.enter().status is Status.USER_SESSION_DELETED
    assert other.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS


def test_shares_are_reloaded_and_those_in_use_live_on(client: Client, store: MemoryStore) -> None:
    new = MemoryStore()
    new.add("only here")
    file_id = client.open("a")
    client.server.reload([Share("New", new)])
    assert client.close(file_id).status is Status.SUCCESS
    assert client.create("b").status is Status.SUCCESS
    tree = client.tree_id
    assert client.enter("files").status is Status.BAD_NETWORK_NAME
    assert client.enter("new").status is Status.SUCCESS
    assert client.open("only here", disposition=1)
    client.tree_id = tree
    assert client.create("only here", 1).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_share_may_change_under_the_same_name(client: Client) -> None:
    new = MemoryStore()
    new.add("only here")
    client.server.reload([Share("files", new, read_only=True)])
    assert client.create("only here", 1).status is Status.OBJECT_NAME_NOT_FOUND
    client.enter()
    assert client.create("only here", 1, AccessMask.FILE_READ_DATA).status is Status.SUCCESS
    assert client.create("new", 2).status is Status.ACCESS_DENIED
