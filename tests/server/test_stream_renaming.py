"""What a stream may be renamed to (MS-FSA 2.1.5.15.11.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.name_information import parse_streams
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.query_info import QueryInfoResponse
from filesvc.smb2.messages.read import ReadResponse
from filesvc.store.local import LocalStore

from .dialogue import Client, Serve

BAD_NAMES = [
    ":x:$DATA:",
    "::::",
    ":x\\ / ::$DATA",
    f":{'x' * 256}:$DATA",
    "::",
    ":",
    ":x:y/z",
    ":x:y:z",
]


def stream_sizes(client: Client, name: str) -> dict[str, int]:
    file_id = client.open(name, disposition=CreateDisposition.OPEN, access=AccessMask.FILE_READ_ATTRIBUTES)
    answer = client.query_info(file_id, FileInformationClass.STREAM)
    assert client.close(file_id).status is Status.SUCCESS
    found = parse_streams(memoryview(QueryInfoResponse.parse(answer.message).buffer))
    return {stream.stream_name: stream.stream_size for stream in found}


def data_of(client: Client, file_id: FileId) -> bytes:
    answer = client.read(file_id, 0, 65536)
    return b"" if answer.status is Status.END_OF_FILE else bytes(ReadResponse.parse(answer.message).data)


def filled(client: Client, name: str, data: bytes = b"abc") -> FileId:
    """A file that is open only to be renamed."""
    file_id = client.open(name)
    assert client.write(file_id, data).status is Status.SUCCESS
    client.close(file_id)
    return client.open(name, access=AccessMask.DELETE | AccessMask.FILE_READ_DATA)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("opened", ["f::$DATA", "f:s"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_no_stream_can_be_called(client: Client, opened: str, name: str, replace: bool) -> None:
    file_id = client.open(opened, access=AccessMask.DELETE, create_options=CreateOptions.NON_DIRECTORY_FILE)
    assert client.rename(file_id, name, replace).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("opened", ["f::$DATA", "f:s"])
@pytest.mark.parametrize("name", [":x:$NotDATA", "::$INDEX_ALLOCATION", ":x:$I"])
def test_a_stream_keeps_its_type(client: Client, opened: str, name: str) -> None:
    file_id = client.open(opened, access=AccessMask.DELETE)
    assert client.rename(file_id, name).status is Status.OBJECT_TYPE_MISMATCH


def test_a_directory_is_no_stream(client: Client) -> None:
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert client.rename(directory, ":x").status is Status.OBJECT_TYPE_MISMATCH
    assert client.rename(directory, ":x:$INDEX_ALLOCATION").status is Status.INVALID_PARAMETER
    assert client.rename(directory, "::$DATA").status is Status.INVALID_PARAMETER
    stream = client.open("d:s")
    assert client.rename(stream, "::$DATA").status is Status.INVALID_PARAMETER
    assert client.rename(stream, ":t").status is Status.SUCCESS


@pytest.mark.parametrize("size", [3, 50_000])
def test_the_unnamed_stream_gets_a_name(client: Client, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    file_id = filled(client, "f", data)
    assert client.rename(file_id, ":s:$DATA").status is Status.SUCCESS
    assert client.read(file_id, size - 3, 9).status is Status.SUCCESS
    assert stream_sizes(client, "f") == {"::$DATA": 0, ":s:$DATA": size}
    client.close(file_id)
    assert data_of(client, client.open("f:s", disposition=CreateDisposition.OPEN)) == data


def test_the_unnamed_stream_of_a_real_file_gets_a_name(serve: Serve, tmp_path: Path) -> None:
    client = Client(serve(files=LocalStore(tmp_path)))
    for step in (client.negotiate, client.log_on, client.enter):
        assert step().status is Status.SUCCESS
    file_id = filled(client, "f")
    assert client.rename(file_id, ":s").status is Status.SUCCESS
    assert data_of(client, file_id) == b"abc"
    assert (tmp_path / "f").read_bytes() == b""
    client.close(file_id)
    assert data_of(client, client.open("f:s", disposition=CreateDisposition.OPEN)) == b"abc"


def test_the_unnamed_stream_is_called_as_it_is(client: Client) -> None:
    file_id = filled(client, "f")
    assert client.rename(file_id, "::$DATA").status is Status.SUCCESS
    assert data_of(client, file_id) == b"abc"


def test_the_unnamed_stream_takes_the_place_of_another(client: Client) -> None:
    client.close(client.open("f:s"))
    file_id = filled(client, "f")
    assert client.rename(file_id, ":s").status is Status.OBJECT_NAME_COLLISION
    assert client.rename(file_id, ":s", replace=True).status is Status.SUCCESS
    assert stream_sizes(client, "f") == {"::$DATA": 0, ":s:$DATA": 3}


def test_data_that_others_use_stays_where_it_is(client: Client, another: Client) -> None:
    file_id = filled(client, "f")
    beside = another.open("f")
    assert client.rename(file_id, ":s").status is Status.SHARING_VIOLATION
    assert client.rename(file_id, ":AFP_AfpInfo").status is Status.SHARING_VIOLATION
    another.close(beside)
    assert client.rename(file_id, ":AFP_AfpInfo").status is Status.INVALID_PARAMETER
    assert client.delete(file_id).status is Status.SUCCESS
    assert client.rename(file_id, ":s").status is Status.DELETE_PENDING


def test_a_file_whose_data_was_renamed_can_be_deleted(client: Client) -> None:
    file_id = filled(client, "f")
    assert client.rename(file_id, ":s").status is Status.SUCCESS
    client.close(file_id)
    options = CreateOptions.DELETE_ON_CLOSE
    answer = client.create("f", CreateDisposition.OPEN, AccessMask.DELETE, create_options=options)
    client.close(CreateResponse.parse(answer.message).file_id)
    assert client.create("f", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND
