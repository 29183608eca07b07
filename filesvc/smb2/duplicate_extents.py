"""FSCTL_DUPLICATE_EXTENTS_TO_FILE as SMB2 sends it (MS-FSCC 2.3.9.2). Offsets and lengths are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from filesvc.dtyp.structure import unpack
from filesvc.smb2.file_id import FileId

_DUPLICATE = Struct("<QQqqq")


@dataclass(slots=True)
class DuplicateExtents:
    """FSCTL_DUPLICATE_EXTENTS_TO_FILE: let a range share its blocks with one of the file that C{source} is an open of."""

    source: FileId
    source_offset: int
    target_offset: int
    byte_count: int

    @classmethod
    def parse(cls, data: memoryview) -> DuplicateExtents:
        """
        The request in C{data}.

        @raise MalformedMessage: C{data} is too short.
        """
        persistent, volatile, source_offset, target_offset, byte_count = unpack(_DUPLICATE, data)
        return cls(FileId(persistent, volatile), source_offset, target_offset, byte_count)

    def encode(self) -> bytes:
        """Its bytes."""
        return _DUPLICATE.pack(*self.source, self.source_offset, self.target_offset, self.byte_count)
