"""What a store knows of a file, in the words of the wire."""

from __future__ import annotations

from typing import TypedDict

from filesvc.dtyp.filetime import to_filetime
from filesvc.fscc.file_information import CompressionFormat
from filesvc.interfaces import FileAttributes, Kind, Stat

_DIRECTORY = int(FileAttributes.DIRECTORY)
_NORMAL = int(FileAttributes.NORMAL)
_COMPRESSED = int(FileAttributes.COMPRESSED)


class NetworkTimes(TypedDict):
    """The fields that CREATE and CLOSE responses and listings tell of a file. Times are FILETIMEs, sizes bytes."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: int


def wire_attributes(stat: Stat) -> int:
    """FileAttributes as they are on the wire, where none at all is NORMAL."""
    attributes = int(stat.attributes)
    if stat.kind is Kind.DIRECTORY:
        return attributes | _DIRECTORY
    return attributes or _NORMAL


def compression_format(stat: Stat) -> CompressionFormat:
    """Whether a file is compressed: Windows has one word for all ways of it."""
    return CompressionFormat.LZNT1 if int(stat.attributes) & _COMPRESSED else CompressionFormat.NONE


def network_times(stat: Stat) -> NetworkTimes:
    """What is true of a file. Directories have no size, nor have links and special files."""
    file = stat.kind is Kind.FILE
    return {
        "creation_time": to_filetime(stat.created),
        "last_access_time": to_filetime(stat.accessed),
        "last_write_time": to_filetime(stat.written),
        "change_time": to_filetime(stat.changed),
        "allocation_size": stat.allocation if file else 0,
        "end_of_file": stat.size if file else 0,
        "file_attributes": wire_attributes(stat),
    }
