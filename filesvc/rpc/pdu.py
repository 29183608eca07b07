"""The protocol data units of connection-oriented RPC (C706 chapter 12, MS-RPCE 2.2.2), as a server reads and writes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING
from uuid import UUID

from filesvc.rpc.errors import FaultStatus, MalformedRpc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADER_LENGTH = 16
AUTH_TRAILER_LENGTH = 8
RESPONSE_HEADER_LENGTH = 24

_ACK = struct.Struct("<HHIH")
_RESULT_COUNT = struct.Struct("<Bxxx")
_RESULT = struct.Struct("<HH")
_NAK = struct.Struct("<HBBB")
_RESPONSE = struct.Struct("<IHBx")
_FAULT = struct.Struct("<IHBxII")

_ORDERS = {0x10: "<", 0x00: ">"}
"""How integers are written, by the first octet of the data representation: the sender's own way (C706 14.1). Only ASCII is taken."""
_HEADERS = {order: struct.Struct(order + "BBBB4sHHI") for order in "<>"}
_AUTH_TRAILERS = {order: struct.Struct(order + "BBBxI") for order in "<>"}
_BINDS = {order: struct.Struct(order + "HHIBxH") for order in "<>"}
_CONTEXTS = {order: struct.Struct(order + "HBx") for order in "<>"}
_SYNTAXES = {order: struct.Struct(order + "16sI") for order in "<>"}
_REQUESTS = {order: struct.Struct(order + "IHH") for order in "<>"}
_HEADER, _AUTH_TRAILER, _SYNTAX = _HEADERS["<"], _AUTH_TRAILERS["<"], _SYNTAXES["<"]

_VERSION = 5
_VERSION_MINOR = 0
_LITTLE_ENDIAN_ASCII_IEEE = b"\x10\0\0\0"
_UUID_LENGTH = 16
_REPRESENTATION = 4
"""Where the data representation stands in a header."""
_FRAG_LENGTH = 5
"""Which of the header's fields is frag_length."""


class PduType(IntEnum):
    """What a PDU is."""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESPONSE = 15
    AUTH3 = 16
    CO_CANCEL = 18
    ORPHANED = 19


class PduFlags(IntFlag):
    """C{pfc_flags}."""

    FIRST_FRAGMENT = 0x01
    LAST_FRAGMENT = 0x02
    SUPPORT_HEADER_SIGN = 0x04
    DID_NOT_EXECUTE = 0x20
    OBJECT_UUID = 0x80


WHOLE = PduFlags.FIRST_FRAGMENT | PduFlags.LAST_FRAGMENT


class AuthenticationType(IntEnum):
    """Whose tokens and signatures they are (MS-RPCE 2.2.1.1.7)."""

    SPNEGO = 9
    NTLM = 10


class AuthenticationLevel(IntEnum):
    """How far a PDU is protected (MS-RPCE 2.2.1.1.8)."""

    DEFAULT = 0
    NONE = 1
    CONNECT = 2
    CALL = 3
    PACKET = 4
    INTEGRITY = 5
    PRIVACY = 6


class ContextResult(IntEnum):
    """What became of a presentation context (C706 12.6.3.1, MS-RPCE 2.2.2.4)."""

    ACCEPTANCE = 0
    PROVIDER_REJECTION = 2
    NEGOTIATE_ACK = 3


class RejectionReason(IntEnum):
    """Why a presentation context was rejected."""

    NONE = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 1
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 2
    LOCAL_LIMIT_EXCEEDED = 3


class NakReason(IntEnum):
    """Why a bind was refused (C706 12.6.3.1, MS-RPCE 2.2.2.5)."""

    NOT_SPECIFIED = 0
    AUTHENTICATION_TYPE_NOT_RECOGNIZED = 8


@dataclass(slots=True, frozen=True)
class SyntaxId:
    """An interface or an encoding, with its version."""

    uuid: UUID
    major: int
    minor: int = 0

    def encode(self) -> bytes:
        """As C{p_syntax_id_t}."""
        return _SYNTAX.pack(self.uuid.bytes_le, self.minor << 16 | self.major)


