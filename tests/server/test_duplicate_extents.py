"""FSCTL_DUPLICATE_EXTENTS_TO_FILE on a file system that can (MS-FSCC 2.3.7, MS-SMB2 3.3.5.15.17)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.filesystem_information import FileFsAttributeInformation, FileSystemAttributes, FileSystemInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.server import Server
from filesvc.server.settings import Share
from filesvc.smb2.duplicate_extents import DuplicateExtents
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.create import CreateOptions, CreateResponse, OplockLevel
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.oplock_break import OplockBreak
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer, disconnect

BLOCK = 4096
CODE = Fsctl.DUPLICATE_EXTENTS_TO_FILE


@pytest.fixture
def folder(btrfs: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=btrfs) as name:
        yield Path(name)


@pytest.fixture
def server(make_server: MakeServer, folder: Path, xfs: Path) -> Iterator[Server]:
    """A server that shares a folder of a btrfs, twice, and those of other volumes: C{tmpfs} can share no blocks, nor can C{memory}."""
    with TemporaryDirectory(dir=xfs) as elsewhere, TemporaryDirectory(dir="/dev/shm") as tmpfs:
        folders: dict[str, str | Path] = {"files": folder, "again": folder, "elsewhere": elsewhere, "tmpfs": tmpfs}
        stores = {name: LocalStore(path) for name, path in folders.items()}
        server = make_server(shares=[Share(name, store) for name, store in (stores | {"memory": MemoryStore()}).items()])
        yield server
        disconnect(server)
        for store in stores.values():
            store.close()


def clone(client: Client, target: FileId, source: FileId, *numbers: int) -> Status:
    """The offset in the source, that in the target, and the length; all of two blocks if nothing is said."""
    asked = DuplicateExtents(source, *(numbers or (0, 0, 2 * BLOCK)))
    status: Status = client.ask(Command.IOCTL, IoctlRequest(CODE, target, asked.encode(), 0).encode()).status
    return status


@pytest.fixture
def data(folder: Path) -> bytes:
    """What is in C{source}; C{target} is as long, and zeros."""
    data = os.urandom(2 * BLOCK)
    (folder / "source").write_bytes(data)
    (folder / "target").write_bytes(bytes(2 * BLOCK))
    return data


@pytest.fixture
def source(client: Client, data: bytes) -> FileId:
    return client.open("source")


@pytest.fixture
def target(client: Client, data: bytes) -> FileId:
    return client.open("target")


def test_the_range_is_there(client: Client, folder: Path, data: bytes, source: FileId, target: FileId) -> None:
    assert clone(client, target, source, BLOCK, 0, BLOCK) is Status.SUCCESS
    assert (folder / "target").read_bytes() == data[BLOCK:] + bytes(BLOCK)


def test_between_two_shares(client: Client, folder: Path, data: bytes, source: FileId) -> None:
    client.enter("again")
    assert clone(client, client.open("target"), source) is Status.SUCCESS
    assert (folder / "target").read_bytes() == data


@pytest.mark.parametrize(("share", "there"), [("files", True), ("elsewhere", True), ("tmpfs", False), ("memory", False)])
def test_the_volume_says_so(client: Client, share: str, there: bool) -> None:
    client.enter(share)
    request = QueryInfoRequest(client.open("a"), InfoType.FILESYSTEM, FileSystemInformationClass.ATTRIBUTE, 100)
    answer = QueryInfoResponse.parse(client.ask(Command.QUERY_INFO, request.encode()).message)
    attributes = FileFsAttributeInformation.parse(memoryview(answer.buffer)).file_system_attributes
    assert bool(attributes & FileSystemAttributes.SUPPORTS_BLOCK_REFCOUNTING) is there


def test_whole_clusters_reach_past_the_end_of_both_files(client: Client, folder: Path, data: bytes, source: FileId, target: FileId) -> None:
    os.truncate(folder / "source", BLOCK + 10)
    os.truncate(folder / "target", BLOCK + 10)
    assert clone(client, target, source) is Status.SUCCESS
    assert (folder / "target").read_bytes() == data[: BLOCK + 10]


def test_the_zeros_past_the_end_of_the_source_are_not_shared(
    client: Client, folder: Path, data: bytes, source: FileId, target: FileId
) -> None:
    os.truncate(folder / "source", BLOCK + 10)
    assert clone(client, target, source) is Status.NOT_SUPPORTED
    assert (folder / "target").read_bytes() == bytes(2 * BLOCK)


@pytest.mark.parametrize("end", [0, 10, BLOCK + 10])
def test_the_target_becomes_no_longer(client: Client, folder: Path, data: bytes, source: FileId, target: FileId, end: int) -> None:
    os.truncate(folder / "target", end)
    assert clone(client, target, source) is Status.SUCCESS
    assert (folder / "target").read_bytes() == data[:end]


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((0, 0, 0), Status.SUCCESS),
        ((BLOCK, 0, 2 * BLOCK), Status.NOT_SUPPORTED),
        ((4 * BLOCK, 0, BLOCK), Status.NOT_SUPPORTED),
        ((0, 4 * BLOCK, BLOCK), Status.SUCCESS),
        ((1, 0, 1), Status.INVALID_PARAMETER),
        ((0, 1, 1), Status.INVALID_PARAMETER),
        ((-BLOCK, 0, BLOCK), Status.INVALID_PARAMETER),
        ((0, -BLOCK, BLOCK), Status.INVALID_PARAMETER),
        ((0, 0, -BLOCK), Status.INVALID_PARAMETER),
        ((0, 0x7FFFFFFFFFFFF000, BLOCK), Status.INVALID_PARAMETER),
    ],
)
def test_ranges(client: Client, folder: Path, source: FileId, target: FileId, numbers: tuple[int, int, int], status: Status) -> None:
    assert clone(client, target, source, *numbers) is status
    assert (folder / "target").read_bytes() == bytes(2 * BLOCK)


def test_within_one_file(client: Client, folder: Path, data: bytes, source: FileId) -> None:
    again = client.open("source")
    assert clone(client, again, source, 0, BLOCK, 2 * BLOCK) is Status.NOT_SUPPORTED
    assert clone(client, again, source, 0, BLOCK, BLOCK) is Status.SUCCESS
    assert (folder / "source").read_bytes() == data[:BLOCK] * 2


def test_rights(client: Client, source: FileId, target: FileId) -> None:
    everything = OF_OTHERS
    assert clone(client, client.open("target", access=everything & ~AccessMask.FILE_WRITE_DATA), source) is Status.ACCESS_DENIED
    blind = client.open("source", access=everything & ~(AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE))
    assert clone(client, target, blind) is Status.ACCESS_DENIED
    least = client.open("source", access=AccessMask.FILE_READ_DATA)
    assert clone(client, client.open("target", access=AccessMask.FILE_WRITE_DATA), least) is Status.SUCCESS


def test_the_source_is_an_open_of_the_same_session(client: Client, another: Client, source: FileId, target: FileId) -> None:
    others = another.open("source")
    for wrong in (others, FileId(source.persistent + 1, source.volatile), FileId(0, 0)):
        assert clone(client, target, wrong) is Status.INVALID_HANDLE
    client.close(source)
    assert clone(client, target, source) is Status.INVALID_HANDLE
    client.close(target)
    assert clone(client, target, source) is Status.FILE_CLOSED


def test_a_request_that_is_cut(client: Client, source: FileId, target: FileId) -> None:
    short = DuplicateExtents(source, 0, 0, BLOCK).encode()[:-1]
    assert client.ask(Command.IOCTL, IoctlRequest(CODE, target, short, 0).encode()).status is Status.INVALID_PARAMETER


def test_folders_and_streams_have_no_blocks(client: Client, source: FileId, target: FileId) -> None:
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    stream = client.open("source:stream")
    for one, other in ((directory, target), (source, directory)):
        assert clone(client, other, one) is Status.INVALID_PARAMETER
    for one, other in ((stream, target), (source, stream)):
        assert clone(client, other, one) is Status.INVALID_DEVICE_REQUEST


def test_between_volumes(client: Client, source: FileId) -> None:
    client.enter("elsewhere")
    target = client.open("target")
    client.ask(Command.WRITE, WriteRequest(target, 0, bytes(BLOCK)).encode())
    assert clone(client, target, source) is Status.INVALID_PARAMETER


@pytest.mark.parametrize("share", ["tmpfs", "memory"])
def test_where_blocks_are_not_shared(client: Client, source: FileId, share: str) -> None:
    client.enter(share)
    files = [client.open(name) for name in ("source", "target")]
    for file in files:
        client.ask(Command.WRITE, WriteRequest(file, 0, bytes(BLOCK)).encode())
    assert clone(client, files[1], files[0], 0, 0, BLOCK) is Status.INVALID_DEVICE_REQUEST


def test_a_sparse_file_is_not_put_into_one_that_is_not(client: Client, folder: Path, data: bytes, source: FileId, target: FileId) -> None:
    def set_sparse(file: FileId) -> None:
        assert client.ask(Command.IOCTL, IoctlRequest(Fsctl.SET_SPARSE, file, b"", 0).encode()).status is Status.SUCCESS

    set_sparse(source)
    assert clone(client, target, source) is Status.NOT_SUPPORTED
    assert (folder / "target").read_bytes() == bytes(2 * BLOCK)
    set_sparse(target)
    assert clone(client, target, source) is Status.SUCCESS
    assert (folder / "target").read_bytes() == data


def test_locks_are_no_obstacle(client: Client, another: Client, folder: Path, data: bytes, source: FileId, target: FileId) -> None:
    for name in ("source", "target"):
        lock = LockRequest(another.open(name), [LockElement(0, BLOCK, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)])
        assert another.ask(Command.LOCK, lock.encode()).status is Status.SUCCESS
    assert clone(client, target, source) is Status.SUCCESS
    assert (folder / "target").read_bytes() == data


def test_others_who_cache_the_target_hear_of_it(client: Client, another: Client, source: FileId, target: FileId) -> None:
    cached = CreateResponse.parse(another.create("target", requested_oplock_level=OplockLevel.II).message)
    assert cached.oplock_level == OplockLevel.II
    assert clone(client, target, source) is Status.SUCCESS
    assert another.breaks() == [OplockBreak(cached.file_id, OplockLevel.NONE)]


def test_who_watches_hears_of_it(client: Client, another: Client, source: FileId, target: FileId) -> None:
    root = another.open("", access=AccessMask.FILE_LIST_DIRECTORY)
    asked = ChangeNotifyRequest(root, CompletionFilter.LAST_WRITE, 100)
    assert another.ask(Command.CHANGE_NOTIFY, asked.encode()).status is Status.PENDING
    assert clone(client, target, source) is Status.SUCCESS
    client.close(target)
    assert [answer.status for answer in another.receive()] == [Status.SUCCESS]
