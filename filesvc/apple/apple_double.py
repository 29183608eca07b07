"""
AppleDouble (RFC 1740): the header file in which systems without streams keep a Mac file's FinderInfo, resource fork and attributes.

It is a file C{._name} beside C{name}, or, as Netatalk has it, without a resource fork the value of an extended attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import section, unpack

PREFIX: Final = "._"
"""What a header file's name has before that of its file."""
MAX_HEAD: Final = 128 << 10
"""Bytes of a header file that are read to find what is in it, but for the resource fork: attributes of a Mac's have a limit of 128 KiB."""

_HEADER = Struct(">II16xH")
_ENTRY = Struct(">III")
_MAGIC = 0x00051607
_VERSION = 0x00020000
_MAX_ENTRIES = 32
_RESOURCE_FORK = 2
_FINDER_INFO = 9
_FINDER_INFO_SIZE = 32

_ATTRIBUTES = Struct(">2x4s4xIII12xHH")
_ATTRIBUTE = Struct(">IIHB")
_ATTRIBUTES_MAGIC = b"ATTR"
_MAX_ATTRIBUTES = 1024
_ALIGNMENT = 4

_BLANK: Final = b"This resource fork intentionally left blank"
_BLANK_SIZE = 286
"""Bytes of the resource fork that Macs write where there is none."""


@dataclass(slots=True)
class AppleDouble:
    """
    What a header file says. C{resource_fork} is its offset and length in the file, in bytes; the attributes are Mac's extended ones.
    """

    finder_info: bytes = bytes(_FINDER_INFO_SIZE)
    attributes: dict[str, bytes] = field(default_factory=dict)
    resource_fork: tuple[int, int] = (0, 0)

    @classmethod
    def parse(cls, head: memoryview, size: int) -> AppleDouble:
        """
        The header file that begins so.

        @param head: its first L{MAX_HEAD} bytes, or all of it.
        @param size: how long it is, in bytes.
        @raise MalformedMessage: it is none.
        """
        magic, version, count = unpack(_HEADER, head)
        if magic != _MAGIC or version != _VERSION or count > _MAX_ENTRIES:
            raise MalformedMessage("no AppleDouble of version 2")
        double = cls()
        for index in range(count):
            entry, offset, length = unpack(_ENTRY, head, _HEADER.size + index * _ENTRY.size)
            if offset + length > size:
                raise MalformedMessage(f"an entry of {length} bytes at {offset} in {size}")
            if entry == _RESOURCE_FORK:
                double.resource_fork = offset, length
            elif entry == _FINDER_INFO and length >= _FINDER_INFO_SIZE:
                double.finder_info = bytes(section(head, offset, _FINDER_INFO_SIZE))
                double.attributes = _parse_attributes(head, offset + _FINDER_INFO_SIZE, length - _FINDER_INFO_SIZE)
        if _is_blank(head, *double.resource_fork):
            double.resource_fork = (0, 0)
        return double


def _is_blank(head: memoryview, offset: int, length: int) -> bool:
    return length == _BLANK_SIZE and _BLANK in bytes(head[offset : offset + length])


def _parse_attributes(head: memoryview, start: int, length: int) -> dict[str, bytes]:
    """The attributes behind the FinderInfo (xnu's C{attr_header}); offsets in them are from the file's start."""
    if length < _ATTRIBUTES.size:
        return {}
    magic, _, _, _, _, count = unpack(_ATTRIBUTES, head, start)
    if magic != _ATTRIBUTES_MAGIC:
        return {}
    if count > _MAX_ATTRIBUTES:
        raise MalformedMessage(f"{count} attributes")
    found = {}
    at = start + _ATTRIBUTES.size
    for _ in range(count):
        offset, size, _, name_length = unpack(_ATTRIBUTE, head, at)
        name = bytes(section(head, at + _ATTRIBUTE.size, name_length)).partition(b"\0")[0]
        try:
            found[name.decode()] = bytes(section(head, offset, size))
        except UnicodeDecodeError:
            raise MalformedMessage("an attribute's name that is no UTF-8") from None
        at += -(-(_ATTRIBUTE.size + name_length) // _ALIGNMENT) * _ALIGNMENT
    return found
