"""
DOS attributes and creation time in the C{user.DOSATTRIB} extended attribute, as Samba keeps them.

The value is NDR: the attributes once more as hexadecimal text (empty since version 4), then a version and the structure of that version.
Very old files have the text alone. Versions 1 to 5 are read and 5 is written, as by Samba 4.17, so that both can serve one folder.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cache

from filesvc.interfaces import FileAttributes, Kind, SpecialType, Stat

XATTR = "user.DOSATTRIB"
REPARSE_XATTR = "user.SmbReparse"
"""Where Samba keeps the buffer of a file that clients made a reparse point."""

_HEADER = struct.Struct("<HH")
_HAS_ATTRIBUTES = 0x01
_HAS_CREATED = 0x10
_IS_SHOWN = 0x80000000
"""Samba knows of no such flag, ignores it, and forgets it when it sets an attribute itself."""

_INFO_1 = struct.Struct("<I20xQ")
_INFO_2 = struct.Struct("<4xI")
_INFO_3 = struct.Struct("<II20xQ")
_INFO_4 = struct.Struct("<II8xQ")
_INFO_5 = struct.Struct("<IIQ")

_EPOCH = 11_644_473_600 * 10_000_000
"""1970 in the 100 ns since 1601 of MS-DTYP's FILETIME."""

KEPT = int(
    FileAttributes.READONLY
    | FileAttributes.HIDDEN
    | FileAttributes.SYSTEM
    | FileAttributes.ARCHIVE
    | FileAttributes.TEMPORARY
    | FileAttributes.SPARSE_FILE
    | FileAttributes.OFFLINE
    | FileAttributes.NOT_CONTENT_INDEXED
)
"""The attributes that are a file's own choice. The others say what it is."""

_COMPRESSED = FileAttributes.COMPRESSED
_COMPRESSED_BIT = int(_COMPRESSED)
_HIDDEN = int(FileAttributes.HIDDEN)
_IMPLIED = FileAttributes.HIDDEN
_DIRECTORY = int(FileAttributes.DIRECTORY)
_NORMAL = int(FileAttributes.NORMAL)
_SPECIAL = int(FileAttributes.REPARSE_POINT)
_LINKED = _SPECIAL | _DIRECTORY
_SYMLINK = int(FileAttributes.REPARSE_POINT | FileAttributes.ARCHIVE)


@dataclass(slots=True)
class DosAttrib:
    """
    What the extended attribute says: C{attributes} within L{KEPT}, and when the file was created, in ns since 1970, if it says so.

    C{shown}: somebody wants to see the file though its name begins with a dot. C{reparse_point}: it is one, whose buffer is in
    L{REPARSE_XATTR}; C{directory}: clients think that it is a directory, too.
    """

    attributes: int
    created: int | None
    shown: bool = False
    reparse_point: bool = False
    directory: bool = False


def decode(value: bytes) -> DosAttrib | None:
    """
    Read the extended attribute's value; C{None} if it makes no sense, which Samba takes for absent as well.
    """
    text, _, rest = value.partition(b"\0")
    try:
        return _decode_info(value, len(text) + 1) if rest else _from_text(int(text, 16))
    except (struct.error, ValueError):
        return None


def _from_text(attributes: int) -> DosAttrib:
    return DosAttrib(attributes & KEPT, None, reparse_point=bool(attributes & _SPECIAL))


def _decode_info(value: bytes, offset: int) -> DosAttrib | None:
    offset += offset & 1
    version, switch = _HEADER.unpack_from(value, offset)
    offset += _HEADER.size
    offset += -offset & 3
    flags, time = _HAS_CREATED, 0
    match version:
        case 1:
            attributes, time = _INFO_1.unpack_from(value, offset)
        case 2:
            (attributes,) = _INFO_2.unpack_from(value, offset)
        case 3:
            flags, attributes, time = _INFO_3.unpack_from(value, offset)
        case 4:
            flags, attributes, time = _INFO_4.unpack_from(value, offset)
        case 5:
            flags, attributes, time = _INFO_5.unpack_from(value, offset)
        case _:
            return None
    if switch != version:
        return None
    created = (time - _EPOCH) * 100 if flags & _HAS_CREATED and time else None
    return DosAttrib(attributes & KEPT, created, bool(flags & _IS_SHOWN), bool(attributes & _SPECIAL), attributes & _LINKED == _LINKED)


def encode(dosattrib: DosAttrib) -> bytes:
    """
    The value to store, in version 5. The creation time is cut to 100 ns.
    """
    flags, time = _HAS_ATTRIBUTES, 0
    attributes = dosattrib.attributes & KEPT
    if dosattrib.reparse_point:
        attributes |= _LINKED if dosattrib.directory else _SPECIAL
    if dosattrib.shown:
        flags |= _IS_SHOWN
    if dosattrib.created is not None:
        flags |= _HAS_CREATED
        time = dosattrib.created // 100 + _EPOCH
    return b"\0\0" + _HEADER.pack(5, 5) + b"\0\0" + _INFO_5.pack(flags, attributes, max(time, 0))


_attributes = cache(FileAttributes)


def describe(stat: Stat, dot_file: bool, kept: DosAttrib | None) -> Stat:
    """
    Fill in the attributes and the creation time of C{stat} as stock Samba reports them.

    That is C{COMPRESSED} where it has that already, what is C{kept}, C{HIDDEN} for a dot file, C{DIRECTORY} for a directory,
    C{REPARSE_POINT} for a link or special file (with C{ARCHIVE} for a link, as Windows has it), and C{NORMAL} where there is nothing else
    to say. The bits of the mode add nothing. Unlike Samba's, a dot file that somebody wants to see is shown.
    """
    attributes = 0
    if kept is not None:
        attributes = kept.attributes
        dot_file = dot_file and not kept.shown
        if kept.reparse_point:
            attributes |= _LINKED if kept.directory else _SPECIAL
        if kept.created is not None:
            stat.created = kept.created
    if stat.attributes is _COMPRESSED:
        attributes |= _COMPRESSED_BIT
    if dot_file and not attributes & _HIDDEN:
        attributes |= _HIDDEN
        stat.implied = _IMPLIED
    if stat.kind is Kind.DIRECTORY:
        attributes |= _DIRECTORY
    elif stat.special is not None:
        attributes |= _SYMLINK if stat.special is SpecialType.SYMLINK else _SPECIAL
    stat.attributes = _attributes(attributes or _NORMAL)
    return stat


def choose(attributes: int, dot_file: bool, kept: DosAttrib | None) -> DosAttrib:
    """
    What to keep of a file with that name when it is to have these attributes.

    That a dot file is to be C{HIDDEN} goes without saying, unless it was said before it had this name. That it is not is kept.
    """
    implied = dot_file and not (kept is not None and kept.attributes & _HIDDEN)
    shown = dot_file and not attributes & _HIDDEN
    kept = kept or DosAttrib(0, None)
    return replace(kept, attributes=attributes & ~_HIDDEN if implied else attributes, shown=shown)
