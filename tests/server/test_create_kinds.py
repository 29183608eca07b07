"""What CREATE makes of names that say what they lead to, and what it refuses of options, rights and attributes (MS-FSA 2.1.5.1)."""

from __future__ import annotations

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileAccessInformation, FileBasicInformation, FileInformationClass
from filesvc.fscc.name_information import FileLinkInformation
from filesvc.interfaces import FileAttributes
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.settings import Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.query_info import QueryInfoResponse
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

D = CreateDisposition
FOLDER, FILE, ON_CLOSE = CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE, CreateOptions.DELETE_ON_CLOSE
UNBUFFERED = CreateOptions.NO_INTERMEDIATE_BUFFERING
DENIED, NO_NAME, NO_PATH = Status.ACCESS_DENIED, Status.OBJECT_NAME_NOT_FOUND, Status.OBJECT_PATH_NOT_FOUND
INVALID_NAME, INVALID = Status.OBJECT_NAME_INVALID, Status.INVALID_PARAMETER


@pytest.fixture(autouse=True)
def existing(store: MemoryStore) -> None:
    """A file and a directory with one."""
    store.add("file", b"x")
    store.add("dir/below", b"x")


@pytest.mark.parametrize(
    ("name", "disposition", "options", "status"),
    [
        # Backslashes that are too many.
        ("new\\", D.CREATE, FOLDER, Status.SUCCESS),
        ("new\\\\", D.OPEN_IF, FOLDER, Status.SUCCESS),
        ("new\\", D.CREATE, FILE, INVALID_NAME),
        ("new\\", D.CREATE, 0, INVALID_NAME),
        ("new\\", D.OPEN, 0, NO_NAME),
        ("new/", D.OPEN_IF, FILE, INVALID_NAME),
        ("x\\\\y", D.CREATE, FILE, NO_PATH),
        ("dir\\\\new", D.CREATE, FILE, Status.SUCCESS),
        ("dir\\\\\\below", D.OPEN, 0, Status.SUCCESS),
        ("dir\\", D.OPEN, 0, Status.SUCCESS),
        ("dir\\", D.OPEN, FILE, INVALID_NAME),
        ("file\\", D.OPEN, 0, INVALID_NAME),
        ("file\\", D.OPEN, FOLDER, Status.NOT_A_DIRECTORY),
        ("file\\", D.OVERWRITE_IF, 0, INVALID_NAME),
        ("\\dir", D.OPEN, 0, INVALID),
        ("new\\\\\\\\\\\\::$DATA", D.CREATE, FILE, INVALID_NAME),
        ("dir\\:s", D.OPEN_IF, FILE, INVALID_NAME),
        ("dir\\::$INDEX_ALLOCATION", D.OPEN, FOLDER, INVALID_NAME),
        # A directory's stream, which is looked at when it is known whether there is a file.
        ("absent::$INDEX_ALLOCATION", D.OPEN, FILE, NO_NAME),
        ("absent::$INDEX_ALLOCATION", D.OVERWRITE, FILE, NO_NAME),
        ("absent:$I30:$INDEX_ALLOCATION", D.OVERWRITE, 0, NO_NAME),
        ("absent::$INDEX_ALLOCATION", D.CREATE, FILE, Status.FILE_IS_A_DIRECTORY),
        ("absent::$INDEX_ALLOCATION", D.OVERWRITE_IF, 0, INVALID),
        ("dir::$INDEX_ALLOCATION", D.OPEN, FILE, Status.FILE_IS_A_DIRECTORY),
        ("dir::$INDEX_ALLOCATION", D.OVERWRITE, 0, INVALID),
        ("dir::$INDEX_ALLOCATION", D.OPEN, 0, Status.SUCCESS),
        ("new:$I30:$INDEX_ALLOCATION", D.CREATE, FOLDER, Status.SUCCESS),
        ("a:s:$INDEX_ALLOCATION", D.CREATE, FOLDER, INVALID),
        ("a:s:$INDEX_ALLOCATION", D.OPEN_IF, 0, INVALID),
        ("a:s:$INDEX_ALLOCATION", D.OPEN, 0, NO_NAME),
        ("a:s:$INDEX_ALLOCATION", D.OVERWRITE, FILE, NO_NAME),
        ("file:s:$INDEX_ALLOCATION", D.OPEN, FILE, INVALID),
        (":s:$INDEX_ALLOCATION", D.OPEN, FOLDER, INVALID),
        ("a:s:$FOO", D.CREATE, FOLDER, INVALID_NAME),
    ],
)
def test_what_a_name_says_of_its_kind(client: Client, name: str, disposition: int, options: int, status: Status) -> None:
    access = AccessMask.FILE_READ_DATA if disposition == D.OPEN else AccessMask.FILE_ALL_ACCESS
    assert client.create(name, disposition, access, create_options=options).status is status


def test_a_backslash_behind_a_directory_is_none_of_its_name(client: Client) -> None:
    client.close(client.open("new\\", disposition=D.CREATE, create_options=FOLDER))
    assert set(client.list()) == {"file", "dir", "new"}


# Rights, options and attributes


@pytest.mark.parametrize("name", ["a*", "a\\\\\\\\\\\\::$DATA", "a"])
def test_nothing_is_wanted(client: Client, name: str) -> None:
    """Which is refused before the name is looked at."""
    assert client.create(name, D.CREATE, 0, create_options=FILE).status is DENIED


@pytest.mark.parametrize("disposition", [D.CREATE, D.OPEN_IF])
def test_who_deletes_on_close_wants_to_delete(client: Client, disposition: int) -> None:
    assert client.create("new", disposition, AccessMask.FILE_LIST_DIRECTORY, create_options=ON_CLOSE).status is INVALID


