from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.file_ranges import FileLevelTrim, FileRange, SetZeroData, encode_ranges, parse_ranges, parse_set_sparse
from filesvc.smb2.duplicate_extents import DuplicateExtents
from filesvc.smb2.file_id import FileId

from ..smb2.strategies import file_ids, hostile_bytes, u32

_offsets = st.integers(-(1 << 63), (1 << 63) - 1)
_ranges = st.lists(st.builds(FileRange, _offsets, _offsets), max_size=8)


def test_allocated_ranges_as_smbd_answers_them() -> None:
    assert encode_ranges([(0, 6)]).hex() == "00000000000000000600000000000000"


def test_a_range_asked_for() -> None:
    assert FileRange.parse(memoryview(encode_ranges([(1, 2)]) + b"more")) == FileRange(1, 2)


def test_a_cut_range_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        parse_ranges(memoryview(bytes(17)))
    with pytest.raises(MalformedMessage):
        FileRange.parse(memoryview(bytes(15)))


def test_zero_data_is_offset_and_end() -> None:
    assert SetZeroData.parse(bytes.fromhex("10000000000000002000000000000000")) == SetZeroData(0x10, 0x20)


@pytest.mark.parametrize(("data", "sparse"), [(b"", True), (b"\x01", True), (b"\xff", True), (b"\x00", False), (b"\x00more", False)])
def test_sparse_unless_it_says_no(data: bytes, sparse: bool) -> None:
    assert parse_set_sparse(memoryview(data)) is sparse


def test_duplicate_extents_layout() -> None:
    encoded = b"".join(number.to_bytes(8, "little") for number in (1, 2, 3, 4, 5))
    assert DuplicateExtents.parse(memoryview(encoded)) == DuplicateExtents(FileId(1, 2), 3, 4, 5)


@given(_ranges)
def test_ranges(ranges: list[FileRange]) -> None:
    assert parse_ranges(memoryview(encode_ranges(ranges))) == ranges


@given(st.builds(FileLevelTrim, _ranges, u32))
def test_trim(trim: FileLevelTrim) -> None:
    assert FileLevelTrim.parse(memoryview(trim.encode())) == trim


@given(st.builds(DuplicateExtents, file_ids, _offsets, _offsets, _offsets))
def test_duplicate_extents(extents: DuplicateExtents) -> None:
    assert DuplicateExtents.parse(memoryview(extents.encode())) == extents


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    for parse in (parse_ranges, FileRange.parse, FileLevelTrim.parse, DuplicateExtents.parse):
        with suppress(MalformedMessage):
            parse(memoryview(data))
