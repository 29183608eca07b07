"""The tokens in which client and server agree on a mechanism (RFC 4178 4.2, MS-SPNG 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from filesvc.auth import der
from filesvc.auth.errors import MalformedToken

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KERBEROS", "MS_KERBEROS", "NTLMSSP", "MalformedToken", "NegState", "NegTokenInit", "NegTokenResp", "negotiate_token", "parse"]

NTLMSSP = bytes.fromhex("2b06010401823702020a")
"""1.3.6.1.4.1.311.2.2.10. Object identifiers are the content of their encoding here."""

KERBEROS = bytes.fromhex("2a864886f712010202")
"""1.2.840.113554.1.2.2."""

MS_KERBEROS = bytes.fromhex("2a864882f712010202")
"""1.2.840.48018.1.2.2, the same mechanism: an early Windows cut a number to 16 bits, and all since then offer this one first."""

_SPNEGO = bytes.fromhex("2b0601050502")
"""1.3.6.1.5.5.2."""

_HINT_NAME = b"not_defined_in_RFC4178@please_ignore"


class NegState(IntEnum):
    """Where a negotiation stands."""

    ACCEPT_COMPLETED = 0
    ACCEPT_INCOMPLETE = 1
    REJECT = 2
    REQUEST_MIC = 3


@dataclass(slots=True)
class NegTokenInit:
    """
    A client's first token (RFC 4178 4.2.1).

    @ivar mech_types: mechanisms the client can do, the one it likes most first.
    @ivar mech_list: the same as they were encoded, for the mechListMIC.
    @ivar mech_token: the first token of the first mechanism.
    """

    mech_types: list[bytes]
    mech_list: bytes
    mech_token: bytes | None


@dataclass(slots=True)
class NegTokenResp:
    """Every other token, of both sides (RFC 4178 4.2.2)."""

    state: int | None = None
    supported_mech: bytes | None = None
    response_token: bytes | None = None
    mech_list_mic: bytes | None = None

    def encode(self) -> bytes:
        """Its bytes."""
        fields = []
        if self.state is not None:
            fields.append(der.encode(der.context(0), der.encode(der.ENUMERATED, bytes((self.state,)))))
        if self.supported_mech is not None:
            fields.append(der.encode(der.context(1), der.encode(der.OBJECT_IDENTIFIER, self.supported_mech)))
        if self.response_token is not None:
            fields.append(der.encode(der.context(2), der.encode(der.OCTET_STRING, self.response_token)))
        if self.mech_list_mic is not None:
            fields.append(der.encode(der.context(3), der.encode(der.OCTET_STRING, self.mech_list_mic)))
        return der.encode(der.context(1), der.encode(der.SEQUENCE, *fields))


def negotiate_token(mech_types: Sequence[bytes]) -> bytes:
    """The NegTokenInit2 in which a server offers mechanisms before the client has said anything (MS-SPNG 2.2.1)."""
    mech_list = der.encode(der.SEQUENCE, *(der.encode(der.OBJECT_IDENTIFIER, oid) for oid in mech_types))
    hints = der.encode(der.SEQUENCE, der.encode(der.context(0), der.encode(der.GENERAL_STRING, _HINT_NAME)))
    init = der.encode(der.SEQUENCE, der.encode(der.context(0), mech_list), der.encode(der.context(3), hints))
    return der.encode(der.APPLICATION, der.encode(der.OBJECT_IDENTIFIER, _SPNEGO), der.encode(der.context(0), init))


def parse(token: bytes) -> NegTokenInit | NegTokenResp:
    """
    Read a client's token.

    @raise MalformedToken: it is none.
    """
    tag, content, _ = der.read(token)
    if tag == der.APPLICATION:
        tag, mechanism, rest = der.read(content)
        if (tag, mechanism) != (der.OBJECT_IDENTIFIER, _SPNEGO):
            raise MalformedToken("this token is for another mechanism than SPNEGO")
        tag, content, _ = der.read(rest)
    if tag == der.context(0):
        return _parse_init(_fields(content))
    if tag == der.context(1):
        return _parse_resp(_fields(content))
    raise MalformedToken(f"tag {tag:#x} is no SPNEGO token")


def _fields(content: bytes) -> dict[int, bytes]:
    return dict(der.elements(der.expect(der.SEQUENCE, content)))


def _parse_init(fields: dict[int, bytes]) -> NegTokenInit:
    mech_list = fields.get(der.context(0))
    if mech_list is None:
        raise MalformedToken("a NegTokenInit without mechTypes")
    mechanisms = der.elements(der.expect(der.SEQUENCE, mech_list))
    if any(tag != der.OBJECT_IDENTIFIER for tag, _ in mechanisms):
        raise MalformedToken("mechTypes that are no object identifiers")
    return NegTokenInit([oid for _, oid in mechanisms], mech_list, _content(fields, 2, der.OCTET_STRING))


def _parse_resp(fields: dict[int, bytes]) -> NegTokenResp:
    state = _content(fields, 0, der.ENUMERATED)
    return NegTokenResp(
        None if state is None else int.from_bytes(state, "big"),
        _content(fields, 1, der.OBJECT_IDENTIFIER),
        _content(fields, 2, der.OCTET_STRING),
        _content(fields, 3, der.OCTET_STRING),
    )


def _content(fields: dict[int, bytes], number: int, tag: int) -> bytes | None:
    field = fields.get(der.context(number))
    return None if field is None else der.expect(tag, field)
