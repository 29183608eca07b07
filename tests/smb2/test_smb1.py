from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.smb1 import SMB_2_002, SMB_2_WILDCARD, is_smb1, parse_negotiate

from .strategies import HEADER, parses_or_refuses

FRAME = bytes.fromhex(
    "ff534d4272000000001843c80000000000000000000000000000feff00000000003100024e54204c414e4d414e20312e3000024e54204c4d20302e3132000253"
    "4d4220322e3030320002534d4220322e3f3f3f00"
)
"""smbclient's."""


def test_frame_of_a_peer() -> None:
    assert is_smb1(memoryview(FRAME))
    assert parse_negotiate(memoryview(FRAME)) == ["NT LANMAN 1.0", "NT LM 0.12", SMB_2_002, SMB_2_WILDCARD]


def test_smb2_is_something_else() -> None:
    assert not is_smb1(memoryview(HEADER))
    assert not is_smb1(memoryview(b"\xffSM"))


@pytest.mark.parametrize("length", range(len(FRAME)))
def test_cut_frames_are_refused(length: int) -> None:
    with pytest.raises(MalformedMessage):
        parse_negotiate(memoryview(FRAME)[:length])


@pytest.mark.parametrize(
    ("position", "value"),
    [(4, 0x73), (32, 1), (33, 0x30), (35, 1), (len(FRAME) - 1, 0x20)],
    ids=["other command", "words", "byte count", "buffer format", "unterminated"],
)
def test_other_frames_are_refused(position: int, value: int) -> None:
    frame = bytearray(FRAME)
    frame[position] = value
    with pytest.raises(MalformedMessage):
        parse_negotiate(memoryview(frame))


def test_offer_of_nothing() -> None:
    assert parse_negotiate(memoryview(FRAME[:33] + b"\x00\x00")) == []


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    parses_or_refuses(parse_negotiate, memoryview(data))
    parses_or_refuses(parse_negotiate, memoryview(FRAME[:33] + data))