def test_nobody_deletes_on_close_where_nothing_is_written(make_server: MakeServer, store: MemoryStore) -> None:
    client = Client(make_server(shares=[Share("files", store, read_only=True)]))
    for step in (client.negotiate, client.log_on, client.enter):
        assert step().status is Status.SUCCESS
    assert client.create("file", D.OPEN, AccessMask.FILE_READ_DATA, create_options=ON_CLOSE).status is DENIED


@pytest.mark.parametrize("name", ["new", "file"])
def test_what_is_not_buffered_is_not_appended_to(client: Client, name: str) -> None:
    """MS-SMB2 3.3.5.9, Open Execution."""
    append = AccessMask.FILE_APPEND_DATA
    assert client.create(name, D.OPEN_IF, append, share=1, create_options=UNBUFFERED).status is DENIED
    file_id = client.open(name, access=append | AccessMask.FILE_WRITE_DATA, create_options=UNBUFFERED)
    assert granted(client, file_id) == AccessMask.FILE_WRITE_DATA
    assert granted(client, client.open(name, access=append)) == append
    assert granted(client, client.open(name, access=AccessMask.GENERIC_WRITE, create_options=UNBUFFERED)) & append


def granted(client: Client, file_id: FileId) -> int:
    answer = client.query_info(file_id, FileInformationClass.ACCESS)
    return FileAccessInformation.parse(QueryInfoResponse.parse(answer.message).buffer).access_flags


def test_a_new_directory_is_not_temporary(client: Client) -> None:
    temporary = FileAttributes.TEMPORARY
    assert client.create("new", D.CREATE, create_options=FOLDER, file_attributes=temporary).status is INVALID
    assert client.create("dir", D.OPEN_IF, create_options=FOLDER, file_attributes=temporary).status is Status.SUCCESS
    assert client.create("new", D.CREATE, create_options=FILE, file_attributes=temporary).status is Status.SUCCESS


@pytest.mark.parametrize(("name", "options"), [("new::$DATA", FILE), ("new::$INDEX_ALLOCATION", FOLDER)])
def test_what_has_no_integrity_is_made_all_the_same(client: Client, name: str, options: int) -> None:
    integrity = FileAttributes.INTEGRITY_STREAM
    file_id = client.open(name, create_options=options, file_attributes=FileAttributes.NORMAL | integrity)
    answer = client.query_info(file_id, FileInformationClass.BASIC, FileBasicInformation.MINIMUM_LENGTH)
    basic = FileBasicInformation.parse(QueryInfoResponse.parse(answer.message).buffer)
    assert not basic.file_attributes & integrity


# Share modes of streams


@pytest.mark.parametrize("opened", ["file", "dir"])
@pytest.mark.parametrize(
    ("access", "share", "status"),
    [
        (AccessMask.FILE_WRITE_DATA, 1, Status.SHARING_VIOLATION),
        (OF_OTHERS, 1, Status.SHARING_VIOLATION),
        (AccessMask.FILE_EXECUTE, 3, Status.SHARING_VIOLATION),
        (AccessMask.FILE_WRITE_DATA, 7, Status.SUCCESS),
        (AccessMask.FILE_WRITE_DATA, 4, Status.SUCCESS),
        (AccessMask.FILE_READ_ATTRIBUTES, 1, Status.SUCCESS),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_who_may_delete_a_file_may_delete_its_streams(
    client: Client, another: Client, opened: str, access: int, share: int, status: Status, exists: bool
) -> None:
    if exists:
        client.close(client.open(f"{opened}:s"))
    holding = client.open(opened)
    assert another.create(f"{opened}:s", D.OPEN_IF, access, share).status is status
    client.close(holding)
    client.open(opened, access=AccessMask.FILE_READ_DATA)
    assert another.create(f"{opened}:t", D.OPEN_IF, access, share).status is Status.SUCCESS


def test_a_stream_that_is_to_stay_keeps_its_file(client: Client, another: Client) -> None:
    stream = client.open("file:s", share=3)
    assert another.create("file", D.OPEN, AccessMask.DELETE).status is Status.SHARING_VIOLATION
    another.close(another.open("file", disposition=D.OPEN, access=AccessMask.FILE_WRITE_DATA, share=0))
    client.close(stream)
    client.open("file:s", access=AccessMask.FILE_READ_ATTRIBUTES, share=0)
    assert another.create("file", D.OPEN, AccessMask.DELETE).status is Status.SUCCESS


# Names to get


def test_new_names_may_begin_at_the_root(client: Client) -> None:
    file_id = client.open("file")
    assert client.rename(file_id, "\\dir\\moved").status is Status.SUCCESS
    link = FileLinkInformation(False, "\\linked")
    assert client.set_info(file_id, FileInformationClass.LINK, link).status is Status.SUCCESS
    assert set(client.list()) == {"dir", "linked"}
    assert set(client.list("dir")) == {"below", "moved"}


@pytest.mark.parametrize(("name", "status"), [("\\", INVALID_NAME), ("\\\\a", INVALID), ("a\\", INVALID_NAME), ("\\a:s", INVALID)])
def test_new_names_that_cannot_be(client: Client, name: str, status: Status) -> None:
    file_id = client.open("file")
    assert client.rename(file_id, name).status is status
    assert client.set_info(file_id, FileInformationClass.LINK, FileLinkInformation(False, name)).status is status
    answer = client.create("file", D.OPEN)
    assert CreateResponse.parse(answer.message).end_of_file == 1
