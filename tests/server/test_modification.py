"""What a modification does to a file: its times, those that an open keeps, and the attribute ARCHIVE (MS-FSA 2.1.4.17, 2.1.5.15.2)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import RESUME_UPDATES, STOP_UPDATES
from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, encode_full_eas
from filesvc.fscc.file_information import (
    FileAllocationInformation,
    FileBasicInformation,
    FileEndOfFileInformation,
    FileInformationClass,
)
from filesvc.fscc.file_ranges import FileLevelTrim, FileRange, SetZeroData
from filesvc.fscc.fsctl import Fsctl
from filesvc.interfaces import FileAttributes
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.smb2.messages.ioctl import IoctlResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.store.local import LocalStore

from .dialogue import Client, Serve

OPEN, CREATE = CreateDisposition.OPEN, CreateDisposition.CREATE
ARCHIVE, HIDDEN = int(FileAttributes.ARCHIVE), int(FileAttributes.HIDDEN)
INFORMATION = FileInformationClass
A_TICK_S = 0.02


@pytest.fixture(params=["memory", "disk"])
def user(request: pytest.FixtureRequest, client: Client, serve: Serve, tmp_path: Path) -> Client:
    """A client of a store that keeps its own times, and of one whose times are the kernel's."""
    if request.param == "memory":
        return client
    real = Client(serve(files=LocalStore(tmp_path)))
    for step in (real.negotiate, real.log_on, real.enter):
        assert step().status is Status.SUCCESS
    return real


def basic(client: Client, file_id: FileId) -> FileBasicInformation:
    answer = client.query_info(file_id, INFORMATION.BASIC)
    return FileBasicInformation.parse(QueryInfoResponse.parse(answer.message).buffer)


def basic_anew(client: Client, name: str) -> FileBasicInformation:
    """What another open sees."""
    file_id = client.open(name, disposition=OPEN, access=AccessMask.FILE_READ_ATTRIBUTES)
    found = basic(client, file_id)
    client.close(file_id)
    return found


def set_basic(client: Client, file_id: FileId, attributes: int = 0, **times: int) -> None:
    fields = {"creation_time": 0, "last_access_time": 0, "last_write_time": 0, "change_time": 0} | times
    information = FileBasicInformation(**fields, file_attributes=attributes)
    assert client.set_info(file_id, INFORMATION.BASIC, information).status is Status.SUCCESS


def write(client: Client, file_id: FileId) -> None:
    time.sleep(A_TICK_S)
    assert client.write(file_id, b"x" * 4096).status is Status.SUCCESS


# Change times that are kept


def test_a_change_time_is_stopped_and_resumed(user: Client) -> None:
    file_id = user.open("f")
    before = basic(user, file_id).change_time
    set_basic(user, file_id, change_time=STOP_UPDATES)
    write(user, file_id)
    assert basic(user, file_id).change_time == before
    set_basic(user, file_id, change_time=RESUME_UPDATES)
    assert basic(user, file_id).change_time == before
    write(user, file_id)
    assert basic(user, file_id).change_time > before


def test_a_stopped_change_time_outlives_its_open(user: Client) -> None:
    file_id = user.open("f")
    before = basic(user, file_id).change_time
    set_basic(user, file_id, change_time=STOP_UPDATES, last_write_time=STOP_UPDATES)
    write(user, file_id)
    user.set_info(file_id, INFORMATION.END_OF_FILE, FileEndOfFileInformation(10))
    user.close(file_id)
    assert basic_anew(user, "f").change_time == before
    write(user, user.open("f"))
    assert basic_anew(user, "f").change_time > before


def test_a_change_time_that_is_set_stays_for_its_own_open(user: Client) -> None:
    chosen = 130_000_000_000_000_000
    mine, other = user.open("f"), user.open("f")
    set_basic(user, mine, change_time=chosen)
    write(user, mine)
    assert basic(user, mine).change_time == basic(user, other).change_time == chosen
    write(user, other)
    assert basic(user, mine).change_time > chosen


