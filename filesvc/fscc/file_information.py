"""File information classes of fixed length (MS-FSCC 2.4), for QUERY_INFO and SET_INFO. Times are FILETIMEs, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct

from filesvc.dtyp.structure import FixedStructure


class FileInformationClass(IntEnum):
    """What is asked or set of a file or directory, C{FileXxxInformation} being C{XXX} (MS-FSCC 2.4)."""

    DIRECTORY = 1
    FULL_DIRECTORY = 2
    BOTH_DIRECTORY = 3
    BASIC = 4
    STANDARD = 5
    INTERNAL = 6
    EA = 7
    ACCESS = 8
    NAME = 9
    RENAME = 10
    LINK = 11
    NAMES = 12
    DISPOSITION = 13
    POSITION = 14
    FULL_EA = 15
    MODE = 16
    ALIGNMENT = 17
    ALL = 18
    ALLOCATION = 19
    END_OF_FILE = 20
    ALTERNATE_NAME = 21
    STREAM = 22
    PIPE = 23
    PIPE_LOCAL = 24
    PIPE_REMOTE = 25
    MAILSLOT_QUERY = 26
    MAILSLOT_SET = 27
    COMPRESSION = 28
    OBJECT_ID = 29
    MOVE_CLUSTER = 31
    QUOTA = 32
    REPARSE_POINT = 33
    NETWORK_OPEN = 34
    ATTRIBUTE_TAG = 35
    TRACKING = 36
    ID_BOTH_DIRECTORY = 37
    ID_FULL_DIRECTORY = 38
    VALID_DATA_LENGTH = 39
    SHORT_NAME = 40
    SFIO_RESERVE = 44
    SFIO_VOLUME = 45
    HARD_LINK = 46
    NORMALIZED_NAME = 48
    ID_GLOBAL_TX_DIRECTORY = 50
    STANDARD_LINK = 54
    REMOTE_PROTOCOL = 55
    ID = 59
    ID_EXTD_DIRECTORY = 60
    ID_EXTD_BOTH_DIRECTORY = 63
    DISPOSITION_EX = 64
    RENAME_EX = 65
    STAT = 68
    CASE_SENSITIVE = 71
    LINK_EX = 72
    KNOWN_FOLDER = 76
    ID_64_EXTD_DIRECTORY = 78
    ID_64_EXTD_BOTH_DIRECTORY = 79
    ID_ALL_EXTD_DIRECTORY = 80
    ID_ALL_EXTD_BOTH_DIRECTORY = 81


class DispositionFlags(IntFlag):
    """What C{FileDispositionInformationEx} sets."""

    DELETE = 0x1
    POSIX_SEMANTICS = 0x2
    FORCE_IMAGE_SECTION_CHECK = 0x4
    ON_CLOSE = 0x8
    IGNORE_READONLY_ATTRIBUTE = 0x10


class CompressionFormat(IntEnum):
    """How a file is compressed on its volume."""

    NONE = 0
    DEFAULT = 1
    LZNT1 = 2


@dataclass(slots=True)
class FileBasicInformation(FixedStructure):
    """Times and attributes. To set, a time may be one of L{filesvc.dtyp.filetime}'s special values; attributes of 0 change none."""

    LAYOUT = Struct("<qqqqI4x")

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    file_attributes: int


@dataclass(slots=True)
class FileStandardInformation(FixedStructure):
    """Sizes and links."""

    LAYOUT = Struct("<qqI??2x")

    allocation_size: int
    end_of_file: int
    number_of_links: int
    delete_pending: bool
    directory: bool


@dataclass(slots=True)
class FileInternalInformation(FixedStructure):
    """The number that names the file on its volume."""

    LAYOUT = Struct("<Q")

    index_number: int


@dataclass(slots=True)
class FileEaInformation(FixedStructure):
    """The length of all extended attributes, as FILE_FULL_EA_INFORMATION would take it."""

    LAYOUT = Struct("<I")

    ea_size: int


@dataclass(slots=True)
class FileAccessInformation(FixedStructure):
    """What this open was granted."""

    LAYOUT = Struct("<I")

    access_flags: int


@dataclass(slots=True)
class FilePositionInformation(FixedStructure):
    """Where a synchronous open would read next; only kept for the client."""

    LAYOUT = Struct("<q")

    current_byte_offset: int


@dataclass(slots=True)
class FileModeInformation(FixedStructure):
    """Those create options of this open that a client may change."""

    LAYOUT = Struct("<I")

    mode: int


@dataclass(slots=True)
class FileAlignmentInformation(FixedStructure):
    """The alignment that the device wants of buffers, less one."""

    LAYOUT = Struct("<I")

    alignment_requirement: int


@dataclass(slots=True)
class FileAllocationInformation(FixedStructure):
    """The room to keep for the file; less than its size cuts it."""

    LAYOUT = Struct("<q")

    allocation_size: int


@dataclass(slots=True)
class FileEndOfFileInformation(FixedStructure):
    """The size to give the file."""

    LAYOUT = Struct("<q")

    end_of_file: int


@dataclass(slots=True)
class FileValidDataLengthInformation(FixedStructure):
    """Where written data ends and zeros start."""

    LAYOUT = Struct("<q")

    valid_data_length: int


@dataclass(slots=True)
class FileDispositionInformation(FixedStructure):
    """Whether the file goes when its last open does."""

    LAYOUT = Struct("<?")

    delete_pending: bool


@dataclass(slots=True)
class FileDispositionInformationEx(FixedStructure):
    """Whether and how the file goes. C{flags} are L{DispositionFlags}."""

    LAYOUT = Struct("<I")

    flags: int


@dataclass(slots=True)
class FileNetworkOpenInformation(FixedStructure):
    """What a client wants to know when it opens a file."""

    LAYOUT = Struct("<qqqqqqI4x")

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: int


@dataclass(slots=True)
class FileAttributeTagInformation(FixedStructure):
    """Attributes, and what kind of reparse point it is, if one."""

    LAYOUT = Struct("<II")

    file_attributes: int
    reparse_tag: int


@dataclass(slots=True)
class FileCompressionInformation(FixedStructure):
    """How a file is compressed. C{compression_format} is a L{CompressionFormat}; the shifts are powers of two, in bytes."""

    LAYOUT = Struct("<qHBBB3x")

    compressed_file_size: int
    compression_format: int
    compression_unit_shift: int
    chunk_shift: int
    cluster_shift: int


@dataclass(slots=True)
class FileStandardLinkInformation(FixedStructure):
    """Links, those that can be opened and all."""

    LAYOUT = Struct("<II??2x")

    number_of_accessible_links: int
    total_number_of_links: int
    delete_pending: bool
    directory: bool


@dataclass(slots=True)
class FileIdInformation(FixedStructure):
    """The 16 bytes that name the file, and the volume that they are unique on."""

    LAYOUT = Struct("<Q16s")

    volume_serial_number: int
    file_id: bytes


@dataclass(slots=True)
class FilePipeInformation(FixedStructure):
    """How an open of a named pipe reads (0 bytes, 1 messages) and completes (0 when done, 1 at once)."""

    LAYOUT = Struct("<II")

    read_mode: int
    completion_mode: int


@dataclass(slots=True)
class FilePipeLocalInformation(FixedStructure):
    """What a named pipe is and holds."""

    LAYOUT = Struct("<10I")

    named_pipe_type: int
    named_pipe_configuration: int
    maximum_instances: int
    current_instances: int
    inbound_quota: int
    read_data_available: int
    outbound_quota: int
    write_quota_available: int
    named_pipe_state: int
    named_pipe_end: int
