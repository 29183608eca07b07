"""QUERY_DIRECTORY: list a directory (MS-SMB2 2.2.33, 2.2.34)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.dtyp.unicode import decode_name, encode_name
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HBBIQQHHI")
_REQUEST_SIZE = 33
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE = Struct("<HHI")
_RESPONSE_SIZE = 9
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size


class QueryDirectoryFlags(IntFlag):
    """Where a listing starts and how it goes on."""

    RESTART_SCANS = 0x1
    RETURN_SINGLE_ENTRY = 0x2
    INDEX_SPECIFIED = 0x4
    REOPEN = 0x10


@dataclass(slots=True)
class QueryDirectoryRequest:
    """
    Asks for the next entries whose names match a pattern, in up to C{output_buffer_length} bytes (MS-SMB2 2.2.33).

    C{file_name} is the pattern, C{flags} are L{QueryDirectoryFlags}.
    """

    file_id: FileId
    file_information_class: int
    output_buffer_length: int
    file_name: str = "*"
    flags: int = 0
    file_index: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> QueryDirectoryRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, information_class, flags, file_index, persistent, volatile, offset, length, output_buffer_length = unpack_fixed(
            _REQUEST, _REQUEST_SIZE, message
        )
        file_name = decode_name(variable_part(message, offset, length, _REQUEST_END))
        return cls(FileId(persistent, volatile), information_class, output_buffer_length, file_name, flags, file_index)

    def encode(self) -> bytes:
        """The body."""
        name = encode_name(self.file_name)
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.file_information_class,
            self.flags,
            self.file_index,
            *self.file_id,
            _REQUEST_END,
            len(name),
            self.output_buffer_length,
        )
        return fixed + (name or b"\x00")


@dataclass(slots=True)
class QueryDirectoryResponse:
    """Entries, as the information class lays them out (MS-SMB2 2.2.34)."""

    buffer: Buffer

    @classmethod
    def parse(cls, message: memoryview) -> QueryDirectoryResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, offset, length = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(variable_part(message, offset, length, _RESPONSE_END))

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, _RESPONSE_END, len(self.buffer)) + self.buffer
