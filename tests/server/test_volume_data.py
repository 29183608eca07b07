"""What backup and search programs ask of a file and its volume by control codes: ids, records of the journal, regions, copies."""

from __future__ import annotations

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileIdInformation, FileInformationClass, FileInternalInformation
from filesvc.fscc.file_ranges import FileRegionInput, FileRegionOutput, RegionUsage
from filesvc.fscc.filesystem_information import (
    FileFsAttributeInformation,
    FileFsFullSizeInformation,
    FileFsObjectIdInformation,
    FileFsVolumeInformation,
    FileSystemAttributes,
    FileSystemInformationClass,
)
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.fsctl_structures import MarkHandleFlags, MarkHandleInfo, NtfsVolumeDataBuffer, ObjectIdBuffer
from filesvc.fscc.usn import ReadFileUsnData, UsnRecord
from filesvc.interfaces import FileAttributes
from filesvc.smb2.contexts.create_contexts import QUERY_ON_DISK_ID, CreateContext, QueryOnDiskIdResponse
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateOptions, CreateResponse
from filesvc.smb2.messages.ioctl import IoctlResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoResponse

from .dialogue import Answer, Client

VOLUME = FileSystemInformationClass
KINDS = [CreateOptions.NON_DIRECTORY_FILE, CreateOptions.DIRECTORY_FILE]
UNBUFFERED = CreateOptions.NO_INTERMEDIATE_BUFFERING


def output(answer: Answer) -> memoryview:
    assert answer.status is Status.SUCCESS
    return memoryview(bytes(IoctlResponse.parse(answer.message).output))


def told(client: Client, file_id: FileId, what: int, kind: int = InfoType.FILE) -> memoryview:
    answer = client.query_info(file_id, what, kind=kind)
    assert answer.status is Status.SUCCESS
    return memoryview(bytes(QueryInfoResponse.parse(answer.message).buffer))


def of_volume(client: Client, file_id: FileId, what: int) -> memoryview:
    return told(client, file_id, what, InfoType.FILESYSTEM)


# Object ids


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_an_object_id(client: Client, kind: int) -> None:
    file_id = client.open("a", create_options=kind)
    made = output(client.control(file_id, Fsctl.CREATE_OR_GET_OBJECT_ID))
    own = ObjectIdBuffer.parse(made)
    assert own.birth_object_id == own.object_id != bytes(16)
    assert own.birth_volume_id == FileFsObjectIdInformation.parse(of_volume(client, file_id, VOLUME.OBJECT_ID)).object_id != bytes(16)
    assert own.domain_id == bytes(16)
    assert output(client.control(file_id, Fsctl.GET_OBJECT_ID, room=64)) == made
    attributes = FileFsAttributeInformation.parse(of_volume(client, file_id, VOLUME.ATTRIBUTE)).file_system_attributes
    assert attributes & FileSystemAttributes.SUPPORTS_OBJECT_IDS


@pytest.mark.parametrize(
    ("code", "length", "status"),
    [
        (Fsctl.SET_OBJECT_ID, 1, Status.INVALID_PARAMETER),
        (Fsctl.SET_OBJECT_ID, 65, Status.INVALID_PARAMETER),
        (Fsctl.SET_OBJECT_ID, 64, Status.ACCESS_DENIED),
        (Fsctl.SET_OBJECT_ID_EXTENDED, 49, Status.INVALID_PARAMETER),
        (Fsctl.SET_OBJECT_ID_EXTENDED, 48, Status.ACCESS_DENIED),
    ],
)
def test_no_object_id_can_be_set(client: Client, code: int, length: int, status: Status) -> None:
    assert client.control(client.open("a"), code, bytes(length), room=4096).status is status


# The volume


