"""The fixed part that every message's body starts with, and the variable parts that its offsets point at (MS-SMB2 2.2)."""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Any

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.header import HEADER_LENGTH


def unpack_fixed(fixed: Struct, structure_size: int, message: memoryview) -> tuple[Any, ...]:
    """
    The fields of a body's fixed part, StructureSize first.

    @param fixed: the layout, which starts with StructureSize.
    @param structure_size: the value that StructureSize must have.
    @param message: a whole message, from its header on.
    @raise MalformedMessage: the message is too short, or StructureSize is another.
    """
    try:
        fields = fixed.unpack_from(message, HEADER_LENGTH)
    except StructError:
        raise MalformedMessage(f"a body of {len(message) - HEADER_LENGTH} bytes, where {fixed.size} are fixed") from None
    if fields[0] != structure_size:
        raise MalformedMessage(f"StructureSize is {fields[0]}, not {structure_size}")
    return fields


def check_empty_body(structure_size: int, message: memoryview) -> None:
    """
    Check a body that has no more than a StructureSize.

    @raise MalformedMessage: it hasn't.
    """
    unpack_fixed(_STRUCTURE_SIZE, structure_size, message)


_STRUCTURE_SIZE = Struct("<H")


def variable_part(message: memoryview, offset: int, length: int, fixed_end: int) -> memoryview:
    """
    The bytes that an offset and a length point at. The offset of an empty part means nothing, as clients send any.

    @param fixed_end: where the fixed part ends; a variable part starts there or behind.
    @raise MalformedMessage: they point into the fixed part, or behind the end.
    """
    if not length:
        return message[:0]
    if offset < fixed_end or offset + length > len(message):
        raise MalformedMessage(f"{length} bytes at {offset} are not between {fixed_end} and {len(message)}")
    return message[offset : offset + length]
