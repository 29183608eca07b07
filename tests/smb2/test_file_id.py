from __future__ import annotations

from hypothesis import given

from filesvc.smb2.file_id import FILE_ID_LENGTH, RELATED_FILE_ID, FileId

from .strategies import file_ids


@given(file_ids)
def test_round_trip(file_id: FileId) -> None:
    packed = file_id.pack()
    assert len(packed) == FILE_ID_LENGTH
    assert FileId.unpack(b"\x00" * 3 + packed, 3) == file_id


def test_persistent_part_comes_first() -> None:
    assert FileId(1, 2).pack() == b"\x01" + bytes(7) + b"\x02" + bytes(7)


def test_related_is_all_ones() -> None:
    assert RELATED_FILE_ID.pack() == b"\xff" * 16
