"""Every file that the server opens it closes, whatever comes of it."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.security_descriptor import SecurityDescriptor
from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, encode_full_eas
from filesvc.interfaces import FileAttributes
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import (
    EA_BUFFER,
    QUERY_MAXIMAL_ACCESS,
    SD_BUFFER,
    TIMEWARP_TOKEN,
    CreateContext,
    TimewarpToken,
)
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.store.memory import MemoryFile, MemoryStore

from .dialogue import Client

D = CreateDisposition
FOLDER = CreateOptions.DIRECTORY_FILE
READ = AccessMask.FILE_READ_DATA
A_DAY = 1_795_305_600


class Handles:
    """The files of a store that are open."""

    def __init__(self, store: Any, monkeypatch: Any) -> None:
        self.open: list[MemoryFile] = []
        opens, close = store.open, MemoryFile.close

        def opened(*call: Any) -> MemoryFile:
            self.open.append(opens(*call))
            return self.open[-1]

        def closed(file: MemoryFile) -> None:
            self.open = [other for other in self.open if other is not file]
            close(file)

        monkeypatch.setattr(store, "open", opened)
        monkeypatch.setattr(MemoryFile, "close", closed)


@pytest.fixture
def handles(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Handles:
    for name in ("file", "hidden", "dir/inside", "held", "versions/2026-11-22/file"):
        store.add(name, b"12345")
    client.server.reload([Share("files", store, snapshots="versions/%Y-%m-%d")])
    client.enter()
    client.close(client.open("readonly", file_attributes=FileAttributes.READONLY))
    client.close(client.open("hidden", disposition=D.OVERWRITE, file_attributes=FileAttributes.HIDDEN))
    return Handles(store, monkeypatch)


CREATES: list[dict[str, Any]] = [
    {"name": "file"},
    {"name": "FILE", "disposition": D.OVERWRITE},
    {"name": "file", "disposition": D.SUPERSEDE},
    {"name": "file", "disposition": D.CREATE},
    {"name": "missing", "disposition": D.OPEN},
    {"name": "nowhere\\file"},
    {"name": "file", "create_options": FOLDER},
    {"name": "dir", "create_options": CreateOptions.NON_DIRECTORY_FILE},
    {"name": "dir", "disposition": D.OVERWRITE},
    {"name": "new", "create_options": FOLDER},
    {"name": "readonly"},
    {"name": "readonly", "access": AccessMask.DELETE, "create_options": CreateOptions.DELETE_ON_CLOSE},
    {"name": "hidden", "disposition": D.OVERWRITE},
    {"name": "held"},
    {"name": "new", "create_options": CreateOptions.DELETE_ON_CLOSE},
    {"name": "file", "access": AccessMask.MAXIMUM_ALLOWED},
    {"name": "file", "contexts": [CreateContext(QUERY_MAXIMAL_ACCESS, b"")]},
    {"name": "new", "contexts": [CreateContext(EA_BUFFER, encode_full_eas([FullEa("A", b"1")]))]},
    {"name": "new", "contexts": [CreateContext(EA_BUFFER, encode_full_eas([FullEa("*", b"1")]))]},
    {"name": "new", "contexts": [CreateContext(SD_BUFFER, SecurityDescriptor().encode())]},
    {"name": "file", "access": READ, "contexts": [CreateContext(TIMEWARP_TOKEN, TimewarpToken(to_filetime(A_DAY * 10**9)).encode())]},
    {"name": "file:stream"},
    {"name": "file:stream", "disposition": D.OPEN},
    {"name": "new:stream"},
    {"name": "dir:stream"},
    {"name": "new:stream", "create_options": FOLDER},
]


def test_what_create_opens_close_closes(client: Client, another: Client, handles: Handles) -> None:
    another.open("held", share=0)
    before = list(handles.open)
    for fields in CREATES:
        answer = client.create(**fields)
        if answer.status is Status.SUCCESS:
            client.close(CreateResponse.parse(answer.message).file_id)
        assert handles.open == before, fields


@pytest.mark.parametrize(
    "end",
    [
        lambda client: client.transport.loseConnection(),
        lambda client: client.ask(Command.LOGOFF, LogoffRequest().encode()),
        lambda client: client.ask(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()),
    ],
    ids=["connection", "session", "tree"],
)
def test_what_is_left_open_is_closed(client: Client, handles: Handles, end: Any) -> None:
    for fields in CREATES:
        client.create(**fields)
    assert len(handles.open) > 5
    end(client)
    assert handles.open == []


@pytest.mark.parametrize("call", ["stat", "truncate", "set_attributes", "get_xattr", "set_xattr", "list_xattrs", "allocate"])
def test_what_create_opens_in_a_store_that_fails(client: Client, handles: Handles, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(self: Any, *call: Any) -> None:
        raise OSError(errno.EIO, "broken")

    for fields in CREATES:
        with monkeypatch.context() as patch:
            patch.setattr(MemoryFile, call, fail)
            answer = client.create(**fields)
        if answer.status is Status.SUCCESS:
            client.close(CreateResponse.parse(answer.message).file_id)
        assert handles.open == [], fields


@pytest.mark.parametrize("name", ["new", "new:stream"])
def test_what_cannot_be_unmade(client: Client, store: MemoryStore, handles: Handles, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*call: Any) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(MemoryFile, "set_attributes", fail)
    monkeypatch.setattr(MemoryFile, "set_xattr", fail)
    monkeypatch.setattr(store, "remove", fail)
    assert client.create(name, file_attributes=FileAttributes.HIDDEN).status is Status.IO_DEVICE_ERROR
    assert handles.open == []


@pytest.mark.parametrize("pattern", ["file", "FILE", "missing", "*", "f*", "dir"])
def test_what_listings_open(client: Client, handles: Handles, pattern: str) -> None:
    root = client.open("", access=AccessMask.FILE_LIST_DIRECTORY)
    client.ask(Command.QUERY_DIRECTORY, QueryDirectoryRequest(root, 12, 1000, pattern).encode())
    assert len(handles.open) == 1
    client.close(root)
    assert handles.open == []


def test_what_bugs_leave(client: Client, handles: Handles, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*call: Any) -> None:
        raise ZeroDivisionError

    where: list[tuple[Any, str]] = [
        (client.server.descriptors, "maximal_access"),
        (client.server.nodes, "get"),
        (client.server.nodes, "find"),
        (client.server.change_times, "show"),
        (client.server.notifier, "modified"),
    ]
    for place, name in where:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, bug)
            client.create("file", D.OVERWRITE)
            client.create("new")
    client.transport.loseConnection()
    assert handles.open == []
