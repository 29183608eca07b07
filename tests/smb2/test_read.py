from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.read import ReadRequest, ReadResponse

from .strategies import again, blobs, file_ids, hostile_messages, message, parses_or_refuses, u8, u32, u64

REQUEST = bytes.fromhex("31000000a08601000000000000000000c6a9acdd000000007e296934000000000000000000000000000000000000000000")
"""smbclient's, for the 100,000 bytes of a file."""


def test_request_of_a_peer() -> None:
    request = ReadRequest.parse(message(REQUEST))
    assert request == ReadRequest(FileId(0xDDACA9C6, 0x3469297E), offset=0, length=100_000, padding=0)
    assert request.encode() == REQUEST


def test_request_without_channel_information_still_has_a_byte_for_it() -> None:
    assert len(ReadRequest(FileId(1, 2), 0, 1).encode()) == 49


def test_request_without_that_byte_is_taken() -> None:
    request = ReadRequest(FileId(1, 2), 0, 1)
    assert ReadRequest.parse(message(request.encode()[:-1])) == request


def test_fixed_part_of_a_response_points_behind_itself() -> None:
    fixed = ReadResponse.fixed(5, remaining=7)
    assert fixed == bytes.fromhex("1100 50 00 05000000 07000000 00000000")
    assert ReadResponse.parse(message(fixed + b"hello")) == ReadResponse(b"hello", 7)


def test_response_data_is_a_slice_of_the_message() -> None:
    whole = message(ReadResponse(b"hello").encode())
    data = ReadResponse.parse(whole).data
    assert isinstance(data, memoryview)
    assert data.obj is whole.obj


def test_data_behind_the_end_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        ReadResponse.parse(message(ReadResponse.fixed(6) + b"hello"))


@given(st.builds(ReadRequest, file_ids, u64, u32, u32, u8, u32, u32, u8, blobs))
def test_request_round_trip(request: ReadRequest) -> None:
    assert again(request) == request


@given(st.builds(ReadResponse, blobs, u32))
def test_response_round_trip(response: ReadResponse) -> None:
    assert again(response) == response


@given(hostile_messages(49))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(ReadRequest.parse, data)


@given(hostile_messages(17))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(ReadResponse.parse, data)
