"""
What the SMB3 POSIX Extensions tell of files and volumes: information classes 100 of both.

Microsoft does not specify them; the facts are those of the draft, and of what Linux and Samba send.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from filesvc.dtyp.sid import Sid
from filesvc.dtyp.structure import FixedStructure, section, split_entries, unpack
from filesvc.dtyp.unicode import decode_name, encode_name

FILE_POSIX_INFORMATION: Final = 100
FILE_FS_POSIX_INFORMATION: Final = 100

_FILE = Struct("<qqqqqqIQI4x")
_OWNED = Struct("<III")
_HEAD = Struct("<II")
_NAME_LENGTH = Struct("<I")
_ALIGNMENT = 8
_TYPE_SHIFT = 12
_PERMISSIONS = 0o7777
FILE_MINIMUM_LENGTH: Final = _FILE.size + _OWNED.size + 16
DIRECTORY_MINIMUM_LENGTH: Final = _HEAD.size + FILE_MINIMUM_LENGTH + _NAME_LENGTH.size


class PosixType(IntEnum):
    """What a file is, in the bits of the mode above those of its permissions."""

    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2
    CHARACTER_DEVICE = 3
    BLOCK_DEVICE = 4
    FIFO = 5
    SOCKET = 6


def wire_mode(kind: PosixType, permissions: int) -> int:
    """The mode of a file of that kind."""
    return kind << _TYPE_SHIFT | permissions & _PERMISSIONS


@dataclass(slots=True, frozen=True)
class PosixOwnership:
    """What the create context of a response says of a file: its links, its tag if it is a reparse point, its mode, owner and group."""

    hard_links: int
    reparse_tag: int
    mode: int
    owner: Sid
    group: Sid

    @classmethod
    def parse(cls, data: memoryview) -> PosixOwnership:
        """@raise MalformedMessage: it ends too early."""
        links, tag, mode = unpack(_OWNED, data)
        owner = Sid.parse(data[_OWNED.size :])
        return cls(links, tag, mode, owner, Sid.parse(data[_OWNED.size + owner.encoded_length :]))

    def encode(self) -> bytes:
        """The data."""
        return _OWNED.pack(self.hard_links, self.reparse_tag, self.mode) + self.owner.encode() + self.group.encode()


@dataclass(slots=True, frozen=True)
class FilePosixInformation:
    """All that POSIX knows of a file. Times are FILETIMEs, sizes bytes; C{device} is that of the file system."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    end_of_file: int
    allocation_size: int
    file_attributes: int
    inode: int
    device: int
    ownership: PosixOwnership

    @classmethod
    def parse(cls, data: memoryview) -> FilePosixInformation:
        """@raise MalformedMessage: it ends too early."""
        created, accessed, written, changed, size, allocation, attributes, inode, device = unpack(_FILE, data)
        ownership = PosixOwnership.parse(data[_FILE.size :])
        return cls(created, accessed, written, changed, size, allocation, attributes, inode, device, ownership)

    def encode(self) -> bytes:
        """The buffer."""
        times = self.creation_time, self.last_access_time, self.last_write_time, self.change_time
        sizes = self.end_of_file, self.allocation_size
        return _FILE.pack(*times, *sizes, self.file_attributes, self.inode, self.device) + self.ownership.encode()


class PosixDirectoryEncoder:
    """Encodes entries of a directory into one buffer for as long as they fit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._last = 0

    @property
    def room(self) -> int:
        """The bytes that are left."""
        return self._limit - len(self._buffer)

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._buffer

    def add(self, name: str, information: FilePosixInformation) -> bool:
        """Add an entry, or say with C{False} that it does not fit any more and leave the buffer as it is."""
        encoded = encode_name(name)
        entry = _HEAD.pack(0, 0) + information.encode() + _NAME_LENGTH.pack(len(encoded)) + encoded
        start = len(self._buffer) + -len(self._buffer) % _ALIGNMENT
        if start + len(entry) > self._limit:
            return False
        if self._buffer:
            self._buffer[self._last : self._last + 4] = (start - self._last).to_bytes(4, "little")
            self._buffer += bytes(start - len(self._buffer))
        self._buffer += entry
        self._last = start
        return True

    def finish(self) -> bytearray:
        """The buffer."""
        return self._buffer


def parse_posix_directory(data: memoryview) -> list[tuple[str, FilePosixInformation]]:
    """
    The entries in a buffer.

    @raise MalformedMessage: it holds no list of them.
    """
    return list(map(_parse_entry, split_entries(data)))


def _parse_entry(entry: memoryview) -> tuple[str, FilePosixInformation]:
    information = FilePosixInformation.parse(entry[_HEAD.size :])
    ownership = information.ownership
    offset = _HEAD.size + _FILE.size + _OWNED.size + ownership.owner.encoded_length + ownership.group.encoded_length
    (length,) = unpack(_NAME_LENGTH, entry, offset)
    return decode_name(section(entry, offset + _NAME_LENGTH.size, length)), information


@dataclass(slots=True)
class FileFsPosixInformation(FixedStructure):
    """What C{statvfs} tells of a volume; all ones where it is not known."""

    LAYOUT = Struct("<IIQQQQQQ")

    optimal_transfer_size: int
    block_size: int
    total_blocks: int
    blocks_available: int
    user_blocks_available: int
    total_file_nodes: int
    free_file_nodes: int
    fs_identifier: int
