"""Access masks: what a client may do with an open (MS-SMB2 2.2.13.1)."""

from __future__ import annotations

from enum import IntFlag


class AccessMask(IntFlag):
    """
    Rights asked for, granted, or written in an access control entry.

    Bits 0 to 6 have one name for files and one for directories. C{FILE_GENERIC_*} and C{FILE_ALL_ACCESS} are the rights that the
    C{GENERIC_*} bits stand for.
    """

    FILE_READ_DATA = 0x1
    FILE_WRITE_DATA = 0x2
    FILE_APPEND_DATA = 0x4
    FILE_READ_EA = 0x8
    FILE_WRITE_EA = 0x10
    FILE_EXECUTE = 0x20
    FILE_DELETE_CHILD = 0x40
    FILE_READ_ATTRIBUTES = 0x80
    FILE_WRITE_ATTRIBUTES = 0x100
    DELETE = 0x10000
    READ_CONTROL = 0x20000
    WRITE_DAC = 0x40000
    WRITE_OWNER = 0x80000
    SYNCHRONIZE = 0x100000
    ACCESS_SYSTEM_SECURITY = 0x1000000
    MAXIMUM_ALLOWED = 0x2000000
    GENERIC_ALL = 0x10000000
    GENERIC_EXECUTE = 0x20000000
    GENERIC_WRITE = 0x40000000
    GENERIC_READ = 0x80000000

    FILE_LIST_DIRECTORY = FILE_READ_DATA
    FILE_ADD_FILE = FILE_WRITE_DATA
    FILE_ADD_SUBDIRECTORY = FILE_APPEND_DATA
    FILE_TRAVERSE = FILE_EXECUTE

    FILE_GENERIC_READ = READ_CONTROL | SYNCHRONIZE | FILE_READ_DATA | FILE_READ_EA | FILE_READ_ATTRIBUTES
    FILE_GENERIC_WRITE = READ_CONTROL | SYNCHRONIZE | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES
    FILE_GENERIC_EXECUTE = READ_CONTROL | SYNCHRONIZE | FILE_EXECUTE | FILE_READ_ATTRIBUTES
    FILE_ALL_ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE | FILE_GENERIC_EXECUTE | FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER


_GENERIC_MAPPING = (
    (int(AccessMask.GENERIC_READ), int(AccessMask.FILE_GENERIC_READ)),
    (int(AccessMask.GENERIC_WRITE), int(AccessMask.FILE_GENERIC_WRITE)),
    (int(AccessMask.GENERIC_EXECUTE), int(AccessMask.FILE_GENERIC_EXECUTE)),
    (int(AccessMask.GENERIC_ALL), int(AccessMask.FILE_ALL_ACCESS)),
)


def map_generic(mask: int) -> int:
    """The mask with file rights in the place of each C{GENERIC_*} bit (MS-DTYP 2.4.3)."""
    for generic, rights in _GENERIC_MAPPING:
        if mask & generic:
            mask = mask & ~generic | rights
    return mask
