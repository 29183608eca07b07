"""CREATE (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1). Leases, oplocks, streams, snapshots and durable handles have tests of their own."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from twisted.internet.defer import succeed

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.security_descriptor import SecurityDescriptor
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileBasicInformation, FileInformationClass
from filesvc.interfaces import Creation, FileAttributes, ParentNotFound
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import (
    ALLOCATION_SIZE,
    EA_BUFFER,
    QUERY_MAXIMAL_ACCESS,
    QUERY_ON_DISK_ID,
    TIMEWARP_TOKEN,
    CreateContext,
    QueryMaximalAccessRequest,
    QueryMaximalAccessResponse,
    QueryOnDiskIdResponse,
)
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseFlags, CloseRequest, CloseResponse
from filesvc.smb2.messages.create import CreateAction, CreateDisposition, CreateOptions, CreateResponse, ImpersonationLevel, OplockLevel
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryFile, MemoryStore

from .dialogue import Answer, Client, MakeServer

D = CreateDisposition
READ = AccessMask.FILE_READ_DATA
WRITE = AccessMask.FILE_WRITE_DATA
DELETE = AccessMask.DELETE
LOOK = AccessMask.FILE_READ_ATTRIBUTES
FOLDER = CreateOptions.DIRECTORY_FILE
NO_FOLDER = CreateOptions.NON_DIRECTORY_FILE
ON_CLOSE = CreateOptions.DELETE_ON_CLOSE
READONLY, HIDDEN, SYSTEM, ARCHIVE = FileAttributes.READONLY, FileAttributes.HIDDEN, FileAttributes.SYSTEM, FileAttributes.ARCHIVE


def created(answer: Answer) -> CreateResponse:
    assert answer.status is Status.SUCCESS, answer.status
    return CreateResponse.parse(answer.message)


def size_of(store: Any, name: str) -> int | None:
    """The size of a file in the store; C{None} if there is none."""
    try:
        size: int = store.open(tuple(name.split("/")), Creation.EXISTING, None, False).stat().size
    except FileNotFoundError:
        return None
    return size


# Dispositions


@pytest.mark.parametrize(
    ("disposition", "there", "missing"),
    [
        (D.SUPERSEDE, CreateAction.SUPERSEDED, CreateAction.CREATED),
        (D.OPEN, CreateAction.OPENED, Status.OBJECT_NAME_NOT_FOUND),
        (D.CREATE, Status.OBJECT_NAME_COLLISION, CreateAction.CREATED),
        (D.OPEN_IF, CreateAction.OPENED, CreateAction.CREATED),
        (D.OVERWRITE, CreateAction.OVERWRITTEN, Status.OBJECT_NAME_NOT_FOUND),
        (D.OVERWRITE_IF, CreateAction.OVERWRITTEN, CreateAction.CREATED),
    ],
)
def test_dispositions(client: Client, store: MemoryStore, disposition: int, there: int, missing: int) -> None:
    store.add("there", b"12345")
    for name, expected in (("there", there), ("missing", missing)):
        answer = client.create(name, disposition)
        if isinstance(expected, Status):
            assert answer.status is expected
        else:
            assert created(answer).create_action == expected
    assert size_of(store, "there") == (0 if there in (CreateAction.SUPERSEDED, CreateAction.OVERWRITTEN) else 5)
    assert (size_of(store, "missing") is None) == isinstance(missing, Status)


def test_overwriting_replaces_attributes(client: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    client.close(client.open("a", disposition=D.OVERWRITE, file_attributes=HIDDEN))
    assert created(client.create("a", D.OPEN)).file_attributes == HIDDEN | ARCHIVE


@pytest.mark.parametrize("kept", [HIDDEN, SYSTEM])
def test_overwriting_must_not_lose_what_hides_a_file(client: Client, kept: int) -> None:
    client.close(client.open("a", file_attributes=kept))
    assert client.create("a", D.OVERWRITE).status is Status.ACCESS_DENIED
    assert client.create("a", D.OVERWRITE, file_attributes=kept).status is Status.SUCCESS


def test_a_race_to_make_a_file_is_run_again(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody makes the file after we looked for it, and removes it before we look again."""
    opens = store.open
    looks = iter(["missing", "taken", "missing", "free"])

    def race(path: Any, creation: Creation, *call: Any) -> Any:
        match next(looks):
            case "missing":
                raise FileNotFoundError(errno.ENOENT, "not there")
            case "taken":
                raise FileExistsError(errno.EEXIST, "there")
        return opens(path, creation, *call)

    monkeypatch.setattr(client.server.descriptors, "require_addable", lambda *call: succeed(None))
    monkeypatch.setattr(client.server.descriptors, "of_folder", lambda *call: succeed(SecurityDescriptor()))
    monkeypatch.setattr(store, "open", race)
    assert created(client.create("a", D.OPEN_IF)).create_action == CreateAction.CREATED
    assert list(looks) == []


