"""Small FSCTL structures that need no room of their own (MS-FSCC 2.3, MS-SMB2 2.2.31, 2.2.32)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from filesvc.dtyp.structure import FixedStructure, section, unpack
from filesvc.dtyp.unicode import decode_name, encode_name

_PIPE_WAIT = Struct("<qI?x")
_SNAPSHOTS = Struct("<III")
_SNAPSHOTS_MINIMUM = 16


@dataclass(slots=True)
class CompressionState(FixedStructure):
    """FSCTL_GET_COMPRESSION and FSCTL_SET_COMPRESSION: a L{filesvc.fscc.file_information.CompressionFormat}."""

    LAYOUT = Struct("<H")

    compression_format: int


@dataclass(slots=True)
class NtfsVolumeDataBuffer(FixedStructure):
    """FSCTL_GET_NTFS_VOLUME_DATA: a volume's number, its room in sectors and clusters, and where NTFS keeps its table of files."""

    LAYOUT = Struct("<5q4I5q")

    volume_serial_number: int
    number_sectors: int
    total_clusters: int
    free_clusters: int
    total_reserved: int = 0
    bytes_per_sector: int = 0
    bytes_per_cluster: int = 0
    bytes_per_file_record_segment: int = 0
    clusters_per_file_record_segment: int = 0
    mft_valid_data_length: int = 0
    mft_start_lcn: int = 0
    mft2_start_lcn: int = 0
    mft_zone_start: int = 0
    mft_zone_end: int = 0


class MarkHandleFlags(IntFlag):
    """What FSCTL_MARK_HANDLE says of an open."""

    READ_COPY = 0x80
    NOT_READ_COPY = 0x100


@dataclass(slots=True)
class MarkHandleInfo(FixedStructure):
    """FSCTL_MARK_HANDLE: read only the copy C{copy_number} of the data, or any. C{handle_info} are L{MarkHandleFlags}."""

    LAYOUT = Struct("<I4xQI4x")

    copy_number: int
    volume_handle: int
    handle_info: int


@dataclass(slots=True)
class ObjectIdBuffer(FixedStructure):
    """The FSCTLs of object ids: the 16 bytes that name a file, and where it was when it got them."""

    LAYOUT = Struct("<16s16s16s16s")

    object_id: bytes
    birth_volume_id: bytes = bytes(16)
    birth_object_id: bytes = bytes(16)
    domain_id: bytes = bytes(16)


@dataclass(slots=True)
class LmrRequestResiliency(FixedStructure):
    """FSCTL_LMR_REQUEST_RESILIENCY: keep this open after a lost connection for C{timeout} milliseconds, 0 for the server's choice."""

    LAYOUT = Struct("<I4x")

    timeout: int


@dataclass(slots=True)
class PipePeek(FixedStructure):
    """FSCTL_PIPE_PEEK's reply; the data peeked at follows it."""

    LAYOUT = Struct("<IIII")

    named_pipe_state: int
    read_data_available: int
    number_of_messages: int
    message_length: int


@dataclass(slots=True)
class PipeWait:
    """FSCTL_PIPE_WAIT: wait until a pipe can be opened. C{timeout}, in units of 100 ns, counts if C{timeout_specified}."""

    name: str
    timeout: int = 0
    timeout_specified: bool = False

    @classmethod
    def parse(cls, data: memoryview) -> PipeWait:
        """
        The request in C{data}.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        timeout, length, specified = unpack(_PIPE_WAIT, data)
        return cls(decode_name(section(data, _PIPE_WAIT.size, length)), timeout, specified)

    def encode(self) -> bytes:
        """Its bytes."""
        name = encode_name(self.name)
        return _PIPE_WAIT.pack(self.timeout, len(name), self.timeout_specified) + name


@dataclass(slots=True)
class SrvSnapshotArray:
    """
    FSCTL_SRV_ENUMERATE_SNAPSHOTS's reply: previous versions, as C{@GMT-YYYY.MM.DD-HH.MM.SS}.

    C{number_of_snapshots} is how many there are, whether or not C{snapshots} had room.
    """

    number_of_snapshots: int
    snapshots: list[str]

    @classmethod
    def parse(cls, data: memoryview) -> SrvSnapshotArray:
        """
        The reply in C{data}.

        @raise MalformedMessage: C{data} is too short for the versions it says it has.
        """
        number, returned, length = unpack(_SNAPSHOTS, data)
        if not returned:
            return cls(number, [])
        return cls(number, decode_name(section(data, _SNAPSHOTS.size, length)).split("\0")[:returned])

    def encode(self, limit: int) -> bytes:
        """Its bytes, with all versions or, where those would take more than C{limit} bytes, none."""
        versions = encode_name("".join(f"{snapshot}\0" for snapshot in self.snapshots) + "\0")
        if _SNAPSHOTS.size + len(versions) <= limit:
            reply = _SNAPSHOTS.pack(self.number_of_snapshots, len(self.snapshots), len(versions)) + versions
        else:
            reply = _SNAPSHOTS.pack(self.number_of_snapshots, 0, len(versions))
        # Clients take a reply of fewer bytes for a broken one.
        return reply.ljust(_SNAPSHOTS_MINIMUM, b"\0")
