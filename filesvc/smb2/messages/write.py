"""WRITE: bytes into a file or pipe (MS-SMB2 2.2.21, 2.2.22)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HHIQQQIIHHI")
_REQUEST_SIZE = 49
_RESPONSE = Struct("<HHIIHH")
_RESPONSE_SIZE = 17

WRITE_FIXED_END = HEADER_LENGTH + _REQUEST.size
"""How many bytes of a message L{WriteRequest.parse_fixed} needs."""


class WriteFlags(IntFlag):
    """How to write."""

    WRITE_THROUGH = 0x1
    WRITE_UNBUFFERED = 0x2


@dataclass(slots=True)
class WriteRequest:
    """
    Asks for C{data} to be written from C{offset} on (MS-SMB2 2.2.21). C{flags} are L{WriteFlags}, C{channel} is a L{read.Channel}.

    C{length} and C{data_offset} are what the wire says of the data; L{encode} goes by the data alone.
    """

    file_id: FileId
    offset: int
    data: Buffer = b""
    flags: int = 0
    channel: int = 0
    remaining_bytes: int = 0
    write_channel_info: Buffer = b""
    length: int = 0
    data_offset: int = WRITE_FIXED_END

    @classmethod
    def parse(cls, message: memoryview) -> WriteRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        request, info_offset, info_length = cls._parse_fixed(message)
        request.data = variable_part(message, request.data_offset, request.length, WRITE_FIXED_END)
        request.write_channel_info = variable_part(message, info_offset, info_length, WRITE_FIXED_END)
        return request

    @classmethod
    def parse_fixed(cls, message: memoryview) -> WriteRequest:
        """
        The request in the first L{WRITE_FIXED_END} bytes of a message, with its data and channel information left empty: what is behind
        may not have arrived.

        @raise MalformedMessage: the body is none, or its data would start inside the fixed part.
        """
        request, _, _ = cls._parse_fixed(message)
        if request.length and request.data_offset < WRITE_FIXED_END:
            raise MalformedMessage(f"DataOffset {request.data_offset} is inside the fixed part")
        return request

    @classmethod
    def _parse_fixed(cls, message: memoryview) -> tuple[WriteRequest, int, int]:
        """The request without its variable parts, and the offset and length of the channel information."""
        (
            _,
            data_offset,
            length,
            offset,
            persistent,
            volatile,
            channel,
            remaining_bytes,
            info_offset,
            info_length,
            flags,
        ) = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        request = cls(FileId(persistent, volatile), offset, b"", flags, channel, remaining_bytes, b"", length, data_offset)
        return request, info_offset, info_length

    def encode(self) -> bytes:
        """The body, with the channel information behind the data."""
        length = len(self.data)
        info = self.write_channel_info
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            WRITE_FIXED_END,
            length,
            self.offset,
            *self.file_id,
            self.channel,
            self.remaining_bytes,
            WRITE_FIXED_END + length if info else 0,
            len(info),
            self.flags,
        )
        return b"".join((fixed, self.data, info))


@dataclass(slots=True)
class WriteResponse:
    """So many bytes were written (MS-SMB2 2.2.22)."""

    count: int

    @classmethod
    def parse(cls, message: memoryview) -> WriteResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, _, count, _, _, _ = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(count)

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, 0, self.count, 0, 0, 0)
