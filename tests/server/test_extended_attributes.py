"""Extended attributes."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, encode_full_eas, encode_get_eas, full_eas_length, parse_full_eas
from filesvc.fscc.file_information import FileEaInformation, FileInformationClass
from filesvc.smb2.contexts.create_contexts import EA_BUFFER, CreateContext
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.store.memory import MemoryFile
from filesvc.store.names import DESCRIPTOR_XATTR as XATTR

from .dialogue import Client

OPEN, CREATE, OVERWRITE = CreateDisposition.OPEN, CreateDisposition.CREATE, CreateDisposition.OVERWRITE


def put(client: Client, file_id: FileId, *attributes: FullEa) -> Status:
    request = SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.FULL_EA, encode_full_eas(attributes))
    status = client.ask(Command.SET_INFO, request.encode()).status
    assert isinstance(status, Status)
    return status


def ask(client: Client, file_id: FileId, names: bytes = b"", length: int = 65536, kind: int = FileInformationClass.FULL_EA) -> Any:
    return client.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.FILE, kind, length, input_buffer=names).encode())


def get(client: Client, file_id: FileId, *names: str) -> dict[str, bytes]:
    answer = ask(client, file_id, encode_get_eas(names))
    if answer.status is Status.NO_EAS_ON_FILE:
        return {}
    assert answer.status is Status.SUCCESS
    return {attribute.name: attribute.value for attribute in parse_full_eas(memoryview(QueryInfoResponse.parse(answer.message).buffer))}


def test_set_and_asked(client: Client) -> None:
    file_id = client.open("a")
    assert get(client, file_id) == {}
    assert put(client, file_id, FullEa("One", b"1"), FullEa("two", b"22")) is Status.SUCCESS
    assert get(client, file_id) == {"One": b"1", "two": b"22"}
    assert get(client, file_id, "ONE", "three") == {"One": b"1", "three": b""}
    length = FileEaInformation.parse(memoryview(QueryInfoResponse.parse(ask(client, file_id, kind=FileInformationClass.EA).message).buffer))
    assert length.ea_size == full_eas_length([FullEa("One", b"1"), FullEa("two", b"22")])


def test_lists_longer_than_any_file_has_are_not_read(client: Client) -> None:
    file_id = client.open("a")
    for count, status in ((4096, Status.SUCCESS), (4097, Status.EA_TOO_LARGE)):
        attributes = encode_full_eas([FullEa("none", b"")] * count)
        request = SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.FULL_EA, attributes)
        assert client.ask(Command.SET_INFO, request.encode(), charge=2).status is status
    client.send(client.header(Command.ECHO, credits=64).encode() + EchoRequest().encode())
    client.receive()
    for count, status in ((5000, Status.SUCCESS), (6000, Status.INVALID_PARAMETER)):
        names = encode_get_eas(["name"] * count)
        asked = QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.FULL_EA, 1 << 20, input_buffer=names)
        assert client.ask(Command.QUERY_INFO, asked.encode(), charge=16).status is status


def test_names_match_by_any_case(client: Client) -> None:
    file_id = client.open("a")
    put(client, file_id, FullEa("Name", b"1"))
    put(client, file_id, FullEa("NAME", b"2"))
    assert get(client, file_id) == {"Name": b"2"}
    assert put(client, file_id, FullEa("name", b""), FullEa("missing", b"")) is Status.SUCCESS
    assert get(client, file_id) == {}


@pytest.mark.parametrize(
    ("name", "status"),
    [("", Status.INVALID_EA_NAME), ("a*", Status.INVALID_EA_NAME), (XATTR, Status.ACCESS_DENIED), ("dosstream.s", Status.ACCESS_DENIED)],
)
def test_names_that_cannot_be_set(client: Client, name: str, status: Status) -> None:
    file_id = client.open("a")
    assert put(client, file_id, FullEa("fine", b"1"), FullEa(name, b"1")) is status
    assert get(client, file_id) == {}


def test_what_else_is_kept_so_is_not_shown(client: Client) -> None:
    client.close(client.open("a:stream"))
    assert get(client, client.open("a")) == {}


def test_rights(client: Client) -> None:
    client.close(client.open("a"))
    assert ask(client, client.open("a", access=AccessMask.FILE_READ_DATA)).status is Status.ACCESS_DENIED
    assert put(client, client.open("a", access=AccessMask.FILE_WRITE_DATA), FullEa("a", b"1")) is Status.ACCESS_DENIED


def test_a_buffer_that_is_too_small(client: Client) -> None:
    file_id = client.open("a")
    put(client, file_id, FullEa("a", bytes(100)))
    assert ask(client, file_id, length=50).status is Status.BUFFER_TOO_SMALL


def with_attributes(*attributes: FullEa) -> list[CreateContext]:
    return [CreateContext(EA_BUFFER, encode_full_eas(attributes))]


def test_they_come_with_a_new_file(client: Client) -> None:
    file_id = client.open("a", disposition=CREATE, contexts=with_attributes(FullEa("a", b"1")))
    assert get(client, file_id) == {"a": b"1"}
    file_id = client.open("a", disposition=OPEN, contexts=with_attributes(FullEa("b", b"1")))
    assert get(client, file_id) == {"a": b"1"}
    file_id = client.open("a", disposition=OVERWRITE, contexts=with_attributes(FullEa("c", b"1")))
    assert get(client, file_id) == {"c": b"1"}


def test_no_file_is_made_without_those_that_it_should_have(client: Client) -> None:
    assert client.create("a", CREATE, contexts=with_attributes(FullEa("a*", b"1"))).status is Status.INVALID_EA_NAME
    assert client.create("a", OPEN).status is Status.OBJECT_NAME_NOT_FOUND


def test_they_are_too_large_together(client: Client) -> None:
    file_id = client.open("a")
    assert put(client, file_id, FullEa("a", bytes(40000)), FullEa("b", b"old")) is Status.SUCCESS
    assert put(client, file_id, FullEa("b", b"new"), FullEa("c", bytes(30000))) is Status.EA_TOO_LARGE
    assert get(client, file_id) == {"a": bytes(40000), "b": b"old"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errno.ENOTSUP, Status.EAS_NOT_SUPPORTED),
        (errno.ENOSPC, Status.EA_TOO_LARGE),
        (errno.E2BIG, Status.EA_TOO_LARGE),
        (errno.EIO, Status.IO_DEVICE_ERROR),
    ],
)
def test_a_store_that_does_not_keep_them(client: Client, monkeypatch: pytest.MonkeyPatch, error: int, status: Status) -> None:
    def refuse(file: MemoryFile, name: str, value: bytes) -> None:
        raise OSError(error, name)

    file_id = client.open("a")
    monkeypatch.setattr(MemoryFile, "set_xattr", refuse)
    assert put(client, file_id, FullEa("a", b"1")) is status
