"""Reparse points: REPARSE_DATA_BUFFER and what the tags of links and special files put into it (MS-FSCC 2.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import Buffer, section, unpack
from filesvc.dtyp.unicode import decode_name, encode_name

MAX_LENGTH: Final = 16384
"""The longest reparse data that a file system keeps (MS-FSCC 2.1.2.2)."""

_HEADER = Struct("<IHH")
_GUID_LENGTH = 16
_MICROSOFT = 0x80000000
_SYMBOLIC_LINK = Struct("<HHHHI")
_NFS_TYPE = Struct("<Q")
_NFS_DEVICE = Struct("<II")
_LX_VERSION = Struct("<I")
_LX_SYMLINK_VERSION = 2


class ReparseTag(IntEnum):
    """What a reparse point is (MS-FSCC 2.1.2.1); those that clients make of links and special files."""

    MOUNT_POINT = 0xA0000003
    SYMLINK = 0xA000000C
    NFS = 0x80000014
    LX_SYMLINK = 0xA000001D
    AF_UNIX = 0x80000023
    LX_FIFO = 0x80000024
    LX_CHR = 0x80000025
    LX_BLK = 0x80000026


class SymbolicLinkFlags(IntFlag):
    """How the substitute name of a link is meant (MS-FSCC 2.1.2.4)."""

    RELATIVE = 0x1


class NfsType(IntEnum):
    """What an NFS reparse point stands for (MS-FSCC 2.1.2.6): the letters of the name, in a 64-bit number."""

    LNK = 0x00000000014B4E4C
    CHR = 0x0000000000524843
    BLK = 0x00000000004B4C42
    FIFO = 0x000000004F464946
    SOCK = 0x000000004B434F53


@dataclass(slots=True, frozen=True)
class ReparseDataBuffer:
    """
    A reparse point on the wire: its tag, and the data that the tag gives a meaning to (MS-FSCC 2.1.2.2, 2.1.2.3).

    C{guid} is there if, and only if, the tag is not Microsoft's.
    """

    tag: int
    data: bytes = b""
    guid: bytes = b""

    @classmethod
    def parse(cls, buffer: Buffer) -> ReparseDataBuffer:
        """@raise MalformedMessage: it is shorter or longer than it says, or longer than may be."""
        tag, length, _ = unpack(_HEADER, buffer)
        head = _HEADER.size + (0 if tag & _MICROSOFT else _GUID_LENGTH)
        if len(buffer) != head + length or len(buffer) > MAX_LENGTH:
            raise MalformedMessage(f"a reparse point of {len(buffer)} bytes, {length} of them data")
        return cls(tag, bytes(buffer[head:]), bytes(buffer[_HEADER.size : head]))

    def encode(self) -> bytes:
        """The buffer."""
        return _HEADER.pack(self.tag, len(self.data), 0) + self.guid + self.data


@dataclass(slots=True, frozen=True)
class SymbolicLink:
    """
    The data of C{SYMLINK} (MS-FSCC 2.1.2.4).

    C{flags} are L{SymbolicLinkFlags}. A substitute name that is not relative is one of the object manager's, such as C{\\??\\C:\\x}.
    """

    substitute_name: str
    print_name: str
    flags: int = 0

    @classmethod
    def parse(cls, data: Buffer) -> SymbolicLink:
        """@raise MalformedMessage: the names are not inside the data."""
        view = memoryview(data)
        at, length, print_at, print_length, flags = unpack(_SYMBOLIC_LINK, view)
        names = view[_SYMBOLIC_LINK.size :]
        return cls(decode_name(section(names, at, length)), decode_name(section(names, print_at, print_length)), flags)

    def encode(self) -> bytes:
        """The data: both names, the one to show first."""
        substitute, shown = encode_name(self.substitute_name), encode_name(self.print_name)
        return _SYMBOLIC_LINK.pack(len(shown), len(substitute), 0, len(shown), self.flags) + shown + substitute


@dataclass(slots=True, frozen=True)
class NfsSpecialFile:
    """The data of C{NFS} (MS-FSCC 2.1.2.6). C{target} is a link's; C{major} and C{minor} are a device's. C{nfs_type} is an L{NfsType}."""

    nfs_type: int
    target: str = ""
    major: int = 0
    minor: int = 0

    @classmethod
    def parse(cls, data: Buffer) -> NfsSpecialFile:
        """@raise MalformedMessage: it is too short."""
        view = memoryview(data)
        (nfs_type,) = unpack(_NFS_TYPE, view)
        if nfs_type == NfsType.LNK:
            return cls(nfs_type, decode_name(view[_NFS_TYPE.size :]))
        if nfs_type in (NfsType.CHR, NfsType.BLK):
            return cls(nfs_type, "", *unpack(_NFS_DEVICE, view, _NFS_TYPE.size))
        return cls(nfs_type)

    def encode(self) -> bytes:
        """The data."""
        head = _NFS_TYPE.pack(self.nfs_type)
        if self.nfs_type == NfsType.LNK:
            return head + encode_name(self.target)
        if self.nfs_type in (NfsType.CHR, NfsType.BLK):
            return head + _NFS_DEVICE.pack(self.major, self.minor)
        return head


@dataclass(slots=True, frozen=True)
class LxSymlink:
    """The data of C{LX_SYMLINK}: a target in UTF-8, as the Windows Subsystem for Linux writes it and Linux clients do."""

    target: str

    @classmethod
    def parse(cls, data: Buffer) -> LxSymlink:
        """@raise MalformedMessage: it is of another version, or no UTF-8."""
        (version,) = unpack(_LX_VERSION, data)
        if version != _LX_SYMLINK_VERSION:
            raise MalformedMessage(f"an LX_SYMLINK of version {version}")
        try:
            return cls(bytes(data[_LX_VERSION.size :]).decode())
        except UnicodeDecodeError:
            raise MalformedMessage("an LX_SYMLINK whose target is no UTF-8") from None

    def encode(self) -> bytes:
        """The data."""
        return _LX_VERSION.pack(_LX_SYMLINK_VERSION) + self.target.encode()
