from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.write import WRITE_FIXED_END, WriteRequest, WriteResponse

from .strategies import again, blobs, file_ids, hostile_messages, message, parses_or_refuses, u32, u64

FIXED = bytes.fromhex("31007000a08601000000000000000000ec4a124f00000000adf667f40000000000000000000000000000000000000000")
"""smbclient's, before 100,000 bytes."""

RESPONSE = bytes.fromhex("11000000a08601000000000000000000")
"""smbd's, for 100,000 bytes."""


def _requests() -> st.SearchStrategy[WriteRequest]:
    def with_length(request: WriteRequest) -> WriteRequest:
        request.length = len(request.data)
        return request

    return st.builds(WriteRequest, file_ids, u64, blobs, u32, u32, u32, blobs).map(with_length)


def test_fixed_part_of_a_peers_request() -> None:
    whole = message(FIXED)
    assert len(whole) == WRITE_FIXED_END
    request = WriteRequest.parse_fixed(whole)
    assert request == WriteRequest(FileId(0x4F124AEC, 0xF467F6AD), offset=0, length=100_000, data_offset=112)
    with pytest.raises(MalformedMessage):
        WriteRequest.parse(whole)


def test_response_of_a_peer() -> None:
    assert WriteResponse.parse(message(RESPONSE)) == WriteResponse(100_000)
    assert WriteResponse(100_000).encode() == RESPONSE


def test_data_is_a_slice_of_the_message() -> None:
    whole = message(WriteRequest(FileId(1, 2), 0, b"hello").encode())
    data = WriteRequest.parse(whole).data
    assert isinstance(data, memoryview)
    assert data == b"hello"
    assert data.obj is whole.obj


def test_data_may_start_later() -> None:
    body = bytearray(WriteRequest(FileId(1, 2), 0, b"..hello").encode())
    body[2:8] = (114).to_bytes(2, "little") + (5).to_bytes(4, "little")
    assert WriteRequest.parse(message(body)).data == b"hello"
    assert WriteRequest.parse_fixed(message(body)).data_offset == 114


@pytest.mark.parametrize("offset", [0, 64, WRITE_FIXED_END - 1])
def test_data_inside_the_fixed_part_is_refused(offset: int) -> None:
    body = bytearray(WriteRequest(FileId(1, 2), 0, b"hello").encode())
    body[2:4] = offset.to_bytes(2, "little")
    for parse in (WriteRequest.parse, WriteRequest.parse_fixed):
        with pytest.raises(MalformedMessage):
            parse(message(body))


@given(_requests())
def test_request_round_trip(request: WriteRequest) -> None:
    assert again(request) == request


@given(_requests())
def test_fixed_part_says_all_but_the_bytes(request: WriteRequest) -> None:
    fixed = WriteRequest.parse_fixed(message(request.encode())[:WRITE_FIXED_END])
    request.data = request.write_channel_info = b""
    assert fixed == request


@given(u32)
def test_response_round_trip(count: int) -> None:
    assert again(WriteResponse(count)) == WriteResponse(count)


@given(hostile_messages(49))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(WriteRequest.parse, data)
    parses_or_refuses(WriteRequest.parse_fixed, data)


@given(hostile_messages(17))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(WriteResponse.parse, data)
