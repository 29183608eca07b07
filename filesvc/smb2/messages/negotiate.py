"""NEGOTIATE: agree on a dialect and what goes with it (MS-SMB2 2.2.3, 2.2.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.contexts.negotiate_contexts import NegotiateContext, encode_negotiate_contexts, parse_negotiate_contexts
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HHHHI16sIHH")
_REQUEST_SIZE = 36
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_DIALECT = Struct("<H")
_RESPONSE = Struct("<HHHH16sIIIIQQHHI")
_RESPONSE_SIZE = 65
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size
_ALIGNMENT = 8

_NO_GUID = UUID(int=0)


class Dialect(IntEnum):
    """A revision of the protocol."""

    SMB_2_0_2 = 0x0202
    SMB_2_1 = 0x0210
    SMB_2_WILDCARD = 0x02FF
    """The answer to an SMB1 NEGOTIATE that offers C{SMB 2.???}: ask again, in SMB2."""
    SMB_3_0 = 0x0300
    SMB_3_0_2 = 0x0302
    SMB_3_1_1 = 0x0311


class SecurityMode(IntFlag):
    """Whether a side signs."""

    SIGNING_ENABLED = 0x1
    SIGNING_REQUIRED = 0x2


class Capabilities(IntFlag):
    """What a side can do."""

    DFS = 0x1
    LEASING = 0x2
    LARGE_MTU = 0x4
    MULTI_CHANNEL = 0x8
    PERSISTENT_HANDLES = 0x10
    DIRECTORY_LEASING = 0x20
    ENCRYPTION = 0x40
    NOTIFICATIONS = 0x80


@dataclass(slots=True)
class NegotiateRequest:
    """
    The dialects a client speaks (MS-SMB2 2.2.3).

    C{security_mode} is a L{SecurityMode}, C{capabilities} are L{Capabilities}. Only a client that offers 3.1.1 has C{negotiate_contexts}.
    """

    dialects: list[int]
    security_mode: int = 0
    capabilities: int = 0
    client_guid: UUID = _NO_GUID
    negotiate_contexts: list[NegotiateContext] = field(default_factory=list)

    @classmethod
    def parse(cls, message: memoryview) -> NegotiateRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, count, security_mode, _, capabilities, guid, contexts_offset, contexts_count, _ = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        end = _REQUEST_END + count * _DIALECT.size
        if end > len(message):
            raise MalformedMessage(f"{count} dialects end at {end}, behind {len(message)}")
        dialects = [dialect for (dialect,) in _DIALECT.iter_unpack(message[_REQUEST_END:end])]
        contexts: list[NegotiateContext] = []
        if Dialect.SMB_3_1_1 in dialects:
            contexts = _parse_contexts(message, contexts_offset, contexts_count, end)
        return cls(dialects, security_mode, capabilities, UUID(bytes_le=guid), contexts)

    def encode(self) -> bytes:
        """The body."""
        dialects = b"".join(map(_DIALECT.pack, self.dialects))
        contexts, offset = _encode_contexts(self.negotiate_contexts, _REQUEST_END + len(dialects))
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            len(self.dialects),
            self.security_mode,
            0,
            self.capabilities,
            self.client_guid.bytes_le,
            offset,
            len(self.negotiate_contexts),
            0,
        )
        return fixed + dialects + contexts


@dataclass(slots=True)
class NegotiateResponse:
    """
    The dialect the server chose, and its limits in bytes (MS-SMB2 2.2.4). Times are FILETIMEs.

    C{security_mode} is a L{SecurityMode}, C{capabilities} are L{Capabilities}. Only 3.1.1 has C{negotiate_contexts}.
    """

    dialect_revision: int
    security_mode: int
    server_guid: UUID
    capabilities: int
    max_transact_size: int
    max_read_size: int
    max_write_size: int
    system_time: int
    security_buffer: Buffer
    negotiate_contexts: list[NegotiateContext] = field(default_factory=list)
    server_start_time: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> NegotiateResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            security_mode,
            dialect_revision,
            contexts_count,
            guid,
            capabilities,
            max_transact_size,
            max_read_size,
            max_write_size,
            system_time,
            server_start_time,
            offset,
            length,
            contexts_offset,
        ) = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        contexts: list[NegotiateContext] = []
        if dialect_revision == Dialect.SMB_3_1_1:
            contexts = _parse_contexts(message, contexts_offset, contexts_count, _RESPONSE_END)
        return cls(
            dialect_revision,
            security_mode,
            UUID(bytes_le=guid),
            capabilities,
            max_transact_size,
            max_read_size,
            max_write_size,
            system_time,
            variable_part(message, offset, length, _RESPONSE_END),
            contexts,
            server_start_time,
        )

    def encode(self) -> bytes:
        """The body."""
        contexts, contexts_offset = _encode_contexts(self.negotiate_contexts, _RESPONSE_END + len(self.security_buffer))
        fixed = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.security_mode,
            self.dialect_revision,
            len(self.negotiate_contexts),
            self.server_guid.bytes_le,
            self.capabilities,
            self.max_transact_size,
            self.max_read_size,
            self.max_write_size,
            self.system_time,
            self.server_start_time,
            _RESPONSE_END,
            len(self.security_buffer),
            contexts_offset,
        )
        return b"".join((fixed, self.security_buffer, contexts))


def _parse_contexts(message: memoryview, offset: int, count: int, fixed_end: int) -> list[NegotiateContext]:
    if not count:
        return []
    if not fixed_end <= offset <= len(message) or offset % _ALIGNMENT:
        raise MalformedMessage(f"NegotiateContextOffset {offset} is not an aligned one between {fixed_end} and {len(message)}")
    return parse_negotiate_contexts(message[offset:], count)


def _encode_contexts(contexts: Sequence[NegotiateContext], end: int) -> tuple[bytes, int]:
    """The padding from C{end} to the first context with the contexts behind it, and where the first starts; 0 if there is none."""
    if not contexts:
        return b"", 0
    padding = bytes(-end % _ALIGNMENT)
    return padding + encode_negotiate_contexts(contexts), end + len(padding)