NDR20 = SyntaxId(UUID("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2)
NO_SYNTAX = SyntaxId(UUID(int=0), 0)


@dataclass(slots=True, frozen=True)
class Verifier:
    """The end of a PDU that is authenticated: what there is of MS-RPCE 2.2.2.11, and the token or signature behind it."""

    type: int
    level: int
    padding: int
    context_id: int
    value: bytes


@dataclass(slots=True)
class Pdu:
    """
    One fragment: what all PDUs have in common, and the body behind it without any authentication verifier.

    @ivar order: how its integers are written, C{"<"} or C{">"}.
    @ivar fragment: all of it.
    """

    kind: int
    flags: int
    call_id: int
    body: memoryview
    fragment: bytes
    order: str = "<"
    verifier: Verifier | None = None

    @staticmethod
    def measure(data: bytes | bytearray) -> int | None:
        """
        The length of the fragment that C{data} starts with; C{None} if too little is there to tell.

        @raise MalformedRpc: C{data} starts no fragment.
        """
        if len(data) < HEADER_LENGTH:
            return None
        version, representation = data[0], data[_REPRESENTATION]
        if version != _VERSION:
            raise MalformedRpc(f"RPC version {version}")
        if representation not in _ORDERS:
            raise MalformedRpc(f"data representation {representation:#x}")
        length = _HEADERS[_ORDERS[representation]].unpack_from(data)[_FRAG_LENGTH]
        if length < HEADER_LENGTH:
            raise MalformedRpc(f"a fragment of {length} bytes")
        return int(length)

    @classmethod
    def parse(cls, fragment: bytes) -> Pdu:
        """
        Take apart one whole fragment, as long as L{measure} said.

        @raise MalformedRpc: its verifier does not fit.
        """
        order = _ORDERS[fragment[_REPRESENTATION]]
        _, _, kind, flags, _, _, auth_length, call_id = _HEADERS[order].unpack_from(fragment)
        body = memoryview(fragment)[HEADER_LENGTH:]
        if not auth_length:
            return cls(kind, flags, call_id, body, fragment, order)
        trailer = len(body) - auth_length - AUTH_TRAILER_LENGTH
        if trailer < 0:
            raise MalformedRpc(f"a verifier of {auth_length} bytes in a body of {len(body)}")
        type, level, padding, context_id = _AUTH_TRAILERS[order].unpack_from(body, trailer)
        if padding > trailer:
            raise MalformedRpc(f"{padding} bytes of padding in a body of {trailer}")
        verifier = Verifier(type, level, padding, context_id, bytes(body[trailer + AUTH_TRAILER_LENGTH :]))
        return cls(kind, flags, call_id, body[: trailer - padding], fragment, order, verifier)

    @property
    def authentication_level(self) -> int:
        """How far it says to be protected."""
        return AuthenticationLevel.NONE if self.verifier is None else self.verifier.level


def encode_pdu(kind: PduType, call_id: int, body: bytes, flags: int = WHOLE) -> bytes:
    """One fragment without a verifier."""
    length = HEADER_LENGTH + len(body)
    return _HEADER.pack(_VERSION, _VERSION_MINOR, kind, flags, _LITTLE_ENDIAN_ASCII_IEEE, length, 0, call_id) + body


def encode_head(kind: PduType, call_id: int, body_length: int, value_length: int, flags: int = WHOLE) -> bytes:
    """The header of a fragment whose body ends with a verifier of C{value_length}; C{body_length} does not count that."""
    length = HEADER_LENGTH + body_length + AUTH_TRAILER_LENGTH + value_length
    return _HEADER.pack(_VERSION, _VERSION_MINOR, kind, flags, _LITTLE_ENDIAN_ASCII_IEEE, length, value_length, call_id)


def encode_trailer(type: int, level: int, padding: int, context_id: int) -> bytes:
    """What stands before a token or signature (MS-RPCE 2.2.2.11)."""
    return _AUTH_TRAILER.pack(type, level, padding, context_id)


@dataclass(slots=True)
class PresentationContext:
    """An interface that a client wants to call, and the encodings it can use for that."""

    context_id: int
    abstract_syntax: SyntaxId
    transfer_syntaxes: list[SyntaxId]


def _uuid(raw: bytes, order: str) -> UUID:
    return UUID(bytes_le=raw) if order == "<" else UUID(bytes=raw)


@dataclass(slots=True)
class Bind:
    """The body of a bind or alter_context PDU (C706 12.6.4.3, 12.6.4.1)."""

    max_xmit_frag: int
    max_recv_frag: int
    assoc_group_id: int
    contexts: list[PresentationContext]

    @classmethod
    def parse(cls, pdu: Pdu) -> Bind:
        """
        Take apart a bind or alter_context.

        @raise MalformedRpc: it ends too early.
        """
        body, head, each = pdu.body, _CONTEXTS[pdu.order], _SYNTAXES[pdu.order]
        try:
            max_xmit_frag, max_recv_frag, assoc_group_id, count, _ = _BINDS[pdu.order].unpack_from(body)
            offset = _BINDS[pdu.order].size
            contexts = []
            for _ in range(count):
                context_id, transfers = head.unpack_from(body, offset)
                end = offset + head.size + (1 + transfers) * each.size
                syntaxes = [
                    SyntaxId(_uuid(raw, pdu.order), version & 0xFFFF, version >> 16)
                    for raw, version in each.iter_unpack(body[offset + head.size : end])
                ]
                if len(syntaxes) != 1 + transfers:
                    raise MalformedRpc(f"{transfers} transfer syntaxes announced, {len(syntaxes)} syntaxes there")
                contexts.append(PresentationContext(context_id, syntaxes[0], syntaxes[1:]))
                offset = end
        except struct.error as error:
            raise MalformedRpc(f"a bind of {len(body)} bytes: {error}") from error
        return cls(max_xmit_frag, max_recv_frag, assoc_group_id, contexts)


@dataclass(slots=True)
class ContextAnswer:
    """What a server says to one presentation context; C{reason} holds the agreed features if C{result} is C{NEGOTIATE_ACK}."""

    result: ContextResult
    reason: int = RejectionReason.NONE
    transfer_syntax: SyntaxId = NO_SYNTAX


@dataclass(slots=True)
class BindAck:
    """The body of a bind_ack or alter_context_response PDU (C706 12.6.4.4, 12.6.4.2)."""

    max_xmit_frag: int
    max_recv_frag: int
    assoc_group_id: int
    secondary_address: str
    answers: Sequence[ContextAnswer]

    def encode(self) -> bytes:
        """The body."""
        address = self.secondary_address.encode("ascii") + b"\0" if self.secondary_address else b""
        head = _ACK.pack(self.max_xmit_frag, self.max_recv_frag, self.assoc_group_id, len(address)) + address
        head += bytes(-len(head) % 4) + _RESULT_COUNT.pack(len(self.answers))
        return head + b"".join(_RESULT.pack(answer.result, answer.reason) + answer.transfer_syntax.encode() for answer in self.answers)


def encode_bind_nak(reason: NakReason) -> bytes:
    """The body of a bind_nak PDU (C706 12.6.4.5), with the one version spoken here."""
    return _NAK.pack(reason, 1, _VERSION, _VERSION_MINOR)


@dataclass(slots=True)
class Request:
    """The body of a request PDU (C706 12.6.4.9)."""

    context_id: int
    opnum: int
    stub: memoryview

    @classmethod
    def parse(cls, pdu: Pdu) -> Request:
        """
        Take apart a request.

        @raise MalformedRpc: it ends too early.
        """
        offset = request_head(pdu.flags)
        if len(pdu.body) < offset:
            raise MalformedRpc(f"a request of {len(pdu.body)} bytes")
        _, context_id, opnum = _REQUESTS[pdu.order].unpack_from(pdu.body)
        return cls(context_id, opnum, pdu.body[offset:])


def request_head(flags: int) -> int:
    """The bytes of a request's body that stand before its stub data."""
    return _REQUESTS["<"].size + (_UUID_LENGTH if flags & PduFlags.OBJECT_UUID else 0)


def split_response(context_id: int, stub: bytes, room: int) -> Iterator[tuple[PduFlags, bytes, bytes]]:
    """What carries C{stub} (C706 12.6.4.10): flags, the head of a body and the part of C{stub} behind it, of C{room} bytes at most."""
    for offset in range(0, len(stub) or 1, room):
        flags = PduFlags(0)
        if offset == 0:
            flags |= PduFlags.FIRST_FRAGMENT
        if offset + room >= len(stub):
            flags |= PduFlags.LAST_FRAGMENT
        yield flags, _RESPONSE.pack(len(stub) - offset, context_id, 0), stub[offset : offset + room]


def encode_response(call_id: int, context_id: int, stub: bytes, max_frag: int) -> list[bytes]:
    """The response PDUs that carry C{stub}, none longer than C{max_frag}, which leaves room for 8 bytes of stub."""
    room = (max_frag - RESPONSE_HEADER_LENGTH) & ~7
    return [encode_pdu(PduType.RESPONSE, call_id, head + part, flags) for flags, head, part in split_response(context_id, stub, room)]


def encode_fault(call_id: int, context_id: int, status: FaultStatus) -> bytes:
    """A fault PDU (C706 12.6.4.7) for a call that was not executed."""
    body = _FAULT.pack(0, context_id, 0, status, 0)
    return encode_pdu(PduType.FAULT, call_id, body, WHOLE | PduFlags.DID_NOT_EXECUTE)
