"""The prefix that says how long a message on a stream is (direct TCP, MS-SMB2 2.1)."""

from __future__ import annotations

from filesvc.dtyp.errors import MalformedMessage

PREFIX_LENGTH = 4
MAX_FRAME = 0xFFFFFF


def frame_prefix(length: int) -> bytes:
    """
    The four bytes before a frame of C{length} bytes.

    @raise ValueError: no prefix can say so much.
    """
    if length > MAX_FRAME:
        raise ValueError(f"a frame of {length} bytes, where {MAX_FRAME} is the most")
    return length.to_bytes(PREFIX_LENGTH, "big")


def parse_prefix(prefix: bytes | bytearray | memoryview) -> int:
    """
    The length of the frame behind a prefix.

    @raise MalformedMessage: there are not four bytes, or the first is not 0.
    """
    if len(prefix) != PREFIX_LENGTH or prefix[0]:
        raise MalformedMessage(f"{bytes(prefix).hex(' ')} is no frame's prefix")
    return int.from_bytes(prefix, "big")
