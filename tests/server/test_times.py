"""The times that clients see (MS-FSA 2.1.4.17)."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from filesvc.dtyp.filetime import RESUME_UPDATES, STOP_UPDATES
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileBasicInformation, FileInformationClass
from filesvc.server.files.times import WRITE_TIME_DELAY
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseFlags, CloseRequest, CloseResponse
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryFile, MemoryStore

from .dialogue import Client
from .standing_reactor import FakeReactor

CHOSEN = 130_000_000_000_000_000


def basic(client: Client, file_id: FileId) -> FileBasicInformation:
    request = QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.BASIC, 40)
    return FileBasicInformation.parse(QueryInfoResponse.parse(client.ask(Command.QUERY_INFO, request.encode()).message).buffer)


def set_times(client: Client, file_id: FileId, **times: int) -> None:
    fields = {"creation_time": 0, "last_access_time": 0, "last_write_time": 0, "change_time": 0, "file_attributes": 0} | times
    request = SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.BASIC, FileBasicInformation(**fields).encode())
    assert client.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS


def write(client: Client, file_id: FileId) -> None:
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode()).status is Status.SUCCESS


def test_a_write_shows_after_a_while(client: Client, reactor: FakeReactor) -> None:
    file_id = client.open("a")
    before = basic(client, file_id).last_write_time
    write(client, file_id)
    assert basic(client, file_id).last_write_time == before
    reactor.advance(WRITE_TIME_DELAY)
    assert basic(client, file_id).last_write_time > before


def test_a_write_shows_after_a_flush(client: Client) -> None:
    file_id = client.open("a")
    before = basic(client, file_id).last_write_time
    write(client, file_id)
    client.ask(Command.FLUSH, FlushRequest(file_id).encode())
    assert basic(client, file_id).last_write_time > before


def test_a_write_shows_in_what_close_tells(client: Client, reactor: FakeReactor) -> None:
    file_id = client.open("a")
    before = basic(client, file_id).last_write_time
    write(client, file_id)
    answer = client.ask(Command.CLOSE, CloseRequest(file_id, CloseFlags.POSTQUERY_ATTRIB).encode())
    assert CloseResponse.parse(answer.message).last_write_time > before
    assert not reactor.getDelayedCalls()


def test_a_write_time_that_was_set_outlives_writes(client: Client, store: MemoryStore) -> None:
    file_id = client.open("a")
    set_times(client, file_id, last_write_time=CHOSEN)
    write(client, file_id)
    assert basic(client, file_id).last_write_time == CHOSEN
    client.close(file_id)
    assert basic(client, client.open("a")).last_write_time == CHOSEN


def test_write_times_are_stopped_and_resumed(client: Client, reactor: FakeReactor) -> None:
    file_id = client.open("a")
    before = basic(client, file_id).last_write_time
    set_times(client, file_id, last_write_time=STOP_UPDATES)
    write(client, file_id)
    reactor.advance(10)
    assert basic(client, file_id).last_write_time == before
    set_times(client, file_id, last_write_time=RESUME_UPDATES)
    client.ask(Command.FLUSH, FlushRequest(file_id).encode())
    assert basic(client, file_id).last_write_time > before


def test_the_change_time_can_be_set_until_the_file_changes(client: Client) -> None:
    file_id = client.open("a")
    set_times(client, file_id, change_time=CHOSEN)
    assert basic(client, file_id).change_time == CHOSEN
    client.close(file_id)
    file_id = client.open("a")
    assert basic(client, file_id).change_time == CHOSEN
    write(client, file_id)
    assert basic(client, file_id).change_time > CHOSEN


def test_a_write_time_that_cannot_be_kept_keeps_no_file_open(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = client.open("a")
    set_times(client, file_id, last_write_time=CHOSEN)
    write(client, file_id)

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    closed = []
    monkeypatch.setattr(MemoryFile, "set_times", refuse)
    monkeypatch.setattr(MemoryFile, "close", lambda self: closed.append(self))
    assert client.close(file_id).status is Status.SUCCESS
    assert len(closed) == 1
