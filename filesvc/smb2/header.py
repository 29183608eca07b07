"""The header that every SMB2 message starts with (MS-SMB2 2.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct

from filesvc.dtyp.errors import MalformedMessage

HEADER_LENGTH = 64
SIGNATURE_OFFSET = 48

_HEADER = Struct("<IHHIHHIIQIIQ16s")
_PROTOCOL_ID = int.from_bytes(b"\xfeSMB", "little")
_ASYNC_COMMAND = 0x2


class Command(IntEnum):
    """What a message asks for or answers."""

    NEGOTIATE = 0
    SESSION_SETUP = 1
    LOGOFF = 2
    TREE_CONNECT = 3
    TREE_DISCONNECT = 4
    CREATE = 5
    CLOSE = 6
    FLUSH = 7
    READ = 8
    WRITE = 9
    LOCK = 10
    IOCTL = 11
    CANCEL = 12
    ECHO = 13
    QUERY_DIRECTORY = 14
    CHANGE_NOTIFY = 15
    QUERY_INFO = 16
    SET_INFO = 17
    OPLOCK_BREAK = 18


class HeaderFlags(IntFlag):
    """How a message is to be processed."""

    SERVER_TO_REDIR = 0x1
    ASYNC_COMMAND = _ASYNC_COMMAND
    RELATED_OPERATIONS = 0x4
    SIGNED = 0x8
    PRIORITY_MASK = 0x70
    DFS_OPERATIONS = 0x10000000
    REPLAY_OPERATION = 0x20000000


@dataclass(slots=True)
class Header:
    """
    The first 64 bytes of a message (MS-SMB2 2.2.1.1, 2.2.1.2).

    C{credits} is what a request asks for and a response grants. With C{ASYNC_COMMAND} in C{flags} the wire holds C{async_id} in the place
    of C{process_id} and C{tree_id}.
    """

    command: int
    message_id: int
    status: int = 0
    credit_charge: int = 0
    credits: int = 0
    flags: int = 0
    next_command: int = 0
    process_id: int = 0xFEFF
    tree_id: int = 0
    session_id: int = 0
    async_id: int = 0
    signature: bytes = bytes(16)

    @property
    def channel_sequence(self) -> int:
        """The sequence number of the channel, which 3.x requests hold where responses have the status."""
        return self.status & 0xFFFF

    @classmethod
    def parse(cls, message: memoryview) -> Header:
        """
        The header that a message starts with.

        @raise MalformedMessage: it is too short, or does not start as an SMB2 message.
        """
        if len(message) < HEADER_LENGTH:
            raise MalformedMessage(f"a message of {len(message)} bytes has no whole header")
        (
            protocol_id,
            structure_size,
            credit_charge,
            status,
            command,
            credits,
            flags,
            next_command,
            message_id,
            process_id,
            tree_id,
            session_id,
            signature,
        ) = _HEADER.unpack_from(message)
        if protocol_id != _PROTOCOL_ID or structure_size != HEADER_LENGTH:
            raise MalformedMessage(f"ProtocolId {protocol_id:#010x} and StructureSize {structure_size} start no SMB2 message")
        async_id = 0
        if flags & _ASYNC_COMMAND:
            async_id = tree_id << 32 | process_id
            process_id = tree_id = 0
        return cls(
            command,
            message_id,
            status,
            credit_charge,
            credits,
            flags,
            next_command,
            process_id,
            tree_id,
            session_id,
            async_id,
            signature,
        )

    def encode(self) -> bytes:
        """Its 64 bytes."""
        if self.flags & _ASYNC_COMMAND:
            low, high = self.async_id & 0xFFFFFFFF, self.async_id >> 32
        else:
            low, high = self.process_id, self.tree_id
        return _HEADER.pack(
            _PROTOCOL_ID,
            HEADER_LENGTH,
            self.credit_charge,
            self.status,
            self.command,
            self.credits,
            self.flags,
            self.next_command,
            self.message_id,
            low,
            high,
            self.session_id,
            self.signature,
        )
