"""SET_INFO (MS-SMB2 3.3.5.21, MS-FSA 2.1.5.15). Times are in test_times, security in test_security."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import (
    DispositionFlags,
    FileAllocationInformation,
    FileBasicInformation,
    FileDispositionInformation,
    FileDispositionInformationEx,
    FileEndOfFileInformation,
    FileInformationClass,
    FileModeInformation,
    FilePositionInformation,
    FileStandardInformation,
    FileValidDataLengthInformation,
)
from filesvc.fscc.name_information import FileAllInformation, FileLinkInformation, FileRenameInformation
from filesvc.interfaces import FileAttributes
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import ALLOCATION_SIZE, AllocationSize, CreateContext
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse, OplockLevel
from filesvc.smb2.messages.oplock_break import OplockBreak
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

LARGEST = 0x7FFFFFFFFFFFFFFF


def put(client: Client, file_id: FileId, what: int, buffer: bytes, kind: int = InfoType.FILE, **fields: Any) -> Status:
    """Set; the status."""
    answer = client.ask(Command.SET_INFO, SetInfoRequest(file_id, kind, what, buffer).encode(), **fields)
    status: Status = answer.status
    return status


def get(client: Client, file_id: FileId) -> FileAllInformation:
    request = QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.ALL, 1000)
    answer = client.ask(Command.QUERY_INFO, request.encode())
    assert answer.status is Status.SUCCESS
    return FileAllInformation.parse(memoryview(QueryInfoResponse.parse(answer.message).buffer))


def standard(client: Client, file_id: FileId) -> FileStandardInformation:
    return get(client, file_id).standard


def end_of_file(client: Client, file_id: FileId, size: int) -> Status:
    return put(client, file_id, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(size).encode())


def allocation(client: Client, file_id: FileId, size: int) -> Status:
    return put(client, file_id, FileInformationClass.ALLOCATION, FileAllocationInformation(size).encode())


def dispose(client: Client, file_id: FileId, pending: bool = True) -> Status:
    return put(client, file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(pending).encode())


def dispose_ex(client: Client, file_id: FileId, flags: int) -> Status:
    return put(client, file_id, FileInformationClass.DISPOSITION_EX, FileDispositionInformationEx(flags).encode())


def rename(client: Client, file_id: FileId, name: str, replace: bool = False, root: int = 0) -> Status:
    return put(client, file_id, FileInformationClass.RENAME, FileRenameInformation(replace, name, root).encode())


def link(client: Client, file_id: FileId, name: str, replace: bool = False, root: int = 0) -> Status:
    return put(client, file_id, FileInformationClass.LINK, FileLinkInformation(replace, name, root).encode())


def basic(client: Client, file_id: FileId, attributes: int, *times: int) -> Status:
    created, accessed, written, changed = times or (0,) * 4
    information = FileBasicInformation(created, accessed, written, changed, attributes)
    return put(client, file_id, FileInformationClass.BASIC, information.encode())


def exists(client: Client, name: str) -> bool:
    answer = client.create(name, CreateDisposition.OPEN, AccessMask.FILE_READ_ATTRIBUTES)
    if answer.status is Status.SUCCESS:
        client.close(CreateResponse.parse(answer.message).file_id)
    return answer.status is Status.SUCCESS


def remove(client: Client, name: str) -> None:
    client.close(client.open(name, create_options=CreateOptions.DELETE_ON_CLOSE))


# All classes alike

MINIMA = [
    (FileInformationClass.BASIC, 40),
    (FileInformationClass.RENAME, 20),
    (FileInformationClass.LINK, 20),
    (FileInformationClass.DISPOSITION, 1),
    (FileInformationClass.DISPOSITION_EX, 4),
    (FileInformationClass.POSITION, 8),
    (FileInformationClass.MODE, 4),
    (FileInformationClass.ALLOCATION, 8),
    (FileInformationClass.END_OF_FILE, 8),
    (FileInformationClass.VALID_DATA_LENGTH, 8),
    (FileInformationClass.SHORT_NAME, 8),
]


@pytest.mark.parametrize(("what", "minimum"), MINIMA)
def test_buffers_too_short(client: Client, what: int, minimum: int) -> None:
    file_id = client.open("a")
    assert put(client, file_id, what, bytes(minimum - 1)) is Status.INFO_LENGTH_MISMATCH


@pytest.mark.parametrize(
    ("what", "right"),
    [
        (FileInformationClass.BASIC, AccessMask.FILE_WRITE_ATTRIBUTES),
        (FileInformationClass.RENAME, AccessMask.DELETE),
        (FileInformationClass.DISPOSITION, AccessMask.DELETE),
        (FileInformationClass.DISPOSITION_EX, AccessMask.DELETE),
        (FileInformationClass.ALLOCATION, AccessMask.FILE_WRITE_DATA),
        (FileInformationClass.END_OF_FILE, AccessMask.FILE_WRITE_DATA),
        (FileInformationClass.VALID_DATA_LENGTH, AccessMask.FILE_WRITE_DATA),
        (FileInformationClass.FULL_EA, AccessMask.FILE_WRITE_EA),
        (FileInformationClass.SHORT_NAME, AccessMask.DELETE),
    ],
)
def test_rights(client: Client, store: MemoryStore, what: int, right: int) -> None:
    store.add("a")
    buffer = bytes(24)
    assert put(client, client.open("a", access=OF_OTHERS & ~right), what, buffer) is Status.ACCESS_DENIED
    assert put(client, client.open("a", access=right), what, buffer) is not Status.ACCESS_DENIED


@pytest.mark.parametrize(
    ("kind", "what", "status"),
    [
        (InfoType.FILE, FileInformationClass.STANDARD, Status.INVALID_INFO_CLASS),
        (InfoType.FILE, 0, Status.INVALID_INFO_CLASS),
        (InfoType.FILE, 255, Status.INVALID_INFO_CLASS),
        (InfoType.QUOTA, 0, Status.NOT_SUPPORTED),
        (0, 4, Status.INVALID_PARAMETER),
        (5, 4, Status.INVALID_PARAMETER),
    ],
)
def test_what_cannot_be_set(client: Client, kind: int, what: int, status: Status) -> None:
    assert put(client, client.open("a"), what, bytes(64), kind) is status


def test_the_buffer_is_paid_for_and_bounded(client: Client) -> None:
    file_id = client.open("a")
    large = FilePositionInformation(7).encode() + bytes(70000)
    assert put(client, file_id, FileInformationClass.POSITION, large) is Status.INVALID_PARAMETER
    assert put(client, file_id, FileInformationClass.POSITION, large, charge=2) is Status.SUCCESS
    largest = FilePositionInformation(8).encode().ljust((8 << 20) + 1, b"\0")
    assert put(client, file_id, FileInformationClass.POSITION, largest, charge=129) is Status.INVALID_PARAMETER
    assert get(client, file_id).position.current_byte_offset == 7


def test_a_pipe_has_nothing_to_set(client: Client) -> None:
    client.enter("IPC$")
    pipe = client.open("srvsvc")
    assert put(client, pipe, FileInformationClass.BASIC, bytes(40)) is Status.INVALID_DEVICE_REQUEST


# Sizes


@pytest.mark.parametrize("size", [0, 3, 5, 100])
def test_the_end_of_the_file(client: Client, store: MemoryStore, size: int) -> None:
    store.add("a", b"12345")
    file_id = client.open("a")
    assert end_of_file(client, file_id, size) is Status.SUCCESS
    assert standard(client, file_id).end_of_file == size


@pytest.mark.parametrize("setting", [end_of_file, allocation])
def test_sizes_that_cannot_be(client: Client, setting: Any) -> None:
    file_id = client.open("a")
    assert setting(client, file_id, -1) is Status.INVALID_PARAMETER
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert setting(client, folder, 0) is Status.INVALID_PARAMETER


def test_the_allocation_cuts_but_does_not_lengthen(client: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    file_id = client.open("a")
    assert allocation(client, file_id, 100) is Status.SUCCESS
    assert standard(client, file_id).end_of_file == 5
    assert allocation(client, file_id, 2) is Status.SUCCESS
    assert standard(client, file_id).end_of_file == 2


def test_the_allocation_that_was_set_is_told_while_the_file_is_open(client: Client, another: Client) -> None:
    file_id = client.open("a")
    assert standard(client, file_id).allocation_size == 0
    allocation(client, file_id, 5000)
    assert standard(client, file_id).allocation_size == 8192
    other = another.open("a")
    assert standard(another, other).allocation_size == 8192
    client.ask(Command.WRITE, WriteRequest(file_id, 0, bytes(10000)).encode())
    assert standard(client, file_id).allocation_size >= 10000
    end_of_file(client, file_id, 0)
    assert standard(client, file_id).allocation_size == 0
    client.close(file_id)
    another.close(other)
    assert standard(client, client.open("a")).allocation_size == 0


@pytest.mark.parametrize("disposition", [CreateDisposition.CREATE, CreateDisposition.OVERWRITE_IF])
def test_an_allocation_comes_with_the_request(client: Client, store: MemoryStore, disposition: int) -> None:
    if disposition == CreateDisposition.OVERWRITE_IF:
        store.add("a", b"12345")
    context = CreateContext(ALLOCATION_SIZE, AllocationSize(70000).encode())
    created = CreateResponse.parse(client.create("a", disposition, contexts=[context]).message)
    assert (created.allocation_size, created.end_of_file) == (73728, 0)
    assert standard(client, created.file_id).allocation_size == 73728


def test_what_the_file_system_puts_beside_an_empty_file_is_no_allocation(
    client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = client.open("a")
    stat_of = type(store).stat_of

    def with_attributes_on_disk(self: Any, node: Any) -> Any:
        stat = stat_of(self, node)
        stat.allocation += 4096
        return stat

    monkeypatch.setattr(type(store), "stat_of", with_attributes_on_disk)
    assert standard(client, file_id).allocation_size == 0
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert standard(client, file_id).allocation_size > 0


@pytest.mark.parametrize(("length", "status"), [(0, Status.SUCCESS), (5, Status.SUCCESS), (6, Status.INVALID_PARAMETER)])
def test_valid_data_ends_within_the_file(client: Client, store: MemoryStore, length: int, status: Status) -> None:
    store.add("a", b"12345")
    file_id = client.open("a")
    assert put(client, file_id, FileInformationClass.VALID_DATA_LENGTH, FileValidDataLengthInformation(length).encode()) is status


@pytest.mark.parametrize(("position", "status"), [(0, Status.SUCCESS), (LARGEST, Status.SUCCESS), (-1, Status.INVALID_PARAMETER)])
def test_the_position(client: Client, position: int, status: Status) -> None:
    file_id = client.open("a")
    assert put(client, file_id, FileInformationClass.POSITION, FilePositionInformation(position).encode()) is status
    assert get(client, file_id).position.current_byte_offset == max(position, 0)


@pytest.mark.parametrize(
    ("options", "mode", "shown"),
    [
        (0, 0, 0),
        (0, 2, 2),
        (0, 6, 6),
        (CreateOptions.NO_INTERMEDIATE_BUFFERING | CreateOptions.WRITE_THROUGH, 4, 0xE),
        (CreateOptions.SEQUENTIAL_ONLY | CreateOptions.DELETE_ON_CLOSE, 2, 0x1002),
        (CreateOptions.SYNCHRONOUS_IO_ALERT, 4, 4),
        *((0, mode, None) for mode in (1, 8, 0x10, 0x20, 0x30, 0x1000, 0x103E)),
        (CreateOptions.SYNCHRONOUS_IO_NONALERT, 0x20, None),
    ],
)
def test_the_mode(client: Client, options: int, mode: int, shown: int | None) -> None:
    """MS-FSA 2.1.5.15.8: what the open was made with, but for what may be chosen anew."""
    file_id = client.open("a", create_options=options)
    before = options & 0x100E
    assert get(client, file_id).mode.mode == before
    status = put(client, file_id, FileInformationClass.MODE, FileModeInformation(mode).encode())
    assert status is (Status.INVALID_PARAMETER if shown is None else Status.SUCCESS)
    assert get(client, file_id).mode.mode == (before if shown is None else shown)


# Attributes


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        (FileAttributes.HIDDEN | FileAttributes.SYSTEM, FileAttributes.HIDDEN | FileAttributes.SYSTEM),
        (FileAttributes.NORMAL, FileAttributes.NORMAL),
        (FileAttributes.NORMAL | FileAttributes.ARCHIVE, FileAttributes.ARCHIVE),
        (FileAttributes.TEMPORARY, FileAttributes.TEMPORARY),
    ],
)
def test_attributes(client: Client, attributes: int, shown: int) -> None:
    file_id = client.open("a")
    assert basic(client, file_id, attributes) is Status.SUCCESS
    assert basic(client, file_id, 0) is Status.SUCCESS
    assert get(client, file_id).basic.file_attributes == shown


def test_attributes_that_cannot_be(client: Client) -> None:
    assert basic(client, client.open("a"), FileAttributes.DIRECTORY) is Status.INVALID_PARAMETER
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert basic(client, folder, FileAttributes.TEMPORARY) is Status.INVALID_PARAMETER
    assert basic(client, folder, FileAttributes.DIRECTORY | FileAttributes.HIDDEN) is Status.SUCCESS
    assert get(client, folder).basic.file_attributes == FileAttributes.DIRECTORY | FileAttributes.HIDDEN


def test_times_before_the_epoch_of_windows_are_refused(client: Client) -> None:
    assert basic(client, client.open("a"), 0, -3, 0, 0, 0) is Status.INVALID_PARAMETER


# Deletion


def test_deletion_waits_for_the_last_close(client: Client, another: Client) -> None:
    file_id, other = client.open("a"), another.open("a")
    assert dispose(client, file_id) is Status.SUCCESS
    told = standard(another, other)
    assert (told.delete_pending, told.number_of_links) == (True, 0)
    assert another.create("a").status is Status.DELETE_PENDING
    client.close(file_id)
    assert another.create("a").status is Status.DELETE_PENDING
    another.close(other)
    assert not exists(client, "a")


def test_deletion_can_be_taken_back(client: Client) -> None:
    file_id = client.open("a")
    dispose(client, file_id)
    assert dispose(client, file_id, False) is Status.SUCCESS
    client.close(file_id)
    assert exists(client, "a")


def test_a_read_only_file_is_not_deleted(client: Client) -> None:
    file_id = client.open("a")
    basic(client, file_id, FileAttributes.READONLY)
    assert dispose(client, file_id) is Status.CANNOT_DELETE
    assert dispose_ex(client, file_id, DispositionFlags.DELETE) is Status.CANNOT_DELETE
    assert dispose_ex(client, file_id, DispositionFlags.DELETE | DispositionFlags.IGNORE_READONLY_ATTRIBUTE) is Status.SUCCESS
    client.close(file_id)
    assert not exists(client, "a")


def test_extended_disposition(client: Client) -> None:
    file_id = client.open("a")
    assert dispose_ex(client, file_id, DispositionFlags.DELETE | DispositionFlags.POSIX_SEMANTICS) is Status.INVALID_PARAMETER
    assert dispose_ex(client, file_id, DispositionFlags.DELETE) is Status.SUCCESS
    assert dispose_ex(client, file_id, 0) is Status.SUCCESS
    client.close(file_id)
    assert exists(client, "a")


def test_a_folder_is_deleted_when_it_is_empty(client: Client, store: MemoryStore) -> None:
    store.add("d/f")
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert dispose(client, folder) is Status.DIRECTORY_NOT_EMPTY
    remove(client, "d\\f")
    assert dispose(client, folder) is Status.SUCCESS
    client.close(folder)
    assert not exists(client, "d")


def test_nothing_new_comes_into_a_folder_that_is_to_be_deleted(client: Client, another: Client) -> None:
    folder = CreateOptions.DIRECTORY_FILE
    kept = another.open("Going", access=AccessMask.FILE_READ_ATTRIBUTES, create_options=folder)
    client.close(client.open("going", create_options=folder | CreateOptions.DELETE_ON_CLOSE))
    assert client.create("going\\f").status is Status.DELETE_PENDING
    assert client.create("GOING\\d", create_options=folder).status is Status.DELETE_PENDING
    file_id = client.open("f")
    assert rename(client, file_id, "going\\f") is Status.DELETE_PENDING
    assert link(client, file_id, "going\\f") is Status.DELETE_PENDING
    another.close(kept)
    again = client.open("going", create_options=folder)
    assert dispose(client, again) is Status.SUCCESS
    assert client.create("going\\f").status is Status.DELETE_PENDING
    assert dispose(client, again, False) is Status.SUCCESS
    assert client.create("going\\f").status is Status.SUCCESS


def test_the_share_itself_is_not_deleted(client: Client) -> None:
    root = client.open("")
    assert dispose(client, root) is Status.CANNOT_DELETE


# Renaming


def test_rename_moves_the_file_and_all_its_opens_go_along(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("d/kept", b"")
    file_id, other = client.open("a"), another.open("a")
    assert rename(client, file_id, "d\\b") is Status.SUCCESS
    assert get(client, file_id).name.file_name == "\\d\\b"
    assert get(another, other).name.file_name == "\\d\\b"
    assert exists(client, "d\\b")
    assert not exists(client, "a")


def test_rename_in_another_case(client: Client) -> None:
    file_id = client.open("a")
    assert rename(client, file_id, "A") is Status.SUCCESS
    assert get(client, file_id).name.file_name == "\\A"


def test_rename_to_what_is_there(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("b", b"old")
    file_id = client.open("a")
    assert rename(client, file_id, "b") is Status.OBJECT_NAME_COLLISION
    held = another.open("b")
    assert rename(client, file_id, "b", replace=True) is Status.ACCESS_DENIED
    another.close(held)
    assert rename(client, file_id, "b", replace=True) is Status.SUCCESS
    assert standard(client, client.open("b")).end_of_file == 0


def test_rename_of_a_folder(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("d/f")
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    inside = another.open("d\\f")
    assert rename(client, folder, "e") is Status.ACCESS_DENIED
    another.close(inside)
    assert rename(client, folder, "e") is Status.SUCCESS
    assert exists(client, "e\\f")


def test_rename_into_a_folder_whose_entries_somebody_keeps(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("d/f")
    held = another.open("d", access=AccessMask.DELETE, share=7)
    file_id = client.open("a")
    assert rename(client, file_id, "d\\a") is Status.SHARING_VIOLATION
    another.close(held)
    assert rename(client, file_id, "d\\a") is Status.SUCCESS


@pytest.mark.parametrize("change", [rename, link])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", Status.OBJECT_NAME_INVALID),
        ("nowhere\\b", Status.OBJECT_PATH_NOT_FOUND),
        ("b*", Status.OBJECT_NAME_INVALID),
        ("..\\b", Status.OBJECT_PATH_SYNTAX_BAD),
        ("b:stream", Status.INVALID_PARAMETER),
    ],
)
def test_names_that_cannot_be(client: Client, change: Any, name: str, status: Status) -> None:
    file_id = client.open("a")
    assert change(client, file_id, name) is status
    assert exists(client, "a")


@pytest.mark.parametrize("change", [rename, link])
def test_names_are_relative_to_the_share_only(client: Client, change: Any) -> None:
    file_id = client.open("a")
    assert change(client, file_id, "b", root=1) is Status.INVALID_PARAMETER
    assert not exists(client, "b")


@pytest.mark.parametrize("change", [rename, link])
def test_the_share_itself_stays(client: Client, change: Any) -> None:
    assert change(client, client.open(""), "b") in (Status.ACCESS_DENIED, Status.FILE_IS_A_DIRECTORY)


# Links


def test_a_link_is_one_more_name(client: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    file_id = client.open("a")
    assert link(client, file_id, "b") is Status.SUCCESS
    assert standard(client, file_id).number_of_links == 2
    assert get(client, file_id).name.file_name == "\\a"
    assert standard(client, client.open("b")).end_of_file == 5


def test_a_link_to_what_is_there(client: Client, store: MemoryStore) -> None:
    store.add("b", b"old")
    file_id = client.open("a")
    assert link(client, file_id, "b") is Status.OBJECT_NAME_COLLISION
    assert link(client, file_id, "b", replace=True) is Status.SUCCESS
    assert standard(client, client.open("b")).end_of_file == 0


@pytest.mark.parametrize("change", [rename, link])
def test_what_is_open_is_not_replaced(client: Client, another: Client, change: Any) -> None:
    held = another.open("b", access=AccessMask.FILE_READ_ATTRIBUTES)
    file_id = client.open("a")
    assert change(client, file_id, "B", replace=True) is Status.ACCESS_DENIED
    another.close(held)
    held = another.open("b:stream")
    assert change(client, file_id, "B", replace=True) is Status.ACCESS_DENIED
    another.close(held)
    assert change(client, file_id, "B", replace=True) is Status.SUCCESS


@pytest.mark.parametrize("change", [rename, link])
def test_a_read_only_file_is_not_replaced(client: Client, change: Any) -> None:
    client.close(client.open("b", file_attributes=FileAttributes.READONLY))
    file_id = client.open("a")
    assert change(client, file_id, "b", replace=True) is Status.ACCESS_DENIED
    assert change(client, file_id, "b") is Status.OBJECT_NAME_COLLISION


@pytest.mark.parametrize("change", [rename, link])
def test_a_name_of_the_file_itself_is_replaced(client: Client, change: Any) -> None:
    file_id = client.open("a", file_attributes=FileAttributes.READONLY)
    assert link(client, file_id, "b") is Status.SUCCESS
    assert change(client, file_id, "b", replace=True) is Status.SUCCESS
    assert change(client, file_id, "B", replace=True) is Status.SUCCESS
    assert exists(client, "b")
    assert exists(client, "a") is (change is link)


@pytest.mark.parametrize("change", [rename, link])
def test_a_folder_is_not_replaced(client: Client, store: MemoryStore, change: Any) -> None:
    store.add("d/f")
    assert change(client, client.open("a"), "d", replace=True) is Status.ACCESS_DENIED


def test_a_folder_has_one_name(client: Client) -> None:
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert link(client, folder, "e") is Status.FILE_IS_A_DIRECTORY


def test_what_is_left_when_one_name_is_deleted(client: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    file_id = client.open("a")
    link(client, file_id, "b")
    dispose(client, file_id)
    client.close(file_id)
    assert not exists(client, "a")
    assert exists(client, "b")


@pytest.fixture
def by_a_and_b(client: Client) -> tuple[FileId, FileId]:
    """Opens of one file by both its names."""
    by_a = client.open("a")
    assert link(client, by_a, "b") is Status.SUCCESS
    return by_a, client.open("b")


def pending(client: Client, file_id: FileId) -> tuple[bool, int]:
    told = standard(client, file_id)
    return told.delete_pending, told.number_of_links


def test_a_name_is_to_be_deleted_and_not_the_file(client: Client, another: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, by_b = by_a_and_b
    assert dispose(client, by_a) is Status.SUCCESS
    assert (pending(client, by_a), pending(client, by_b)) == ((True, 1), (False, 1))
    assert another.create("A").status is Status.DELETE_PENDING
    another.close(another.open("b"))
    client.close(by_a)
    assert not exists(client, "a")
    assert pending(client, by_b) == (False, 1)
    client.close(by_b)
    assert exists(client, "b")


def test_a_name_is_deleted_when_its_last_open_is_closed(client: Client, another: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, by_b = by_a_and_b
    client.close(by_b)
    again, stream = another.open("A"), another.open("a:stream")
    by_b = client.open("b")
    assert dispose(client, by_a) is Status.SUCCESS
    for who, file_id in ((client, by_a), (another, again), (another, stream)):
        assert another.create("a").status is Status.DELETE_PENDING
        who.close(file_id)
    assert not exists(client, "a")
    assert dispose(client, by_b) is Status.SUCCESS
    client.close(by_b)
    assert not exists(client, "b")


def test_both_names_can_be_to_be_deleted(client: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, by_b = by_a_and_b
    assert dispose(client, by_a) is dispose(client, by_b) is Status.SUCCESS
    assert (pending(client, by_a), pending(client, by_b)) == ((True, 0), (True, 0))
    assert dispose(client, by_b, False) is Status.SUCCESS
    assert (pending(client, by_a), pending(client, by_b)) == ((True, 1), (False, 1))
    client.close(by_a)
    client.close(by_b)
    assert not exists(client, "a")
    assert exists(client, "b")


def test_a_name_is_deleted_on_close_and_not_the_file(client: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, by_b = by_a_and_b
    client.close(client.open("b", create_options=CreateOptions.DELETE_ON_CLOSE))
    assert client.create("b").status is Status.DELETE_PENDING
    assert pending(client, by_a) == (False, 1)
    client.close(by_b)
    assert not exists(client, "b")
    assert pending(client, by_a) == (False, 1)


def test_what_is_to_be_deleted_is_so_by_its_new_name(client: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, by_b = by_a_and_b
    assert dispose(client, by_a) is Status.SUCCESS
    assert rename(client, by_b, "c") is Status.SUCCESS
    assert rename(client, by_a, "d") is Status.SUCCESS
    assert client.create("d").status is Status.DELETE_PENDING
    client.close(client.open("c"))
    client.close(by_a)
    assert [exists(client, name) for name in "abcd"] == [False, False, True, False]


def test_a_stream_is_made_by_a_name_that_stays(client: Client, another: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, _ = by_a_and_b
    assert dispose(client, by_a) is Status.SUCCESS
    assert another.create("a:new").status is Status.DELETE_PENDING
    assert another.create("b:new").status is Status.SUCCESS


def test_what_is_cached_by_another_name_is_taken_back(client: Client, another: Client, by_a_and_b: tuple[FileId, FileId]) -> None:
    by_a, _ = by_a_and_b
    assert dispose(client, by_a) is Status.SUCCESS
    client.open("b", requested_oplock_level=OplockLevel.II)
    another.open("b", disposition=CreateDisposition.OVERWRITE)
    assert [told.oplock_level for told in client.breaks() if isinstance(told, OplockBreak)] == [OplockLevel.NONE]


def test_a_share_to_read_from_gets_no_links(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    store.add("a")
    reader = Client(make_server(shares=[Share("files", store, read_only=True)]))
    reader.negotiate()
    reader.log_on()
    reader.enter()
    file_id = reader.open("a", disposition=CreateDisposition.OPEN, access=AccessMask.FILE_READ_ATTRIBUTES)
    assert link(reader, file_id, "b") is Status.ACCESS_DENIED
    assert not exists(client, "b")


def test_a_folder_has_no_allocation(client: Client) -> None:
    context = CreateContext(ALLOCATION_SIZE, AllocationSize((1 << 63) - 1).encode())
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE, contexts=[context])
    assert standard(client, folder).allocation_size == 0


def test_an_allocation_that_there_is_no_room_for_is_told_to_nobody(client: Client, another: Client) -> None:
    context = CreateContext(ALLOCATION_SIZE, AllocationSize((1 << 63) - 1).encode())
    file_id = another.open("a")
    assert client.create("a", disposition=CreateDisposition.OVERWRITE, contexts=[context]).status is Status.DISK_FULL
    assert standard(another, file_id).allocation_size == 0
