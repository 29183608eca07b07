from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.close import CloseFlags, CloseRequest, CloseResponse

from .strategies import again, file_ids, hostile_messages, message, parses_or_refuses, u16, u32, u64

REQUEST = bytes.fromhex("1800000000000000ba4e14160000000083e3cf3b00000000")
"""smbclient's."""


def test_request_of_a_peer() -> None:
    request = CloseRequest.parse(message(REQUEST))
    assert request == CloseRequest(FileId(0x16144EBA, 0x3BCFE383))
    assert request.encode() == REQUEST


def test_response_without_attributes_is_zeros() -> None:
    assert CloseResponse().encode() == b"\x3c" + bytes(59)


def test_response_fields_stand_in_order() -> None:
    encoded = CloseResponse(CloseFlags.POSTQUERY_ATTRIB, 1, 2, 3, 4, 5, 6, 7).encode()
    assert encoded == b"\x3c\x00\x01\x00" + bytes(4) + b"".join(value.to_bytes(8, "little") for value in range(1, 7)) + b"\x07\x00\x00\x00"


@given(st.builds(CloseRequest, file_ids, u16))
def test_request_round_trip(request: CloseRequest) -> None:
    assert again(request) == request


@given(st.builds(CloseResponse, u16, u64, u64, u64, u64, u64, u64, u32))
def test_response_round_trip(response: CloseResponse) -> None:
    assert again(response) == response


@given(hostile_messages(24))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(CloseRequest.parse, data)


@given(hostile_messages(60))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(CloseResponse.parse, data)