@pytest.mark.parametrize("disposition", [D.OPEN_IF, D.OVERWRITE_IF, D.SUPERSEDE])
def test_a_file_is_made_only_where_there_is_a_folder_for_it(
    client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, disposition: int
) -> None:
    """Stores tell a missing folder from a missing file by the exception's type alone."""
    opens, asked = store.open, []

    def nothing_there(path: Any, creation: Creation, *call: Any) -> Any:
        asked.append(creation)
        if creation is Creation.EXISTING and path:
            raise ParentNotFound if "nowhere" in path else FileNotFoundError
        return opens(path, creation, *call)

    monkeypatch.setattr(store, "open", nothing_there)
    assert created(client.create("a", disposition)).create_action == CreateAction.CREATED
    del asked[:]
    assert client.create("nowhere\\a", disposition).status is Status.OBJECT_PATH_NOT_FOUND
    assert asked == [Creation.EXISTING]


def test_a_race_that_is_never_won_ends(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0

    def never(path: Any, creation: Creation, *args: Any) -> Any:
        nonlocal rounds
        if creation is Creation.EXISTING:
            raise FileNotFoundError(errno.ENOENT, "not there")
        rounds += 1
        assert rounds < 1000
        raise FileExistsError(errno.EEXIST, "there")

    monkeypatch.setattr(client.server.descriptors, "require_addable", lambda *call: succeed(None))
    monkeypatch.setattr(client.server.descriptors, "of_folder", lambda *call: succeed(SecurityDescriptor()))
    monkeypatch.setattr(store, "open", never)
    assert client.create("a", D.OPEN_IF).status is Status.DELETE_PENDING


# Files and folders


@pytest.mark.parametrize(
    ("name", "disposition", "options", "expected"),
    [
        ("dir", D.OPEN, FOLDER, CreateAction.OPENED),
        ("dir", D.OPEN, 0, CreateAction.OPENED),
        ("dir", D.OPEN, NO_FOLDER, Status.FILE_IS_A_DIRECTORY),
        ("dir", D.OPEN_IF, FOLDER, CreateAction.OPENED),
        ("dir", D.CREATE, FOLDER, Status.OBJECT_NAME_COLLISION),
        ("dir", D.OVERWRITE, 0, Status.OBJECT_NAME_COLLISION),
        ("dir", D.OVERWRITE, NO_FOLDER, Status.FILE_IS_A_DIRECTORY),
        ("file", D.OPEN, FOLDER, Status.NOT_A_DIRECTORY),
        ("file", D.OPEN, NO_FOLDER, CreateAction.OPENED),
        ("new", D.CREATE, FOLDER, CreateAction.CREATED),
        ("new", D.CREATE, NO_FOLDER, CreateAction.CREATED),
        ("dir", D.SUPERSEDE, FOLDER, Status.INVALID_PARAMETER),
        ("dir", D.OVERWRITE, FOLDER, Status.INVALID_PARAMETER),
        ("dir", D.OVERWRITE_IF, FOLDER, Status.INVALID_PARAMETER),
        ("new", D.CREATE, FOLDER | NO_FOLDER, Status.INVALID_PARAMETER),
        ("file/below", D.OPEN, 0, Status.OBJECT_PATH_NOT_FOUND),
        ("nowhere/new", D.CREATE, 0, Status.OBJECT_PATH_NOT_FOUND),
        ("", D.OPEN, 0, CreateAction.OPENED),
        ("", D.CREATE, FOLDER, Status.OBJECT_NAME_COLLISION),
        ("", D.OPEN_IF, FOLDER, CreateAction.OPENED),
    ],
)
def test_files_and_folders(client: Client, store: MemoryStore, name: str, disposition: int, options: int, expected: Any) -> None:
    store.add("dir/inside")
    store.add("file")
    answer = client.create(name.replace("/", "\\"), disposition, LOOK, create_options=options)
    if isinstance(expected, Status):
        assert answer.status is expected
    else:
        response = created(answer)
        assert response.create_action == expected
        folder = name in ("", "dir") or bool(options & FOLDER)
        assert bool(response.file_attributes & FileAttributes.DIRECTORY) == folder


def test_what_a_response_tells(client: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    stat = store.open(("a",), Creation.EXISTING, None, False).stat()
    told = created(client.create("A", D.OPEN))
    assert (told.end_of_file, told.allocation_size) == (5, stat.allocation)
    assert (told.creation_time, told.last_write_time) == (to_filetime(stat.created), to_filetime(stat.written))
    assert (told.last_access_time, told.change_time) == (to_filetime(stat.accessed), to_filetime(stat.changed))
    assert told.file_attributes == ARCHIVE
    assert told.oplock_level == OplockLevel.NONE
    assert told.create_contexts == []


def test_names_match_by_any_case_and_slash(client: Client, store: MemoryStore) -> None:
    store.add("Dir/File", b"12345")
    assert created(client.create("dIR\\fILE", D.OPEN)).end_of_file == 5
    assert created(client.create("dir/file", D.OPEN)).end_of_file == 5


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("\\a", Status.INVALID_PARAMETER),
        ("..", Status.OBJECT_PATH_SYNTAX_BAD),
        ("dir\\..\\..\\a", Status.OBJECT_PATH_SYNTAX_BAD),
        ("a\\", Status.OBJECT_NAME_INVALID),
        ("a\\\\b", Status.OBJECT_PATH_NOT_FOUND),
        ("a\\\\\\\\\\\\::$DATA", Status.OBJECT_NAME_INVALID),
        ("a*", Status.OBJECT_NAME_INVALID),
        ("a?", Status.OBJECT_NAME_INVALID),
        ('"', Status.OBJECT_NAME_INVALID),
        ("<a>", Status.OBJECT_NAME_INVALID),
        ("a|b", Status.OBJECT_NAME_INVALID),
        ("a\0b", Status.OBJECT_NAME_INVALID),
        ("a\nb", Status.OBJECT_NAME_INVALID),
        ("a" * 256, Status.OBJECT_NAME_INVALID),
    ],
)
def test_names_that_cannot_be(client: Client, store: MemoryStore, name: str, status: Status) -> None:
    store.add("dir/a")
    assert client.create(name).status is status


