from __future__ import annotations

from contextlib import suppress
from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import chain_entries, section, split_entries, unpack

from ..smb2.strategies import hostile_bytes


def test_unpack_takes_the_fields_at_an_offset() -> None:
    assert unpack(Struct("<HB"), b"\xff\x01\x02\x03", 1) == (0x201, 3)


@pytest.mark.parametrize("offset", [2, 4, 1000])
def test_unpack_reports_missing_bytes(offset: int) -> None:
    with pytest.raises(MalformedMessage):
        unpack(Struct("<HB"), b"\xff\x01\x02\x03", offset)


def test_section_is_inside() -> None:
    assert bytes(section(memoryview(b"abcd"), 1, 3)) == b"bcd"
    with pytest.raises(MalformedMessage):
        section(memoryview(b"abcd"), 2, 3)
    with pytest.raises(MalformedMessage):
        section(memoryview(b"abcd"), 5, 0)


def test_chained_entries_are_aligned_and_linked() -> None:
    assert chain_entries([bytes(4) + b"a", bytes(4) + b"bc"], 8) == b"\x08\0\0\0a\0\0\0" + b"\0\0\0\0bc"


def test_no_entries_are_no_bytes() -> None:
    assert chain_entries([], 8) == b""
    assert list(split_entries(memoryview(b""))) == []


@pytest.mark.parametrize("offset", [1, 3, 12, 13, 0xFFFFFFFF])
def test_next_entry_offset_stays_inside(offset: int) -> None:
    with pytest.raises(MalformedMessage, match="NextEntryOffset"):
        list(split_entries(memoryview(offset.to_bytes(4, "little") + bytes(8))))


@given(st.lists(st.binary(max_size=20), min_size=1), st.sampled_from([4, 8]))
def test_split_undoes_chain(bodies: list[bytes], alignment: int) -> None:
    data = memoryview(chain_entries([bytes(4) + body for body in bodies], alignment))
    entries = list(split_entries(data))
    assert len(entries) == len(bodies)
    for entry, body in zip(entries, bodies, strict=True):
        assert entry[4 : 4 + len(body)] == body
    starts = [0]
    for entry in entries:
        starts.append(starts[-1] + len(entry))
    assert all(start % alignment == 0 for start in starts[:-1])


@given(hostile_bytes())
def test_arbitrary_bytes_split_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        assert b"".join(split_entries(memoryview(data))) == data
