from __future__ import annotations

import pytest
from hypothesis import given

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.messages.logoff import LogoffRequest, LogoffResponse

from .strategies import again, hostile_messages, message, parses_or_refuses

_BODIES: list[type[LogoffRequest | LogoffResponse]] = [LogoffRequest, LogoffResponse]


@pytest.mark.parametrize("body", _BODIES)
def test_body_is_a_structure_size_and_two_zeros(body: type[LogoffRequest | LogoffResponse]) -> None:
    assert body().encode() == b"\x04\x00\x00\x00"
    assert again(body()) == body()


@pytest.mark.parametrize("body", _BODIES)
@pytest.mark.parametrize("data", [b"", b"\x04", b"\x05\x00\x00\x00"])
def test_other_bodies_are_refused(body: type[LogoffRequest | LogoffResponse], data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        body.parse(message(data))


@given(hostile_messages(4))
def test_any_bytes(data: memoryview) -> None:
    for body in _BODIES:
        parses_or_refuses(body.parse, data)
