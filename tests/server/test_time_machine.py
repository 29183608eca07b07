"""Shares that Macs back up to."""

from __future__ import annotations

import os
import plistlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileAllocationInformation, FileEndOfFileInformation, FileInformationClass
from filesvc.fscc.filesystem_information import FileFsFullSizeInformation, FileFsSizeInformation, FileSystemInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.files.time_machine import adisk_records, backup_space, parse_band_size
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import ALLOCATION_SIZE, CreateContext
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.ioctl import IoctlResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.store.local import LocalStore

from .dialogue import Client, MakeServer

BAND = 8192
LIMIT = 1 << 16


@pytest.fixture
def backups(make_server: MakeServer, tmp_path: Path) -> Iterator[Client]:
    """A client in a share for 64 KiB of backups."""
    store = LocalStore(tmp_path)
    server = make_server(shares=[Share("files", store, time_machine=True, time_machine_size=LIMIT)])
    client = Client(server)
    client.negotiate()
    client.log_on()
    client.enter()
    yield client
    client.transport.loseConnection()
    store.close()


def ask(client: Client, information: int) -> memoryview:
    file_id = client.open("")
    answer = client.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.FILESYSTEM, information, 4096).encode())
    assert answer.status is Status.SUCCESS
    client.close(file_id)
    return memoryview(QueryInfoResponse.parse(answer.message).buffer)


def sizes(client: Client) -> tuple[int, int]:
    """All that there is, and what is left, in bytes."""
    told = FileFsSizeInformation.parse(ask(client, FileSystemInformationClass.SIZE))
    full = FileFsFullSizeInformation.parse(ask(client, FileSystemInformationClass.FULL_SIZE))
    unit = told.sectors_per_allocation_unit * told.bytes_per_sector
    assert (full.total_allocation_units, full.caller_available_allocation_units) == (
        told.total_allocation_units,
        told.available_allocation_units,
    )
    assert full.actual_available_allocation_units == told.available_allocation_units
    return told.total_allocation_units * unit, told.available_allocation_units * unit


def make_bundle(folder: Path, name: str, bands: int) -> None:
    (folder / name / "bands").mkdir(parents=True)
    (folder / name / "Info.plist").write_bytes(plistlib.dumps({"band-size": BAND, "size": 1 << 40}))
    for number in range(bands):
        (folder / name / "bands" / f"{number:x}").touch()


def test_backups_take_room(backups: Client, tmp_path: Path) -> None:
    assert sizes(backups) == (LIMIT, LIMIT)
    make_bundle(tmp_path, "one.sparsebundle", 3)
    make_bundle(tmp_path, "other.backupbundle", 2)
    make_bundle(tmp_path, "no bundle", 100)
    assert sizes(backups) == (LIMIT, LIMIT - 5 * BAND)
    (tmp_path / "one.sparsebundle/bands/more").touch()
    assert sizes(backups) == (LIMIT, LIMIT - 6 * BAND)


def test_what_was_counted_is_remembered_until_it_changes(backups: Client, tmp_path: Path) -> None:
    make_bundle(tmp_path, "one.sparsebundle", 3)
    bands = tmp_path / "one.sparsebundle/bands"
    os.utime(bands, (1, 1))
    assert sizes(backups)[1] == LIMIT - 3 * BAND
    (bands / "more").touch()
    os.utime(bands, (1, 1))
    assert sizes(backups)[1] == LIMIT - 3 * BAND
    os.utime(bands, (2, 2))
    assert sizes(backups)[1] == LIMIT - 4 * BAND


