"""File system information classes (MS-FSCC 2.5), for QUERY_INFO and SET_INFO. Times are FILETIMEs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import ClassVar

from filesvc.dtyp.structure import FixedStructure, section, unpack
from filesvc.dtyp.unicode import decode_name, encode_name

_VOLUME = Struct("<qII?x")
_LABEL = Struct("<I")
_ATTRIBUTE = Struct("<IiI")


class FileSystemInformationClass(IntEnum):
    """What is asked or set of a volume, C{FileFsXxxInformation} being C{XXX} (MS-FSCC 2.5)."""

    VOLUME = 1
    LABEL = 2
    SIZE = 3
    DEVICE = 4
    ATTRIBUTE = 5
    CONTROL = 6
    FULL_SIZE = 7
    OBJECT_ID = 8
    DRIVER_PATH = 9
    VOLUME_FLAGS = 10
    SECTOR_SIZE = 11


class FileSystemAttributes(IntFlag):
    """What a volume can do (MS-FSCC, FileFsAttributeInformation)."""

    CASE_SENSITIVE_SEARCH = 0x1
    CASE_PRESERVED_NAMES = 0x2
    UNICODE_ON_DISK = 0x4
    PERSISTENT_ACLS = 0x8
    FILE_COMPRESSION = 0x10
    VOLUME_QUOTAS = 0x20
    SUPPORTS_SPARSE_FILES = 0x40
    SUPPORTS_REPARSE_POINTS = 0x80
    SUPPORTS_REMOTE_STORAGE = 0x100
    SUPPORTS_POSIX_UNLINK_RENAME = 0x400
    VOLUME_IS_COMPRESSED = 0x8000
    SUPPORTS_OBJECT_IDS = 0x10000
    SUPPORTS_ENCRYPTION = 0x20000
    NAMED_STREAMS = 0x40000
    READ_ONLY_VOLUME = 0x80000
    SEQUENTIAL_WRITE_ONCE = 0x100000
    SUPPORTS_TRANSACTIONS = 0x200000
    SUPPORTS_HARD_LINKS = 0x400000
    SUPPORTS_EXTENDED_ATTRIBUTES = 0x800000
    SUPPORTS_OPEN_BY_FILE_ID = 0x1000000
    SUPPORTS_USN_JOURNAL = 0x2000000
    SUPPORTS_INTEGRITY_STREAMS = 0x4000000
    SUPPORTS_BLOCK_REFCOUNTING = 0x8000000
    SUPPORTS_SPARSE_VDL = 0x10000000


class DeviceType(IntEnum):
    """What kind of device a volume is on."""

    CD_ROM = 0x2
    DISK = 0x7
    NAMED_PIPE = 0x11


class DeviceCharacteristics(IntFlag):
    """What is true of the device that a volume is on."""

    REMOVABLE_MEDIA = 0x1
    READ_ONLY_DEVICE = 0x2
    FLOPPY_DISKETTE = 0x4
    WRITE_ONCE_MEDIA = 0x8
    REMOTE_DEVICE = 0x10
    DEVICE_IS_MOUNTED = 0x20
    VIRTUAL_VOLUME = 0x40
    DEVICE_SECURE_OPEN = 0x100


class SectorSizeFlags(IntFlag):
    """What is true of the sectors of a volume."""

    ALIGNED_DEVICE = 0x1
    PARTITION_ALIGNED_ON_DEVICE = 0x2
    NO_SEEK_PENALTY = 0x4
    TRIM_ENABLED = 0x8


@dataclass(slots=True)
class FileFsVolumeInformation:
    """A volume's age, number and name."""

    MINIMUM_LENGTH: ClassVar[int] = 24

    volume_creation_time: int
    volume_serial_number: int
    volume_label: str
    supports_objects: bool = False

    @classmethod
    def parse(cls, data: memoryview) -> FileFsVolumeInformation:
        """
        What C{data} tells.

        @raise MalformedMessage: C{data} is too short or the label's length odd.
        """
        created, serial, length, supports_objects = unpack(_VOLUME, data)
        return cls(created, serial, decode_name(section(data, _VOLUME.size, length)), supports_objects)

    def encode(self) -> bytes:
        """Its bytes."""
        label = encode_name(self.volume_label)
        return _VOLUME.pack(self.volume_creation_time, self.volume_serial_number, len(label), self.supports_objects) + label


