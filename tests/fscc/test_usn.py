from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.file_ranges import FileRegionInput, FileRegionOutput
from filesvc.fscc.usn import UsnRecord

from ..smb2.strategies import hostile_bytes, names

_ids = st.integers(0, (1 << 64) - 1)
_records = st.builds(UsnRecord, st.sampled_from([2, 3]), _ids, _ids, st.integers(0, (1 << 32) - 1), names, st.integers(0, (1 << 63) - 1))
_regions = st.builds(FileRegionInput, st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1), st.integers(0, 3))


def test_where_the_name_is() -> None:
    second, third = (UsnRecord(version, 1, 2, 0x20, "ab").encode() for version in (2, 3))
    assert (len(second), second[56:64]) == (64, b"\x04\0\x3c\0a\0b\0")
    assert (len(third), third[72:80]) == (80, b"\x04\0\x4c\0a\0b\0")
    assert second[:8] == b"\x40\0\0\0\x02\0\0\0"
    assert second[52:56] == third[68:72] == b"\x20\0\0\0"


@given(_records)
def test_records(record: UsnRecord) -> None:
    encoded = record.encode()
    assert len(encoded) % 8 == 0
    assert UsnRecord.parse(encoded) == record


@given(st.lists(_regions, max_size=3))
def test_regions(regions: list[FileRegionInput]) -> None:
    assert FileRegionOutput.parse(memoryview(FileRegionOutput(regions).encode())) == FileRegionOutput(regions)


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        UsnRecord.parse(data)
    with suppress(MalformedMessage):
        FileRegionOutput.parse(memoryview(data))
