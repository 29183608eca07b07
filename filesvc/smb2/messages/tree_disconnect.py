"""TREE_DISCONNECT: leave a share (MS-SMB2 2.2.11, 2.2.12)."""

from __future__ import annotations

from dataclasses import dataclass

from filesvc.smb2.body import check_empty_body

_STRUCTURE_SIZE = 4
_BODY = b"\x04\x00\x00\x00"


@dataclass(slots=True)
class TreeDisconnectRequest:
    """Ends the tree connect that the header names (MS-SMB2 2.2.11)."""

    @classmethod
    def parse(cls, message: memoryview) -> TreeDisconnectRequest:
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
class TreeDisconnectResponse:
    """The tree connect is gone (MS-SMB2 2.2.12)."""

    @classmethod
    def parse(cls, message: memoryview) -> TreeDisconnectResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_STRUCTURE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _BODY
