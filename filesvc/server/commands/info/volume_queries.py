"""File system information classes that can be queried (MS-FSCC 2.5, MS-FSA 2.1.5.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.status import Status
from filesvc.fscc.filesystem_information import (
    DeviceCharacteristics,
    DeviceType,
    FileFsAttributeInformation,
    FileFsControlInformation,
    FileFsDeviceInformation,
    FileFsFullSizeInformation,
    FileFsObjectIdInformation,
    FileFsSectorSizeInformation,
    FileFsSizeInformation,
    FileFsVolumeInformation,
    FileSystemAttributes,
    FileSystemInformationClass,
    SectorSizeFlags,
)
from filesvc.fscc.posix_information import FILE_FS_POSIX_INFORMATION, FileFsPosixInformation
from filesvc.server.errors import StatusError
from filesvc.server.operations.volumes import SECTOR, sizes_of, volume_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from filesvc.server.state.open import Open

_ATTRIBUTES = (
    FileSystemAttributes.CASE_SENSITIVE_SEARCH
    | FileSystemAttributes.CASE_PRESERVED_NAMES
    | FileSystemAttributes.UNICODE_ON_DISK
    | FileSystemAttributes.SUPPORTS_SPARSE_FILES
    | FileSystemAttributes.SUPPORTS_OBJECT_IDS
)
_KEPT_IN_XATTRS = (
    FileSystemAttributes.PERSISTENT_ACLS | FileSystemAttributes.SUPPORTS_EXTENDED_ATTRIBUTES | FileSystemAttributes.NAMED_STREAMS
)
_MAX_NAME = 255


class VolumeQuery(NamedTuple):
    """How one class is answered, and the shortest buffer it fits in at all."""

    answer: Callable[[Open], Awaitable[bytes]]
    minimum: int


async def _volume(open: Open) -> bytes:
    volume = await volume_of(open)
    assert open.tree.share is not None
    label = volume.label or open.tree.share.name
    return FileFsVolumeInformation(to_filetime(volume.created), volume.serial & 0xFFFFFFFF, label).encode()


async def _size(open: Open) -> bytes:
    volume = await sizes_of(open)
    block = volume.block
    return FileFsSizeInformation(volume.total // block, volume.available // block, max(block // SECTOR, 1), SECTOR).encode()


async def _full_size(open: Open) -> bytes:
    """
    What is actually available is told of as Windows programs, and df on Linux, take it: as what the caller can write. A file system's
    reserve is shown to administrators alone.
    """
    volume = await sizes_of(open)
    block = volume.block
    actual = volume.free if open.session.token.is_administrator else volume.available
    return FileFsFullSizeInformation(
        volume.total // block, volume.available // block, actual // block, max(block // SECTOR, 1), SECTOR
    ).encode()


async def _device(open: Open) -> bytes:
    assert open.tree.share is not None
    characteristics = DeviceCharacteristics.DEVICE_IS_MOUNTED
    if open.tree.share.read_only:
        characteristics |= DeviceCharacteristics.READ_ONLY_DEVICE
    return FileFsDeviceInformation(DeviceType.DISK, characteristics).encode()


async def _attribute(open: Open) -> bytes:
    volume = await volume_of(open)
    assert open.tree.share is not None
    attributes = _ATTRIBUTES
    if volume.xattrs:
        attributes |= _KEPT_IN_XATTRS | FileSystemAttributes.SUPPORTS_REPARSE_POINTS
    if volume.shares_blocks:
        attributes |= FileSystemAttributes.SUPPORTS_BLOCK_REFCOUNTING
    if volume.compresses:
        attributes |= FileSystemAttributes.FILE_COMPRESSION
    if open.tree.share.read_only:
        attributes |= FileSystemAttributes.READ_ONLY_VOLUME
    return FileFsAttributeInformation(attributes, _MAX_NAME, volume.filesystem).encode()


async def _control(open: Open) -> bytes:
    return FileFsControlInformation().encode()


async def _object_id(open: Open) -> bytes:
    volume = await volume_of(open)
    return FileFsObjectIdInformation(volume.serial.to_bytes(16, "little")).encode()


async def _sector_size(open: Open) -> bytes:
    volume = await volume_of(open)
    flags = SectorSizeFlags.ALIGNED_DEVICE | SectorSizeFlags.PARTITION_ALIGNED_ON_DEVICE | SectorSizeFlags.TRIM_ENABLED
    return FileFsSectorSizeInformation(SECTOR, volume.block, volume.block, volume.block, flags).encode()


async def _posix(open: Open) -> bytes:
    if not open.posix:
        raise StatusError(Status.INVALID_INFO_CLASS)
    volume = await volume_of(open)
    block = volume.block
    blocks = volume.total // block, volume.free // block, volume.available // block
    return FileFsPosixInformation(block, block, *blocks, volume.files, volume.free_files, volume.serial).encode()


QUERIES: dict[int, VolumeQuery] = {
    FileSystemInformationClass.VOLUME: VolumeQuery(_volume, 24),
    FileSystemInformationClass.SIZE: VolumeQuery(_size, 24),
    FileSystemInformationClass.DEVICE: VolumeQuery(_device, 8),
    FileSystemInformationClass.ATTRIBUTE: VolumeQuery(_attribute, 16),
    FileSystemInformationClass.CONTROL: VolumeQuery(_control, 48),
    FileSystemInformationClass.FULL_SIZE: VolumeQuery(_full_size, 32),
    FileSystemInformationClass.OBJECT_ID: VolumeQuery(_object_id, 64),
    FILE_FS_POSIX_INFORMATION: VolumeQuery(_posix, 56),
    FileSystemInformationClass.SECTOR_SIZE: VolumeQuery(_sector_size, 28),
}
