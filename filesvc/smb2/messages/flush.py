"""FLUSH: put what was written on stable storage (MS-SMB2 2.2.17, 2.2.18)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from filesvc.smb2.body import check_empty_body, unpack_fixed
from filesvc.smb2.file_id import FileId

FULL_SYNC = 0xFFFF
"""Reserved1 of a FLUSH that is to reach the disk's own medium (Apple's open SMBClient, kAAPL_SUPPORTS_FULL_SYNC)."""

_REQUEST = Struct("<HHIQQ")
_REQUEST_SIZE = 24
_RESPONSE_SIZE = 4
_RESPONSE_BODY = b"\x04\x00\x00\x00"


@dataclass(slots=True)
class FlushRequest:
    """
    Asks for the cached data of an open to be written (MS-SMB2 2.2.17). C{reserved1} is L{FULL_SYNC} if a Mac's C{F_FULLFSYNC} asks.
    """

    file_id: FileId
    reserved1: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> FlushRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, reserved1, _, persistent, volatile = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        return cls(FileId(persistent, volatile), reserved1)

    def encode(self) -> bytes:
        """The body."""
        return _REQUEST.pack(_REQUEST_SIZE, self.reserved1, 0, *self.file_id)


@dataclass(slots=True)
class FlushResponse:
    """It is written (MS-SMB2 2.2.18)."""

    @classmethod
    def parse(cls, message: memoryview) -> FlushResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_RESPONSE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE_BODY