def test_more_than_there_may_be(backups: Client, tmp_path: Path) -> None:
    make_bundle(tmp_path, "one.sparsebundle", LIMIT // BAND + 1)
    assert sizes(backups) == (LIMIT, 0)


def testbundles_that_are_none(backups: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.sparsebundle").mkdir()
    (tmp_path / "file.sparsebundle").touch()
    make_bundle(tmp_path, "bad.sparsebundle", 3)
    (tmp_path / "bad.sparsebundle/Info.plist").write_text("no list")
    make_bundle(tmp_path, "bare.sparsebundle", 3)
    (tmp_path / "bare.sparsebundle/Info.plist").unlink()
    assert sizes(backups) == (LIMIT, LIMIT)


@pytest.mark.parametrize("format", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_band_sizes(format: plistlib.PlistFormat) -> None:
    assert parse_band_size(plistlib.dumps({"size": 5, "band-size": 8388608}, fmt=format)) == 8388608
    assert parse_band_size(plistlib.dumps({"size": 5}, fmt=format)) == 0


@given(st.binary() | st.binary().map(lambda data: b"bplist00" + data))
def test_arbitrary_properties(data: bytes) -> None:
    assert parse_band_size(data) >= 0


def test_what_discovery_tells() -> None:
    assert adisk_records([]) == []
    assert adisk_records(["Time", "More"]) == ["sys=waMA=0,adVF=0x100", "dk0=adVN=Time,adVF=0x82", "dk1=adVN=More,adVF=0x82"]


def write_full(client: Client, name: str, size: int) -> Status | int:
    """What comes of a new file of so many bytes."""
    file_id = client.open(name)
    status = client.write(file_id, bytes(size)).status
    client.close(file_id)
    return status


def test_no_more_is_written_than_was_told(backups: Client, tmp_path: Path) -> None:
    make_bundle(tmp_path, "one.sparsebundle", 3)
    left = sizes(backups)[1]
    assert write_full(backups, "beside", left // 2) is Status.SUCCESS
    assert write_full(backups, "more", left // 2 + 1) is Status.DISK_FULL
    assert write_full(backups, "more", left // 2) is Status.SUCCESS
    assert sizes(backups)[1] == 0
    assert write_full(backups, "last", 1) is Status.DISK_FULL
    (tmp_path / "beside").unlink()
    assert write_full(backups, "last", left // 2) is Status.SUCCESS


def test_what_lies_in_folders_is_held_against_what_is_left(backups: Client, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert write_full(backups, r"folder\f", LIMIT) is Status.SUCCESS
    file_id = backups.open(r"folder\f")
    assert backups.write(file_id, b"x", LIMIT).status is Status.DISK_FULL
    assert backups.write(file_id, bytes(LIMIT)).status is Status.SUCCESS


def test_bands_that_are_counted_are_filled_and_no_more_are_written(backups: Client, tmp_path: Path) -> None:
    make_bundle(tmp_path, "one.sparsebundle", LIMIT // BAND)
    bands = r"one.sparsebundle\bands"
    assert sizes(backups)[1] == 0
    file_id = backups.open(rf"{bands}\0")
    assert backups.write(file_id, bytes(BAND)).status is Status.SUCCESS
    assert backups.write(file_id, b"x", BAND).status is Status.DISK_FULL
    assert write_full(backups, rf"{bands}\more", 1) is Status.DISK_FULL
    (tmp_path / "one.sparsebundle/bands/1").unlink()
    assert write_full(backups, rf"{bands}\more", BAND) is Status.SUCCESS


def test_a_file_grows_in_no_other_way_either(backups: Client, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(4096))
    file_id = backups.open("f")
    assert backups.set_info(file_id, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(LIMIT)).status is Status.DISK_FULL
    assert backups.set_info(file_id, FileInformationClass.ALLOCATION, FileAllocationInformation(LIMIT)).status is Status.DISK_FULL
    allocation = CreateContext(ALLOCATION_SIZE, LIMIT.to_bytes(8, "little"))
    assert backups.create("new", contexts=[allocation]).status is Status.DISK_FULL
    assert sorted(os.listdir(tmp_path)) == ["f", "source"]
    key = SrvRequestResumeKeyResponse.parse(control(backups, backups.open("source"), Fsctl.SRV_REQUEST_RESUME_KEY)).resume_key
    copy = SrvCopychunkCopy(key, [SrvCopychunk(0, LIMIT - 8192, 4096), SrvCopychunk(0, LIMIT - 4096, 4096)])
    answer = backups.control(file_id, Fsctl.SRV_COPYCHUNK, copy.encode())
    assert answer.status is Status.DISK_FULL
    assert SrvCopychunkResponse.parse(IoctlResponse.parse(answer.message).output).chunks_written == 1
    assert os.stat(tmp_path / "f").st_size == LIMIT - 4096


def control(client: Client, file_id: FileId, code: int) -> memoryview:
    answer = client.control(file_id, code)
    assert answer.status is Status.SUCCESS
    return memoryview(IoctlResponse.parse(answer.message).output)


def testbundles_that_are_gone_are_forgotten(backups: Client, tmp_path: Path) -> None:
    space = backup_space(backups.server.shares["files"].store, LIMIT)
    for number in range(3):
        make_bundle(tmp_path, f"{number}.sparsebundle", 1)
        assert sizes(backups)[1] == LIMIT - BAND
        assert len(space.bundles) == 1
        shutil.rmtree(tmp_path / f"{number}.sparsebundle")
