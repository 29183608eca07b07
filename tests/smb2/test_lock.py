from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest, LockResponse

from .strategies import again, file_ids, hostile_messages, message, parses_or_refuses, u4, u28, u32, u64

REQUEST = bytes.fromhex(
    "3000020000000000fd9ee3be00000000fec36fdc000000000f27000000000000010000000000000000000000000000000f27000000000000010000000000000004"
    "00000000000000"
)
"""smbtorture's."""


def test_request_of_a_peer() -> None:
    request = LockRequest.parse(message(REQUEST))
    assert request == LockRequest(
        FileId(0xBEE39EFD, 0xDC6FC3FE),
        [LockElement(9999, 1, 0), LockElement(9999, 1, LockFlags.UNLOCK)],
    )
    assert request.encode() == REQUEST


def test_sequence_number_is_the_low_four_bits() -> None:
    request = LockRequest.parse(message(REQUEST[:4] + b"\x21\x43\x65\x87" + REQUEST[8:]))
    assert (request.lock_sequence_number, request.lock_sequence_index) == (0x1, 0x8765432)


def test_request_without_locks_is_the_servers_to_refuse() -> None:
    assert LockRequest.parse(message(REQUEST[:2] + b"\x00" + REQUEST[3:24])).locks == []


def test_locks_behind_the_end_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        LockRequest.parse(message(REQUEST[:-1]))


@given(st.builds(LockRequest, file_ids, st.lists(st.builds(LockElement, u64, u64, u32), max_size=4), u4, u28))
def test_request_round_trip(request: LockRequest) -> None:
    assert again(request) == request


def test_response_round_trip() -> None:
    assert LockResponse().encode() == b"\x04\x00\x00\x00"
    assert again(LockResponse()) == LockResponse()


@given(hostile_messages(48))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(LockRequest.parse, data)


@given(hostile_messages(4))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(LockResponse.parse, data)
