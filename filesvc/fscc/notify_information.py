"""FILE_NOTIFY_INFORMATION: a list of changes in a directory (MS-FSCC 2.7.1)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.unicode import decode_name, encode_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.dtyp.structure import Buffer

_ENTRY = Struct("<III")
_ALIGNMENT = 4


class NotifyAction(IntEnum):
    """What happened to a name."""

    ADDED = 1
    REMOVED = 2
    MODIFIED = 3
    RENAMED_OLD_NAME = 4
    RENAMED_NEW_NAME = 5
    ADDED_STREAM = 6
    REMOVED_STREAM = 7
    MODIFIED_STREAM = 8
    REMOVED_BY_DELETE = 9
    ID_NOT_TUNNELLED = 10
    TUNNELLED_ID_COLLISION = 11


class FileNotifyInformation(NamedTuple):
    r"""One change. C{action} is a L{NotifyAction}; C{file_name} starts at the watched directory, with C{\} between its names."""

    action: int
    file_name: str


def encode_notify_information(changes: Iterable[FileNotifyInformation]) -> bytes:
    """The list on the wire."""
    encoded = bytearray()
    last = 0
    for action, file_name in changes:
        encoded += bytes(-len(encoded) % _ALIGNMENT)
        if encoded:
            encoded[last : last + 4] = (len(encoded) - last).to_bytes(4, "little")
        last = len(encoded)
        name = encode_name(file_name)
        encoded += _ENTRY.pack(0, action, len(name)) + name
    return bytes(encoded)


def parse_notify_information(data: Buffer) -> list[FileNotifyInformation]:
    """
    The changes in a list; none in no bytes.

    @raise MalformedMessage: it is no list.
    """
    view = memoryview(data)
    changes = []
    while view:
        if len(view) < _ENTRY.size:
            raise MalformedMessage(f"a change of {len(view)} bytes")
        next_offset, action, length = _ENTRY.unpack_from(view)
        end = _ENTRY.size + length
        if end > (next_offset or len(view)) or next_offset > len(view) or next_offset % _ALIGNMENT:
            raise MalformedMessage(f"a change of {end} bytes, the next {next_offset} on, in {len(view)}")
        changes.append(FileNotifyInformation(action, decode_name(view[_ENTRY.size : end])))
        view = view[next_offset:] if next_offset else view[:0]
    return changes
