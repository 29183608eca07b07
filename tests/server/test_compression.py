"""Compression of files on a file system that can (MS-FSA 2.1.5.10.9, 2.1.5.10.30). What others answer is in test_ioctl."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import parse_directory
from filesvc.fscc.file_information import CompressionFormat, FileCompressionInformation, FileInformationClass
from filesvc.fscc.filesystem_information import FileFsAttributeInformation, FileSystemAttributes, FileSystemInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.interfaces import FileAttributes
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.server import Server
from filesvc.server.settings import Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.create import CreateOptions, CreateResponse
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.store.local import LocalStore

from .dialogue import Client, MakeServer, disconnect

NONE, DEFAULT, LZNT1 = CompressionFormat
DIRECTORY = CreateOptions.DIRECTORY_FILE


@pytest.fixture
def server(make_server: MakeServer, btrfs: Path, xfs: Path) -> Iterator[Server]:
    """A server that shares a folder of a btrfs, and one of an XFS, which compresses nothing."""
    with TemporaryDirectory(dir=btrfs) as folder, TemporaryDirectory(dir=xfs) as other:
        stores = [LocalStore(folder), LocalStore(other)]
        server = make_server(shares=[Share("files", stores[0]), Share("xfs", stores[1])])
        yield server
        disconnect(server)
        for store in stores:
            store.close()


def compress(client: Client, file: FileId, value: int) -> Status:
    request = IoctlRequest(Fsctl.SET_COMPRESSION, file, value.to_bytes(2, "little"), 0)
    status: Status = client.ask(Command.IOCTL, request.encode()).status
    return status


def compression(client: Client, file: FileId) -> int:
    answer = client.ask(Command.IOCTL, IoctlRequest(Fsctl.GET_COMPRESSION, file, b"", 2).encode())
    assert answer.status is Status.SUCCESS
    return int.from_bytes(IoctlResponse.parse(answer.message).output, "little")


def query(client: Client, file: FileId, kind: int, what: int) -> memoryview:
    answer = client.ask(Command.QUERY_INFO, QueryInfoRequest(file, kind, what, 100).encode())
    return memoryview(QueryInfoResponse.parse(answer.message).buffer)


@pytest.mark.parametrize("options", [0, DIRECTORY])
@pytest.mark.parametrize("value", [DEFAULT, LZNT1])
def test_everywhere_it_is_told(client: Client, options: int, value: int) -> None:
    file = client.open("a", create_options=options)
    for wanted, there in ((NONE, False), (value, True), (NONE, False)):
        assert compress(client, file, wanted) is Status.SUCCESS
        expected = LZNT1 if there else NONE
        assert compression(client, file) == expected
        told = FileCompressionInformation.parse(query(client, file, InfoType.FILE, FileInformationClass.COMPRESSION))
        assert told.compression_format == expected
        opened = CreateResponse.parse(client.create("a").message).file_attributes
        listing = client.ask(
            Command.QUERY_DIRECTORY, QueryDirectoryRequest(client.open(""), FileInformationClass.DIRECTORY, 1000, "a").encode()
        )
        (listed,) = parse_directory(FileInformationClass.DIRECTORY, memoryview(QueryDirectoryResponse.parse(listing.message).buffer))
        assert bool(opened & FileAttributes.COMPRESSED) is bool(listed.file_attributes & FileAttributes.COMPRESSED) is there


@pytest.mark.parametrize("options", [0, DIRECTORY])
def test_what_is_made_in_a_folder_may_refuse(client: Client, options: int) -> None:
    assert compress(client, client.open("d", create_options=DIRECTORY), DEFAULT) is Status.SUCCESS
    assert compression(client, client.open("d\\a", create_options=options)) == LZNT1
    assert compression(client, client.open("d\\b", create_options=options | CreateOptions.NO_COMPRESSION)) == NONE


def test_rights(client: Client) -> None:
    everything = OF_OTHERS
    for value in (NONE, DEFAULT):
        assert compress(client, client.open("a", access=everything & ~AccessMask.FILE_WRITE_DATA), value) is Status.ACCESS_DENIED
        assert compress(client, client.open("a", access=AccessMask.FILE_WRITE_DATA), value) is Status.SUCCESS
    assert compression(client, client.open("a", access=AccessMask.SYNCHRONIZE | AccessMask.READ_CONTROL)) == LZNT1


def test_other_formats(client: Client) -> None:
    file = client.open("a")
    assert compress(client, file, 0x42) is Status.INVALID_PARAMETER
    assert compression(client, file) == NONE


def test_who_watches_hears_of_it(client: Client, another: Client) -> None:
    file, root = client.open("a"), another.open("", access=AccessMask.FILE_LIST_DIRECTORY)
    asked = ChangeNotifyRequest(root, CompletionFilter.ATTRIBUTES, 100)
    assert another.ask(Command.CHANGE_NOTIFY, asked.encode()).status is Status.PENDING
    assert compress(client, file, DEFAULT) is Status.SUCCESS
    assert [answer.status for answer in another.receive()] == [Status.SUCCESS]


@pytest.mark.parametrize(("share", "there"), [("files", True), ("xfs", False)])
def test_the_volume_says_so(client: Client, share: str, there: bool) -> None:
    client.enter(share)
    told = FileFsAttributeInformation.parse(query(client, client.open("a"), InfoType.FILESYSTEM, FileSystemInformationClass.ATTRIBUTE))
    assert bool(told.file_system_attributes & FileSystemAttributes.FILE_COMPRESSION) is there


def test_where_nothing_is_compressed(client: Client) -> None:
    client.enter("xfs")
    file = client.open("a")
    assert compress(client, file, 0x42) is Status.INVALID_PARAMETER
    assert compress(client, file, DEFAULT) is Status.NOT_SUPPORTED
    assert compress(client, file, NONE) is Status.SUCCESS
    assert compression(client, file) == NONE
