"""IOCTL: control codes, FSCTLs and named pipe transactions (MS-SMB2 2.2.31, 2.2.32)."""

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

_REQUEST = Struct("<HHIQQIIIIIIII")
_REQUEST_SIZE = 57
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE = Struct("<HHIQQIIIIII")
_RESPONSE_SIZE = 49
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size


class IoctlFlags(IntFlag):
    """What kind of control code it is."""

    IS_FSCTL = 0x1


@dataclass(slots=True)
class IoctlRequest:
    """
    Asks for what a control code means (MS-SMB2 2.2.31).

    C{max_input_response} and C{max_output_response} are how many bytes the response may hold. C{flags} are L{IoctlFlags}.
    """

    ctl_code: int
    file_id: FileId
    input: Buffer = b""
    max_output_response: int = 0
    max_input_response: int = 0
    flags: int = IoctlFlags.IS_FSCTL
    output: Buffer = b""

    @classmethod
    def parse(cls, message: memoryview) -> IoctlRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            _,
            ctl_code,
            persistent,
            volatile,
            input_offset,
            input_count,
            max_input_response,
            output_offset,
            output_count,
            max_output_response,
            flags,
            _,
        ) = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        input_ = variable_part(message, input_offset, input_count, _REQUEST_END)
        output = variable_part(message, output_offset, output_count, _REQUEST_END)
        return cls(ctl_code, FileId(persistent, volatile), input_, max_output_response, max_input_response, flags, output)

    def encode(self) -> bytes:
        """The body."""
        parts, input_offset, output_offset = _buffers(_REQUEST_END, self.input, self.output)
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            0,
            self.ctl_code,
            *self.file_id,
            input_offset if self.input else 0,
            len(self.input),
            self.max_input_response,
            output_offset if self.output else 0,
            len(self.output),
            self.max_output_response,
            self.flags,
            0,
        )
        return fixed + parts


@dataclass(slots=True)
class IoctlResponse:
    """What a control code gave (MS-SMB2 2.2.32)."""

    ctl_code: int
    file_id: FileId
    output: Buffer = b""
    input: Buffer = b""
    flags: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> IoctlResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            _,
            ctl_code,
            persistent,
            volatile,
            input_offset,
            input_count,
            output_offset,
            output_count,
            flags,
            _,
        ) = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        input_ = variable_part(message, input_offset, input_count, _RESPONSE_END)
        output = variable_part(message, output_offset, output_count, _RESPONSE_END)
        return cls(ctl_code, FileId(persistent, volatile), output, input_, flags)

    def encode(self) -> bytes:
        """The body."""
        parts, input_offset, output_offset = _buffers(_RESPONSE_END, self.input, self.output)
        fixed = _RESPONSE.pack(
            _RESPONSE_SIZE,
            0,
            self.ctl_code,
            *self.file_id,
            input_offset,
            len(self.input),
            output_offset,
            len(self.output),
            self.flags,
            0,
        )
        return fixed + parts


def _buffers(start: int, input_: Buffer, output: Buffer) -> tuple[bytes, int, int]:
    """Input and output behind each other, the output 8-aligned, and their offsets."""
    padding = bytes(-len(input_) % 8) if output else b""
    return b"".join((input_, padding, output)), start, start + len(input_) + len(padding)
