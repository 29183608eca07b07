"""Control codes (MS-SMB2 3.3.5.15)."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.interfaces import Creation
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.file_ranges import FileRange, SetZeroData, encode_ranges, parse_ranges
from filesvc.smb2.fsctl import Fsctl
from filesvc.smb2.header import Command
from filesvc.smb2.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.network_interface_info import parse_network_interfaces
from filesvc.smb2.status import Status


def control(client: Any, code: int, file_id: FileId, data: bytes = b"", room: int = 4096) -> tuple[Status, bytes]:
    answer = client.ask(Command.IOCTL, IoctlRequest(code, file_id, data, room).encode())
    carries = answer.status in (Status.SUCCESS, Status.BUFFER_OVERFLOW, Status.INVALID_PARAMETER, Status.INVALID_VIEW_SIZE)
    if not carries or len(answer.message) < 64 + 48:
        return answer.status, b""
    return answer.status, bytes(IoctlResponse.parse(answer.message).output)


def content(store: Any, name: str) -> bytes:
    file = store.open((name,), Creation.EXISTING, None, False)
    buffer = bytearray(file.stat().size)
    file.read_into(0, memoryview(buffer))
    return bytes(buffer)


def copy(client: Any, source: FileId, target: FileId, *chunks: SrvCopychunk) -> tuple[Status, SrvCopychunkResponse]:
    _, key = control(client, Fsctl.SRV_REQUEST_RESUME_KEY, source)
    request = SrvCopychunkCopy(SrvRequestResumeKeyResponse.parse(key).resume_key, list(chunks)).encode()
    status, output = control(client, Fsctl.SRV_COPYCHUNK_WRITE, target, request)
    return status, SrvCopychunkResponse.parse(output)


@pytest.mark.parametrize("code", [Fsctl.QUERY_NETWORK_INTERFACE_INFO, Fsctl.VALIDATE_NEGOTIATE_INFO, Fsctl.DFS_GET_REFERRALS])
def test_what_is_asked_of_the_server_names_no_file(client: Any, code: int) -> None:
    assert control(client, code, client.open("a"))[0] is Status.INVALID_PARAMETER


def test_interfaces_that_a_remote_client_can_reach(client: Any) -> None:
    status, output = control(client, Fsctl.QUERY_NETWORK_INTERFACE_INFO, RELATED_FILE_ID, room=65536)
    if status is Status.SUCCESS:
        assert not any(interface.address.is_loopback for interface in parse_network_interfaces(memoryview(output)))
    else:
        assert status is Status.NOT_SUPPORTED


def test_other_codes_are_refused(client: Any) -> None:
    assert control(client, Fsctl.OFFLOAD_READ, client.open("a"))[0] is Status.INVALID_DEVICE_REQUEST


def test_there_is_no_dfs(client: Any) -> None:
    assert control(client, Fsctl.DFS_GET_REFERRALS, RELATED_FILE_ID)[0] is Status.FS_DRIVER_REQUIRED


def test_copies_between_files(client: Any, store: Any) -> None:
    store.add("source", bytes(range(200)))
    source, target = client.open("source"), client.open("target")
    assert copy(client, source, target, SrvCopychunk(0, 50, 100), SrvCopychunk(100, 0, 50)) == (
        Status.SUCCESS,
        SrvCopychunkResponse(2, 0, 150),
    )
    assert content(store, "target") == bytes(range(100, 150)) + bytes(range(100))


def test_a_copy_past_the_end_tells_what_came_before(client: Any, store: Any) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), client.open("target")
    assert copy(client, source, target, SrvCopychunk(0, 0, 60), SrvCopychunk(60, 60, 60)) == (
        Status.INVALID_VIEW_SIZE,
        SrvCopychunkResponse(1, 0, 60),
    )


def test_a_copy_beyond_the_limits_tells_the_limits(client: Any, store: Any) -> None:
    store.add("source", bytes(100))
    source, target = client.open("source"), client.open("target")
    status, limits = copy(client, source, target, SrvCopychunk(0, 0, (1 << 20) + 1))
    assert status is Status.INVALID_PARAMETER
    assert limits == SrvCopychunkResponse(256, 1 << 20, 16 << 20)


def test_a_file_that_is_not_sparse_is_allocated_whole(client: Any, store: Any) -> None:
    store.add("a", bytes(10000))
    file_id = client.open("a")
    status, output = control(client, Fsctl.QUERY_ALLOCATED_RANGES, file_id, encode_ranges([(4000, 100000)]))
    assert (status, parse_ranges(memoryview(output))) == (Status.SUCCESS, [FileRange(4000, 6000)])


def test_zeros_stay_inside_the_file(client: Any, store: Any) -> None:
    store.add("a", b"x" * 10)
    status, _ = control(client, Fsctl.SET_ZERO_DATA, client.open("a"), SetZeroData(8, 100).encode())
    assert status is Status.SUCCESS
    assert content(store, "a") == b"x" * 8 + b"\0\0"


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4)])
def test_ranges_that_are_none(client: Any, start: int, end: int) -> None:
    assert control(client, Fsctl.SET_ZERO_DATA, client.open("a"), SetZeroData(start, end).encode())[0] is Status.INVALID_PARAMETER
