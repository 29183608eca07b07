from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.compound import chain, split
from filesvc.smb2.header import HEADER_LENGTH, Command, Header
from filesvc.smb2.messages.read import ReadResponse

from .strategies import HEADER, blobs, hostile_bytes, parses_or_refuses

CREATE_AND_CLOSE = bytes.fromhex(
    "fe534d4240000100000000000500000010000000a8000000050000000000000000000000cad959f6484db8120000000000000000000000000000000000000000"
    "390000000200000000000000000000000000000000000000ff011f008000000007000000030000006400200078002a000000000000000000"
    "63006f006d0070006f0075006e0064005f00720065006c00610074006500640031002e00640061007400000000000000"
    "fe534d424000010000000000060000001400000000000000060000000000000000000000ffffffffffffffffffffffff00000000000000000000000000000000"
    "1800000000000000ffffffffffffffffffffffffffffffff"
)
"""smbtorture's."""


def test_frame_of_a_peer() -> None:
    first, second = list(split(memoryview(CREATE_AND_CLOSE)))
    assert (len(first), len(second)) == (0xA8, HEADER_LENGTH + 24)
    assert [Header.parse(part).command for part in (first, second)] == [Command.CREATE, Command.CLOSE]
    assert b"".join(chain([bytes(first), bytes(second)])) == CREATE_AND_CLOSE


def test_one_message_stays_as_it_is() -> None:
    odd = HEADER + ReadResponse(b"abc").encode()
    assert chain([odd]) == [odd]
    assert list(split(memoryview(odd))) == [odd]


def test_parts_are_fresh_so_that_they_can_be_signed() -> None:
    whole = bytearray(HEADER)
    chain([whole])[0][0] = 0
    assert whole == HEADER


@given(st.lists(blobs, min_size=2, max_size=5))
def test_round_trip(bodies: list[bytes]) -> None:
    parts = chain([HEADER + body for body in bodies])
    assert all(len(part) % 8 == 0 for part in parts)
    messages = list(split(memoryview(b"".join(parts))))
    assert messages == parts
    for body, received in zip(bodies, messages, strict=True):
        assert received[HEADER_LENGTH:][: len(body)] == body


def test_empty_chain() -> None:
    assert chain([]) == []


@pytest.mark.parametrize("next_command", [8, 56, 0xA4, 0xA9, len(CREATE_AND_CLOSE), len(CREATE_AND_CLOSE) + 8, 0xFFFFFFF8])
def test_next_command_is_checked(next_command: int) -> None:
    frame = bytearray(CREATE_AND_CLOSE)
    frame[20:24] = next_command.to_bytes(4, "little")
    with pytest.raises(MalformedMessage):
        list(split(memoryview(frame)))


def test_messages_shorter_than_a_header_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        list(split(memoryview(CREATE_AND_CLOSE)[:0xA8]))
    with pytest.raises(MalformedMessage):
        list(split(memoryview(CREATE_AND_CLOSE)[: 0xA8 + HEADER_LENGTH - 1]))


@given(hostile_bytes(200))
def test_any_bytes(data: bytes) -> None:
    parses_or_refuses(split, memoryview(data))