def test_what_else_is_set_with_a_stopped_change_time_leaves_it(user: Client) -> None:
    file_id = user.open("f")
    before = basic(user, file_id).change_time
    time.sleep(A_TICK_S)
    set_basic(user, file_id, HIDDEN, change_time=STOP_UPDATES)
    assert basic(user, file_id).change_time == before
    assert basic(user, file_id).file_attributes == HIDDEN


def directory_with_stream(client: Client) -> FileId:
    client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    time.sleep(A_TICK_S)
    return client.open("d:s", disposition=CREATE)


def test_a_change_time_stopped_on_a_stream_is_its_directorys(user: Client) -> None:
    stream = directory_with_stream(user)
    before = basic(user, stream).change_time
    set_basic(user, stream, change_time=STOP_UPDATES)
    user.set_info(stream, INFORMATION.END_OF_FILE, FileEndOfFileInformation(4096))
    write(user, stream)
    user.read(stream, 0, 4096)
    assert basic(user, stream).change_time == basic_anew(user, "d").change_time == before
    set_basic(user, stream, change_time=RESUME_UPDATES)
    write(user, stream)
    assert basic(user, stream).change_time > before
    assert basic_anew(user, "d").change_time == basic(user, stream).change_time


# Write times, and streams


def test_a_write_after_a_resumed_write_time_shows_at_once(user: Client) -> None:
    file_id = user.open("f")
    before = basic(user, file_id).last_write_time
    set_basic(user, file_id, last_write_time=STOP_UPDATES)
    write(user, file_id)
    assert basic(user, file_id).last_write_time == before
    set_basic(user, file_id, last_write_time=RESUME_UPDATES)
    write(user, file_id)
    assert basic(user, file_id).last_write_time > before


@pytest.mark.parametrize("options", [CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE])
def test_a_write_to_a_stream_is_one_to_its_file(user: Client, options: int) -> None:
    user.close(user.open("f", create_options=options))
    before = basic_anew(user, "f").last_write_time
    time.sleep(A_TICK_S)
    stream = user.open("f:s")
    assert basic_anew(user, "f").last_write_time == before, "that a stream came into being is no write"
    write(user, stream)
    user.close(stream)
    assert basic_anew(user, "f").last_write_time > before


def test_a_write_time_stopped_on_a_stream_is_its_directorys(user: Client) -> None:
    stream = directory_with_stream(user)
    before = basic(user, stream).last_write_time
    set_basic(user, stream, last_write_time=STOP_UPDATES)
    user.set_info(stream, INFORMATION.END_OF_FILE, FileEndOfFileInformation(4096))
    write(user, stream)
    assert basic(user, stream).last_write_time == basic_anew(user, "d").last_write_time == before
    set_basic(user, stream, last_write_time=RESUME_UPDATES)
    write(user, stream)
    assert basic(user, stream).last_write_time > before
    assert basic_anew(user, "d").last_write_time > before


def test_a_write_time_kept_on_a_stream_outlives_its_open(user: Client) -> None:
    stream = directory_with_stream(user)
    before = basic(user, stream).last_write_time
    set_basic(user, stream, last_write_time=STOP_UPDATES)
    write(user, stream)
    user.close(stream)
    assert basic_anew(user, "d").last_write_time == before


# The attribute ARCHIVE


def end(client: Client, file_id: FileId) -> None:
    assert client.set_info(file_id, INFORMATION.END_OF_FILE, FileEndOfFileInformation(10)).status is Status.SUCCESS


def allocate(client: Client, file_id: FileId) -> None:
    assert client.set_info(file_id, INFORMATION.ALLOCATION, FileAllocationInformation(1 << 20)).status is Status.SUCCESS


def cut_allocation(client: Client, file_id: FileId) -> None:
    assert client.set_info(file_id, INFORMATION.ALLOCATION, FileAllocationInformation(1)).status is Status.SUCCESS


def zero(client: Client, file_id: FileId) -> None:
    assert client.control(file_id, Fsctl.SET_ZERO_DATA, SetZeroData(0, 100).encode()).status is Status.SUCCESS


