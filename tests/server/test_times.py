"""The times that clients see (MS-FSA 2.1.4.17)."""

from __future__ import annotations

import errno
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from filesvc.dtyp.filetime import RESUME_UPDATES, STOP_UPDATES
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileBasicInformation, FileInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.settings import Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseFlags, CloseRequest, CloseResponse
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryFile, MemoryStore

from .dialogue import Client, MakeServer
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


def last_write(client: Client, file_id: FileId) -> int:
    return basic(client, file_id).last_write_time


def set_size(client: Client, file_id: FileId, level: int, size: int) -> None:
    request = SetInfoRequest(file_id, InfoType.FILE, level, size.to_bytes(8, "little"))
    assert client.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS


def test_a_write_shows_at_once_and_neither_a_flush_nor_the_close_changes_that(client: Client, reactor: FakeReactor) -> None:
    file_id = client.open("a")
    before = last_write(client, file_id)
    write(client, file_id)
    written = last_write(client, file_id)
    assert written > before
    client.ask(Command.FLUSH, FlushRequest(file_id).encode())
    reactor.advance(10)
    assert last_write(client, file_id) == written
    answer = client.ask(Command.CLOSE, CloseRequest(file_id, CloseFlags.POSTQUERY_ATTRIB).encode())
    assert CloseResponse.parse(answer.message).last_write_time == written
    assert not reactor.getDelayedCalls()


def test_a_write_time_that_was_set_outlives_writes(client: Client, store: MemoryStore) -> None:
    file_id = client.open("a")
    set_times(client, file_id, last_write_time=CHOSEN)
    write(client, file_id)
    assert last_write(client, file_id) == CHOSEN
    client.close(file_id)
    assert last_write(client, client.open("a")) == CHOSEN


def test_a_write_time_that_was_set_holds_for_its_own_open_only(client: Client) -> None:
    mine, other = client.open("a"), client.open("a")
    set_times(client, mine, last_write_time=CHOSEN)
    write(client, mine)
    write(client, other)
    written = last_write(client, mine)
    assert written > CHOSEN
    assert last_write(client, other) == written
    write(client, mine)
    assert last_write(client, other) == written
    client.close(mine)
    assert last_write(client, other) == written
    client.close(other)
    assert last_write(client, client.open("a")) == written


def test_whoever_else_keeps_the_write_time_goes_on_doing_so(client: Client) -> None:
    first, second = client.open("a"), client.open("a")
    set_times(client, first, last_write_time=STOP_UPDATES)
    set_times(client, second, last_write_time=CHOSEN)
    write(client, first)
    client.close(first)
    assert last_write(client, second) == CHOSEN
    write(client, second)
    client.close(second)
    assert last_write(client, client.open("a")) == CHOSEN


@pytest.mark.parametrize("change", ["write", "size", "allocation", "zeros", "copy"])
def test_whatever_changes_the_data_shows_unless_the_write_time_is_kept(client: Client, change: str) -> None:
    """MS-FSA 2.1.4.17 is one rule for all of them."""
    mine, other = client.open("a"), client.open("a")
    set_size(client, other, FileInformationClass.END_OF_FILE, 3)
    set_times(client, mine, last_write_time=CHOSEN)
    ask_to_change(client, mine, change, 2)
    assert last_write(client, mine) == CHOSEN
    ask_to_change(client, other, change, 1)
    assert last_write(client, mine) > CHOSEN


def ask_to_change(client: Client, file_id: FileId, change: str, size: int) -> None:
    if change == "write":
        write(client, file_id)
    elif change == "size":
        set_size(client, file_id, FileInformationClass.END_OF_FILE, size)
    elif change == "allocation":
        set_size(client, file_id, FileInformationClass.ALLOCATION, size)
    elif change == "zeros":
        control(client, file_id, Fsctl.SET_ZERO_DATA, struct.pack("<2Q", 0, 1))
    else:
        key = control(client, file_id, Fsctl.SRV_REQUEST_RESUME_KEY, b"")[:24]
        control(client, file_id, Fsctl.SRV_COPYCHUNK_WRITE, struct.pack("<24sII2Q2I", key, 1, 0, 0, 1, 1, 0))


def control(client: Client, file_id: FileId, code: int, data: bytes) -> bytes:
    answer = client.ask(Command.IOCTL, IoctlRequest(code, file_id, data, 65536).encode())
    assert answer.status is Status.SUCCESS
    return bytes(IoctlResponse.parse(answer.message).output)


def test_room_that_is_put_aside_is_no_write(make_server: MakeServer, tmp_path: Path) -> None:
    """The file system's own call for that says otherwise."""
    real = Client(make_server(shares=[Share("files", LocalStore(tmp_path))]))
    for step in (real.negotiate, real.log_on, real.enter):
        assert step().status is Status.SUCCESS
    file_id = real.open("a")
    write(real, file_id)
    before = basic(real, file_id)
    time.sleep(0.02)
    set_size(real, file_id, FileInformationClass.ALLOCATION, 1 << 20)
    after = basic(real, file_id)
    assert after.last_write_time == before.last_write_time
    assert after.change_time > before.change_time


def test_write_times_are_stopped_and_resumed(client: Client, reactor: FakeReactor) -> None:
    file_id = client.open("a")
    before = last_write(client, file_id)
    set_times(client, file_id, last_write_time=STOP_UPDATES)
    write(client, file_id)
    reactor.advance(10)
    assert last_write(client, file_id) == before
    set_times(client, file_id, last_write_time=RESUME_UPDATES)
    assert last_write(client, file_id) == before
    write(client, file_id)
    assert last_write(client, file_id) > before


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
    assert client.close(file_id).status is Status.ACCESS_DENIED
    assert len(closed) == 1
