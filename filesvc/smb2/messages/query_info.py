"""QUERY_INFO: what is true of a file, its volume, its security or its quotas (MS-SMB2 2.2.37, 2.2.38)."""

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

_REQUEST = Struct("<HBBIHHIIIQQ")
_REQUEST_SIZE = 41
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE = Struct("<HHI")
_RESPONSE_SIZE = 9
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size


class InfoType(IntEnum):
    """What QUERY_INFO and SET_INFO are about."""

    FILE = 1
    FILESYSTEM = 2
    SECURITY = 3
    QUOTA = 4


class QueryInfoFlags(IntFlag):
    """Where a listing of extended attributes starts."""

    RESTART_SCAN = 0x1
    RETURN_SINGLE_ENTRY = 0x2
    INDEX_SPECIFIED = 0x4


@dataclass(slots=True)
class QueryInfoRequest:
    """
    Asks for one class of information, in up to C{output_buffer_length} bytes (MS-SMB2 2.2.37).

    C{info_type} is an L{InfoType}. C{additional_information} says which parts of a security descriptor, or which extended attribute comes
    first. C{flags} are L{QueryInfoFlags}.
    """

    file_id: FileId
    info_type: int
    file_info_class: int
    output_buffer_length: int
    additional_information: int = 0
    flags: int = 0
    input_buffer: Buffer = b""

    @classmethod
    def parse(cls, message: memoryview) -> QueryInfoRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            info_type,
            file_info_class,
            output_buffer_length,
            offset,
            _,
            length,
            additional_information,
            flags,
            persistent,
            volatile,
        ) = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        input_buffer = variable_part(message, offset, length, _REQUEST_END)
        file_id = FileId(persistent, volatile)
        return cls(file_id, info_type, file_info_class, output_buffer_length, additional_information, flags, input_buffer)

    def encode(self) -> bytes:
        """The body."""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.info_type,
            self.file_info_class,
            self.output_buffer_length,
            _REQUEST_END if self.input_buffer else 0,
            0,
            len(self.input_buffer),
            self.additional_information,
            self.flags,
            *self.file_id,
        )
        return fixed + self.input_buffer


@dataclass(slots=True)
class QueryInfoResponse:
    """The information, as its class lays it out (MS-SMB2 2.2.38)."""

    buffer: Buffer

    @classmethod
    def parse(cls, message: memoryview) -> QueryInfoResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, offset, length = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(variable_part(message, offset, length, _RESPONSE_END))

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, _RESPONSE_END, len(self.buffer)) + self.buffer