def trim(client: Client, file_id: FileId) -> None:
    assert client.control(file_id, Fsctl.FILE_LEVEL_TRIM, FileLevelTrim([FileRange(0, 4096)]).encode()).status is Status.SUCCESS


def copy(client: Client, file_id: FileId) -> None:
    key = bytes(IoctlResponse.parse(client.control(file_id, Fsctl.SRV_REQUEST_RESUME_KEY).message).output[:24])
    chunk = struct.pack("<24sII2Q2I", key, 1, 0, 0, 100, 10, 0)
    assert client.control(file_id, Fsctl.SRV_COPYCHUNK_WRITE, chunk).status is Status.SUCCESS


def rename(client: Client, file_id: FileId) -> None:
    assert client.rename(file_id, "g").status is Status.SUCCESS


def set_ea(client: Client, file_id: FileId) -> None:
    request = SetInfoRequest(file_id, InfoType.FILE, INFORMATION.FULL_EA, encode_full_eas([FullEa("NAME", b"value")]))
    assert client.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS


def make_stream(client: Client, file_id: FileId) -> None:
    client.close(client.open("f:new", disposition=CREATE, access=AccessMask.FILE_READ_ATTRIBUTES))


def write_stream(client: Client, file_id: FileId) -> None:
    stream = client.open("f:s")
    write(client, stream)
    client.close(stream)


def rename_stream(client: Client, file_id: FileId) -> None:
    stream = client.open("f:s")
    assert client.rename(stream, ":t").status is Status.SUCCESS
    client.close(stream)


def overwrite_stream(client: Client, file_id: FileId) -> None:
    client.close(client.open("f:s", disposition=CreateDisposition.OVERWRITE, file_attributes=HIDDEN))


def overwrite(client: Client, file_id: FileId) -> None:
    client.close(client.open("f", disposition=CreateDisposition.OVERWRITE, file_attributes=HIDDEN))


CHANGES = [
    write,
    end,
    allocate,
    cut_allocation,
    zero,
    trim,
    copy,
    rename,
    set_ea,
    make_stream,
    write_stream,
    rename_stream,
    overwrite_stream,
    overwrite,
]


@pytest.mark.parametrize("cleared_by", ["the same open", "another before"])
@pytest.mark.parametrize("change", CHANGES)
def test_who_backs_up_what_has_changed_finds_it(user: Client, change: Callable[[Client, FileId], None], cleared_by: str) -> None:
    user.close(user.open("f:s"))
    file_id = user.open("f")
    write(user, file_id)
    set_basic(user, file_id, HIDDEN)
    if cleared_by == "another before":
        user.close(file_id)
        file_id = user.open("f")
    assert basic_anew(user, "f").file_attributes == HIDDEN
    change(user, file_id)
    assert basic(user, file_id).file_attributes == HIDDEN | ARCHIVE
    set_basic(user, file_id, HIDDEN)
    user.close(file_id)
    name = "g" if change is rename else "f"
    assert basic_anew(user, name).file_attributes == HIDDEN
    changed = user.open(name)
    write(user, changed)
    user.close(changed)
    assert basic_anew(user, name).file_attributes == HIDDEN | ARCHIVE


def test_reading_and_looking_change_nothing(user: Client) -> None:
    file_id = user.open("f")
    write(user, file_id)
    set_basic(user, file_id, HIDDEN)
    user.read(file_id, 0, 10)
    user.control(file_id, Fsctl.SRV_REQUEST_RESUME_KEY)
    assert user.set_info(file_id, INFORMATION.END_OF_FILE, FileEndOfFileInformation(-1)).status is Status.INVALID_PARAMETER
    user.close(file_id)
    assert basic_anew(user, "f").file_attributes == HIDDEN


def test_a_renamed_directory_is_backed_up_by_what_is_in_it(user: Client) -> None:
    directory = user.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert user.rename(directory, "e").status is Status.SUCCESS
    assert basic(user, directory).file_attributes == FileAttributes.DIRECTORY
