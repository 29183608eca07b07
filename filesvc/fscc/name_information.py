"""File information classes that hold names: a file's own, its streams', the one to rename it to, and FileAllInformation (MS-FSCC 2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Self

from filesvc.dtyp.structure import chain_entries, section, split_entries, unpack
from filesvc.dtyp.unicode import decode_name, encode_name
from filesvc.fscc.file_information import (
    FileAccessInformation,
    FileAlignmentInformation,
    FileBasicInformation,
    FileEaInformation,
    FileInternalInformation,
    FileModeInformation,
    FilePositionInformation,
    FileStandardInformation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME_LENGTH = Struct("<I")
_STREAM = Struct("<4xIqq")
_RENAME = Struct("<?7xQI")
_RENAME_EX = Struct("<I4xQI")


class RenameFlags(IntFlag):
    """How L{FileRenameInformationEx} renames and L{FileLinkInformationEx} links."""

    REPLACE_IF_EXISTS = 0x1
    POSIX_SEMANTICS = 0x2
    SUPPRESS_PIN_STATE_INHERITANCE = 0x4
    SUPPRESS_STORAGE_RESERVE_INHERITANCE = 0x8
    NO_INCREASE_AVAILABLE_SPACE = 0x10
    NO_DECREASE_AVAILABLE_SPACE = 0x20
    IGNORE_READONLY_ATTRIBUTE = 0x40


@dataclass(slots=True)
class FileNameInformation:
    r"""A name. The base of all classes that are no more than that; as itself, the path below the share, with a C{\} in front."""

    MINIMUM_LENGTH: ClassVar[int] = 8

    file_name: str

    @classmethod
    def parse(cls, data: memoryview) -> Self:
        """
        The name in C{data}.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        (length,) = unpack(_NAME_LENGTH, data)
        return cls(decode_name(section(data, _NAME_LENGTH.size, length)))

    def encode(self) -> bytes:
        """Its bytes."""
        name = encode_name(self.file_name)
        return _NAME_LENGTH.pack(len(name)) + name


class FileAlternateNameInformation(FileNameInformation):
    """The 8.3 name."""

    __slots__ = ()


class FileNormalizedNameInformation(FileNameInformation):
    r"""The path below the share with every name as it is on disk, without a C{\} in front."""

    __slots__ = ()


class FileShortNameInformation(FileNameInformation):
    """The 8.3 name to give the file."""

    __slots__ = ()


@dataclass(slots=True)
class FileAllInformation:
    """What eight classes tell, and the name."""

    MINIMUM_LENGTH: ClassVar[int] = 104

    basic: FileBasicInformation
    standard: FileStandardInformation
    internal: FileInternalInformation
    ea: FileEaInformation
    access: FileAccessInformation
    position: FilePositionInformation
    mode: FileModeInformation
    alignment: FileAlignmentInformation
    name: FileNameInformation

    @classmethod
    def parse(cls, data: memoryview) -> FileAllInformation:
        """
        All that C{data} tells.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        return cls(
            FileBasicInformation.parse(data[:40]),
            FileStandardInformation.parse(data[40:64]),
            FileInternalInformation.parse(data[64:72]),
            FileEaInformation.parse(data[72:76]),
            FileAccessInformation.parse(data[76:80]),
            FilePositionInformation.parse(data[80:88]),
            FileModeInformation.parse(data[88:92]),
            FileAlignmentInformation.parse(data[92:96]),
            FileNameInformation.parse(data[96:]),
        )

    def encode(self) -> bytes:
        """Its bytes."""
        return b"".join(
            part.encode()
            for part in (
                self.basic,
                self.standard,
                self.internal,
                self.ea,
                self.access,
                self.position,
                self.mode,
                self.alignment,
                self.name,
            )
        )


@dataclass(slots=True)
class FileStreamInformation:
    """One stream of a file, by its full name: C{::$DATA} for the unnamed one, C{:name:$DATA} for others."""

    MINIMUM_LENGTH: ClassVar[int] = 32

    stream_name: str
    stream_size: int
    stream_allocation_size: int


def parse_streams(data: memoryview) -> list[FileStreamInformation]:
    """
    The streams in a FileStreamInformation buffer.

    @raise MalformedMessage: it holds no list of them.
    """
    streams = []
    for entry in split_entries(data):
        length, size, allocation = unpack(_STREAM, entry)
        streams.append(FileStreamInformation(decode_name(section(entry, _STREAM.size, length)), size, allocation))
    return streams


def encode_streams(streams: Iterable[FileStreamInformation]) -> bytes:
    """The FileStreamInformation buffer of streams; empty for none."""
    entries = []
    for stream in streams:
        name = encode_name(stream.stream_name)
        entries.append(_STREAM.pack(len(name), stream.stream_size, stream.stream_allocation_size) + name)
    return chain_entries(entries, 8)


@dataclass(slots=True)
class FileRenameInformation:
    """The name to give a file, from the share's root on, in the form that SMB2 uses (MS-FSCC, FileRenameInformation for SMB2)."""

    replace_if_exists: bool
    file_name: str
    root_directory: int = 0

    @classmethod
    def parse(cls, data: memoryview) -> Self:
        """
        The name in C{data}.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        replace, root, length = unpack(_RENAME, data)
        return cls(replace, decode_name(section(data, _RENAME.size, length)), root)

    def encode(self) -> bytes:
        """Its bytes."""
        name = encode_name(self.file_name)
        return _RENAME.pack(self.replace_if_exists, self.root_directory, len(name)) + name


class FileLinkInformation(FileRenameInformation):
    """One more name to give a file, as L{FileRenameInformation} has it."""

    __slots__ = ()


@dataclass(slots=True)
class FileRenameInformationEx:
    """The name to give a file. C{flags} are L{RenameFlags}."""

    flags: int
    file_name: str
    root_directory: int = 0

    @classmethod
    def parse(cls, data: memoryview) -> Self:
        """
        The name in C{data}.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        flags, root, length = unpack(_RENAME_EX, data)
        return cls(flags, decode_name(section(data, _RENAME_EX.size, length)), root)

    def encode(self) -> bytes:
        """Its bytes."""
        name = encode_name(self.file_name)
        return _RENAME_EX.pack(self.flags, self.root_directory, len(name)) + name


class FileLinkInformationEx(FileRenameInformationEx):
    """One more name to give a file, as L{FileRenameInformationEx} has it."""

    __slots__ = ()
