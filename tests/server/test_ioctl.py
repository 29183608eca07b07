"""Control codes (MS-SMB2 3.3.5.15)."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from twisted.internet import address

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_ranges import FileLevelTrim, FileRange, SetZeroData, encode_ranges, parse_ranges
from filesvc.fscc.fsctl import Fsctl
from filesvc.interfaces import Creation, FileAttributes
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.commands.control import host_interfaces
from filesvc.server.settings import Share
from filesvc.server.state.open import CLUSTER, MAX_FILE_SIZE
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.network_interface_info import parse_network_interfaces
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

IOCTL_STRUCTURE_SIZE = 49
WRITES = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA


def control(client: Client, code: int, file_id: FileId, data: bytes = b"", room: int = 4096, **fields: Any) -> tuple[Status, bytes]:
    answer = client.ask(Command.IOCTL, IoctlRequest(code, file_id, data, room).encode(), **fields)
    if answer.message[64] != IOCTL_STRUCTURE_SIZE:
        return answer.status, b""
    return answer.status, bytes(IoctlResponse.parse(answer.message).output)


def content(store: Any, name: str) -> bytes:
    file = store.open((name,), Creation.EXISTING, None, False)
    buffer = bytearray(file.stat().size)
    file.read_into(0, memoryview(buffer))
    return bytes(buffer)


def key_of(client: Client, source: FileId) -> bytes:
    _, key = control(client, Fsctl.SRV_REQUEST_RESUME_KEY, source)
    return SrvRequestResumeKeyResponse.parse(key).resume_key


def copy(
    client: Client, source: FileId, target: FileId, *chunks: SrvCopychunk, code: int = Fsctl.SRV_COPYCHUNK_WRITE
) -> tuple[Status, SrvCopychunkResponse | None]:
    status, output = control(client, code, target, SrvCopychunkCopy(key_of(client, source), list(chunks)).encode())
    return status, SrvCopychunkResponse.parse(memoryview(output)) if output else None


@pytest.mark.parametrize("code", [Fsctl.QUERY_NETWORK_INTERFACE_INFO, Fsctl.VALIDATE_NEGOTIATE_INFO, Fsctl.DFS_GET_REFERRALS])
def test_what_is_asked_of_the_server_names_no_file(client: Client, code: int) -> None:
    assert control(client, code, client.open("a"))[0] is Status.INVALID_PARAMETER


IPV4 = [(1, "lo", IPv4Address("127.0.0.1")), (2, "eth0", IPv4Address("192.0.2.1")), (3, "eth1", IPv4Address("198.51.100.1"))]
IPV6 = [(1, "lo", IPv6Address("::1")), (2, "eth0", IPv6Address("fe80::1")), (2, "eth0", IPv6Address("2001:db8::1"))]


@pytest.mark.parametrize(
    ("host", "listening", "named"),
    [
        ("192.0.2.1", ["0.0.0.0"], {"192.0.2.1", "198.51.100.1"}),
        ("192.0.2.1", ["::"], {"192.0.2.1", "198.51.100.1", "2001:db8::1"}),
        ("192.0.2.1", ["192.0.2.1"], {"192.0.2.1"}),
        ("192.0.2.1", ["192.0.2.1", "2001:db8::1"], {"192.0.2.1", "2001:db8::1"}),
        ("192.0.2.1", ["127.0.0.1", "192.0.2.1"], {"192.0.2.1"}),
        ("192.0.2.1", [], {"192.0.2.1"}),
        ("127.0.0.1", ["127.0.0.1"], {"127.0.0.1"}),
        ("127.0.0.1", ["0.0.0.0"], {"127.0.0.1", "192.0.2.1", "198.51.100.1"}),
        ("192.0.2.1", ["127.0.0.1"], set()),
    ],
)
def test_interfaces_that_the_client_can_reach(
    client: Client, monkeypatch: pytest.MonkeyPatch, host: str, listening: list[str], named: set[str]
) -> None:
    monkeypatch.setattr(host_interfaces, "_ipv4", lambda: IPV4)
    monkeypatch.setattr(host_interfaces, "_ipv6", lambda: IPV6)
    client.transport.hostAddr = address.IPv4Address("TCP", host, 445)
    client.server.listening = listening
    status, output = control(client, Fsctl.QUERY_NETWORK_INTERFACE_INFO, RELATED_FILE_ID, room=65536)
    assert {str(interface.address) for interface in parse_network_interfaces(memoryview(output))} == named
    assert status is (Status.SUCCESS if named else Status.NOT_SUPPORTED)


def test_other_codes_are_refused(client: Client) -> None:
    assert control(client, Fsctl.OFFLOAD_READ, client.open("a"))[0] is Status.INVALID_DEVICE_REQUEST


def test_there_is_no_dfs(client: Client) -> None:
    assert control(client, Fsctl.DFS_GET_REFERRALS, RELATED_FILE_ID)[0] is Status.FS_DRIVER_REQUIRED


def test_copies_between_files(client: Client, store: MemoryStore) -> None:
    store.add("source", bytes(range(200)))
    source, target = client.open("source"), client.open("target")
    assert copy(client, source, target, SrvCopychunk(0, 50, 100), SrvCopychunk(100, 0, 50)) == (
        Status.SUCCESS,
        SrvCopychunkResponse(2, 0, 150),
    )
    assert content(store, "target") == bytes(range(100, 150)) + bytes(range(100))


def test_a_copy_past_the_end_tells_what_came_before(client: Client, store: MemoryStore) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), client.open("target")
    assert copy(client, source, target, SrvCopychunk(0, 0, 60), SrvCopychunk(60, 60, 60)) == (
        Status.INVALID_VIEW_SIZE,
        SrvCopychunkResponse(1, 0, 60),
    )


@pytest.mark.parametrize("offset", [(1 << 64) - 10, (1 << 63) - 1, MAX_FILE_SIZE])
def test_a_copy_to_where_no_file_reaches(client: Client, store: MemoryStore, offset: int) -> None:
    store.add("from", bytes(100))
    source, target = client.open("from"), client.open("to")
    key = key_of(client, source)
    request = SrvCopychunkCopy(key, [SrvCopychunk(0, offset, 10)]).encode()
    assert control(client, Fsctl.SRV_COPYCHUNK, target, request)[0] is Status.INVALID_PARAMETER


def test_a_copy_beyond_the_limits_tells_the_limits(client: Client, store: MemoryStore) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), client.open("target")
    status, limits = copy(client, source, target, SrvCopychunk(0, 0, (1 << 20) + 1))
    assert status is Status.INVALID_PARAMETER
    assert limits == SrvCopychunkResponse(256, 1 << 20, 16 << 20)


def test_a_file_that_is_not_sparse_is_allocated_whole(client: Client, store: MemoryStore) -> None:
    store.add("a", bytes(10000))
    file_id = client.open("a")
    status, output = control(client, Fsctl.QUERY_ALLOCATED_RANGES, file_id, encode_ranges([(4000, 100000)]))
    assert (status, parse_ranges(memoryview(output))) == (Status.SUCCESS, [FileRange(4000, 6000)])


def test_zeros_stay_inside_the_file(client: Client, store: MemoryStore) -> None:
    store.add("a", b"x" * 10)
    status, _ = control(client, Fsctl.SET_ZERO_DATA, client.open("a"), SetZeroData(8, 100).encode())
    assert status is Status.SUCCESS
    assert content(store, "a") == b"x" * 8 + b"\0\0"


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4)])
def test_ranges_that_are_none(client: Client, start: int, end: int) -> None:
    assert control(client, Fsctl.SET_ZERO_DATA, client.open("a"), SetZeroData(start, end).encode())[0] is Status.INVALID_PARAMETER


# What every code has in common


def test_only_file_system_controls(client: Client) -> None:
    request = IoctlRequest(Fsctl.GET_COMPRESSION, client.open("a"), max_output_response=2, flags=0)
    assert client.ask(Command.IOCTL, request.encode()).status is Status.NOT_SUPPORTED


def test_buffers_are_paid_for_and_bounded(client: Client) -> None:
    file_id = client.open("a")
    assert control(client, Fsctl.GET_COMPRESSION, file_id, room=65537)[0] is Status.INVALID_PARAMETER
    assert control(client, Fsctl.GET_COMPRESSION, file_id, room=65537, charge=2)[0] is Status.SUCCESS
    assert control(client, Fsctl.GET_COMPRESSION, file_id, bytes(65537))[0] is Status.INVALID_PARAMETER
    assert control(client, Fsctl.GET_COMPRESSION, file_id, room=(8 << 20) + 1, charge=129)[0] is Status.INVALID_PARAMETER


CODES_OF_FILES = [
    Fsctl.SRV_REQUEST_RESUME_KEY,
    Fsctl.SRV_COPYCHUNK,
    Fsctl.SRV_COPYCHUNK_WRITE,
    Fsctl.DUPLICATE_EXTENTS_TO_FILE,
    Fsctl.SET_SPARSE,
    Fsctl.SET_ZERO_DATA,
    Fsctl.QUERY_ALLOCATED_RANGES,
    Fsctl.FILE_LEVEL_TRIM,
    Fsctl.GET_COMPRESSION,
    Fsctl.SET_COMPRESSION,
    Fsctl.CREATE_OR_GET_OBJECT_ID,
    Fsctl.GET_OBJECT_ID,
    Fsctl.SET_OBJECT_ID,
    Fsctl.SET_OBJECT_ID_EXTENDED,
    Fsctl.GET_NTFS_VOLUME_DATA,
    Fsctl.READ_FILE_USN_DATA,
    Fsctl.QUERY_FILE_REGIONS,
    Fsctl.MARK_HANDLE,
    Fsctl.SRV_ENUMERATE_SNAPSHOTS,
]


@pytest.mark.parametrize("code", CODES_OF_FILES)
def test_a_file_that_is_not_open(client: Client, code: int) -> None:
    assert control(client, code, FileId(1, 1))[0] is Status.FILE_CLOSED


_WITH_INPUT = [
    Fsctl.SET_ZERO_DATA,
    Fsctl.QUERY_ALLOCATED_RANGES,
    Fsctl.SRV_COPYCHUNK_WRITE,
    Fsctl.DUPLICATE_EXTENTS_TO_FILE,
    Fsctl.FILE_LEVEL_TRIM,
]


@pytest.mark.parametrize("code", _WITH_INPUT)
def test_input_that_is_too_short(client: Client, code: int) -> None:
    assert control(client, code, client.open("a"), b"short")[0] is Status.INVALID_PARAMETER


@pytest.mark.parametrize(
    ("code", "length", "refused"),
    [
        (Fsctl.SRV_REQUEST_RESUME_KEY, 32, Status.BUFFER_TOO_SMALL),
        (Fsctl.GET_COMPRESSION, 2, Status.INVALID_PARAMETER),
        (Fsctl.CREATE_OR_GET_OBJECT_ID, 64, Status.INVALID_PARAMETER),
        (Fsctl.GET_OBJECT_ID, 64, Status.INVALID_PARAMETER),
        (Fsctl.GET_NTFS_VOLUME_DATA, 96, Status.BUFFER_TOO_SMALL),
        (Fsctl.READ_FILE_USN_DATA, 64, Status.BUFFER_TOO_SMALL),
        (Fsctl.QUERY_FILE_REGIONS, 40, Status.BUFFER_TOO_SMALL),
    ],
)
def test_output_that_does_not_fit(client: Client, code: int, length: int, refused: Status) -> None:
    file_id = client.open("a")
    assert control(client, code, file_id, room=length - 1)[0] is refused
    status, output = control(client, code, file_id, room=length)
    assert (status, len(output)) == (Status.SUCCESS, length)


@pytest.mark.parametrize(
    ("code", "data", "right"),
    [
        (Fsctl.SET_SPARSE, b"", WRITES | AccessMask.FILE_WRITE_ATTRIBUTES),
        (Fsctl.SET_ZERO_DATA, SetZeroData(0, 1).encode(), AccessMask.FILE_WRITE_DATA),
        (Fsctl.QUERY_ALLOCATED_RANGES, encode_ranges([(0, 1)]), AccessMask.FILE_READ_DATA),
        (Fsctl.FILE_LEVEL_TRIM, FileLevelTrim([FileRange(0, 1)]).encode(), WRITES),
        (Fsctl.SET_COMPRESSION, b"\0\0", AccessMask.FILE_WRITE_DATA),
    ],
)
def test_rights(client: Client, store: MemoryStore, code: int, data: bytes, right: int) -> None:
    store.add("a", b"x")
    without = client.open("a", access=OF_OTHERS & ~right)
    assert control(client, code, without, data)[0] is Status.ACCESS_DENIED
    assert control(client, code, client.open("a", access=right), data)[0] is Status.SUCCESS


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (Fsctl.SET_SPARSE, b""),
        (Fsctl.SET_ZERO_DATA, SetZeroData(0, 1).encode()),
        (Fsctl.QUERY_ALLOCATED_RANGES, encode_ranges([(0, 1)])),
        (Fsctl.QUERY_FILE_REGIONS, b""),
    ],
)
def test_a_folder_has_no_data(client: Client, code: int, data: bytes) -> None:
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert control(client, code, folder, data)[0] is Status.INVALID_PARAMETER


# Copies


def test_the_source_is_an_open_of_the_same_session(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), another.open("target")
    assert copy(client, FileId(*source), client.open("x"), SrvCopychunk(0, 0, 1))[0] is Status.SUCCESS
    request = SrvCopychunkCopy(key_of(client, source), [SrvCopychunk(0, 0, 1)]).encode()
    assert control(another, Fsctl.SRV_COPYCHUNK_WRITE, target, request)[0] is Status.OBJECT_NAME_NOT_FOUND
    wrong = SrvCopychunkCopy(FileId(source.persistent + 1, source.volatile).pack().ljust(24, b"\0"), [SrvCopychunk(0, 0, 1)]).encode()
    assert control(client, Fsctl.SRV_COPYCHUNK_WRITE, client.open("x"), wrong)[0] is Status.OBJECT_NAME_NOT_FOUND


def test_a_copy_stays_within_its_store(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    other = Client(make_server(shares=[Share("one", store), Share("two", MemoryStore())]))
    other.negotiate()
    other.log_on()
    other.enter("one")
    source = other.open("a")
    key = key_of(other, source)
    other.enter("two")
    request = SrvCopychunkCopy(key, [SrvCopychunk(0, 0, 1)]).encode()
    assert control(other, Fsctl.SRV_COPYCHUNK_WRITE, other.open("b"), request)[0] is Status.OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        ([SrvCopychunk(0, 0, 1)] * 256, Status.SUCCESS),
        ([SrvCopychunk(0, 0, 1)] * 257, Status.INVALID_PARAMETER),
        ([SrvCopychunk(0, 0, 0)], Status.INVALID_PARAMETER),
        ([SrvCopychunk(0, 0, 1 << 20)] * 16, Status.SUCCESS),
        ([SrvCopychunk(0, 0, 1 << 20)] * 17, Status.INVALID_PARAMETER),
        ([], Status.SUCCESS),
    ],
)
def test_how_much_is_copied_at_once(client: Client, store: MemoryStore, chunks: list[SrvCopychunk], status: Status) -> None:
    store.add("source", bytes(1 << 20))
    assert copy(client, client.open("source"), client.open("target"), *chunks)[0] is status


def test_no_room_to_tell_what_was_copied(client: Client, store: MemoryStore) -> None:
    source, target = client.open("a"), client.open("b")
    request = SrvCopychunkCopy(key_of(client, source), []).encode()
    assert control(client, Fsctl.SRV_COPYCHUNK_WRITE, target, request, room=11)[0] is Status.INVALID_PARAMETER


def test_rights_to_copy(client: Client, store: MemoryStore) -> None:
    store.add("source", bytes(100))
    store.add("target")
    chunk = SrvCopychunk(0, 0, 1)
    unread = client.open("source", access=AccessMask.FILE_WRITE_DATA)
    unwritten = client.open("target", access=AccessMask.FILE_READ_DATA)
    source = client.open("source", access=AccessMask.FILE_EXECUTE)
    target = client.open("target", access=AccessMask.FILE_WRITE_DATA)
    assert copy(client, unread, target, chunk)[0] is Status.ACCESS_DENIED
    assert copy(client, source, unwritten, chunk)[0] is Status.ACCESS_DENIED
    assert copy(client, source, target, chunk)[0] is Status.SUCCESS
    assert copy(client, source, target, chunk, code=Fsctl.SRV_COPYCHUNK)[0] is Status.ACCESS_DENIED
    both = client.open("target", access=AccessMask.FILE_WRITE_DATA | AccessMask.FILE_READ_DATA)
    assert copy(client, source, both, chunk, code=Fsctl.SRV_COPYCHUNK)[0] is Status.SUCCESS


def test_folders_are_not_copied(client: Client, store: MemoryStore) -> None:
    store.add("source", bytes(100))
    folder, file_id = client.open("d", create_options=CreateOptions.DIRECTORY_FILE), client.open("source")
    assert copy(client, folder, file_id, SrvCopychunk(0, 0, 1))[0] is Status.INVALID_DEVICE_REQUEST
    assert copy(client, file_id, folder, SrvCopychunk(0, 0, 1))[0] is Status.INVALID_DEVICE_REQUEST


@pytest.mark.parametrize("locked", ["source", "target"])
def test_locks_forbid_copies(client: Client, another: Client, store: MemoryStore, locked: str) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), client.open("target")
    lock = LockRequest(another.open(locked), [LockElement(50, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)])
    assert another.ask(Command.LOCK, lock.encode()).status is Status.SUCCESS
    assert copy(client, source, target, SrvCopychunk(0, 0, 50), SrvCopychunk(50, 50, 10)) == (
        Status.FILE_LOCK_CONFLICT,
        SrvCopychunkResponse(1, 0, 50),
    )


def test_a_full_store_tells_what_came_before(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), client.open("target")
    whole = store.copy_range

    def until_full(*call: Any) -> Any:
        if call[3]:
            raise OSError(errno.ENOSPC, "full")
        return whole(*call)

    monkeypatch.setattr(store, "copy_range", until_full)
    assert copy(client, source, target, SrvCopychunk(0, 0, 50), SrvCopychunk(50, 50, 50)) == (
        Status.DISK_FULL,
        SrvCopychunkResponse(1, 0, 50),
    )


def test_a_store_may_copy_bit_by_bit(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add("source", bytes(range(100)))
    source, target = client.open("source"), client.open("target")
    whole = store.copy_range
    monkeypatch.setattr(store, "copy_range", lambda file, offset, target, at, length: whole(file, offset, target, at, min(length, 7)))
    assert copy(client, source, target, SrvCopychunk(0, 0, 100))[0] is Status.SUCCESS
    assert content(store, "target") == bytes(range(100))
    monkeypatch.setattr(store, "copy_range", lambda *call: 0)
    assert copy(client, source, target, SrvCopychunk(0, 0, 100)) == (Status.INVALID_VIEW_SIZE, SrvCopychunkResponse(0, 0, 0))


# Holes


def attributes_of(store: Any, name: str) -> FileAttributes:
    found: FileAttributes = store.open((name,), Creation.EXISTING, None, False).stat().attributes
    return found


def test_sparse_is_an_attribute(client: Client, store: MemoryStore) -> None:
    store.add("a", b"x")
    file_id = client.open("a")
    assert control(client, Fsctl.SET_SPARSE, file_id, b"\x01")[0] is Status.SUCCESS
    assert attributes_of(store, "a") & FileAttributes.SPARSE_FILE
    assert control(client, Fsctl.SET_SPARSE, file_id, b"\0")[0] is Status.SUCCESS
    assert not attributes_of(store, "a") & FileAttributes.SPARSE_FILE
    assert control(client, Fsctl.SET_SPARSE, file_id)[0] is Status.SUCCESS
    assert attributes_of(store, "a") & FileAttributes.SPARSE_FILE


def test_the_allocated_ranges_of_a_sparse_file(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add("a", bytes(10000))
    file_id = client.open("a")
    control(client, Fsctl.SET_SPARSE, file_id)
    found = [(0, 10), (4096, 10), (8192, 10)]
    monkeypatch.setattr("filesvc.store.memory.MemoryFile.allocated_ranges", lambda self, offset, length, most: found[:most])
    asked = encode_ranges([(0, 10000)])
    status, output = control(client, Fsctl.QUERY_ALLOCATED_RANGES, file_id, asked, room=48)
    assert (status, parse_ranges(memoryview(output))) == (Status.SUCCESS, [FileRange(*each) for each in found])
    status, output = control(client, Fsctl.QUERY_ALLOCATED_RANGES, file_id, asked, room=47)
    assert (status, parse_ranges(memoryview(output))) == (Status.BUFFER_OVERFLOW, [FileRange(*each) for each in found[:2]])
    assert control(client, Fsctl.QUERY_ALLOCATED_RANGES, file_id, asked, room=15)[0] is Status.BUFFER_TOO_SMALL
    assert control(client, Fsctl.QUERY_ALLOCATED_RANGES, file_id, encode_ranges([(0, 0)]), room=0) == (Status.SUCCESS, b"")


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1), (1, 0x7FFFFFFFFFFFFFFF)])
def test_ranges_that_cannot_be_asked_for(client: Client, offset: int, length: int) -> None:
    asked = SetZeroData(offset, length).encode()
    assert control(client, Fsctl.QUERY_ALLOCATED_RANGES, client.open("a"), asked)[0] is Status.INVALID_PARAMETER


def test_nothing_is_allocated_past_the_end(client: Client, store: MemoryStore) -> None:
    store.add("a", bytes(10))
    assert control(client, Fsctl.QUERY_ALLOCATED_RANGES, client.open("a"), encode_ranges([(10, 5)])) == (Status.SUCCESS, b"")


def test_locks_forbid_zeros(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("a", b"x" * 10)
    file_id = client.open("a")
    lock = LockRequest(another.open("a"), [LockElement(5, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)])
    another.ask(Command.LOCK, lock.encode())
    assert control(client, Fsctl.SET_ZERO_DATA, file_id, SetZeroData(5, 6).encode())[0] is Status.FILE_LOCK_CONFLICT
    assert control(client, Fsctl.SET_ZERO_DATA, file_id, SetZeroData(0, 5).encode())[0] is Status.SUCCESS
    assert control(client, Fsctl.SET_ZERO_DATA, file_id, SetZeroData(10, 20).encode())[0] is Status.SUCCESS
    assert content(store, "a") == bytes(5) + b"x" * 5


# The rest


def trim(client: Client, file_id: FileId, *ranges: tuple[int, int], key: int = 0) -> tuple[Status, bytes]:
    asked = FileLevelTrim([FileRange(*one) for one in ranges], key)
    return control(client, Fsctl.FILE_LEVEL_TRIM, file_id, asked.encode())


def test_trimming_gives_whole_clusters_back(client: Client, store: MemoryStore) -> None:
    store.add("a", b"x" * 5 * CLUSTER + b"tail")
    file_id = client.open("a")
    status, output = trim(client, file_id, (1, 2 * CLUSTER), (4 * CLUSTER, 1 << 40), (7 * CLUSTER, CLUSTER))
    assert (status, output) == (Status.SUCCESS, b"\3\0\0\0")
    kept, gone = b"x" * CLUSTER, bytes(CLUSTER)
    assert content(store, "a") == kept + gone + kept + kept + gone + b"tail"
    assert trim(client, file_id, (1, 10)) == (Status.SUCCESS, b"\1\0\0\0")
    assert content(store, "a")[:CLUSTER] == kept


def test_what_is_not_trimmed(client: Client, store: MemoryStore) -> None:
    store.add("a", b"x" * CLUSTER)
    file_id = client.open("a")
    assert trim(client, file_id, (0, CLUSTER), key=1)[0] is Status.INVALID_PARAMETER
    assert trim(client, file_id)[0] is Status.INVALID_PARAMETER
    assert trim(client, file_id, *[(0, 1)] * 1024)[0] is Status.SUCCESS
    assert trim(client, file_id, *[(0, 1)] * 1025)[0] is Status.INVALID_PARAMETER
    assert trim(client, file_id, (-1, CLUSTER))[0] is Status.INVALID_PARAMETER
    assert trim(client, client.open("d", create_options=CreateOptions.DIRECTORY_FILE), (0, CLUSTER))[0] is Status.INVALID_PARAMETER
    assert trim(client, client.open("a", access=AccessMask.FILE_READ_DATA), (0, CLUSTER))[0] is Status.ACCESS_DENIED
    lock = LockRequest(client.open("a"), [LockElement(5, 1, LockFlags.SHARED_LOCK | LockFlags.FAIL_IMMEDIATELY)])
    assert client.ask(Command.LOCK, lock.encode()).status is Status.SUCCESS
    assert trim(client, file_id, (0, CLUSTER))[0] is Status.FILE_LOCK_CONFLICT
    assert content(store, "a") == b"x" * CLUSTER


def test_nothing_is_compressed(client: Client) -> None:
    file_id = client.open("a")
    assert control(client, Fsctl.GET_COMPRESSION, file_id) == (Status.SUCCESS, b"\0\0")
    assert control(client, Fsctl.SET_COMPRESSION, file_id, b"\0\0")[0] is Status.SUCCESS
    assert control(client, Fsctl.SET_COMPRESSION, file_id, b"\1\0")[0] is Status.NOT_SUPPORTED


def test_object_ids_tell_files_apart(client: Client, store: MemoryStore) -> None:
    store.add("a")
    store.add("b")
    ids = [control(client, Fsctl.CREATE_OR_GET_OBJECT_ID, client.open(name))[1][:16] for name in ("a", "b", "A")]
    assert ids[0] == ids[2] != ids[1]