# What is wrong whatever the file is like


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"disposition": 6}, Status.INVALID_PARAMETER),
        ({"impersonation_level": 4}, Status.BAD_IMPERSONATION_LEVEL),
        ({"requested_oplock_level": 0x42}, Status.INVALID_PARAMETER),
        ({"create_options": 0x01000000}, Status.INVALID_PARAMETER),
        ({"create_options": CreateOptions.CREATE_TREE_CONNECTION}, Status.NOT_SUPPORTED),
        ({"create_options": CreateOptions.OPEN_BY_FILE_ID}, Status.NOT_SUPPORTED),
        ({"create_options": CreateOptions.RESERVE_OPFILTER}, Status.NOT_SUPPORTED),
        ({"file_attributes": 0x8}, Status.INVALID_PARAMETER),
        ({"file_attributes": 0x40}, Status.INVALID_PARAMETER),
        ({"share": 8}, Status.INVALID_PARAMETER),
        ({"access": 0}, Status.ACCESS_DENIED),
        ({"access": 0x00200000}, Status.ACCESS_DENIED),
        ({"access": 0x04000000}, Status.ACCESS_DENIED),
        ({"access": AccessMask.ACCESS_SYSTEM_SECURITY}, Status.PRIVILEGE_NOT_HELD),
        ({"create_options": ON_CLOSE, "access": READ}, Status.INVALID_PARAMETER),
        ({"contexts": [CreateContext(b"abc", b"")]}, Status.INVALID_PARAMETER),
        ({"contexts": [CreateContext(ALLOCATION_SIZE, b"short")]}, Status.INVALID_PARAMETER),
        ({"contexts": [CreateContext(TIMEWARP_TOKEN, bytes(8))]}, Status.OBJECT_NAME_NOT_FOUND),
        ({"contexts": [CreateContext(EA_BUFFER, b"?")]}, Status.INVALID_PARAMETER),
    ],
)
def test_requests_that_cannot_be(client: Client, store: MemoryStore, fields: dict[str, Any], status: Status) -> None:
    assert client.create("a", **fields).status is status
    assert size_of(store, "a") is None