@pytest.mark.parametrize("kind", KINDS)
def test_the_volume_in_words_of_ntfs(client: Client, kind: int) -> None:
    file_id = client.open("a", create_options=kind)
    data = output(client.control(file_id, Fsctl.GET_NTFS_VOLUME_DATA))
    assert len(data) == 96
    volume = NtfsVolumeDataBuffer.parse(data)
    size = FileFsFullSizeInformation.parse(of_volume(client, file_id, VOLUME.FULL_SIZE))
    assert volume.total_clusters == size.total_allocation_units
    assert volume.free_clusters == size.caller_available_allocation_units
    assert volume.bytes_per_sector == size.bytes_per_sector
    assert volume.bytes_per_cluster == size.bytes_per_sector * size.sectors_per_allocation_unit
    assert volume.number_sectors * volume.bytes_per_sector == volume.total_clusters * volume.bytes_per_cluster
    assert volume.volume_serial_number == FileIdInformation.parse(told(client, file_id, FileInformationClass.ID)).volume_serial_number


def test_the_volume_goes_by_one_number(client: Client) -> None:
    answer = client.create("a", contexts=[CreateContext(QUERY_ON_DISK_ID, b"")])
    response = CreateResponse.parse(answer.message)
    (context,) = response.create_contexts
    serial = QueryOnDiskIdResponse.parse(memoryview(context.data)).volume_id
    file_id = response.file_id
    assert FileIdInformation.parse(told(client, file_id, FileInformationClass.ID)).volume_serial_number == serial
    assert FileFsVolumeInformation.parse(of_volume(client, file_id, VOLUME.VOLUME)).volume_serial_number == serial & 0xFFFFFFFF
    assert FileFsObjectIdInformation.parse(of_volume(client, file_id, VOLUME.OBJECT_ID)).object_id == serial.to_bytes(16, "little")


# The journal


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("known", "version"),
    [
        (b"", 2),
        (b"\3\0\3", 2),
        (ReadFileUsnData(3, 3).encode(), 3),
        (ReadFileUsnData(2, 9).encode(), 3),
        (ReadFileUsnData(1, 2).encode(), 2),
    ],
)
def test_a_file_in_a_record_of_the_journal(client: Client, kind: int, known: bytes, version: int) -> None:
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    file_id = client.open("d\\näme", create_options=kind)
    data = output(client.control(file_id, Fsctl.READ_FILE_USN_DATA, known))
    assert len(data) == {2: 72, 3: 88}[version]
    assert int.from_bytes(data[:4], "little") == len(data)
    own, above = (FileInternalInformation.parse(told(client, one, FileInformationClass.INTERNAL)) for one in (file_id, directory))
    attributes = FileAttributes.DIRECTORY if kind == CreateOptions.DIRECTORY_FILE else FileAttributes.ARCHIVE
    assert UsnRecord.parse(data) == UsnRecord(version, own.index_number, above.index_number, attributes, "näme")
    if version == 3:
        assert data[8:24] == FileIdInformation.parse(told(client, file_id, FileInformationClass.ID)).file_id
    assert client.control(file_id, Fsctl.READ_FILE_USN_DATA, known, len(data) - 1).status is Status.BUFFER_TOO_SMALL


@pytest.mark.parametrize("known", [(3, 2), (4, 5), (0, 1), (4, 3)])
def test_versions_of_records_that_there_are_none_of(client: Client, known: tuple[int, int]) -> None:
    answer = client.control(client.open("a"), Fsctl.READ_FILE_USN_DATA, ReadFileUsnData(*known).encode())
    assert answer.status is Status.INVALID_PARAMETER


def test_the_root_is_in_itself_and_has_no_name(client: Client) -> None:
    record = UsnRecord.parse(output(client.control(client.open(""), Fsctl.READ_FILE_USN_DATA)))
    assert record.file_reference_number == record.parent_file_reference_number
    assert record.file_name == ""


# Regions


