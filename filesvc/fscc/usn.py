"""FSCTL_READ_FILE_USN_DATA: records of a change journal, of two versions (MS-FSCC 2.3.61, 2.3.62)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import Buffer, FixedStructure, section, unpack
from filesvc.dtyp.unicode import decode_name, encode_name

_HEAD = Struct("<IHH")
_REST = Struct("<qqIIIIHH")
_ID_LENGTHS: Final = {2: 8, 3: 16}
_ALIGNMENT: Final = 8


@dataclass(slots=True)
class ReadFileUsnData(FixedStructure):
    """The versions of records that a client knows."""

    LAYOUT = Struct("<HH")

    min_major_version: int
    max_major_version: int


@dataclass(slots=True)
class UsnRecord:
    """
    A USN_RECORD_V2, or a V3, which has room for longer ids. Of a file that is read alone, time, reason, source and security id are 0.

    @ivar file_reference_number: the file's id.
    @ivar parent_file_reference_number: its directory's.
    @ivar usn: where in the journal its last record is; 0 if there is none.
    """

    major_version: int
    file_reference_number: int
    parent_file_reference_number: int
    file_attributes: int
    file_name: str
    usn: int = 0

    @classmethod
    def parse(cls, data: Buffer) -> UsnRecord:
        """
        The record that C{data} starts with.

        @raise MalformedMessage: it is of neither version, or cut.
        """
        length, version, _ = unpack(_HEAD, data)
        if version not in _ID_LENGTHS:
            raise MalformedMessage(f"a USN record of version {version}")
        record, size = section(memoryview(data), 0, length), _ID_LENGTHS[version]
        own, parent = (int.from_bytes(section(record, _HEAD.size + offset, size), "little") for offset in (0, size))
        usn, _, _, _, _, attributes, name_length, name_offset = unpack(_REST, record, _HEAD.size + 2 * size)
        return cls(version, own, parent, attributes, decode_name(section(record, name_offset, name_length)), usn)

    def encode(self) -> bytes:
        """Its bytes, with zeros up to a whole record."""
        size, name = _ID_LENGTHS[self.major_version], encode_name(self.file_name)
        offset = _HEAD.size + 2 * size + _REST.size
        length = -(-(offset + len(name)) // _ALIGNMENT) * _ALIGNMENT
        ids = self.file_reference_number.to_bytes(size, "little") + self.parent_file_reference_number.to_bytes(size, "little")
        rest = _REST.pack(self.usn, 0, 0, 0, 0, self.file_attributes, len(name), offset)
        return (_HEAD.pack(length, self.major_version, 0) + ids + rest + name).ljust(length, b"\0")
