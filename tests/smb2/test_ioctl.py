from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.messages.ioctl import IoctlFlags, IoctlRequest, IoctlResponse

from .strategies import again, blobs, file_ids, hostile_messages, message, parses_or_refuses, u32

REQUEST = bytes.fromhex(
    "3900000004021400ffffffffffffffffffffffffffffffff780000001a000000000000007800000000000000180000000100000000000000"
    "0000000000000000000000000000000000000000010001000202"
)
"""smbclient's FSCTL_VALIDATE_NEGOTIATE_INFO."""

RESPONSE = bytes.fromhex("31000000c0000900ffffffffffffffffffffffffffffffff700000000000000070000000000000000000000000000000")
"""smbd's, with no output."""


def test_request_of_a_peer() -> None:
    request = IoctlRequest.parse(message(REQUEST))
    assert request == IoctlRequest(0x00140204, RELATED_FILE_ID, REQUEST[56:], 24, 0, IoctlFlags.IS_FSCTL)


def test_request_fields_stand_in_order() -> None:
    encoded = IoctlRequest(0x00140204, FileId(1, 2), b"abc", 24, 7).encode()
    assert encoded == (
        bytes.fromhex("3900 0000 04021400 0100000000000000 0200000000000000")
        + bytes.fromhex("78000000 03000000 07000000 00000000 00000000 18000000 01000000 00000000")
        + b"abc"
    )


def test_response_of_a_peer() -> None:
    response = IoctlResponse.parse(message(RESPONSE))
    assert response == IoctlResponse(0x000900C0, RELATED_FILE_ID)
    assert response.encode() == RESPONSE


def test_output_stands_aligned_behind_the_input() -> None:
    encoded = IoctlResponse(1, FileId(1, 2), output=b"out", input=b"in").encode()
    assert encoded[48:] == b"in" + bytes(6) + b"out"
    assert int.from_bytes(encoded[32:36], "little") == 64 + 48 + 8


def test_input_inside_the_fixed_part_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        IoctlRequest.parse(message(REQUEST[:24] + b"\x40" + REQUEST[25:]))


@given(st.builds(IoctlRequest, u32, file_ids, blobs, u32, u32, u32, blobs))
def test_request_round_trip(request: IoctlRequest) -> None:
    assert again(request) == request


@given(st.builds(IoctlResponse, u32, file_ids, blobs, blobs, u32))
def test_response_round_trip(response: IoctlResponse) -> None:
    assert again(response) == response


@given(hostile_messages(57))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(IoctlRequest.parse, data)


@given(hostile_messages(49))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(IoctlResponse.parse, data)
