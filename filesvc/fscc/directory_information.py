"""Directory information classes (MS-FSCC 2.4), for QUERY_DIRECTORY. Times are FILETIMEs, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import section, split_entries, unpack
from filesvc.dtyp.unicode import decode_name, encode_name
from filesvc.fscc.file_information import FileInformationClass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NEXT_ENTRY_OFFSET = Struct("<I")
_MAC = Struct("<Q16s")
_ALIGNMENT = 8


@dataclass(slots=True)
class DirectoryEntry:
    """
    One name in a directory. Of a field that the asked class has no place for, only its default comes back from L{parse_directory}.

    C{file_id} has 128 bits, of which most classes hold the lower 64. C{short_name} has 12 characters at most.
    """

    file_name: str
    file_attributes: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    end_of_file: int = 0
    allocation_size: int = 0
    file_id: int = 0
    ea_size: int = 0
    reparse_tag: int = 0
    short_name: str = ""
    file_index: int = 0

    @property
    def ea_size_or_reparse_tag(self) -> int:
        """What the one field holds that most classes have for both."""
        return self.reparse_tag or self.ea_size

    @property
    def file_id_low(self) -> int:
        """The lower 64 bits of C{file_id}."""
        return self.file_id & 0xFFFFFFFFFFFFFFFF

    @property
    def file_id_high(self) -> int:
        """The upper 64 bits of C{file_id}."""
        return self.file_id >> 64

    @property
    def short_name_bytes(self) -> bytes:
        """C{short_name} on the wire."""
        return encode_name(self.short_name)

    @property
    def short_name_length(self) -> int:
        """The length of C{short_name} on the wire, in bytes."""
        return len(self.short_name_bytes) if not self.short_name.isascii() else 2 * len(self.short_name)


@dataclass(slots=True)
class MacDirectoryEntry(DirectoryEntry):
    """
    One name in a directory as Macs are told it, by the class ID_BOTH_DIRECTORY (SMBClient, ReadDirAttr).

    C{fork_length} and 16 bytes of C{finder_info} are in the place of the short name; C{ea_size} says what the user may do, and C{reserved2}
    what the mode is.
    """

    reserved2: int = 0
    fork_length: int = 0
    finder_info: bytes = bytes(16)

    @property
    def short_name_bytes(self) -> bytes:
        """What stands in its place."""
        return _MAC.pack(self.fork_length, self.finder_info)

    @property
    def short_name_length(self) -> int:
        """All of that."""
        return _MAC.size


def _getter(names: tuple[str, ...]) -> Callable[[DirectoryEntry], tuple[Any, ...]]:
    """What gives the values of attributes; L{attrgetter} does so for two or more."""
    return attrgetter(*names) if len(names) > 1 else lambda entry: tuple(getattr(entry, name) for name in names)


class _Layout:
    """The fixed part of a class: NextEntryOffset, C{head}, FileNameLength, C{tail}, where those are names of L{DirectoryEntry}'s."""

    __slots__ = ("fixed", "get_head", "get_tail", "head", "tail")

    def __init__(self, head_format: str, head: tuple[str, ...], tail_format: str = "", tail: tuple[str, ...] = ()) -> None:
        self.fixed = Struct(f"<I{head_format}I{tail_format}")
        self.head = head
        self.tail = tail
        self.get_head = _getter(head)
        self.get_tail = _getter(tail)


_HEAD_FORMAT = "IqqqqqqI"
_HEAD = (
    "file_index",
    "creation_time",
    "last_access_time",
    "last_write_time",
    "change_time",
    "end_of_file",
    "allocation_size",
    "file_attributes",
)
_SHORT_NAME = ("short_name_length", "short_name_bytes")
_EXTD = ("ea_size", "reparse_tag")
_FILE_ID_128 = ("file_id_low", "file_id_high")

