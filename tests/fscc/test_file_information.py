from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import FixedStructure
from filesvc.fscc import file_information, file_ranges, filesystem_information, fsctl_structures
from filesvc.fscc.file_information import (
    FileAccessInformation,
    FileAttributeTagInformation,
    FileBasicInformation,
    FileCompressionInformation,
    FileDispositionInformation,
    FileEaInformation,
    FileIdInformation,
    FileInformationClass,
    FileInternalInformation,
    FileNetworkOpenInformation,
    FilePositionInformation,
    FileStandardInformation,
)
from filesvc.smb2 import copychunk

from ..smb2.strategies import hostile_bytes

_MODULES = (file_information, filesystem_information, fsctl_structures, copychunk, file_ranges)
_STRUCTURES = [
    value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, FixedStructure) and value is not FixedStructure
]

# What smbd answered about a file of six bytes, with two links.
_TIME = 0x01DD7B19515D8D6A
_FROM_SMBD = [
    (
        FileBasicInformation(_TIME, _TIME, _TIME, _TIME, 0x80),
        "6a8d5d51197bdd016a8d5d51197bdd016a8d5d51197bdd016a8d5d51197bdd018000000000000000",
    ),
    (FileStandardInformation(0x1000, 6, 2, False, False), "001000000000000006000000000000000200000000000000"),
    (FileInternalInformation(0x218963), "6389210000000000"),
    (FileEaInformation(38), "26000000"),
    (FileAccessInformation(0x1F01FF), "ff011f00"),
    (FilePositionInformation(0), "0000000000000000"),
    (FileCompressionInformation(6, 0, 0, 0, 0), "06000000000000000000000000000000"),
    (
        FileNetworkOpenInformation(_TIME, _TIME, _TIME, _TIME, 0x1000, 6, 0x80),
        "6a8d5d51197bdd016a8d5d51197bdd016a8d5d51197bdd016a8d5d51197bdd01001000000000000006000000000000008000000000000000",
    ),
    (FileAttributeTagInformation(0x80, 0), "8000000000000000"),
]

# The shortest output buffers that MS-FSA lets a query have.
_MINIMUM_LENGTHS = {
    "FileBasicInformation": 40,
    "FileStandardInformation": 24,
    "FileInternalInformation": 8,
    "FileEaInformation": 4,
    "FileAccessInformation": 4,
    "FileModeInformation": 4,
    "FileAlignmentInformation": 4,
    "FileCompressionInformation": 16,
    "FileNetworkOpenInformation": 56,
    "FileAttributeTagInformation": 8,
    "FileIdInformation": 24,
    "FilePipeLocalInformation": 40,
}


@pytest.mark.parametrize(("value", "encoded"), _FROM_SMBD)
def test_what_smbd_answers(value: FixedStructure, encoded: str) -> None:
    assert value.encode().hex() == encoded
    assert type(value).parse(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(("name", "length"), _MINIMUM_LENGTHS.items())
def test_lengths(name: str, length: int) -> None:
    assert length == getattr(file_information, name).MINIMUM_LENGTH


def test_file_id_is_sixteen_bytes_behind_the_serial_number() -> None:
    assert FileIdInformation(1, bytes(range(16))).encode() == b"\x01" + bytes(7) + bytes(range(16))


def test_any_other_byte_than_zero_is_true() -> None:
    assert FileDispositionInformation.parse(b"\x02").delete_pending is True


@pytest.mark.parametrize("structure", _STRUCTURES)
def test_a_short_buffer_is_malformed(structure: type[FixedStructure]) -> None:
    with pytest.raises(MalformedMessage):
        structure.parse(bytes(structure.MINIMUM_LENGTH - 1))


@given(st.sampled_from(_STRUCTURES), st.data())
def test_encoding_undoes_parsing(structure: type[FixedStructure], data: st.DataObject) -> None:
    value = structure.parse(data.draw(st.binary(min_size=structure.MINIMUM_LENGTH, max_size=structure.MINIMUM_LENGTH + 8)))
    encoded = value.encode()
    assert len(encoded) == structure.MINIMUM_LENGTH
    assert structure.parse(encoded) == value


@given(st.sampled_from(_STRUCTURES), hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(structure: type[FixedStructure], data: bytes) -> None:
    with suppress(MalformedMessage):
        structure.parse(memoryview(data))


def test_class_numbers() -> None:
    numbers = {"ALL": 18, "STREAM": 22, "NORMALIZED_NAME": 48, "ID": 59, "RENAME_EX": 65, "ID_ALL_EXTD_BOTH_DIRECTORY": 81}
    assert {name: FileInformationClass[name].value for name in numbers} == numbers
