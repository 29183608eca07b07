"""FSCTL_VALIDATE_NEGOTIATE_INFO: a 3.0.x client makes sure that nobody changed the negotiation (MS-SMB2 2.2.31.4, 2.2.32.6)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from uuid import UUID

from filesvc.dtyp.structure import section, unpack

_REQUEST = Struct("<I16sHH")
_RESPONSE = Struct("<I16sHH")


@dataclass(slots=True)
class ValidateNegotiateInfoRequest:
    """What the client sent in its NEGOTIATE request, under a signature now."""

    capabilities: int
    guid: UUID
    security_mode: int
    dialects: tuple[int, ...]

    @classmethod
    def parse(cls, data: memoryview) -> ValidateNegotiateInfoRequest:
        """
        The request in C{data}.

        @raise MalformedMessage: C{data} is too short.
        """
        capabilities, guid, security_mode, count = unpack(_REQUEST, data)
        dialects = Struct(f"<{count}H").unpack(section(data, _REQUEST.size, 2 * count))
        return cls(capabilities, UUID(bytes_le=guid), security_mode, dialects)

    def encode(self) -> bytes:
        """Its bytes."""
        count = len(self.dialects)
        fixed = _REQUEST.pack(self.capabilities, self.guid.bytes_le, self.security_mode, count)
        return fixed + Struct(f"<{count}H").pack(*self.dialects)


@dataclass(slots=True)
class ValidateNegotiateInfoResponse:
    """What the server sent in its NEGOTIATE response, under a signature now."""

    capabilities: int
    guid: UUID
    security_mode: int
    dialect: int

    @classmethod
    def parse(cls, data: memoryview) -> ValidateNegotiateInfoResponse:
        """
        The response in C{data}.

        @raise MalformedMessage: C{data} is too short.
        """
        capabilities, guid, security_mode, dialect = unpack(_RESPONSE, data)
        return cls(capabilities, UUID(bytes_le=guid), security_mode, dialect)

    def encode(self) -> bytes:
        """Its bytes."""
        return _RESPONSE.pack(self.capabilities, self.guid.bytes_le, self.security_mode, self.dialect)
