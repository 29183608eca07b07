from __future__ import annotations

from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.directory_information import DIRECTORY_MINIMUM_LENGTH, DirectoryEncoder, DirectoryEntry, parse_directory
from filesvc.fscc.file_information import FileInformationClass

from ..smb2.strategies import hostile_bytes, names, u32, u64

_TIMES = st.integers(0, (1 << 63) - 1)
_CLASSES = [FileInformationClass(number) for number in DIRECTORY_MINIMUM_LENGTH]
_EVERYWHERE = {"file_name", "file_index"}
_USUAL = _EVERYWHERE | {
    "file_attributes",
    "creation_time",
    "last_access_time",
    "last_write_time",
    "change_time",
    "end_of_file",
    "allocation_size",
}
_EXTD = _USUAL | {"ea_size", "reparse_tag", "file_id"}
# What each class tells, and where its names start (MS-FSCC 2.4).
_CLASS_FACTS = {
    FileInformationClass.DIRECTORY: (64, _USUAL),
    FileInformationClass.FULL_DIRECTORY: (68, _USUAL | {"ea_size"}),
    FileInformationClass.BOTH_DIRECTORY: (94, _USUAL | {"ea_size", "short_name"}),
    FileInformationClass.NAMES: (12, _EVERYWHERE),
    FileInformationClass.ID_BOTH_DIRECTORY: (104, _USUAL | {"ea_size", "short_name", "file_id"}),
    FileInformationClass.ID_FULL_DIRECTORY: (80, _USUAL | {"ea_size", "file_id"}),
    FileInformationClass.ID_EXTD_DIRECTORY: (88, _EXTD),
    FileInformationClass.ID_EXTD_BOTH_DIRECTORY: (114, _EXTD | {"short_name"}),
    FileInformationClass.ID_64_EXTD_DIRECTORY: (80, _EXTD),
    FileInformationClass.ID_64_EXTD_BOTH_DIRECTORY: (106, _EXTD | {"short_name"}),
    FileInformationClass.ID_ALL_EXTD_DIRECTORY: (96, _EXTD),
    FileInformationClass.ID_ALL_EXTD_BOTH_DIRECTORY: (122, _EXTD | {"short_name"}),
}
_WIDE_IDS = {number for number in _CLASSES if "EXTD" in number.name and "64" not in number.name}

_entries = st.builds(
    DirectoryEntry,
    file_name=names,
    file_attributes=u32,
    creation_time=_TIMES,
    last_access_time=_TIMES,
    last_write_time=_TIMES,
    change_time=_TIMES,
    end_of_file=_TIMES,
    allocation_size=_TIMES,
    file_id=u64,
    ea_size=u32,
    short_name=st.text(alphabet="ABC~1.", max_size=12),
    file_index=u32,
)

# What smbd answered about a folder.
_ID_BOTH_FROM_SMBD = (
    "7000000000000000eac55e51197bdd01f1899d5d197bdd01eac55e51197bdd01eac55e51197bdd01000000000000000000000000000000001000000002000000"
    "0000000000000000000000000000000000000000000000000000000000000000128a2100000000002e00000000000000700000000000000004ebf91e197bdd01"
    "04ebf91e197bdd016afe5f51197bdd016afe5f51197bdd0100000000000000000000000000000000100000000400000000000000000000000000000000000000"
    "000000000000000000000000000000004a902100000000002e002e00000000007000000000000000eac55e51197bdd01eac55e51197bdd01eac55e51197bdd01"
    "eac55e51197bdd010300000000000000001000000000000080000000020000000000000000000000000000000000000000000000000000000000000000000000"
    "528a21000000000062000000000000009000000000000000719b5e51197bdd01719b5e51197bdd01719b5e51197bdd01719b5e51197bdd010100000000000000"
    "001000000000000080000000280000000000000000000000000000000000000000000000000000000000000000000000428a210000000000610020006c006f00"
    "6e0067002000660069006c00650020006e0061006d0065002e007400780074000000000000000000719b5e51197bdd01719b5e51197bdd01719b5e51197bdd01"
    "719b5e51197bdd010000000000000000000000000000000010000000060000000000000000000000000000000000000000000000000000000000000000000000"
    "328a210000000000730075006200"
)
_FROM_SMBD = [
    DirectoryEntry(".", 0x10, 0x1DD7B19515EC5EA, 0x1DD7B195D9D89F1, 0x1DD7B19515EC5EA, 0x1DD7B19515EC5EA, 0, 0x0, file_id=0x218A12),
    DirectoryEntry("..", 0x10, 0x1DD7B191EF9EB04, 0x1DD7B191EF9EB04, 0x1DD7B19515FFE6A, 0x1DD7B19515FFE6A, 0, 0x0, file_id=0x21904A),
    DirectoryEntry("b", 0x80, 0x1DD7B19515EC5EA, 0x1DD7B19515EC5EA, 0x1DD7B19515EC5EA, 0x1DD7B19515EC5EA, 3, 0x1000, file_id=0x218A52),
    DirectoryEntry(
        "a long file name.txt",
        0x80,
        0x1DD7B19515E9B71,
        0x1DD7B19515E9B71,
        0x1DD7B19515E9B71,
        0x1DD7B19515E9B71,
        1,
        0x1000,
        file_id=0x218A42,
    ),
    DirectoryEntry("sub", 0x10, 0x1DD7B19515E9B71, 0x1DD7B19515E9B71, 0x1DD7B19515E9B71, 0x1DD7B19515E9B71, 0, 0x0, file_id=0x218A32),
]


