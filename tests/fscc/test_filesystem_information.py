from __future__ import annotations

from contextlib import suppress
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.filesystem_information import (
    DeviceCharacteristics,
    DeviceType,
    FileFsAttributeInformation,
    FileFsControlInformation,
    FileFsDeviceInformation,
    FileFsFullSizeInformation,
    FileFsLabelInformation,
    FileFsObjectIdInformation,
    FileFsSectorSizeInformation,
    FileFsSizeInformation,
    FileFsVolumeInformation,
    FileSystemAttributes,
    SectorSizeFlags,
)

from ..smb2.strategies import hostile_bytes, names, u32

_ATTRIBUTES = (
    FileSystemAttributes.CASE_SENSITIVE_SEARCH
    | FileSystemAttributes.CASE_PRESERVED_NAMES
    | FileSystemAttributes.UNICODE_ON_DISK
    | FileSystemAttributes.PERSISTENT_ACLS
    | FileSystemAttributes.VOLUME_QUOTAS
    | FileSystemAttributes.SUPPORTS_SPARSE_FILES
    | FileSystemAttributes.SUPPORTS_OBJECT_IDS
)
# Each with the shortest output buffer that MS-FSA lets a query have, and what smbd answered.
_FROM_SMBD = [
    (
        FileFsVolumeInformation(0x01DD7B19515D8D6A, 0xD4563C3D, "share"),
        24,
        "6a8d5d51197bdd013d3c56d40a000000000073006800610072006500",
    ),
    (FileFsSizeInformation(264212084, 82714604, 2, 512), 24, "748ebf0f00000000ec1fee04000000000200000000020000"),
    (FileFsDeviceInformation(DeviceType.DISK, DeviceCharacteristics.DEVICE_IS_MOUNTED), 8, "0700000020000000"),
    (FileFsAttributeInformation(_ATTRIBUTES, 255, "NTFS"), 16, "6f000100ff000000080000004e00540046005300"),
    (FileFsControlInformation(0, 0, 0, 0, 0, 0), 48, "00" * 48),
    (
        FileFsFullSizeInformation(264212084, 82714604, 82714604, 2, 512),
        32,
        "748ebf0f00000000ec1fee0400000000ec1fee04000000000200000000020000",
    ),
    (
        FileFsObjectIdInformation(
            bytes.fromhex("51369273fde54eff91ccd50f13310bfc"),
            bytes.fromhex("61426d53000c1104000000000000000000000000342e31372e31322d44656269616e0000000000000000000000000000"),
        ),
        64,
        "51369273fde54eff91ccd50f13310bfc61426d53000c1104000000000000000000000000342e31372e31322d44656269616e0000000000000000000000000000",
    ),
    (
        FileFsSectorSizeInformation(512, 512, 512, 512, SectorSizeFlags.ALIGNED_DEVICE | SectorSizeFlags.PARTITION_ALIGNED_ON_DEVICE),
        28,
        "00020000000200000002000000020000030000000000000000000000",
    ),
]


class _Information(Protocol):
    MINIMUM_LENGTH: int

    @classmethod
    def parse(cls, data: memoryview) -> object: ...

    def encode(self) -> bytes: ...


@pytest.mark.parametrize(("value", "minimum", "encoded"), _FROM_SMBD)
def test_what_smbd_answers(value: _Information, minimum: int, encoded: str) -> None:
    assert value.encode().hex() == encoded
    assert type(value).parse(memoryview(bytes.fromhex(encoded))) == value
    assert minimum == value.MINIMUM_LENGTH


@given(st.builds(FileFsVolumeInformation, st.integers(0, 1 << 62), u32, names, st.booleans()))
def test_volume(value: FileFsVolumeInformation) -> None:
    assert FileFsVolumeInformation.parse(memoryview(value.encode())) == value


@given(st.builds(FileFsAttributeInformation, u32, st.integers(0, 255), names))
def test_attribute(value: FileFsAttributeInformation) -> None:
    assert FileFsAttributeInformation.parse(memoryview(value.encode())) == value


@given(names)
def test_label(label: str) -> None:
    assert FileFsLabelInformation.parse(memoryview(FileFsLabelInformation(label).encode())).volume_label == label


@given(st.sampled_from([FileFsVolumeInformation, FileFsAttributeInformation, FileFsLabelInformation]), hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(structure: type[_Information], data: bytes) -> None:
    with suppress(MalformedMessage):
        structure.parse(memoryview(data))
