"""LOGOFF: end a session (MS-SMB2 2.2.7, 2.2.8)."""

from __future__ import annotations

from dataclasses import dataclass

from filesvc.smb2.body import check_empty_body

_STRUCTURE_SIZE = 4
_BODY = b"\x04\x00\x00\x00"


@dataclass(slots=True)
class LogoffRequest:
    """Ends the session that the header names (MS-SMB2 2.2.7)."""

    @classmethod
    def parse(cls, message: memoryview) -> LogoffRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_STRUCTURE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _BODY


@dataclass(slots=True)
class LogoffResponse:
    """The session is gone (MS-SMB2 2.2.8)."""

    @classmethod
    def parse(cls, message: memoryview) -> LogoffResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_STRUCTURE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _BODY
