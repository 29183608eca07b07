"""
AFP_AfpInfo: the stream in which Macs, and Windows' Services for Macintosh before them, keep a file's FinderInfo (SMBClient's C{AfpInfo}).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from filesvc.dtyp.errors import MalformedMessage

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

SIZE: Final = 60
"""Bytes of an AfpInfo, always."""
FINDER_INFO_SIZE: Final = 32
NO_BACKUP: Final = 0x80000000
"""The time of the last backup of what never was backed up."""

_HEAD: Final = b"AFP\0\0\0\1\0"
_LAYOUT = Struct(">8sII32s6s6x")
_SHORTEST_HEAD = 3
_DATE_ADDED = slice(28, 32)
_EXTENDED_FLAGS = slice(24, 26)


@dataclass(slots=True)
class AfpInfo:
    """
    What a Mac's Finder knows of a file. C{finder_info} is 32 bytes: FileInfo and ExtendedFileInfo, or FolderInfo and ExtendedFolderInfo.
    """

    finder_info: bytes = bytes(FINDER_INFO_SIZE)
    backup_time: int = NO_BACKUP
    file_id: int = 0
    prodos_info: bytes = bytes(6)

    @classmethod
    def parse(cls, data: Buffer) -> AfpInfo:
        """
        The one in the 60 bytes that C{data} starts with.

        @raise MalformedMessage: they are fewer, or do not begin as an AfpInfo of version 1.0 does.
        """
        if len(data) < SIZE:
            raise MalformedMessage(f"an AfpInfo of {len(data)} bytes")
        head, file_id, backup_time, finder_info, prodos_info = _LAYOUT.unpack_from(data)
        if head != _HEAD:
            raise MalformedMessage("no AfpInfo of version 1.0")
        return cls(finder_info, backup_time, file_id, prodos_info)

    def encode(self) -> bytes:
        """The 60 bytes."""
        return _LAYOUT.pack(_HEAD, self.file_id, self.backup_time, self.finder_info, self.prodos_info)

    def __bool__(self) -> bool:
        """Whether it says anything: one without FinderInfo is as good as none."""
        return any(self.finder_info)

    def overlay(self, data: Buffer) -> AfpInfo:
        """
        The AfpInfo that writing C{data} over the start of this one makes. Bytes past the 60th are dropped.

        @raise MalformedMessage: C{data} does not begin as an AfpInfo does, or is too short to tell.
        """
        length = min(len(data), SIZE)
        head = bytes(data[: len(_HEAD)])
        if length < _SHORTEST_HEAD or head != _HEAD[: len(head)]:
            raise MalformedMessage(f"{length} bytes that no AfpInfo begins with")
        return AfpInfo.parse(bytes(data[:length]) + self.encode()[length:])


def listed_finder_info(finder_info: bytes, directory: bool) -> bytes:
    """
    The 16 bytes of it that listings have room for (SMBClient, ReadDirAttr): type and creator of a file, flags, extended flags, date added.
    """
    head = bytes(8) if directory else finder_info[:8]
    return head + finder_info[8:10] + finder_info[_EXTENDED_FLAGS] + finder_info[_DATE_ADDED]