@dataclass(slots=True)
class FileFsLabelInformation:
    """The name to give a volume."""

    volume_label: str

    @classmethod
    def parse(cls, data: memoryview) -> FileFsLabelInformation:
        """
        The name in C{data}.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        (length,) = unpack(_LABEL, data)
        return cls(decode_name(section(data, _LABEL.size, length)))

    def encode(self) -> bytes:
        """Its bytes."""
        label = encode_name(self.volume_label)
        return _LABEL.pack(len(label)) + label


@dataclass(slots=True)
class FileFsSizeInformation(FixedStructure):
    """A volume's room, in allocation units, for the user who asks."""

    LAYOUT = Struct("<qqII")

    total_allocation_units: int
    available_allocation_units: int
    sectors_per_allocation_unit: int
    bytes_per_sector: int


@dataclass(slots=True)
class FileFsFullSizeInformation(FixedStructure):
    """A volume's room, in allocation units, for the user who asks and for all."""

    LAYOUT = Struct("<qqqII")

    total_allocation_units: int
    caller_available_allocation_units: int
    actual_available_allocation_units: int
    sectors_per_allocation_unit: int
    bytes_per_sector: int


@dataclass(slots=True)
class FileFsDeviceInformation(FixedStructure):
    """The device below. C{device_type} is a L{DeviceType}, C{characteristics} are L{DeviceCharacteristics}."""

    LAYOUT = Struct("<II")

    device_type: int
    characteristics: int


@dataclass(slots=True)
class FileFsAttributeInformation:
    """What the file system can do. C{file_system_attributes} are L{FileSystemAttributes}."""

    MINIMUM_LENGTH: ClassVar[int] = 16

    file_system_attributes: int
    maximum_component_name_length: int
    file_system_name: str

    @classmethod
    def parse(cls, data: memoryview) -> FileFsAttributeInformation:
        """
        What C{data} tells.

        @raise MalformedMessage: C{data} is too short or the name's length odd.
        """
        attributes, maximum, length = unpack(_ATTRIBUTE, data)
        return cls(attributes, maximum, decode_name(section(data, _ATTRIBUTE.size, length)))

    def encode(self) -> bytes:
        """Its bytes."""
        name = encode_name(self.file_system_name)
        return _ATTRIBUTE.pack(self.file_system_attributes, self.maximum_component_name_length, len(name)) + name


@dataclass(slots=True)
class FileFsControlInformation(FixedStructure):
    """A volume's quota and content indexing settings."""

    LAYOUT = Struct("<qqqQQI4x")

    free_space_start_filtering: int = 0
    free_space_threshold: int = 0
    free_space_stop_filtering: int = 0
    default_quota_threshold: int = 0xFFFFFFFFFFFFFFFF
    default_quota_limit: int = 0xFFFFFFFFFFFFFFFF
    file_system_control_flags: int = 0


@dataclass(slots=True)
class FileFsObjectIdInformation(FixedStructure):
    """The 16 bytes that name a volume, and 48 that say more."""

    LAYOUT = Struct("<16s48s")

    object_id: bytes
    extended_info: bytes = bytes(48)


@dataclass(slots=True)
class FileFsSectorSizeInformation(FixedStructure):
    """A volume's sectors, in bytes. C{flags} are L{SectorSizeFlags}."""

    LAYOUT = Struct("<7I")

    logical_bytes_per_sector: int
    physical_bytes_per_sector_for_atomicity: int
    physical_bytes_per_sector_for_performance: int
    effective_physical_bytes_per_sector_for_atomicity: int
    flags: int
    byte_offset_for_sector_alignment: int = 0
    byte_offset_for_partition_alignment: int = 0
