"""FSCTLs on ranges of a file: sparse, zeros, allocated ranges, trim (MS-FSCC 2.3). Offsets and lengths are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import FixedStructure, section, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

_RANGE = Struct("<qq")
_TRIM = Struct("<II")
_REGIONS = Struct("<IIII")


class FileRange(NamedTuple):
    """A range: of FSCTL_QUERY_ALLOCATED_RANGES in both directions, and of FSCTL_FILE_LEVEL_TRIM."""

    offset: int
    length: int

    @classmethod
    def parse(cls, data: memoryview) -> FileRange:
        """
        The one that C{data} starts with, as it is asked for.

        @raise MalformedMessage: C{data} is too short.
        """
        return cls(*unpack(_RANGE, data))


def parse_ranges(data: memoryview) -> list[FileRange]:
    """
    The ranges in a buffer.

    @raise MalformedMessage: the last one is cut.
    """
    if len(data) % _RANGE.size:
        raise MalformedMessage(f"{len(data)} bytes are no list of ranges")
    return [FileRange(*fields) for fields in _RANGE.iter_unpack(data)]


def encode_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """The buffer of C{(offset, length)} ranges."""
    return b"".join(_RANGE.pack(*one) for one in ranges)


@dataclass(slots=True)
class SetZeroData(FixedStructure):
    """FSCTL_SET_ZERO_DATA: make a range read as zeros. C{beyond_final_zero} is its end."""

    LAYOUT = Struct("<qq")

    file_offset: int
    beyond_final_zero: int


def parse_set_sparse(data: memoryview) -> bool:
    """FSCTL_SET_SPARSE: whether to make the file sparse; it need not say, and means yes then."""
    return not data or data[0] != 0


class RegionUsage(IntFlag):
    """In what sense the data of a region is valid: of a file, what was written to it; on the disk, what is there of that."""

    VALID_CACHED_DATA = 0x1
    VALID_NONCACHED_DATA = 0x2


@dataclass(slots=True)
class FileRegionInput(FixedStructure):
    """FSCTL_QUERY_FILE_REGIONS: where to look for what is valid. C{desired_usage} are L{RegionUsage}."""

    LAYOUT = Struct("<qqI4x")

    file_offset: int
    length: int
    desired_usage: int


@dataclass(slots=True)
class FileRegionOutput:
    """FSCTL_QUERY_FILE_REGIONS's reply: the regions that are valid, which never are too many for one reply."""

    regions: list[FileRegionInput]

    @classmethod
    def parse(cls, data: memoryview) -> FileRegionOutput:
        """
        The reply in C{data}.

        @raise MalformedMessage: C{data} is too short for its regions.
        """
        _, _, count, _ = unpack(_REGIONS, data)
        size = FileRegionInput.MINIMUM_LENGTH
        return cls([FileRegionInput.parse(section(data, _REGIONS.size + index * size, size)) for index in range(count)])

    def encode(self) -> bytes:
        """Its bytes."""
        count = len(self.regions)
        return _REGIONS.pack(0, count, count, 0) + b"".join(region.encode() for region in self.regions)


@dataclass(slots=True)
class FileLevelTrim:
    """FSCTL_FILE_LEVEL_TRIM: ranges whose data is not needed any more."""

    ranges: list[FileRange]
    key: int = 0

    @classmethod
    def parse(cls, data: memoryview) -> FileLevelTrim:
        """
        The request in C{data}.

        @raise MalformedMessage: C{data} is too short for its ranges.
        """
        key, count = unpack(_TRIM, data)
        return cls(parse_ranges(section(data, _TRIM.size, count * _RANGE.size)), key)

    def encode(self) -> bytes:
        """Its bytes."""
        return _TRIM.pack(self.key, len(self.ranges)) + encode_ranges(self.ranges)
