from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse

from .strategies import again, blobs, file_ids, hostile_messages, message, parses_or_refuses, u8, u32

REQUEST = bytes.fromhex("29000112ffff000000000000000000000000000000000000c6a9acdd000000007e29693400000000")
"""smbclient's, for FileAllInformation, but for the one byte of padding that followed."""

RESPONSE = bytes.fromhex("0900480026000000000000000e000000000000000000000000100000000000003a003a0024004400410054004100")
"""smbd's, for FileStreamInformation."""


def test_request_of_a_peer() -> None:
    request = QueryInfoRequest.parse(message(REQUEST + b"\x00"))
    assert request == QueryInfoRequest(FileId(0xDDACA9C6, 0x3469297E), InfoType.FILE, 18, 0xFFFF)
    assert request.encode() == REQUEST


def test_request_fields_stand_in_order() -> None:
    encoded = QueryInfoRequest(FileId(1, 2), InfoType.SECURITY, 3, 4, 5, 6, b"ea").encode()
    assert encoded == (bytes.fromhex("2900 03 03 04000000 6800 0000 02000000 05000000 06000000 0100000000000000 0200000000000000") + b"ea")


def test_response_of_a_peer() -> None:
    response = QueryInfoResponse.parse(message(RESPONSE))
    assert response == QueryInfoResponse(RESPONSE[8:])
    assert response.encode() == RESPONSE


@given(st.builds(QueryInfoRequest, file_ids, u8, u8, u32, u32, u32, blobs))
def test_request_round_trip(request: QueryInfoRequest) -> None:
    assert again(request) == request


@given(st.builds(QueryInfoResponse, blobs))
def test_response_round_trip(response: QueryInfoResponse) -> None:
    assert again(response) == response


@given(hostile_messages(41))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(QueryInfoRequest.parse, data)


@given(hostile_messages(9))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(QueryInfoResponse.parse, data)
