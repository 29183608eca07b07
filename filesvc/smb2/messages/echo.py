"""ECHO: is the peer still there (MS-SMB2 2.2.28, 2.2.29)."""

from __future__ import annotations

from dataclasses import dataclass

from filesvc.smb2.body import check_empty_body

_STRUCTURE_SIZE = 4
_BODY = b"\x04\x00\x00\x00"


@dataclass(slots=True)
class EchoRequest:
    """Asks for an answer (MS-SMB2 2.2.28)."""

    @classmethod
    def parse(cls, message: memoryview) -> EchoRequest:
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
class EchoResponse:
    """The answer (MS-SMB2 2.2.29)."""

    @classmethod
    def parse(cls, message: memoryview) -> EchoResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_STRUCTURE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _BODY
