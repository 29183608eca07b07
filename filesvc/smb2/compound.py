"""Compounds: several messages in one frame (MS-SMB2 3.2.4.1.4, 3.3.4.1.3, 3.3.5.2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ALIGNMENT = 8
_NEXT_COMMAND = slice(20, 24)


def split(frame: memoryview) -> Iterator[memoryview]:
    """
    The messages of a frame, in order, each with its padding: a signature covers that too. Each is looked for when it is asked for.

    @raise MalformedMessage: a message is shorter than a header, or NextCommand is not aligned or points out of the frame.
    """
    while True:
        if len(frame) < HEADER_LENGTH:
            raise MalformedMessage(f"a message of {len(frame)} bytes has no whole header")
        next_command = int.from_bytes(frame[_NEXT_COMMAND], "little")
        if not next_command:
            yield frame
            return
        if next_command % _ALIGNMENT or not HEADER_LENGTH <= next_command < len(frame):
            raise MalformedMessage(f"NextCommand {next_command} in {len(frame)} bytes")
        yield frame[:next_command]
        frame = frame[next_command:]


def chain(messages: Sequence[bytes | bytearray]) -> list[bytearray]:
    """
    The parts of a frame that holds these messages: each padded, with its NextCommand set, ready to be signed. One alone stays as it is.

    @param messages: whole ones, each from its header on.
    """
    parts = [bytearray(message) for message in messages]
    if len(parts) > 1:
        for part in parts:
            part.extend(bytes(-len(part) % _ALIGNMENT))
        for part in parts[:-1]:
            part[_NEXT_COMMAND] = len(part).to_bytes(4, "little")
    return parts
