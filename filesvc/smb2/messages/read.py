"""READ: bytes of a file or pipe (MS-SMB2 2.2.19, 2.2.20)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HBBIQQQIIIHH")
_REQUEST_SIZE = 49
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE = Struct("<HBBIII")
_RESPONSE_SIZE = 17
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size


class ReadFlags(IntFlag):
    """How to read."""

    READ_UNBUFFERED = 0x1
    REQUEST_COMPRESSED = 0x2


class Channel(IntEnum):
    """Where the data of a READ or WRITE travels (MS-SMB2 2.2.19, 2.2.21)."""

    NONE = 0
    RDMA_V1 = 1
    RDMA_V1_INVALIDATE = 2
    RDMA_TRANSFORM = 3


@dataclass(slots=True)
class ReadRequest:
    """
    Asks for up to C{length} bytes from C{offset} on, and to fail if there are fewer than C{minimum_count} (MS-SMB2 2.2.19).

    C{flags} are L{ReadFlags}. C{padding} is where in the response, from its header on, the client would like the data.
    """

    file_id: FileId
    offset: int
    length: int
    minimum_count: int = 0
    flags: int = 0
    channel: int = Channel.NONE
    remaining_bytes: int = 0
    padding: int = _RESPONSE_END
    read_channel_info: Buffer = b""

    @classmethod
    def parse(cls, message: memoryview) -> ReadRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            padding,
            flags,
            length,
            offset,
            persistent,
            volatile,
            minimum_count,
            channel,
            remaining_bytes,
            info_offset,
            info_length,
        ) = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        info = variable_part(message, info_offset, info_length, _REQUEST_END)
        return cls(FileId(persistent, volatile), offset, length, minimum_count, flags, channel, remaining_bytes, padding, info)

    def encode(self) -> bytes:
        """The body."""
        info = self.read_channel_info
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.padding,
            self.flags,
            self.length,
            self.offset,
            *self.file_id,
            self.minimum_count,
            self.channel,
            self.remaining_bytes,
            _REQUEST_END if info else 0,
            len(info),
        )
        # The buffer is never without a byte, says the specification.
        return fixed + (info or b"\x00")


@dataclass(slots=True)
class ReadResponse:
    """The bytes read (MS-SMB2 2.2.20)."""

    data: Buffer
    data_remaining: int = 0

    @staticmethod
    def fixed(length: int, remaining: int = 0) -> bytes:
        """The body before C{length} bytes of data, which are to be sent straight behind it."""
        return _RESPONSE.pack(_RESPONSE_SIZE, _RESPONSE_END, 0, length, remaining, 0)

    @classmethod
    def parse(cls, message: memoryview) -> ReadResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, offset, _, length, remaining, _ = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(variable_part(message, offset, length, _RESPONSE_END), remaining)

    def encode(self) -> bytes:
        """The body with its data, copied. L{fixed} is the way without a copy."""
        return self.fixed(len(self.data), self.data_remaining) + self.data
