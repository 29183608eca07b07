"""Named streams."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceType, Acl, SecurityControl, SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.fscc.file_information import (
    FileBasicInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileInformationClass,
    FileStandardInformation,
)
from filesvc.fscc.filesystem_information import FileFsAttributeInformation, FileSystemAttributes, FileSystemInformationClass
from filesvc.fscc.name_information import FileAllInformation, FileRenameInformation, parse_streams
from filesvc.interfaces import Creation, FileAttributes, Kind
from filesvc.server.files.streams import MAX_INLINE
from filesvc.server.server import Server
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateAction, CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client

OPEN, CREATE, OVERWRITE = CreateDisposition.OPEN, CreateDisposition.CREATE, CreateDisposition.OVERWRITE
INFORMATION = FileInformationClass


def put(client: Client, name: str, data: bytes = b"data") -> None:
    file_id = client.open(name)
    assert client.write(file_id, data).status is Status.SUCCESS
    client.close(file_id)


def get(client: Client, name: str | FileId) -> bytes:
    file_id = name if isinstance(name, FileId) else client.open(name, disposition=OPEN)
    answer = client.ask(Command.READ, ReadRequest(file_id, 0, 65536).encode())
    if file_id is not name:
        client.close(file_id)
    return b"" if answer.status is Status.END_OF_FILE else bytes(ReadResponse.parse(answer.message).data)


def query(client: Client, file_id: FileId, information: int) -> memoryview:
    answer = client.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.FILE, information, 65536).encode())
    assert answer.status is Status.SUCCESS
    return memoryview(QueryInfoResponse.parse(answer.message).buffer)


def change(client: Client, file_id: FileId, information: int, buffer: bytes) -> Status:
    status = client.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, information, buffer).encode()).status
    assert isinstance(status, Status)
    return status


def delete(client: Client, name: str) -> Status:
    answer = client.create(name, OPEN, AccessMask.DELETE, create_options=CreateOptions.DELETE_ON_CLOSE)
    if answer.status is Status.SUCCESS:
        client.close(CreateResponse.parse(answer.message).file_id)
    status = answer.status
    assert isinstance(status, Status)
    return status


def streams(client: Client, name: str) -> dict[str, int]:
    file_id = client.open(name, disposition=OPEN, access=AccessMask.FILE_READ_ATTRIBUTES)
    found = {stream.stream_name: stream.stream_size for stream in parse_streams(query(client, file_id, INFORMATION.STREAM))}
    client.close(file_id)
    return found


def test_data(client: Client) -> None:
    file_id = client.open("a:s")
    assert client.write(file_id, b"data", 2).status is Status.SUCCESS
    assert client.write(file_id, b"ta", 5).status is Status.SUCCESS
    assert get(client, file_id) == b"\0\0datta"
    assert get(client, "A:S:$data") == b"\0\0datta"
    assert get(client, "a") == get(client, "a::$DATA") == b""
    assert change(client, file_id, INFORMATION.END_OF_FILE, FileEndOfFileInformation(3).encode()) is Status.SUCCESS
    assert get(client, "a:s") == b"\0\0d"
    assert change(client, file_id, INFORMATION.END_OF_FILE, FileEndOfFileInformation(5).encode()) is Status.SUCCESS
    assert get(client, "a:s") == b"\0\0d\0\0"


def test_a_stream_makes_its_file(client: Client, store: MemoryStore) -> None:
    answer = client.create("a:s", CREATE)
    assert CreateResponse.parse(answer.message).create_action == CreateAction.CREATED
    assert store.open(("a",), Creation.EXISTING, Kind.FILE, False).stat().size == 0


@pytest.mark.parametrize("name", ["missing", "missing:s", "a:missing"])
def test_what_is_missing(client: Client, store: MemoryStore, name: str) -> None:
    store.add("a")
    assert client.create(name, OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert client.create(r"no\such:s").status is Status.OBJECT_PATH_NOT_FOUND


def test_dispositions(client: Client) -> None:
    put(client, "a:s")
    assert client.create("a:S", CREATE).status is Status.OBJECT_NAME_COLLISION
    answer = client.create("a:s", OVERWRITE)
    assert CreateResponse.parse(answer.message).create_action == CreateAction.OVERWRITTEN
    assert streams(client, "a") == {"::$DATA": 0, ":s:$DATA": 0}


@pytest.mark.parametrize("disposition", [OVERWRITE, CreateDisposition.OVERWRITE_IF, CreateDisposition.SUPERSEDE])
def test_overwriting_the_file_removes_its_streams(client: Client, disposition: int) -> None:
    put(client, "a:s")
    client.close(client.open("a", disposition=disposition))
    assert streams(client, "a") == {"::$DATA": 0}


def test_streams_are_listed(client: Client) -> None:
    put(client, "a", b"12345")
    put(client, "a:One", b"123")
    put(client, "a:two", b"")
    assert streams(client, "a") == streams(client, "a:ONE") == {"::$DATA": 5, ":One:$DATA": 3, ":two:$DATA": 0}


def test_streams_of_directories(client: Client, store: MemoryStore) -> None:
    store.add("d/a")
    assert streams(client, "d") == {}
    put(client, "d:s")
    assert streams(client, "d") == {":s:$DATA": 4}
    assert client.create("d::$DATA", OPEN).status is Status.FILE_IS_A_DIRECTORY
    for name in ("d::$DATA", "d:s", r"d\a:s"):
        assert client.create(name, create_options=CreateOptions.DIRECTORY_FILE).status is Status.NOT_A_DIRECTORY
    put(client, ":root", b"of the share")
    assert get(client, ":root") == b"of the share"
    assert delete(client, ":root") is Status.SUCCESS
    assert streams(client, "") == {}


@pytest.mark.parametrize("name", ["a:", "a::", "a:s:", "a:s:$FOO", "a:s:$DATA:", "a:s/t", "a:s\\t", "a:\ud800", "a:" + 256 * "s"])
def test_names_that_no_stream_can_have(client: Client, name: str) -> None:
    assert client.create(name).status is Status.OBJECT_NAME_INVALID


def test_what_is_told_of_a_stream(client: Client) -> None:
    put(client, "a:s", b"123")
    file_id = client.open("a:s", disposition=OPEN)
    standard = FileStandardInformation.parse(query(client, file_id, INFORMATION.STANDARD))
    assert (standard.end_of_file, standard.directory) == (3, False)
    assert FileAllInformation.parse(query(client, file_id, INFORMATION.ALL)).name.file_name == r"\a:s"


def test_attributes_are_the_files(client: Client, store: MemoryStore) -> None:
    file_id = client.open("a:s")
    basic = FileBasicInformation(0, 0, 0, 0, FileAttributes.READONLY).encode()
    assert change(client, file_id, INFORMATION.BASIC, basic) is Status.SUCCESS
    client.close(file_id)
    assert store.open(("a",), Creation.EXISTING, Kind.FILE, False).stat().attributes & FileAttributes.READONLY
    assert client.create("a:s", OPEN, AccessMask.FILE_WRITE_DATA).status is Status.ACCESS_DENIED
    assert client.create("a:t", CREATE, AccessMask.FILE_READ_DATA).status is Status.ACCESS_DENIED
    assert client.create("a:s", OPEN, AccessMask.FILE_READ_DATA).status is Status.SUCCESS


def test_the_descriptor_is_the_files(client: Client) -> None:
    file_id = client.open("a:s", access=AccessMask.FILE_ALL_ACCESS)
    reads = Acl([Ace(AceType.ACCESS_ALLOWED, EVERYONE, AccessMask.FILE_GENERIC_READ)])
    descriptor = SecurityDescriptor(dacl=reads, control=SecurityControl.DACL_PRESENT).encode()
    request = SetInfoRequest(file_id, InfoType.SECURITY, 0, descriptor, SecurityInformation.DACL)
    assert client.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS
    assert client.create("a", OPEN, AccessMask.FILE_WRITE_DATA).status is Status.ACCESS_DENIED
    assert client.create("a:s", OPEN, AccessMask.FILE_WRITE_DATA).status is Status.ACCESS_DENIED
    assert client.create("a:t", CREATE, AccessMask.FILE_READ_DATA).status is Status.ACCESS_DENIED
    assert client.create("a:s", OPEN, AccessMask.FILE_READ_DATA).status is Status.SUCCESS


def test_share_modes_are_the_streams_own(client: Client, another: Client) -> None:
    client.open("a:s", share=0)
    assert another.create("a:s", OPEN).status is Status.SHARING_VIOLATION
    assert another.create("a:t").status is Status.SUCCESS
    assert another.create("a", OPEN, AccessMask.FILE_WRITE_DATA, share=0).status is Status.SUCCESS


def test_a_stream_keeps_its_file_from_being_deleted(client: Client, another: Client) -> None:
    file_id = client.open("a:s", share=3)
    assert delete(another, "a") is Status.SHARING_VIOLATION
    client.close(file_id)
    assert delete(another, "a") is Status.SUCCESS


def test_a_file_is_there_until_its_streams_are_closed(client: Client, another: Client, store: MemoryStore) -> None:
    put(client, "a:s", b"still")
    file_id = client.open("a:s")
    assert delete(another, "a") is Status.SUCCESS
    assert get(client, file_id) == b"still"
    for name in ("a", "a:s", "a:t"):
        assert another.create(name).status is Status.DELETE_PENDING
    client.close(file_id)
    assert another.create("a", OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert client.create("a", CREATE).status is Status.SUCCESS


def test_a_stream_is_deleted_alone(client: Client) -> None:
    put(client, "a:s")
    put(client, "a:t")
    assert delete(client, "a:S") is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 0, ":t:$DATA": 4}
    file_id = client.open("a:t", disposition=OPEN)
    assert change(client, file_id, INFORMATION.DISPOSITION, FileDispositionInformation(True).encode()) is Status.SUCCESS
    assert client.create("a:t", OPEN).status is Status.DELETE_PENDING
    client.close(file_id)
    assert streams(client, "a") == {"::$DATA": 0}


def test_a_file_with_open_streams_keeps_its_name(client: Client, another: Client) -> None:
    stream = client.open("a:s")
    file_id = another.open("a")
    assert another.rename(file_id, "b").status is Status.ACCESS_DENIED
    client.close(stream)
    assert another.rename(file_id, "b").status is Status.SUCCESS
    assert streams(client, "b") == {"::$DATA": 0, ":s:$DATA": 0}


def test_a_file_with_open_streams_is_not_replaced(client: Client, another: Client) -> None:
    client.open("a:s")
    assert another.rename(another.open("b"), "a", replace=True).status is Status.ACCESS_DENIED


def test_renaming_a_stream(client: Client, another: Client) -> None:
    put(client, "a:s")
    file_id, beside = client.open("a:s"), another.open("a:s")
    assert client.rename(file_id, ":t").status is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 0, ":t:$DATA": 4}
    assert get(another, beside) == b"data"
    assert client.rename(file_id, ":T:$DATA").status is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 0, ":T:$DATA": 4}
    another.close(beside)
    assert another.create("a:s", CREATE, share=0).status is Status.SUCCESS


def test_renaming_a_stream_over_another(client: Client, another: Client) -> None:
    put(client, "a:s")
    put(client, "a:full")
    put(client, "a:empty", b"")
    file_id = client.open("a:s")
    assert client.rename(file_id, ":EMPTY").status is Status.OBJECT_NAME_COLLISION
    assert client.rename(file_id, ":full", replace=True).status is Status.INVALID_PARAMETER
    held = another.open("a:empty")
    assert client.rename(file_id, ":empty", replace=True).status is Status.INVALID_PARAMETER
    another.close(held)
    assert client.rename(file_id, ":EMPTY", replace=True).status is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 0, ":EMPTY:$DATA": 4, ":full:$DATA": 4}


def test_renaming_a_stream_to_the_files_data(client: Client, another: Client) -> None:
    put(client, "a:s")
    file_id = client.open("a:s")
    assert client.rename(file_id, "::$DATA").status is Status.OBJECT_NAME_COLLISION
    beside = another.open("a:s")
    assert client.rename(file_id, "::$DATA", replace=True).status is Status.SHARING_VIOLATION
    another.close(beside)
    assert client.rename(file_id, "::$DATA", replace=True).status is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 4}
    assert get(client, file_id) == get(another, "a") == b"data"


def test_renaming_what_has_to_keep_its_name(client: Client) -> None:
    stream, file_id = client.open("a:s"), client.open("b")
    assert client.rename(stream, "c").status is Status.ACCESS_DENIED
    assert client.rename(file_id, "b:s").status is Status.INVALID_PARAMETER
    directory = client.open("d:s", disposition=CREATE)
    link = FileRenameInformation(False, "e").encode()
    assert change(client, directory, INFORMATION.LINK, link) is Status.INVALID_PARAMETER


def test_too_large_a_stream(client: Client) -> None:
    file_id = client.open("a:s")
    assert client.write(file_id, b"x", MAX_INLINE - 1).status is Status.SUCCESS
    assert client.write(file_id, b"x", 1 << 40).status is Status.DISK_FULL
    size = FileEndOfFileInformation(1 << 40).encode()
    assert change(client, file_id, INFORMATION.END_OF_FILE, size) is Status.DISK_FULL
    assert streams(client, "a")[":s:$DATA"] == MAX_INLINE


def volume_attributes(client: Client) -> FileSystemAttributes:
    request = QueryInfoRequest(client.open("a"), InfoType.FILESYSTEM, FileSystemInformationClass.ATTRIBUTE, 4096)
    answer = client.ask(Command.QUERY_INFO, request.encode())
    told = FileFsAttributeInformation.parse(memoryview(QueryInfoResponse.parse(answer.message).buffer))
    return FileSystemAttributes(told.file_system_attributes)


KEPT = FileSystemAttributes.NAMED_STREAMS | FileSystemAttributes.PERSISTENT_ACLS | FileSystemAttributes.SUPPORTS_EXTENDED_ATTRIBUTES


def test_the_volume_has_streams(client: Client) -> None:
    assert volume_attributes(client) & KEPT == KEPT


def test_a_volume_without_streams(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add("a")
    bare = replace(store.volume(), xattrs=False)
    monkeypatch.setattr(store, "volume", lambda *_: bare)
    for name in ("a::$DATA", "a:s", "a:s:$DATA", "a::foo"):
        for disposition in (OPEN, CreateDisposition.OPEN_IF):
            assert client.create(name, disposition).status is Status.OBJECT_NAME_INVALID
    assert not volume_attributes(client) & KEPT


class TestOnDisk:
    """How streams are kept."""

    @pytest.fixture
    def server(self, server_on_disk: Server) -> Server:
        return server_on_disk

    def test_as_samba_does(self, client: Client, tmp_path: Path) -> None:
        put(client, "a:Zone.Identifier", b"[ZoneTransfer]")
        assert os.getxattr(tmp_path / "a", "user.DosStream.Zone.Identifier:$DATA") == b"[ZoneTransfer]\0"
        os.setxattr(tmp_path / "a", "user.DosStream.Other:$DATA", b"12\0")
        assert streams(client, "a") == {"::$DATA": 0, ":Zone.Identifier:$DATA": 14, ":Other:$DATA": 2}
        assert get(client, "a:other") == b"12"

    def test_a_name_that_the_file_system_has_no_room_for(self, client: Client, tmp_path: Path) -> None:
        assert client.create("a:" + 250 * "s", CREATE).status is Status.OBJECT_NAME_INVALID
        assert not (tmp_path / "a").exists()
