"""SESSION_SETUP: log on, or log on again (MS-SMB2 2.2.5, 2.2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HBBIIHHQ")
_REQUEST_SIZE = 25
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
MAX_REQUEST = _REQUEST_END + 0xFFFF
"""The longest message that a request can be: the length of its token has 16 bits."""
_RESPONSE = Struct("<HHHH")
_RESPONSE_SIZE = 9
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size


class SessionSetupFlags(IntFlag):
    """What a logon is for."""

    BINDING = 0x1
    """Bind another connection to a session that exists."""


class SessionFlags(IntFlag):
    """What kind of session it became."""

    IS_GUEST = 0x1
    IS_NULL = 0x2
    ENCRYPT_DATA = 0x4


@dataclass(slots=True)
class SessionSetupRequest:
    """
    One step of a logon (MS-SMB2 2.2.5).

    C{flags} are L{SessionSetupFlags}, C{security_mode} L{negotiate.SecurityMode}, C{capabilities} L{negotiate.Capabilities}.
    """

    security_buffer: Buffer
    flags: int = 0
    security_mode: int = 0
    capabilities: int = 0
    previous_session_id: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> SessionSetupRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, flags, security_mode, capabilities, _, offset, length, previous_session_id = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        security_buffer = variable_part(message, offset, length, _REQUEST_END)
        return cls(security_buffer, flags, security_mode, capabilities, previous_session_id)

    def encode(self) -> bytes:
        """The body."""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.flags,
            self.security_mode,
            self.capabilities,
            0,
            _REQUEST_END,
            len(self.security_buffer),
            self.previous_session_id,
        )
        return fixed + self.security_buffer


@dataclass(slots=True)
class SessionSetupResponse:
    """The answer to one step of a logon (MS-SMB2 2.2.6). C{session_flags} are L{SessionFlags}."""

    security_buffer: Buffer
    session_flags: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> SessionSetupResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, session_flags, offset, length = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(variable_part(message, offset, length, _RESPONSE_END), session_flags)

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, self.session_flags, _RESPONSE_END, len(self.security_buffer)) + self.security_buffer