def _encode(information_class: int, *entries: DirectoryEntry) -> memoryview:
    encoder = DirectoryEncoder(information_class, 1 << 20)
    for entry in entries:
        assert encoder.add(entry)
    return memoryview(encoder.finish())


def _as_told(information_class: FileInformationClass, entry: DirectoryEntry) -> DirectoryEntry:
    told = _CLASS_FACTS[information_class][1]
    return DirectoryEntry(**{field.name: getattr(entry, field.name) for field in fields(entry) if field.name in told})


def test_what_smbd_answers() -> None:
    encoded = _encode(FileInformationClass.ID_BOTH_DIRECTORY, *_FROM_SMBD)
    assert encoded.hex() == _ID_BOTH_FROM_SMBD
    assert parse_directory(FileInformationClass.ID_BOTH_DIRECTORY, encoded) == _FROM_SMBD


def test_names_start_where_the_specification_says() -> None:
    assert {number: facts[0] for number, facts in _CLASS_FACTS.items()} == dict(DIRECTORY_MINIMUM_LENGTH)


@given(st.sampled_from(_CLASSES), st.lists(_entries, max_size=3))
def test_every_class_tells_what_it_has_room_for(information_class: FileInformationClass, entries: list[DirectoryEntry]) -> None:
    parsed = parse_directory(information_class, _encode(information_class, *entries))
    assert parsed == [_as_told(information_class, entry) for entry in entries]


@pytest.mark.parametrize("information_class", _WIDE_IDS)
def test_wide_file_ids(information_class: FileInformationClass) -> None:
    entry = DirectoryEntry("a", file_id=0x112233445566778899AABBCCDDEEFF00)
    assert parse_directory(information_class, _encode(information_class, entry)) == [entry]
    assert bytes.fromhex("00FFEEDDCCBBAA998877665544332211") in bytes(_encode(information_class, entry))


def test_reparse_tag_has_its_own_field_or_that_of_the_ea_size() -> None:
    entry = DirectoryEntry("link", reparse_tag=0xA000000C)
    (shared,) = parse_directory(FileInformationClass.ID_BOTH_DIRECTORY, _encode(FileInformationClass.ID_BOTH_DIRECTORY, entry))
    assert shared == DirectoryEntry("link", ea_size=0xA000000C)
    (own,) = parse_directory(FileInformationClass.ID_EXTD_DIRECTORY, _encode(FileInformationClass.ID_EXTD_DIRECTORY, entry))
    assert own == entry


@pytest.mark.parametrize("information_class", _CLASSES)
def test_entries_are_aligned_and_the_last_is_not_padded(information_class: FileInformationClass) -> None:
    data = _encode(information_class, DirectoryEntry("a"), DirectoryEntry("bcd"))
    fixed = DIRECTORY_MINIMUM_LENGTH[information_class]
    second = int.from_bytes(data[:4], "little")
    assert second == (fixed + 2 + 7) // 8 * 8
    assert len(data) == second + fixed + 6
    assert data[second : second + 4] == bytes(4)


@pytest.mark.parametrize("information_class", _CLASSES)
def test_what_does_not_fit_changes_nothing(information_class: FileInformationClass) -> None:
    fits = len(_encode(information_class, DirectoryEntry("first"), DirectoryEntry("second")))
    for limit in range(fits + 1):
        encoder = DirectoryEncoder(information_class, limit)
        first = encoder.add(DirectoryEntry("first"))
        second = first and encoder.add(DirectoryEntry("second"))
        assert second == (limit == fits)
        assert [entry.file_name for entry in parse_directory(information_class, memoryview(encoder.finish()))] == (
            ["first", "second"] if second else ["first"] if first else []
        )
        assert len(encoder.finish()) <= limit


def test_an_unknown_class_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="99"):
        DirectoryEncoder(99, 100)


def test_a_short_name_is_inside_its_field() -> None:
    data = bytearray(_encode(FileInformationClass.BOTH_DIRECTORY, DirectoryEntry("a")))
    data[68] = 26
    with pytest.raises(MalformedMessage, match="short name"):
        parse_directory(FileInformationClass.BOTH_DIRECTORY, memoryview(data))


@given(st.sampled_from(_CLASSES), hostile_bytes(max_words=160))
def test_arbitrary_bytes_parse_or_are_refused(information_class: FileInformationClass, data: bytes) -> None:
    with suppress(MalformedMessage):
        parse_directory(information_class, memoryview(data))