@pytest.mark.parametrize("level", ImpersonationLevel)
def test_impersonation_levels(client: Client, level: int) -> None:
    assert client.create("a", impersonation_level=level).status is Status.SUCCESS


def test_unknown_contexts_are_passed_over(client: Client) -> None:
    assert (
        created(client.create("a", contexts=[CreateContext(b"AAAA", b"?"), CreateContext(b"0123456789abcdef", b"")])).create_contexts == []
    )


# Contexts


def maximal(client: Client, known: bytes = b"", **fields: Any) -> QueryMaximalAccessResponse:
    response = created(client.create("a", contexts=[CreateContext(QUERY_MAXIMAL_ACCESS, known)], **fields))
    (context,) = response.create_contexts
    return QueryMaximalAccessResponse.parse(memoryview(context.data))


def test_maximal_access(client: Client, store: MemoryStore) -> None:
    store.add("a")
    told = maximal(client, access=LOOK)
    assert (told.query_status, told.maximal_access) == (Status.SUCCESS, OF_OTHERS)


def test_maximal_access_that_the_client_knows(client: Client, store: MemoryStore) -> None:
    store.add("a")
    changed = to_filetime(store.open(("a",), Creation.EXISTING, None, False).stat().changed)
    assert maximal(client, QueryMaximalAccessRequest(changed).encode()).query_status == Status.NONE_MAPPED
    assert maximal(client, QueryMaximalAccessRequest(changed + 1).encode()).query_status == Status.SUCCESS


def test_the_id_on_the_disk(client: Client, store: MemoryStore) -> None:
    response = created(client.create("a", contexts=[CreateContext(QUERY_ON_DISK_ID, b"")]))
    (context,) = response.create_contexts
    told = QueryOnDiskIdResponse.parse(memoryview(context.data))
    identity = store.open(("a",), Creation.EXISTING, None, False).identity
    assert (told.disk_file_id, told.volume_id) == (identity.inode, identity.device)


# Rights


def test_all_that_is_possible(client: Client, store: MemoryStore) -> None:
    store.add("a", b"x")
    file_id = client.open("a", access=AccessMask.MAXIMUM_ALLOWED)
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, b"y").encode()).status is Status.SUCCESS


def test_generic_rights(client: Client, store: MemoryStore) -> None:
    client.close(client.open("a"))
    reading = client.open("a", access=AccessMask.GENERIC_READ)
    assert client.ask(Command.WRITE, WriteRequest(reading, 0, b"y").encode()).status is Status.ACCESS_DENIED
    writing = client.open("a", access=AccessMask.GENERIC_ALL)
    assert client.ask(Command.WRITE, WriteRequest(writing, 0, b"y").encode()).status is Status.SUCCESS


