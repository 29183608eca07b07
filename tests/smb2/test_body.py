from __future__ import annotations

from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.unicode import decode_name, encode_name
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.header import HEADER_LENGTH

from .strategies import message, names

_LAYOUT = Struct("<HHI")


def test_fixed_part_starts_behind_the_header() -> None:
    assert unpack_fixed(_LAYOUT, 9, message(_LAYOUT.pack(9, 1, 2))) == (9, 1, 2)


def test_structure_size_is_checked() -> None:
    with pytest.raises(MalformedMessage, match="StructureSize is 8, not 9"):
        unpack_fixed(_LAYOUT, 9, message(_LAYOUT.pack(8, 1, 2)))


@pytest.mark.parametrize("length", range(HEADER_LENGTH + _LAYOUT.size))
def test_short_messages_are_refused(length: int) -> None:
    with pytest.raises(MalformedMessage):
        unpack_fixed(_LAYOUT, 9, message(_LAYOUT.pack(9, 1, 2))[:length])


def test_variable_part_is_a_slice_of_the_message() -> None:
    whole = memoryview(b"0123456789")
    part = variable_part(whole, 4, 6, 4)
    assert part == b"456789"
    assert part.obj is whole.obj


@pytest.mark.parametrize(("offset", "length"), [(3, 1), (0, 4), (4, 7), (11, 1), (0xFFFFFFFF, 1), (4, 0xFFFFFFFF)])
def test_variable_part_lies_between_fixed_part_and_end(offset: int, length: int) -> None:
    with pytest.raises(MalformedMessage):
        variable_part(memoryview(b"0123456789"), offset, length, 4)


@pytest.mark.parametrize("offset", [0, 3, 10, 0xFFFFFFFF])
def test_offset_of_an_empty_part_means_nothing(offset: int) -> None:
    assert variable_part(memoryview(b"0123456789"), offset, 0, 4) == b""


@given(names)
def test_name_round_trip(name: str) -> None:
    assert decode_name(encode_name(name)) == name


@given(st.binary(max_size=64).filter(lambda data: len(data) % 2 == 0))
def test_any_even_bytes_are_a_name_and_come_back(data: bytes) -> None:
    assert encode_name(decode_name(data)) == data


def test_odd_name_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        decode_name(b"abc")
