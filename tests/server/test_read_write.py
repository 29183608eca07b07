"""READ and WRITE."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.interfaces import Creation
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteFlags, WriteRequest, WriteResponse
from filesvc.store.memory import MemoryStore

from .dialogue import Client

LAST = 0x7FFFFFFFFFFFFFFF
LARGEST = 0xFFFFFFF0000


def test_reads_what_was_written(client: Client) -> None:
    file_id = client.open("hello.txt")
    assert client.ask(Command.WRITE, WriteRequest(file_id, 3, b"hello").encode()).status is Status.SUCCESS
    answer = client.ask(Command.READ, ReadRequest(file_id, 0, 100).encode())
    assert bytes(ReadResponse.parse(answer.message).data) == b"\0\0\0hello"
    assert client.close(file_id).status is Status.SUCCESS


@pytest.mark.parametrize(("offset", "minimum", "status"), [(5, 0, Status.END_OF_FILE), (0, 6, Status.END_OF_FILE), (0, 5, Status.SUCCESS)])
def test_the_end_of_the_file(client: Client, store: MemoryStore, offset: int, minimum: int, status: Status) -> None:
    store.add("five", b"12345")
    file_id = client.open("five")
    assert client.ask(Command.READ, ReadRequest(file_id, offset, 10, minimum).encode()).status is status


@pytest.mark.parametrize(("minimum", "status"), [(0, Status.SUCCESS), (1, Status.END_OF_FILE)])
def test_a_read_of_nothing(client: Client, store: MemoryStore, minimum: int, status: Status) -> None:
    store.add("a", b"12345")
    answer = client.read(client.open("a"), 0, 0, minimum)
    assert answer.status is status


@pytest.mark.parametrize(
    ("right", "status"),
    [
        (AccessMask.FILE_READ_DATA, Status.SUCCESS),
        (AccessMask.FILE_EXECUTE, Status.SUCCESS),
        (AccessMask.FILE_WRITE_DATA, Status.ACCESS_DENIED),
        (AccessMask.FILE_READ_ATTRIBUTES, Status.ACCESS_DENIED),
    ],
)
def test_the_right_to_read(client: Client, store: MemoryStore, right: int, status: Status) -> None:
    store.add("a", b"12345")
    assert client.read(client.open("a", access=right), 0, 5).status is status


@pytest.mark.parametrize(
    ("right", "status"),
    [
        (AccessMask.FILE_WRITE_DATA, Status.SUCCESS),
        (AccessMask.FILE_APPEND_DATA, Status.SUCCESS),
        (AccessMask.FILE_READ_DATA, Status.ACCESS_DENIED),
        (AccessMask.FILE_WRITE_ATTRIBUTES, Status.ACCESS_DENIED),
    ],
)
def test_the_right_to_write(client: Client, store: MemoryStore, right: int, status: Status) -> None:
    store.add("a", b"12345")
    assert client.write(client.open("a", access=right), b"x", 0).status is status


@pytest.mark.parametrize("do", [lambda client, folder: client.read(folder, 0, 1), lambda client, folder: client.write(folder, b"x", 0)])
def test_a_folder_has_no_data(client: Client, do: Any) -> None:
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert do(client, folder).status is Status.INVALID_DEVICE_REQUEST


@pytest.mark.parametrize(
    ("offset", "length", "status"),
    [
        (LAST, 0, Status.SUCCESS),
        (LAST, 1, Status.INVALID_PARAMETER),
        (LAST + 1, 0, Status.INVALID_PARAMETER),
        (LAST - 1, 1, Status.END_OF_FILE),
        (1 << 64, -1, Status.INVALID_PARAMETER),
    ],
)
def test_offsets_to_read_from(client: Client, offset: int, length: int, status: Status) -> None:
    assert client.read(client.open("a"), min(offset, (1 << 64) - 1), max(length, 0)).status is status


@pytest.mark.parametrize(
    ("offset", "data", "status"),
    [
        (LARGEST - 1, b"x", Status.DISK_FULL),
        (LARGEST, b"x", Status.INVALID_PARAMETER),
        (LAST, b"", Status.SUCCESS),
        (LAST + 1, b"", Status.INVALID_PARAMETER),
    ],
)
def test_offsets_to_write_to(client: Client, offset: int, data: bytes, status: Status) -> None:
    assert client.write(client.open("a"), data, offset).status is status


def test_a_write_of_nothing_changes_nothing(client: Client, store: MemoryStore) -> None:
    file_id = client.open("a")
    answer = client.write(file_id, b"", 100)
    assert WriteResponse.parse(answer.message).count == 0
    assert store.open(("a",), Creation.EXISTING, None, False).stat().size == 0


def test_more_than_a_transfer(client: Client, store: MemoryStore) -> None:
    file_id = client.open("a")
    assert client.read(file_id, 0, (8 << 20) + 1, charge=129).status is Status.INVALID_PARAMETER
    assert client.write(file_id, bytes((8 << 20) + 1), 0, charge=129).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize(("flags", "flushed"), [(0, 0), (WriteFlags.WRITE_THROUGH, 1)])
def test_a_write_that_goes_through_is_flushed(client: Client, monkeypatch: pytest.MonkeyPatch, flags: int, flushed: int) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("filesvc.store.memory.MemoryFile.flush", lambda file: calls.append(file))
    assert client.write(client.open("a"), b"x", 0, flags).status is Status.SUCCESS
    assert len(calls) == flushed


@pytest.mark.parametrize(
    ("right", "status"), [(AccessMask.FILE_APPEND_DATA, Status.SUCCESS), (AccessMask.FILE_READ_DATA, Status.ACCESS_DENIED)]
)
def test_flush(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, right: int, status: Status) -> None:
    store.add("a")
    calls: list[Any] = []
    monkeypatch.setattr("filesvc.store.memory.MemoryFile.flush", lambda file: calls.append(file))
    file_id = client.open("a", access=right)
    assert client.ask(Command.FLUSH, FlushRequest(file_id).encode()).status is status
    assert len(calls) == (status is Status.SUCCESS)


def test_a_full_store(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = client.open("a")

    def fail(self: Any, *call: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("filesvc.store.memory.MemoryFile.write", fail)
    assert client.write(file_id, b"x", 0).status is Status.DISK_FULL
    assert client.close(file_id).status is Status.SUCCESS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=200)), max_size=8), st.integers(0, 400), st.integers(1, 500))
def test_against_a_plain_buffer(client: Client, writes: list[tuple[int, bytes]], offset: int, length: int) -> None:
    file_id = client.open("a", disposition=CreateDisposition.OVERWRITE_IF)
    expected = bytearray()
    for at, data in writes:
        assert WriteResponse.parse(client.write(file_id, data, at).message).count == len(data)
        if data:
            expected.extend(bytes(max(at - len(expected), 0)))
            expected[at : at + len(data)] = data
    answer = client.read(file_id, offset, length)
    if offset < len(expected):
        assert bytes(ReadResponse.parse(answer.message).data) == expected[offset : offset + length]
    else:
        assert answer.status is Status.END_OF_FILE
    client.close(file_id)
