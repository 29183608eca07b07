"""What comes before SMB on NetBIOS's session service: the request for a session, and its answer (RFC 1002 4.3.2, 4.3.3)."""

from __future__ import annotations

from struct import Struct
from typing import Final

_HEADER = Struct(">BBH")
_SESSION_REQUEST = 0x81
_LONGEST = 512
"""Two names of up to 255 bytes, and their ends."""

POSITIVE_SESSION_RESPONSE: Final = _HEADER.pack(0x82, 0, 0)


def session_request_length(data: bytes | memoryview) -> int | None:
    """
    The bytes of the session request that data begins with, its header included; C{None} if it does not.

    @param data: at least the four bytes of a header.
    """
    kind, flags, length = _HEADER.unpack_from(data)
    return _HEADER.size + length if kind == _SESSION_REQUEST and not flags and length <= _LONGEST else None
