"""Extended attributes: FILE_FULL_EA_INFORMATION and FILE_GET_EA_INFORMATION lists (MS-FSCC 2.4, FileFullEaInformation)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import chain_entries, section, split_entries, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

NEED_EA = 0x80
"""Flag: who does not understand this attribute must not interpret the file."""

_FULL_EA = Struct("<4xBBH")
_GET_EA = Struct("<4xB")
_ALIGNMENT = 4


@dataclass(slots=True)
class FullEa:
    """
    An extended attribute. An empty value, set, removes it.

    Names are bytes on the wire and have no encoding; here they are UTF-8, with C{surrogateescape} for what is not.
    """

    name: str
    value: bytes
    flags: int = 0


def parse_full_eas(data: memoryview) -> list[FullEa]:
    """
    The attributes in a buffer.

    @raise MalformedMessage: it holds no list of them.
    """
    attributes = []
    for entry in split_entries(data):
        flags, name_length, value_length = unpack(_FULL_EA, entry)
        name = _parse_name(entry, _FULL_EA.size, name_length)
        value = section(entry, _FULL_EA.size + name_length + 1, value_length)
        attributes.append(FullEa(name, bytes(value), flags))
    return attributes


def encode_full_eas(attributes: Iterable[FullEa]) -> bytes:
    """The buffer of attributes; empty for none."""
    entries = []
    for attribute in attributes:
        name = _encode_name(attribute.name)
        entries.append(_FULL_EA.pack(attribute.flags, len(name), len(attribute.value)) + name + b"\0" + attribute.value)
    return chain_entries(entries, _ALIGNMENT)


def full_eas_length(attributes: Iterable[FullEa]) -> int:
    """What C{EaSize} says in other classes: the length of the attributes' buffer, 0 for none."""
    return len(encode_full_eas(attributes))


def parse_get_eas(data: memoryview) -> list[str]:
    """
    The names of the attributes asked for.

    @raise MalformedMessage: C{data} holds no list of them.
    """
    names = []
    for entry in split_entries(data):
        (length,) = unpack(_GET_EA, entry)
        names.append(_parse_name(entry, _GET_EA.size, length))
    return names


def encode_get_eas(names: Iterable[str]) -> bytes:
    """The buffer that asks for the attributes of these names; empty for none."""
    encoded = map(_encode_name, names)
    return chain_entries((_GET_EA.pack(len(name)) + name + b"\0" for name in encoded), _ALIGNMENT)


def _parse_name(entry: memoryview, offset: int, length: int) -> str:
    name = bytes(section(entry, offset, length + 1))
    if name.find(0) != length:
        raise MalformedMessage(f"an attribute's name {name!r} does not end where its length says")
    return name[:-1].decode("utf-8", "surrogateescape")


def _encode_name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