@pytest.fixture
def reader(make_server: MakeServer, client: Client, store: MemoryStore) -> Client:
    """A client in a share that is read-only."""
    store.add("a", b"12345")
    other = Client(make_server(shares=[Share("files", store, read_only=True)]))
    other.negotiate()
    other.log_on()
    other.enter()
    return other


@pytest.mark.parametrize(
    ("disposition", "access", "status"),
    [
        (D.OPEN, READ, Status.SUCCESS),
        (D.OPEN, AccessMask.MAXIMUM_ALLOWED, Status.SUCCESS),
        (D.OPEN_IF, READ, Status.SUCCESS),
        (D.OPEN, WRITE, Status.ACCESS_DENIED),
        (D.OPEN, DELETE, Status.ACCESS_DENIED),
        (D.OPEN, AccessMask.FILE_WRITE_ATTRIBUTES, Status.ACCESS_DENIED),
        (D.OVERWRITE, READ, Status.ACCESS_DENIED),
        (D.SUPERSEDE, READ, Status.ACCESS_DENIED),
    ],
)
def test_a_read_only_share(reader: Client, store: MemoryStore, disposition: int, access: int, status: Status) -> None:
    assert reader.create("a", disposition, access).status is status
    assert size_of(store, "a") == 5


def test_nothing_is_made_in_a_read_only_share(reader: Client, store: MemoryStore) -> None:
    assert reader.create("new", D.CREATE, READ).status is Status.ACCESS_DENIED
    assert reader.create("new", D.OPEN_IF, READ).status is Status.ACCESS_DENIED
    assert size_of(store, "new") is None


def test_all_that_is_possible_in_a_read_only_share(reader: Client) -> None:
    file_id = reader.open("a", disposition=D.OPEN, access=AccessMask.MAXIMUM_ALLOWED)
    assert reader.ask(Command.WRITE, WriteRequest(file_id, 0, b"y").encode()).status is Status.ACCESS_DENIED


# Read-only files


@pytest.mark.parametrize(
    ("disposition", "access", "options", "status"),
    [
        (D.OPEN, READ, 0, Status.SUCCESS),
        (D.OPEN, WRITE, 0, Status.ACCESS_DENIED),
        (D.OPEN, AccessMask.FILE_APPEND_DATA, 0, Status.ACCESS_DENIED),
        (D.OPEN, AccessMask.MAXIMUM_ALLOWED, 0, Status.SUCCESS),
        (D.OPEN, DELETE, 0, Status.SUCCESS),
        (D.OPEN, DELETE, ON_CLOSE, Status.CANNOT_DELETE),
        (D.OVERWRITE, READ, 0, Status.ACCESS_DENIED),
        (D.SUPERSEDE, READ, 0, Status.ACCESS_DENIED),
    ],
)
def test_read_only_files(client: Client, disposition: int, access: int, options: int, status: Status) -> None:
    client.close(client.open("a", file_attributes=READONLY))
    answer = client.create("a", disposition, access, create_options=options, file_attributes=READONLY)
    assert answer.status is status


def test_all_that_is_possible_with_a_read_only_file(client: Client) -> None:
    client.close(client.open("a", file_attributes=READONLY))
    file_id = client.open("a", disposition=D.OPEN, access=AccessMask.MAXIMUM_ALLOWED)
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, b"y").encode()).status is Status.ACCESS_DENIED


def test_who_makes_a_read_only_file_may_write_it(client: Client) -> None:
    file_id = client.open("a", file_attributes=READONLY)
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, b"y").encode()).status is Status.SUCCESS
    assert client.create("b", file_attributes=READONLY, create_options=ON_CLOSE).status is Status.CANNOT_DELETE


def test_a_read_only_folder_is_used_as_any(client: Client) -> None:
    client.close(client.open("d", file_attributes=READONLY, create_options=FOLDER))
    assert client.create("d", D.OPEN, create_options=FOLDER | ON_CLOSE).status is Status.SUCCESS


