"""What names an open on the wire (MS-SMB2 2.2.14.1)."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

FILE_ID_LENGTH = 16

_FILE_ID = Struct("<QQ")


class FileId(NamedTuple):
    """
    An open: C{persistent} outlives a lost connection, C{volatile} does not. Packed, they are 16 bytes.
    """

    persistent: int
    volatile: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> FileId:
        """The one at an offset, where the caller knows that 16 bytes are."""
        return cls(*_FILE_ID.unpack_from(data, offset))

    def pack(self) -> bytes:
        """Its 16 bytes."""
        return _FILE_ID.pack(*self)


RELATED_FILE_ID = FileId(0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Stands for the open of the request before, in a related compound (MS-SMB2 3.3.5.2.7.2)."""
