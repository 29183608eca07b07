from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.ea import NEED_EA, FullEa, encode_full_eas, encode_get_eas, full_eas_length, parse_full_eas, parse_get_eas

from ..smb2.strategies import hostile_bytes

_FROM_SMBD = "1400000000050300636f6c6f7200726564000000000000000004050073697a65006c61726765"
_ea_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def test_what_smbd_answers() -> None:
    attributes = [FullEa("color", b"red"), FullEa("size", b"large")]
    assert encode_full_eas(attributes).hex() == _FROM_SMBD
    assert parse_full_eas(memoryview(bytes.fromhex(_FROM_SMBD))) == attributes


def test_length_is_what_smbd_says_of_the_same_file() -> None:
    assert full_eas_length([FullEa("color", b"red"), FullEa("size", b"large")]) == 38
    assert full_eas_length([]) == 0


def test_names_asked_for() -> None:
    encoded = bytes.fromhex("0c00000005636f6c6f7200000000000004") + b"size\0"
    assert encode_get_eas(["color", "size"]) == encoded
    assert parse_get_eas(memoryview(encoded)) == ["color", "size"]


def test_name_of_any_bytes_survives() -> None:
    encoded = encode_full_eas([FullEa("x\udcff", b"", NEED_EA)])
    assert encoded == b"\0\0\0\0\x80\x02\0\0x\xff\0"
    assert parse_full_eas(memoryview(encoded)) == [FullEa("x\udcff", b"", NEED_EA)]


@pytest.mark.parametrize("name", [b"abc", b"a\0\0", b"ab"])
def test_name_ends_where_its_length_says(name: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_full_eas(memoryview(b"\0\0\0\0\0\x02\0\0" + name))
    with pytest.raises(MalformedMessage):
        parse_get_eas(memoryview(b"\0\0\0\0\x02" + name))


@given(st.lists(st.builds(FullEa, _ea_names, st.binary(max_size=40), st.integers(0, 255))))
def test_attributes(attributes: list[FullEa]) -> None:
    assert parse_full_eas(memoryview(encode_full_eas(attributes))) == attributes


@given(st.lists(_ea_names))
def test_names(names: list[str]) -> None:
    assert parse_get_eas(memoryview(encode_get_eas(names))) == names


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        parse_full_eas(memoryview(data))
    with suppress(MalformedMessage):
        parse_get_eas(memoryview(data))
