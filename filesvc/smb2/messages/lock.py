"""LOCK: byte-range locks (MS-SMB2 2.2.26, 2.2.27)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import NamedTuple

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.body import check_empty_body, unpack_fixed
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

_REQUEST = Struct("<HHIQQ")
_REQUEST_SIZE = 48
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_ELEMENT = Struct("<QQI4x")
_RESPONSE_SIZE = 4
_RESPONSE_BODY = b"\x04\x00\x00\x00"
_NUMBER_BITS = 4


class LockFlags(IntFlag):
    """What to do with a range."""

    SHARED_LOCK = 0x1
    EXCLUSIVE_LOCK = 0x2
    UNLOCK = 0x4
    FAIL_IMMEDIATELY = 0x10


class LockElement(NamedTuple):
    """A range to lock or unlock (MS-SMB2 2.2.26.1). C{flags} are L{LockFlags}."""

    offset: int
    length: int
    flags: int


@dataclass(slots=True)
class LockRequest:
    """
    Asks for ranges to be locked or unlocked (MS-SMB2 2.2.26).

    C{lock_sequence_number} (4 bits) and C{lock_sequence_index} (28 bits) name the request when it is replayed.
    """

    file_id: FileId
    locks: list[LockElement]
    lock_sequence_number: int = 0
    lock_sequence_index: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> LockRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, count, sequence, persistent, volatile = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        end = _REQUEST_END + count * _ELEMENT.size
        if end > len(message):
            raise MalformedMessage(f"{count} locks end at {end}, behind {len(message)}")
        locks = [LockElement(*element) for element in _ELEMENT.iter_unpack(message[_REQUEST_END:end])]
        return cls(FileId(persistent, volatile), locks, sequence & (1 << _NUMBER_BITS) - 1, sequence >> _NUMBER_BITS)

    def encode(self) -> bytes:
        """The body."""
        sequence = self.lock_sequence_index << _NUMBER_BITS | self.lock_sequence_number
        fixed = _REQUEST.pack(_REQUEST_SIZE, len(self.locks), sequence, *self.file_id)
        return fixed + b"".join(_ELEMENT.pack(*element) for element in self.locks)


@dataclass(slots=True)
class LockResponse:
    """It is done (MS-SMB2 2.2.27)."""

    @classmethod
    def parse(cls, message: memoryview) -> LockResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_RESPONSE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE_BODY
