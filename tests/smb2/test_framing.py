from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.framing import MAX_FRAME, PREFIX_LENGTH, frame_prefix, parse_prefix


def test_length_is_big_endian() -> None:
    assert frame_prefix(0x012345) == b"\x00\x01\x23\x45"


@given(st.integers(0, MAX_FRAME))
def test_round_trip(length: int) -> None:
    assert parse_prefix(frame_prefix(length)) == length


def test_no_prefix_for_more_than_three_bytes_can_say() -> None:
    with pytest.raises(ValueError, match="16777216"):
        frame_prefix(MAX_FRAME + 1)


@given(st.binary(min_size=PREFIX_LENGTH, max_size=PREFIX_LENGTH).filter(lambda prefix: prefix[0] != 0))
def test_first_byte_is_zero(prefix: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_prefix(prefix)


@pytest.mark.parametrize("prefix", [b"", b"\x00\x00\x00", b"\x00\x00\x00\x00\x00"])
def test_prefix_is_four_bytes(prefix: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_prefix(prefix)
