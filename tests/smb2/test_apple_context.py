"""The create context AAPL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.contexts.apple import (
    ResolveIdRequest,
    ResolveIdResponse,
    ServerQueryRequest,
    ServerQueryResponse,
    parse_apple_request,
)

from .strategies import hostile_bytes, names, parses_or_refuses, u32, u64


@given(st.builds(ServerQueryRequest, u64, u64) | st.builds(ResolveIdRequest, u64))
def test_requests_come_back(request: ServerQueryRequest | ResolveIdRequest) -> None:
    assert parse_apple_request(request.encode()) == request


@given(st.builds(ServerQueryResponse, st.none() | u64, st.none() | u64, st.none() | names))
def test_answers_come_back(response: ServerQueryResponse) -> None:
    assert ServerQueryResponse.parse(response.encode()) == response


@given(st.builds(ResolveIdResponse, u32, names))
def test_answers_about_ids_come_back(response: ResolveIdResponse) -> None:
    assert ResolveIdResponse.parse(response.encode()) == response


def test_the_layout_of_an_answer() -> None:
    encoded = ServerQueryResponse(0xF, 4, "Mac").encode()
    assert encoded.hex() == "010000000000000007000000000000000f00000000000000040000000000000000000000060000004d0061006300"


def test_an_unknown_command() -> None:
    assert parse_apple_request(b"\x09" + bytes(30)) is None


@pytest.mark.parametrize("parse", [ServerQueryRequest.parse, ServerQueryResponse.parse, ResolveIdRequest.parse, ResolveIdResponse.parse])
def test_another_command(parse: object) -> None:
    assert callable(parse)
    with pytest.raises(MalformedMessage):
        parse(b"\x09" + bytes(40))


@given(hostile_bytes())
def test_arbitrary_bytes(data: bytes) -> None:
    for parse in (parse_apple_request, ServerQueryResponse.parse, ResolveIdResponse.parse):
        parses_or_refuses(parse, memoryview(data))
