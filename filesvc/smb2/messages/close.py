"""CLOSE: end an open (MS-SMB2 2.2.15, 2.2.16)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from filesvc.smb2.body import unpack_fixed
from filesvc.smb2.file_id import FileId

_REQUEST = Struct("<HHIQQ")
_REQUEST_SIZE = 24
_RESPONSE = Struct("<HHIQQQQQQI")
_RESPONSE_SIZE = 60


class CloseFlags(IntFlag):
    """What a close says or asks for."""

    POSTQUERY_ATTRIB = 0x1
    """The response is to hold what is true of the file."""


@dataclass(slots=True)
class CloseRequest:
    """Ends an open (MS-SMB2 2.2.15). C{flags} are L{CloseFlags}."""

    file_id: FileId
    flags: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> CloseRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, flags, _, persistent, volatile = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        return cls(FileId(persistent, volatile), flags)

    def encode(self) -> bytes:
        """The body."""
        return _REQUEST.pack(_REQUEST_SIZE, self.flags, 0, *self.file_id)


@dataclass(slots=True)
class CloseResponse:
    """
    The open is gone (MS-SMB2 2.2.16).

    What is true of the file is all 0, unless C{flags} hold L{CloseFlags.POSTQUERY_ATTRIB}. Times are FILETIMEs, sizes bytes.
    """

    flags: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    allocation_size: int = 0
    end_of_file: int = 0
    file_attributes: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> CloseResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, flags, _, created, accessed, written, changed, allocation, end_of_file, attributes = unpack_fixed(
            _RESPONSE, _RESPONSE_SIZE, message
        )
        return cls(flags, created, accessed, written, changed, allocation, end_of_file, attributes)

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.flags,
            0,
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.file_attributes,
        )