# Share modes


@pytest.mark.parametrize(
    ("first", "shared", "second", "sharing", "status"),
    [
        (READ, 1, READ, 1, Status.SUCCESS),
        (READ, 0, READ, 7, Status.SHARING_VIOLATION),
        (READ, 7, READ, 6, Status.SHARING_VIOLATION),
        (READ, 1, WRITE, 7, Status.SHARING_VIOLATION),
        (READ, 2, WRITE, 1, Status.SUCCESS),
        (WRITE, 7, READ, 1, Status.SHARING_VIOLATION),
        (READ, 3, DELETE, 7, Status.SHARING_VIOLATION),
        (DELETE, 7, READ, 3, Status.SHARING_VIOLATION),
        (DELETE, 7, READ, 7, Status.SUCCESS),
        (AccessMask.FILE_APPEND_DATA, 7, READ, 1, Status.SHARING_VIOLATION),
        (AccessMask.FILE_EXECUTE, 6, READ, 7, Status.SHARING_VIOLATION),
        (LOOK, 0, OF_OTHERS, 0, Status.SUCCESS),
        (OF_OTHERS, 0, LOOK, 0, Status.SUCCESS),
    ],
)
def test_share_modes(
    client: Client, another: Client, store: MemoryStore, first: int, shared: int, second: int, sharing: int, status: Status
) -> None:
    store.add("a")
    held = client.open("a", access=first, share=shared)
    assert another.create("a", D.OPEN, second, sharing).status is status
    if status is Status.SHARING_VIOLATION:
        client.close(held)
        assert another.create("a", D.OPEN, second, sharing).status is Status.SUCCESS


