from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.sid import Sid

from ..smb2.strategies import u32

_sids = st.builds(Sid, st.integers(0, (1 << 48) - 1), st.lists(u32, max_size=15).map(tuple))

_KNOWN = [
    ("S-1-1-0", "010100000000000100000000", Sid(1, (0,))),
    ("S-1-5-32-544", "01020000000000052000000020020000", Sid(5, (32, 544))),
    (
        "S-1-5-21-1340929953-1090153140-3657915059-1000",
        "010500000000000515000000a1f7ec4fb46afa40b35a07dae8030000",
        Sid(5, (21, 1340929953, 1090153140, 3657915059, 1000)),
    ),
    ("S-1-0x123456789abc-1", "0101123456789abc01000000", Sid(0x123456789ABC, (1,))),
    ("S-1-5", "0100000000000005", Sid(5)),
]


@pytest.mark.parametrize(("text", "encoded", "sid"), _KNOWN)
def test_three_forms(text: str, encoded: str, sid: Sid) -> None:
    assert str(sid) == text
    assert Sid.from_string(text) == sid
    assert sid.encode().hex() == encoded
    assert Sid.parse(memoryview(bytes.fromhex(encoded))) == sid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S-1",
        "S-2-5-1",
        "S-1-5-",
        "S-1-5--1",
        "S-1-5-4294967296",
        "S-1-281474976710656-1",
        "S-1-5" + "-1" * 16,
        "S-1-5-1 ",
        "S-1-5-\u0661",
        "everyone",
    ],
)
def test_other_texts_name_none(text: str) -> None:
    with pytest.raises(ValueError, match="no security identifier"):
        Sid.from_string(text)


@pytest.mark.parametrize("encoded", ["", "0101000000000001000000", "020100000000000100000000", "0110" + "00" * 70])
def test_other_bytes_are_malformed(encoded: str) -> None:
    with pytest.raises(MalformedMessage):
        Sid.parse(memoryview(bytes.fromhex(encoded)))


@given(_sids)
def test_round_trips(sid: Sid) -> None:
    assert Sid.from_string(str(sid)) == sid
    assert Sid.parse(memoryview(sid.encode() + b"more")) == sid
    assert sid.encoded_length == len(sid.encode())


@given(st.binary(max_size=80))
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        Sid.parse(memoryview(data))


@given(st.text())
def test_arbitrary_text_parses_or_is_refused(text: str) -> None:
    with suppress(ValueError):
        Sid.from_string("S-1-" + text)