_LAYOUTS = {
    FileInformationClass.DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD),
    FileInformationClass.FULL_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "I", ("ea_size_or_reparse_tag",)),
    FileInformationClass.BOTH_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "IBx24s", ("ea_size_or_reparse_tag", *_SHORT_NAME)),
    FileInformationClass.NAMES: _Layout("I", ("file_index",)),
    FileInformationClass.ID_BOTH_DIRECTORY: _Layout(
        _HEAD_FORMAT, _HEAD, "IBx24s2xQ", ("ea_size_or_reparse_tag", *_SHORT_NAME, "file_id_low")
    ),
    FileInformationClass.ID_FULL_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "I4xQ", ("ea_size_or_reparse_tag", "file_id_low")),
    FileInformationClass.ID_EXTD_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "IIQQ", (*_EXTD, *_FILE_ID_128)),
    FileInformationClass.ID_EXTD_BOTH_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "IIQQBx24s", (*_EXTD, *_FILE_ID_128, *_SHORT_NAME)),
    FileInformationClass.ID_64_EXTD_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "IIQ", (*_EXTD, "file_id_low")),
    FileInformationClass.ID_64_EXTD_BOTH_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "IIQBx24s", (*_EXTD, "file_id_low", *_SHORT_NAME)),
    FileInformationClass.ID_ALL_EXTD_DIRECTORY: _Layout(_HEAD_FORMAT, _HEAD, "IIQQQ", (*_EXTD, "file_id_low", *_FILE_ID_128)),
    FileInformationClass.ID_ALL_EXTD_BOTH_DIRECTORY: _Layout(
        _HEAD_FORMAT, _HEAD, "IIQQQBx24s", (*_EXTD, "file_id_low", *_FILE_ID_128, *_SHORT_NAME)
    ),
}

_FOR_MACS = _Layout(_HEAD_FORMAT, _HEAD, "IBx24sHQ", ("ea_size_or_reparse_tag", *_SHORT_NAME, "reserved2", "file_id_low"))
"""ID_BOTH_DIRECTORY with a use for its Reserved2."""

DIRECTORY_MINIMUM_LENGTH: Mapping[int, int] = MappingProxyType({number: layout.fixed.size for number, layout in _LAYOUTS.items()})
"""The directory information classes there are, and the shortest buffer in bytes that each can use: an entry without its name."""


class DirectoryEncoder:
    """Encodes entries into one buffer for as long as they fit."""

    def __init__(self, information_class: int, limit: int, for_macs: bool = False) -> None:
        """
        @param information_class: one of L{DIRECTORY_MINIMUM_LENGTH}.
        @param limit: the longest buffer to make, in bytes.
        @param for_macs: the entries are each a L{MacDirectoryEntry}.
        """
        layout = _FOR_MACS if for_macs else _LAYOUTS[FileInformationClass(information_class)]
        self._pack = layout.fixed.pack
        self._fixed_length = layout.fixed.size
        self._get_head = layout.get_head
        self._get_tail = layout.get_tail
        self._limit = limit
        self._buffer = bytearray()
        self._last = 0

    @property
    def room(self) -> int:
        """Bytes that are left, without the padding before the next entry."""
        return self._limit - len(self._buffer)

    @property
    def empty(self) -> bool:
        """Whether nothing has been added."""
        return not self._buffer

    def add(self, entry: DirectoryEntry) -> bool:
        """Add an entry, or say with C{False} that it does not fit any more and leave the buffer as it is."""
        buffer = self._buffer
        name = encode_name(entry.file_name)
        padding = -len(buffer) % _ALIGNMENT
        start = len(buffer) + padding
        if start + self._fixed_length + len(name) > self._limit:
            return False
        if buffer:
            _NEXT_ENTRY_OFFSET.pack_into(buffer, self._last, start - self._last)
            buffer += bytes(padding)
        buffer += self._pack(0, *self._get_head(entry), len(name), *self._get_tail(entry))
        buffer += name
        self._last = start
        return True

    def finish(self) -> bytearray:
        """The buffer, empty if nothing was added. Nothing can be added after it."""
        return self._buffer


def parse_directory(information_class: int, data: memoryview) -> list[DirectoryEntry]:
    """
    The entries in a buffer.

    @param information_class: one of L{DIRECTORY_MINIMUM_LENGTH}.
    @raise MalformedMessage: it holds no list of them.
    """
    layout = _LAYOUTS[FileInformationClass(information_class)]
    return [_parse_entry(layout, entry) for entry in split_entries(data)]


def _parse_entry(layout: _Layout, entry: memoryview) -> DirectoryEntry:
    _, *values = unpack(layout.fixed, entry)
    name_length = values.pop(len(layout.head))
    fields = dict(zip(layout.head + layout.tail, values, strict=True))
    short_name = fields.pop("short_name_bytes", b"")
    short_name_length = fields.pop("short_name_length", 0)
    if short_name_length > len(short_name):
        raise MalformedMessage(f"a short name of {short_name_length} bytes")
    return DirectoryEntry(
        decode_name(section(entry, layout.fixed.size, name_length)),
        file_id=fields.pop("file_id_low", 0) | fields.pop("file_id_high", 0) << 64,
        ea_size=fields.pop("ea_size_or_reparse_tag", 0) or fields.pop("ea_size", 0),
        short_name=decode_name(short_name[:short_name_length]),
        **fields,
    )
