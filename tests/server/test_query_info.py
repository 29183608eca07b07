"""QUERY_INFO of files and volumes (MS-SMB2 3.3.5.20, MS-FSA 2.1.5.12, 2.1.5.13). Security is in test_security."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.status import Status
from filesvc.fscc import file_information as file_info
from filesvc.fscc import filesystem_information as fs_info
from filesvc.fscc import name_information as name_info
from filesvc.fscc.ea import FullEa, encode_full_eas, encode_get_eas, parse_full_eas
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.filesystem_information import FileSystemInformationClass
from filesvc.fscc.name_information import parse_streams
from filesvc.interfaces import Creation, FileAttributes, Kind, Stat, Times
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.error import ErrorResponse
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Answer, Client, MakeClient, MakeServer

F = FileInformationClass
V = FileSystemInformationClass


def data(answer: Answer) -> memoryview:
    assert answer.status is Status.SUCCESS, answer.status
    return memoryview(QueryInfoResponse.parse(answer.message).buffer)


@pytest.fixture
def file(client: Client, store: MemoryStore) -> FileId:
    """A file with times and attributes of its own, open."""
    store.add("d/File.txt", b"12345")
    opened = store.open(("d", "File.txt"), Creation.EXISTING, Kind.FILE, True)
    opened.set_times(Times(10**18, 11 * 10**17, 12 * 10**17, None))
    opened.set_attributes(FileAttributes.HIDDEN)
    return client.open("d\\file.TXT")


@pytest.fixture
def stat(store: MemoryStore, file: FileId) -> Stat:
    return store.open(("d", "File.txt"), Creation.EXISTING, Kind.FILE, False).stat()


@pytest.fixture
def folder(client: Client, store: MemoryStore) -> FileId:
    store.add("d/other")
    return client.open("d", create_options=CreateOptions.DIRECTORY_FILE)


# Files


def test_basic(client: Client, file: FileId, stat: Stat) -> None:
    basic = file_info.FileBasicInformation.parse(data(client.query_info(file, F.BASIC)))
    assert (basic.creation_time, basic.last_access_time) == (to_filetime(10**18), to_filetime(11 * 10**17))
    assert (basic.last_write_time, basic.change_time) == (to_filetime(12 * 10**17), to_filetime(stat.changed))
    assert basic.file_attributes == FileAttributes.HIDDEN


def test_standard(client: Client, file: FileId, folder: FileId, stat: Stat) -> None:
    standard = file_info.FileStandardInformation.parse(data(client.query_info(file, F.STANDARD)))
    assert standard == file_info.FileStandardInformation(stat.allocation, 5, 1, False, False)
    standard = file_info.FileStandardInformation.parse(data(client.query_info(folder, F.STANDARD)))
    assert (standard.directory, standard.end_of_file, standard.allocation_size) == (True, 0, 0)


def test_identity(client: Client, file: FileId, stat: Stat) -> None:
    identity = stat.identity
    assert file_info.FileInternalInformation.parse(data(client.query_info(file, F.INTERNAL))).index_number == identity.inode
    told = file_info.FileIdInformation.parse(data(client.query_info(file, F.ID)))
    assert int.from_bytes(told.file_id, "little") == identity.inode


def test_names(client: Client, file: FileId) -> None:
    assert name_info.FileNormalizedNameInformation.parse(data(client.query_info(file, F.NORMALIZED_NAME))).file_name == "d\\File.txt"
    assert name_info.FileAlternateNameInformation.parse(data(client.query_info(file, F.ALTERNATE_NAME))).file_name == "FILE.TXT"


def test_names_of_the_share_itself(client: Client) -> None:
    root = client.open("")
    assert name_info.FileAllInformation.parse(data(client.query_info(root, F.ALL))).name.file_name == "\\"
    assert client.query_info(root, F.ALTERNATE_NAME).status is Status.OBJECT_NAME_NOT_FOUND


def test_normalized_names_came_with_the_newest_dialect(make_client: MakeClient) -> None:
    old = make_client(Dialect.SMB_3_0_2)
    file_id = old.open("a")
    assert old.query_info(file_id, F.NORMALIZED_NAME).status is Status.NOT_SUPPORTED
    assert old.query_info(file_id, F.STANDARD).status is Status.SUCCESS


def test_what_the_open_is_like(client: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    rights = AccessMask.FILE_READ_DATA | AccessMask.FILE_READ_ATTRIBUTES
    file_id = client.open("a", access=rights)
    assert file_info.FileAccessInformation.parse(data(client.query_info(file_id, F.ACCESS))).access_flags == rights
    assert file_info.FileModeInformation.parse(data(client.query_info(file_id, F.MODE))).mode == 0
    assert file_info.FileAlignmentInformation.parse(data(client.query_info(file_id, F.ALIGNMENT))).alignment_requirement == 0
    assert file_info.FilePositionInformation.parse(data(client.query_info(file_id, F.POSITION))).current_byte_offset == 0
    client.ask(Command.READ, ReadRequest(file_id, 1, 3).encode())
    assert file_info.FilePositionInformation.parse(data(client.query_info(file_id, F.POSITION))).current_byte_offset == 4


def test_all_is_all_of_them(client: Client, file: FileId) -> None:
    whole = name_info.FileAllInformation.parse(data(client.query_info(file, F.ALL)))
    parts = b"".join(bytes(data(client.query_info(file, what))) for what in (F.BASIC, F.STANDARD, F.INTERNAL, F.EA, F.ACCESS))
    parts += b"".join(bytes(data(client.query_info(file, what))) for what in (F.POSITION, F.MODE, F.ALIGNMENT))
    assert whole.encode() == parts + name_info.FileNameInformation("\\d\\File.txt").encode()


def test_network_open(client: Client, file: FileId, stat: Stat) -> None:
    told = file_info.FileNetworkOpenInformation.parse(data(client.query_info(file, F.NETWORK_OPEN)))
    assert (told.end_of_file, told.allocation_size, told.file_attributes) == (5, stat.allocation, FileAttributes.HIDDEN)
    assert (told.creation_time, told.last_write_time) == (to_filetime(10**18), to_filetime(12 * 10**17))


def test_attributes_with_the_reparse_tag_that_there_is_none_of(client: Client, file: FileId) -> None:
    told = file_info.FileAttributeTagInformation.parse(data(client.query_info(file, F.ATTRIBUTE_TAG)))
    assert (told.file_attributes, told.reparse_tag) == (FileAttributes.HIDDEN, 0)


def test_streams(client: Client, file: FileId, folder: FileId, stat: Stat) -> None:
    (stream,) = parse_streams(data(client.query_info(file, F.STREAM)))
    assert (stream.stream_name, stream.stream_size, stream.stream_allocation_size) == ("::$DATA", 5, stat.allocation)
    assert parse_streams(data(client.query_info(folder, F.STREAM))) == []


def test_nothing_is_compressed(client: Client, file: FileId) -> None:
    told = file_info.FileCompressionInformation.parse(data(client.query_info(file, F.COMPRESSION)))
    assert (told.compressed_file_size, told.compression_format) == (5, 0)


def test_extended_attributes(client: Client, file: FileId) -> None:
    assert client.query_info(file, F.FULL_EA).status is Status.NO_EAS_ON_FILE
    assert file_info.FileEaInformation.parse(data(client.query_info(file, F.EA))).ea_size == 0
    attributes = [FullEa("ONE", b"1"), FullEa("TWO", b"22")]
    client.ask(Command.SET_INFO, SetInfoRequest(file, InfoType.FILE, F.FULL_EA, encode_full_eas(attributes)).encode())
    assert parse_full_eas(data(client.query_info(file, F.FULL_EA))) == attributes
    (found,) = parse_full_eas(data(client.query_info(file, F.FULL_EA, input_buffer=encode_get_eas(["two"]))))
    assert found.value == b"22"


FIXED = {
    F.BASIC: 40,
    F.STANDARD: 24,
    F.INTERNAL: 8,
    F.EA: 4,
    F.ACCESS: 4,
    F.POSITION: 8,
    F.MODE: 4,
    F.ALIGNMENT: 4,
    F.NETWORK_OPEN: 56,
    F.ATTRIBUTE_TAG: 8,
    F.COMPRESSION: 16,
    F.ID: 24,
}
VARIABLE = {F.ALL: 104, F.ALTERNATE_NAME: 8, F.STREAM: 32, F.NORMALIZED_NAME: 4}


@pytest.mark.parametrize(("what", "length"), FIXED.items())
def test_classes_of_fixed_length(client: Client, file: FileId, what: int, length: int) -> None:
    assert client.query_info(file, what, length - 1).status is Status.INFO_LENGTH_MISMATCH
    assert len(data(client.query_info(file, what, length))) == length


@pytest.mark.parametrize(("what", "least"), VARIABLE.items())
def test_classes_that_may_be_cut(client: Client, file: FileId, what: int, least: int) -> None:
    whole = bytes(data(client.query_info(file, what)))
    assert client.query_info(file, what, least - 1).status is Status.INFO_LENGTH_MISMATCH
    cut = client.query_info(file, what, least)
    assert cut.status is Status.BUFFER_OVERFLOW
    assert bytes(QueryInfoResponse.parse(cut.message).buffer) == whole[:least]
    assert client.query_info(file, what, len(whole) - 1).status is Status.BUFFER_OVERFLOW
    assert bytes(data(client.query_info(file, what, len(whole)))) == whole


@pytest.mark.parametrize(
    ("what", "right"),
    [
        (F.BASIC, AccessMask.FILE_READ_ATTRIBUTES),
        (F.ALL, AccessMask.FILE_READ_ATTRIBUTES),
        (F.NETWORK_OPEN, AccessMask.FILE_READ_ATTRIBUTES),
        (F.ATTRIBUTE_TAG, AccessMask.FILE_READ_ATTRIBUTES),
        (F.FULL_EA, AccessMask.FILE_READ_EA),
    ],
)
def test_rights(client: Client, store: MemoryStore, what: int, right: int) -> None:
    store.add("a")
    without = client.open("a", access=OF_OTHERS & ~right)
    assert client.query_info(without, what).status is Status.ACCESS_DENIED
    assert client.query_info(client.open("a", access=right), what).status is not Status.ACCESS_DENIED


def test_what_takes_no_right(client: Client, store: MemoryStore) -> None:
    store.add("a")
    file_id = client.open("a", access=AccessMask.DELETE)
    for what in (F.STANDARD, F.INTERNAL, F.EA, F.ACCESS, F.POSITION, F.MODE, F.ALIGNMENT, F.STREAM, F.COMPRESSION, F.ID):
        data(client.query_info(file_id, what))


# Volumes


def volume(client: Client, file_id: FileId, what: int, room: int = 4096) -> memoryview:
    return data(client.query_info(file_id, what, room, InfoType.FILESYSTEM))


def test_sizes(client: Client, store: MemoryStore, file: FileId) -> None:
    there = store.volume()
    size = fs_info.FileFsSizeInformation.parse(volume(client, file, V.SIZE))
    unit = size.sectors_per_allocation_unit * size.bytes_per_sector
    assert (size.total_allocation_units, size.available_allocation_units) == (there.total // unit, there.available // unit)
    full = fs_info.FileFsFullSizeInformation.parse(volume(client, file, V.FULL_SIZE))
    assert full.total_allocation_units == there.total // unit
    assert full.caller_available_allocation_units == there.available // unit
    assert full.actual_available_allocation_units == there.available // unit
    sectors = fs_info.FileFsSectorSizeInformation.parse(volume(client, file, V.SECTOR_SIZE))
    assert (sectors.logical_bytes_per_sector, sectors.physical_bytes_per_sector_for_performance) == (size.bytes_per_sector, there.block)


@pytest.mark.parametrize("administrators", [(), ("Alice",)])
def test_the_reserve_of_a_file_system_is_not_offered(
    make_server: MakeServer, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, administrators: tuple[str, ...]
) -> None:
    there = replace(store.volume(), total=1 << 30, free=3 << 20, available=1 << 20)
    monkeypatch.setattr(store, "volume", lambda _=None: there)
    client = Client(make_server(Settings(administrators=administrators), [Share("files", store)]))
    for step in (client.negotiate, client.log_on, client.enter):
        assert step().status is Status.SUCCESS
    full = fs_info.FileFsFullSizeInformation.parse(volume(client, client.open("a"), V.FULL_SIZE))
    assert full.caller_available_allocation_units * there.block == there.available
    assert full.actual_available_allocation_units * there.block == (there.free if administrators else there.available)


def test_the_label_is_the_volumes_or_the_shares(
    make_server: MakeServer, client: Client, store: MemoryStore, file: FileId, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fs_info.FileFsVolumeInformation.parse(volume(client, file, V.VOLUME))
    there = store.volume()
    assert (told.volume_label, told.volume_serial_number) == (there.label, there.serial)
    assert told.volume_creation_time == to_filetime(there.created)
    there.label, there.serial = "", 1 << 40 | 7
    monkeypatch.setattr(store, "volume", lambda *_: there)
    told = fs_info.FileFsVolumeInformation.parse(volume(client, file, V.VOLUME))
    assert (told.volume_label, told.volume_serial_number) == ("files", 7)


def test_a_read_only_share_says_so(make_server: MakeServer, client: Client, store: MemoryStore, file: FileId) -> None:
    other = Client(make_server(Settings(), [Share("files", store, read_only=True)]))
    other.negotiate()
    other.log_on()
    other.enter()
    root = other.open("", access=AccessMask.FILE_READ_ATTRIBUTES)
    for who, file_id, read_only in ((client, file, False), (other, root, True)):
        device = fs_info.FileFsDeviceInformation.parse(volume(who, file_id, V.DEVICE))
        assert device.device_type == fs_info.DeviceType.DISK
        assert bool(device.characteristics & fs_info.DeviceCharacteristics.READ_ONLY_DEVICE) is read_only
        attributes = fs_info.FileFsAttributeInformation.parse(volume(who, file_id, V.ATTRIBUTE))
        assert bool(attributes.file_system_attributes & fs_info.FileSystemAttributes.READ_ONLY_VOLUME) is read_only


def test_what_the_file_system_can(client: Client, file: FileId) -> None:
    told = fs_info.FileFsAttributeInformation.parse(volume(client, file, V.ATTRIBUTE))
    assert (told.file_system_name, told.maximum_component_name_length) == ("NTFS", 255)
    wanted = fs_info.FileSystemAttributes
    assert told.file_system_attributes & wanted.UNICODE_ON_DISK
    assert told.file_system_attributes & wanted.SUPPORTS_SPARSE_FILES


def test_no_quotas(client: Client, file: FileId) -> None:
    told = fs_info.FileFsControlInformation.parse(volume(client, file, V.CONTROL))
    assert (told.file_system_control_flags, told.default_quota_limit) == (0, (1 << 64) - 1)


def test_the_id_of_the_volume(client: Client, store: MemoryStore, file: FileId) -> None:
    told = fs_info.FileFsObjectIdInformation.parse(volume(client, file, V.OBJECT_ID))
    assert int.from_bytes(told.object_id, "little") == store.volume().serial


VOLUME_LENGTHS = {
    V.VOLUME: 24,
    V.SIZE: 24,
    V.DEVICE: 8,
    V.ATTRIBUTE: 16,
    V.CONTROL: 48,
    V.FULL_SIZE: 32,
    V.OBJECT_ID: 64,
    V.SECTOR_SIZE: 28,
}


@pytest.mark.parametrize(("what", "least"), VOLUME_LENGTHS.items())
def test_buffers_for_volumes(client: Client, file: FileId, what: int, least: int) -> None:
    whole = bytes(volume(client, file, what))
    assert client.query_info(file, what, least - 1, InfoType.FILESYSTEM).status is Status.INFO_LENGTH_MISMATCH
    answer = client.query_info(file, what, least, InfoType.FILESYSTEM)
    assert answer.status is (Status.BUFFER_OVERFLOW if least < len(whole) else Status.SUCCESS)
    assert bytes(QueryInfoResponse.parse(answer.message).buffer) == whole[:least]


# Mistakes


@pytest.mark.parametrize(
    ("kind", "what", "status"),
    [
        (InfoType.FILE, 0, Status.INVALID_INFO_CLASS),
        (InfoType.FILE, F.RENAME, Status.INVALID_INFO_CLASS),
        (InfoType.FILESYSTEM, 0, Status.INVALID_INFO_CLASS),
        (InfoType.FILESYSTEM, 99, Status.INVALID_INFO_CLASS),
        (InfoType.QUOTA, 0, Status.NOT_SUPPORTED),
        (0, F.BASIC, Status.INVALID_PARAMETER),
        (9, F.BASIC, Status.INVALID_PARAMETER),
    ],
)
def test_what_cannot_be_asked(client: Client, file: FileId, kind: int, what: int, status: Status) -> None:
    assert client.query_info(file, what, kind=kind).status is status


def test_the_buffer_is_paid_for_and_bounded(client: Client, file: FileId) -> None:
    assert client.query_info(file, F.BASIC, 65537).status is Status.INVALID_PARAMETER
    assert client.query_info(file, F.BASIC, 65537, charge=2).status is Status.SUCCESS
    assert client.query_info(file, F.FULL_EA, input_buffer=bytes(65537)).status is Status.INVALID_PARAMETER
    assert client.query_info(file, F.BASIC, 8 << 20, charge=128).status is Status.SUCCESS
    assert client.query_info(file, F.BASIC, (8 << 20) + 1, charge=129).status is Status.INVALID_PARAMETER


def test_a_descriptor_fits_or_tells_what_it_needs(client: Client, file: FileId) -> None:
    request = QueryInfoRequest(file, InfoType.SECURITY, 0, 4096, additional_information=7)
    whole = len(data(client.ask(Command.QUERY_INFO, request.encode())))
    request.output_buffer_length = whole
    assert client.ask(Command.QUERY_INFO, request.encode()).status is Status.SUCCESS
    request.output_buffer_length = whole - 1
    answer = client.ask(Command.QUERY_INFO, request.encode())
    assert answer.status is Status.BUFFER_TOO_SMALL
    assert bytes(ErrorResponse.parse(answer.message).error_data) == whole.to_bytes(4, "little")


def test_a_file_that_is_closed(client: Client, file: FileId) -> None:
    client.close(file)
    assert client.query_info(file, F.BASIC).status is Status.FILE_CLOSED


class TestOnDisk:
    """What only files on disk have."""

    @pytest.fixture
    def server(self, server_on_disk: Server) -> Server:
        return server_on_disk

    def test_a_directory_has_one_link_however_many_it_has_in_posix(self, client: Client, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / "d" / name).mkdir(parents=True)
        assert (tmp_path / "d").stat().st_nlink != 1
        for name in ("d", ""):
            file_id = client.open(name, access=AccessMask.FILE_READ_ATTRIBUTES)
            request = QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.STANDARD, 24)
            standard = file_info.FileStandardInformation.parse(data(client.ask(Command.QUERY_INFO, request.encode())))
            assert (standard.number_of_links, standard.delete_pending) == (1, False)