def test_overwriting_is_writing(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("a", b"12345")
    client.open("a", access=READ, share=1)
    assert another.create("a", D.OVERWRITE, READ).status is Status.SHARING_VIOLATION
    assert size_of(store, "a") == 5


def test_share_modes_hold_within_a_session(client: Client, store: MemoryStore) -> None:
    store.add("a")
    client.open("a", access=READ, share=0)
    assert client.create("a", D.OPEN, READ).status is Status.SHARING_VIOLATION


def test_share_modes_hold_for_all_names_of_a_file(client: Client, store: MemoryStore) -> None:
    store.add("a")
    store.link(store.open(("a",), Creation.EXISTING, None, False), ("b",), False)
    client.open("a", access=READ, share=0)
    assert client.create("b", D.OPEN, READ).status is Status.SHARING_VIOLATION


# Delete on close


def test_a_file_is_deleted_on_close(client: Client, another: Client, store: MemoryStore) -> None:
    file_id = client.open("a", create_options=ON_CLOSE)
    other = another.open("a")
    client.close(file_id)
    assert another.create("a").status is Status.DELETE_PENDING
    assert size_of(store, "a") == 0
    another.close(other)
    assert size_of(store, "a") is None


def test_a_lost_connection_deletes_as_well(client: Client, store: MemoryStore) -> None:
    client.open("a", create_options=ON_CLOSE)
    client.transport.loseConnection()
    assert size_of(store, "a") is None


def test_a_folder_that_is_not_empty_outlives_delete_on_close(client: Client, another: Client, store: MemoryStore) -> None:
    store.add("d/f")
    folder = client.open("d", create_options=FOLDER | ON_CLOSE)
    kept = another.open("d", create_options=FOLDER)
    assert client.close(folder).status is Status.SUCCESS
    assert size_of(store, "d/f") == 0
    client.open("d", create_options=FOLDER)
    client.open("d\\g")
    assert another.close(kept).status is Status.SUCCESS


def test_the_share_itself_is_not_deleted_on_close(client: Client, store: MemoryStore) -> None:
    answer = client.create("", D.OPEN, create_options=FOLDER | ON_CLOSE)
    assert answer.status is Status.CANNOT_DELETE


def test_deletion_takes_the_right_to_it(client: Client, store: MemoryStore) -> None:
    store.add("a")
    assert client.create("a", D.OPEN, AccessMask.MAXIMUM_ALLOWED, create_options=ON_CLOSE).status is Status.SUCCESS


@pytest.mark.parametrize("form", ["::$INDEX_ALLOCATION", ":$I30:$INDEX_ALLOCATION", ":$i30:$index_allocation"])
def test_a_folder_by_the_name_of_its_index(client: Client, store: MemoryStore, form: str) -> None:
    store.add("d/f")
    folder = created(client.create(f"d{form}", D.OPEN))
    assert folder.file_attributes & FileAttributes.DIRECTORY
    assert created(client.create(form, D.OPEN)).file_attributes & FileAttributes.DIRECTORY
    assert client.create(f"d{form}", D.OPEN, create_options=NO_FOLDER).status is Status.FILE_IS_A_DIRECTORY
    assert client.create(f"d\\f{form}", D.OPEN).status is Status.NOT_A_DIRECTORY
    assert client.create(f"d{form}", D.OVERWRITE_IF).status is Status.INVALID_PARAMETER
    assert created(client.create(f"new{form}")).file_attributes & FileAttributes.DIRECTORY


# What is left of what fails


def test_a_file_that_could_not_be_made_whole_is_not_left(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, size: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("filesvc.store.memory.MemoryFile.allocate", fail)
    context = CreateContext(ALLOCATION_SIZE, (1 << 40).to_bytes(8, "little"))
    assert client.create("a", contexts=[context]).status is Status.DISK_FULL
    assert size_of(store, "a") is None
    assert len(client.server.nodes) == 0


def test_an_overwrite_that_fails_leaves_no_open(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add("a", b"12345")

    def fail(self: Any, size: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("filesvc.store.memory.MemoryFile.truncate", fail)
    assert client.create("a", D.OVERWRITE).status is Status.IO_DEVICE_ERROR
    assert len(client.server.nodes) == 0


# CLOSE


def test_what_fails_when_a_file_is_closed_keeps_nothing_open(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []
    close = MemoryFile.close
    files = [client.open(name) for name in ("a", "b")]
    for file_id in files:
        times = FileBasicInformation(0, 0, to_filetime(10**18), 0, 0).encode()
        client.ask(Command.SET_INFO, SetInfoRequest(file_id, 1, FileInformationClass.BASIC, times).encode())
        client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())

    def fail(self: Any, times: Any) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(MemoryFile, "set_times", fail)

    def note_and_close(self: MemoryFile) -> None:
        closed.append(self.path)
        close(self)

    monkeypatch.setattr(MemoryFile, "close", note_and_close)
    assert client.close(files[0]).status is Status.IO_DEVICE_ERROR
    assert closed == [("a",)]
    client.transport.loseConnection()
    assert closed == [("a",), ("b",)]


def test_close_tells_the_last_attributes_if_asked(client: Client, store: MemoryStore) -> None:
    file_id = client.open("a")
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"12345").encode())
    answer = client.ask(Command.CLOSE, CloseRequest(file_id, CloseFlags.POSTQUERY_ATTRIB).encode())
    told = CloseResponse.parse(answer.message)
    assert (told.flags, told.end_of_file, told.file_attributes) == (CloseFlags.POSTQUERY_ATTRIB, 5, FileAttributes.ARCHIVE)
    silent = CloseResponse.parse(client.close(client.open("a")).message)
    assert (silent.flags, silent.end_of_file, silent.last_write_time) == (0, 0, 0)


def test_what_is_closed_is_gone(client: Client, another: Client) -> None:
    file_id = client.open("a")
    assert another.close(file_id).status is Status.FILE_CLOSED
    assert client.close(FileId(file_id.persistent + 1, file_id.volatile)).status is Status.FILE_CLOSED
    tree, client.tree_id = client.tree_id, 0
    client.enter()
    assert client.close(file_id).status is Status.FILE_CLOSED
    client.tree_id = tree
    assert client.close(file_id).status is Status.SUCCESS
    assert client.close(file_id).status is Status.FILE_CLOSED
