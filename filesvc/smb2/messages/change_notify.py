"""CHANGE_NOTIFY: tell me when a directory changes (MS-SMB2 2.2.35, 2.2.36)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HHIQQII")
_REQUEST_SIZE = 32
_RESPONSE = Struct("<HHI")
_RESPONSE_SIZE = 9
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size


class ChangeNotifyFlags(IntFlag):
    """How deep to watch."""

    WATCH_TREE = 0x1


class CompletionFilter(IntFlag):
    """Which changes are told."""

    FILE_NAME = 0x1
    DIR_NAME = 0x2
    ATTRIBUTES = 0x4
    SIZE = 0x8
    LAST_WRITE = 0x10
    LAST_ACCESS = 0x20
    CREATION = 0x40
    EA = 0x80
    SECURITY = 0x100
    STREAM_NAME = 0x200
    STREAM_SIZE = 0x400
    STREAM_WRITE = 0x800


@dataclass(slots=True)
class ChangeNotifyRequest:
    """
    Asks for the next changes in a directory, in up to C{output_buffer_length} bytes (MS-SMB2 2.2.35).

    C{flags} are L{ChangeNotifyFlags}, C{completion_filter} is a L{CompletionFilter}.
    """

    file_id: FileId
    completion_filter: int
    output_buffer_length: int
    flags: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> ChangeNotifyRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, flags, output_buffer_length, persistent, volatile, completion_filter, _ = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        return cls(FileId(persistent, volatile), completion_filter, output_buffer_length, flags)

    def encode(self) -> bytes:
        """The body."""
        return _REQUEST.pack(_REQUEST_SIZE, self.flags, self.output_buffer_length, *self.file_id, self.completion_filter, 0)


@dataclass(slots=True)
class ChangeNotifyResponse:
    """What changed, as L{notify_information} lays it out (MS-SMB2 2.2.36)."""

    buffer: Buffer = b""

    @classmethod
    def parse(cls, message: memoryview) -> ChangeNotifyResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, offset, length = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(variable_part(message, offset, length, _RESPONSE_END))

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, _RESPONSE_END, len(self.buffer)) + self.buffer
