"""CANCEL: give up waiting for a request (MS-SMB2 2.2.30)."""

from __future__ import annotations

from dataclasses import dataclass

from filesvc.smb2.body import check_empty_body

_STRUCTURE_SIZE = 4
_BODY = b"\x04\x00\x00\x00"


@dataclass(slots=True)
class CancelRequest:
    """Cancels the request that the header names, by its message id or its async id. Never answered (MS-SMB2 2.2.30)."""

    @classmethod
    def parse(cls, message: memoryview) -> CancelRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_STRUCTURE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _BODY
