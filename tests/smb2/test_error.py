from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.error import ErrorContext, ErrorId, ErrorResponse, encode_error_contexts, parse_error_contexts

from .strategies import again, blobs, hostile_bytes, hostile_messages, message, parses_or_refuses, u8, u32

EMPTY = bytes.fromhex("090000000000000000")
"""smbd's."""


def test_response_without_data_still_has_a_byte() -> None:
    assert ErrorResponse().encode() == EMPTY
    assert ErrorResponse.parse(message(EMPTY)) == ErrorResponse()


def test_buffer_too_small_for_3_1_1() -> None:
    data = encode_error_contexts([ErrorContext((0x1234).to_bytes(4, "little"))])
    response = ErrorResponse(data, error_context_count=1)
    assert response.encode() == bytes.fromhex("0900 01 00 0c000000  04000000 00000000 34120000")
    assert parse_error_contexts(response.error_data, 1) == [ErrorContext(b"\x34\x12\x00\x00", ErrorId.DEFAULT)]


def test_contexts_are_aligned() -> None:
    data = encode_error_contexts([ErrorContext(b"abc"), ErrorContext(b"d", ErrorId.SHARE_REDIRECT)])
    assert data == bytes.fromhex("03000000 00000000") + b"abc" + bytes(5) + bytes.fromhex("01000000 53526472") + b"d"


def test_data_behind_the_end_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        ErrorResponse.parse(message(bytes.fromhex("0900 00 00 02000000 00")))


@given(st.builds(ErrorResponse, blobs, u8))
def test_round_trip(response: ErrorResponse) -> None:
    assert again(response) == response


@given(st.lists(st.builds(ErrorContext, blobs, u32), max_size=4))
def test_contexts_round_trip(contexts: list[ErrorContext]) -> None:
    assert parse_error_contexts(encode_error_contexts(contexts), len(contexts)) == contexts


@given(st.lists(st.builds(ErrorContext, blobs, u32), max_size=4))
def test_missing_context_is_refused(contexts: list[ErrorContext]) -> None:
    with pytest.raises(MalformedMessage):
        parse_error_contexts(encode_error_contexts(contexts), len(contexts) + 1)


@given(hostile_messages(9))
def test_any_bytes(data: memoryview) -> None:
    parses_or_refuses(ErrorResponse.parse, data)


@given(hostile_bytes(), st.integers(0, 5))
def test_any_bytes_as_contexts(data: bytes, count: int) -> None:
    parses_or_refuses(lambda view: parse_error_contexts(view, count), memoryview(data))