@pytest.mark.parametrize(
    ("asked", "offset", "length"),
    [
        (None, 0, 1024),
        ((0, 1024), 0, 1024),
        ((0, 10), 0, 10),
        ((1000, 4096), 1000, 24),
        ((0, (1 << 63) - 1), 0, 1024),
    ],
)
def test_the_region_that_was_written(client: Client, asked: tuple[int, int] | None, offset: int, length: int) -> None:
    file_id = client.open("a")
    assert client.write(file_id, bytes(1024)).status is Status.SUCCESS
    data = b"" if asked is None else FileRegionInput(*asked, RegionUsage.VALID_CACHED_DATA).encode()
    answer = output(client.control(file_id, Fsctl.QUERY_FILE_REGIONS, data))
    assert bytes(answer[:16]) == bytes([0] * 4 + [1, 0, 0, 0] * 2 + [0] * 4)
    assert FileRegionOutput.parse(answer) == FileRegionOutput([FileRegionInput(offset, length, RegionUsage.VALID_CACHED_DATA)])


def test_there_is_no_region_past_the_end(client: Client) -> None:
    file_id = client.open("a")
    nothing = output(client.control(file_id, Fsctl.QUERY_FILE_REGIONS))
    assert FileRegionOutput.parse(nothing).regions[0].length == 0
    client.write(file_id, b"x")
    for offset in (1, 2):
        asked = FileRegionInput(offset, 1, RegionUsage.VALID_CACHED_DATA)
        assert output(client.control(file_id, Fsctl.QUERY_FILE_REGIONS, asked.encode())) == b""


@pytest.mark.parametrize(("offset", "length", "usage"), [(0, 0, 1), (0, -1, 1), (-1, 1, 1), (1, (1 << 63) - 1, 1), (0, 1, 2), (0, 1, 0)])
def test_regions_that_are_none(client: Client, offset: int, length: int, usage: int) -> None:
    asked = FileRegionInput(offset, length, usage).encode()
    assert client.control(client.open("a"), Fsctl.QUERY_FILE_REGIONS, asked).status is Status.INVALID_PARAMETER


def test_a_region_that_is_cut(client: Client) -> None:
    assert client.control(client.open("a"), Fsctl.QUERY_FILE_REGIONS, bytes(23)).status is Status.BUFFER_TOO_SMALL


# Copies


@pytest.mark.parametrize(
    ("flags", "copy", "options", "status"),
    [
        (MarkHandleFlags.NOT_READ_COPY, 0, UNBUFFERED, Status.SUCCESS),
        (MarkHandleFlags.READ_COPY, 0, UNBUFFERED, Status.NOT_REDUNDANT_STORAGE),
        (MarkHandleFlags.NOT_READ_COPY, 0, 0, Status.INVALID_PARAMETER),
        (MarkHandleFlags.NOT_READ_COPY, 1, UNBUFFERED, Status.INVALID_PARAMETER),
        (MarkHandleFlags.NOT_READ_COPY | MarkHandleFlags.READ_COPY, 0, UNBUFFERED, Status.INVALID_PARAMETER),
        (0, 0, UNBUFFERED, Status.INVALID_PARAMETER),
        (MarkHandleFlags.NOT_READ_COPY | 1, 0, UNBUFFERED, Status.INVALID_PARAMETER),
        (MarkHandleFlags.NOT_READ_COPY, 0, CreateOptions.DIRECTORY_FILE, Status.DIRECTORY_NOT_SUPPORTED),
    ],
)
def test_there_is_one_copy(client: Client, flags: int, copy: int, options: int, status: Status) -> None:
    file_id = client.open("a", create_options=options, access=AccessMask.FILE_GENERIC_READ | AccessMask.FILE_WRITE_DATA)
    asked = MarkHandleInfo(copy, 0, flags).encode()
    assert len(asked) == 24
    assert client.control(file_id, Fsctl.MARK_HANDLE, asked, room=0).status is status
    assert client.control(file_id, Fsctl.MARK_HANDLE, asked[:-1], room=0).status is Status.BUFFER_TOO_SMALL
