"""CHANGE_NOTIFY: who is told what, and when nobody is told any more."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import (
    FileAllocationInformation,
    FileBasicInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileInformationClass,
)
from filesvc.fscc.name_information import FileLinkInformation, FileRenameInformation
from filesvc.fscc.notify_information import FileNotifyInformation, NotifyAction, parse_notify_information
from filesvc.server.notify.watch import BUFFER_LIMIT, Memory, Watch
from filesvc.server.server import Server
from filesvc.server.turn import Turn
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH, Command
from filesvc.smb2.messages.change_notify import ChangeNotifyResponse, CompletionFilter
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest

from .dialogue import Answer, Client, Encodable

NAME = CompletionFilter.FILE_NAME | CompletionFilter.DIR_NAME
ALL = 0xFFF
ADDED, REMOVED, MODIFIED = NotifyAction.ADDED, NotifyAction.REMOVED, NotifyAction.MODIFIED
OLD, NEW = NotifyAction.RENAMED_OLD_NAME, NotifyAction.RENAMED_NEW_NAME

Changes = list[tuple[int, str]]


def changes_in(answer: Answer) -> Changes:
    assert answer.status is Status.SUCCESS, answer.status
    return [(change.action, change.file_name) for change in parse_notify_information(ChangeNotifyResponse.parse(answer.message).buffer)]


def start(client: Client, file_id: FileId, completion_filter: int = NAME, tree: bool = False, length: int = 1000) -> None:
    """Begin to watch: what happens from now on is kept."""
    client.cancel(client.watch(file_id, completion_filter, tree, length))
    assert [answer.status for answer in client.receive()] == [Status.CANCELLED]


def heard(client: Client, file_id: FileId) -> Changes:
    """What was kept, if anything."""
    answer = client.watch(file_id)
    if answer.status is not Status.PENDING:
        return changes_in(answer)
    client.cancel(answer)
    client.receive()
    return []


def make(client: Client, name: str, directory: bool = False) -> None:
    options = CreateOptions.DIRECTORY_FILE if directory else 0
    client.close(client.open(name, disposition=CreateDisposition.CREATE, create_options=options))


def look(client: Client, name: str) -> FileId:
    """A directory, open as watchers open it: not in the way of renames in it."""
    file_id: FileId = client.open(name, access=AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_WRITE_ATTRIBUTES)
    return file_id


def delete(client: Client, name: str) -> None:
    client.close(client.open(name, disposition=CreateDisposition.OPEN, create_options=CreateOptions.DELETE_ON_CLOSE))


@pytest.fixture
def directory(client: Client) -> FileId:
    """The directory C{d}, open."""
    make(client, "d", directory=True)
    return look(client, "d")


def test_a_change_answers_who_waits(client: Client, another: Client, directory: FileId) -> None:
    pending = client.watch(directory)
    assert pending.status is Status.PENDING
    make(another, "d\\f")
    (answer,) = client.receive()
    assert answer.header.async_id == pending.header.async_id
    assert changes_in(answer) == [(ADDED, "f")]


def test_changes_are_kept_between_requests_and_told_in_order(client: Client, directory: FileId) -> None:
    make(client, "d\\before")
    start(client, directory)
    make(client, "d\\f")
    make(client, "d\\e", directory=True)
    delete(client, "d\\f")
    assert heard(client, directory) == [(ADDED, "f"), (ADDED, "e"), (REMOVED, "f")]
    assert heard(client, directory) == []


def test_requests_are_answered_one_by_one(client: Client, directory: FileId) -> None:
    first, second = client.watch(directory), client.watch(directory)
    make(client, "d\\1")
    make(client, "d\\2")
    assert [(answer.header.async_id, changes_in(answer)) for answer in client.unasked] == [
        (first.header.async_id, [(ADDED, "1")]),
        (second.header.async_id, [(ADDED, "2")]),
    ]


def test_each_open_is_told(client: Client, another: Client, directory: FileId) -> None:
    theirs = look(another, "d")
    start(client, directory)
    start(another, theirs, CompletionFilter.DIR_NAME)
    make(client, "d\\f")
    make(client, "d\\e", directory=True)
    assert heard(client, directory) == [(ADDED, "f"), (ADDED, "e")]
    assert heard(another, theirs) == [(ADDED, "e")]


def test_only_a_tree_is_told_of_what_is_below(client: Client, directory: FileId) -> None:
    tree = look(client, "d")
    root = look(client, "")
    make(client, "d\\e", directory=True)
    start(client, directory)
    start(client, tree, tree=True)
    start(client, root, tree=True)
    make(client, "d\\e\\f")
    make(client, "beside")
    assert heard(client, directory) == []
    assert heard(client, tree) == [(ADDED, "e\\f")]
    assert heard(client, root) == [(ADDED, "d\\e\\f"), (ADDED, "beside")]


def test_the_first_request_says_what_is_watched(client: Client, directory: FileId) -> None:
    start(client, directory, CompletionFilter.DIR_NAME)
    assert client.watch(directory, CompletionFilter.FILE_NAME, tree=True).status is Status.PENDING
    make(client, "d\\f")
    make(client, "d\\e", directory=True)
    make(client, "d\\e\\g", directory=True)
    (answer,) = client.unasked
    assert changes_in(answer) == [(ADDED, "e")]


def test_a_rename_is_told_as_a_pair(client: Client, directory: FileId) -> None:
    file_id = client.open("d\\f")
    assert client.watch(directory).status is Status.PENDING
    assert client.rename(file_id, "d\\g").status is Status.SUCCESS
    (answer,) = client.unasked
    assert changes_in(answer) == [(OLD, "f"), (NEW, "g")]


def test_a_move_is_told_as_going_and_coming(client: Client, directory: FileId) -> None:
    make(client, "d\\e", directory=True)
    tree, inner = look(client, "d"), look(client, "d\\e")
    start(client, directory)
    start(client, tree, tree=True)
    start(client, inner)
    file_id = client.open("d\\f")
    assert client.rename(file_id, "d\\e\\g").status is Status.SUCCESS
    assert heard(client, directory) == [(ADDED, "f"), (REMOVED, "f")]
    assert heard(client, tree) == [(ADDED, "f"), (REMOVED, "f"), (ADDED, "e\\g")]
    assert heard(client, inner) == [(ADDED, "g")]


def test_a_renamed_file_has_other_attributes_which_is_told_at_close(client: Client, directory: FileId) -> None:
    file_id = client.open("d\\f")
    start(client, directory, CompletionFilter.ATTRIBUTES)
    assert client.rename(file_id, "d\\g").status is Status.SUCCESS
    assert heard(client, directory) == []
    client.close(file_id)
    assert heard(client, directory) == [(MODIFIED, "g")]


def test_a_watch_follows_its_directory(client: Client, directory: FileId) -> None:
    start(client, directory)
    assert client.rename(client.open("d"), "moved").status is Status.SUCCESS
    make(client, "moved\\f")
    assert heard(client, directory) == [(ADDED, "f")]


def basic(**fields: int) -> FileBasicInformation:
    return FileBasicInformation(
        **({"creation_time": 0, "last_access_time": 0, "last_write_time": 0, "change_time": 0, "file_attributes": 0} | fields)
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"file_attributes": 2}, CompletionFilter.ATTRIBUTES),
        ({"creation_time": 10**17}, CompletionFilter.CREATION),
        ({"last_access_time": 10**17}, CompletionFilter.LAST_ACCESS),
        ({"last_write_time": 10**17}, CompletionFilter.LAST_WRITE),
        ({"change_time": 10**17}, 0),
        ({"last_write_time": -1}, 0),
        ({}, 0),
    ],
)
def test_which_filter_lets_what_through(client: Client, directory: FileId, fields: Any, expected: int) -> None:
    file_id = client.open("d\\f")
    watches = {}
    for completion_filter in CompletionFilter:
        watches[completion_filter] = look(client, "d")
        start(client, watches[completion_filter], completion_filter)
    assert client.set_info(file_id, FileInformationClass.BASIC, basic(**fields)).status is Status.SUCCESS
    for completion_filter, watch in watches.items():
        assert heard(client, watch) == ([(MODIFIED, "f")] if completion_filter & expected else [])


def test_the_directory_itself_is_not_in_it(client: Client, directory: FileId) -> None:
    start(client, directory, ALL, tree=True)
    assert client.set_info(directory, FileInformationClass.BASIC, basic(file_attributes=2)).status is Status.SUCCESS
    assert heard(client, directory) == []


def test_writes_are_told_once_when_the_file_is_closed(client: Client, directory: FileId) -> None:
    file_id = client.open("d\\f")
    start(client, directory, CompletionFilter.SIZE)
    for offset in range(3):
        client.ask(Command.WRITE, WriteRequest(file_id, offset, b"x").encode())
    assert heard(client, directory) == []
    client.close(file_id)
    assert heard(client, directory) == [(MODIFIED, "f")]


@pytest.mark.parametrize(
    ("what", "size"),
    [
        (FileInformationClass.END_OF_FILE, FileEndOfFileInformation(100)),
        (FileInformationClass.END_OF_FILE, FileEndOfFileInformation(2000)),
        (FileInformationClass.ALLOCATION, FileAllocationInformation(0)),
    ],
)
@pytest.mark.parametrize("completion_filter", [CompletionFilter.SIZE, CompletionFilter.LAST_WRITE])
def test_another_size_is_told_at_once_and_once(
    client: Client, another: Client, directory: FileId, completion_filter: int, what: int, size: Encodable
) -> None:
    make(client, "d\\f")
    file_id = another.open("d\\f", create_options=CreateOptions.DELETE_ON_CLOSE)
    another.write(file_id, bytes(1024))
    start(client, directory, completion_filter)
    assert another.set_info(file_id, what, size).status is Status.SUCCESS
    assert heard(client, directory) == [(MODIFIED, "f")]
    another.close(file_id)
    assert heard(client, directory) == []


def test_what_is_written_and_deleted_is_only_told_to_be_gone(client: Client, directory: FileId) -> None:
    file_id = client.open("d\\f", create_options=CreateOptions.DELETE_ON_CLOSE)
    start(client, directory, ALL)
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    client.close(file_id)
    assert heard(client, directory) == [(REMOVED, "f")]


def test_overwriting_and_linking_are_told(client: Client, directory: FileId) -> None:
    make(client, "d\\f")
    start(client, directory, ALL)
    file_id = client.open("d\\f", disposition=CreateDisposition.OVERWRITE)
    assert client.set_info(file_id, FileInformationClass.LINK, FileLinkInformation(False, "d\\g")).status is Status.SUCCESS
    client.close(file_id)
    assert heard(client, directory) == [(MODIFIED, "f"), (ADDED, "g")]


def test_the_same_change_is_not_kept_twice(client: Client, directory: FileId) -> None:
    file_id = client.open("d\\f")
    start(client, directory, ALL)
    for _ in range(3):
        assert client.set_info(file_id, FileInformationClass.BASIC, basic(file_attributes=2)).status is Status.SUCCESS
    assert heard(client, directory) == [(MODIFIED, "f")]


def test_more_than_fits_is_not_kept(client: Client, directory: FileId) -> None:
    start(client, directory, length=2 * 16)
    for name in "123":
        make(client, f"d\\{name}")
    assert client.watch(directory).status is Status.NOTIFY_ENUM_DIR
    for name in "45":
        make(client, f"d\\{name}")
    assert heard(client, directory) == [(ADDED, "4"), (ADDED, "5")]


def test_what_does_not_fit_into_an_answer_is_lost(client: Client, directory: FileId) -> None:
    assert client.watch(directory, length=13).status is Status.PENDING
    make(client, "d\\1")
    assert [answer.status for answer in client.unasked] == [Status.NOTIFY_ENUM_DIR]
    make(client, "d\\2")
    assert client.watch(directory).status is Status.NOTIFY_ENUM_DIR, "the first request's buffer counts"


def test_memory_is_bounded_whatever_the_client_offers(client: Client, server: Server, directory: FileId) -> None:
    start(client, directory, length=BUFFER_LIMIT)
    server.notifier._memory.limit = 16
    make(client, "d\\1")
    assert server.notifier._memory.used == 16
    make(client, "d\\2")
    assert client.watch(directory, length=BUFFER_LIMIT).status is Status.NOTIFY_ENUM_DIR
    assert server.notifier._memory.used == 0
    make(client, "d\\3")
    client.close(directory)
    assert server.notifier._memory.used == 0


def test_waiting_ends_by_close(client: Client, directory: FileId) -> None:
    client.watch(directory)
    client.watch(directory)
    client.close(directory)
    assert [answer.status for answer in client.unasked] == [Status.NOTIFY_CLEANUP] * 2


@pytest.mark.parametrize(
    ("command", "body"),
    [(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()), (Command.LOGOFF, LogoffRequest().encode())],
)
def test_waiting_ends_by_leaving(client: Client, directory: FileId, command: int, body: bytes) -> None:
    client.watch(directory)
    assert client.ask(command, body).status is Status.SUCCESS
    assert [answer.status for answer in client.unasked] == [Status.NOTIFY_CLEANUP]
    # It is an answer to CHANGE_NOTIFY without changes, and not one that says that something went wrong.
    assert client.unasked[0].message[HEADER_LENGTH:] == bytes.fromhex("0900 4800 00000000")


def test_waiting_ends_with_the_connection(server: Server, client: Client, another: Client, directory: FileId) -> None:
    another.watch(look(another, "d"))
    another.transport.loseConnection()
    make(client, "d\\f")
    client.close(directory)
    assert not server.notifier._stores


@pytest.mark.parametrize("at_once", [False, True])
def test_a_directory_that_will_go_is_watched_no_more(client: Client, another: Client, directory: FileId, at_once: bool) -> None:
    client.watch(directory)
    if at_once:
        theirs = another.open("d")
        assert another.set_info(theirs, FileInformationClass.DISPOSITION, FileDispositionInformation(True)).status is Status.SUCCESS
    else:
        delete(another, "d")
    assert [answer.status for answer in client.receive()] == [Status.DELETE_PENDING]
    assert client.watch(directory).status is Status.DELETE_PENDING
    if at_once:
        assert another.set_info(theirs, FileInformationClass.DISPOSITION, FileDispositionInformation(False)).status is Status.SUCCESS
        assert client.watch(directory).status is Status.PENDING


def test_what_is_refused(client: Client, directory: FileId) -> None:
    assert client.watch(client.open("f")).status is Status.INVALID_PARAMETER
    assert client.watch(directory, length=client.connection.max_transfer + 1).status is Status.INVALID_PARAMETER
    without = client.open("d", access=AccessMask.FILE_READ_ATTRIBUTES)
    assert client.watch(without).status is Status.ACCESS_DENIED
    assert client.watch(FileId(77, 77)).status is Status.FILE_CLOSED


def test_a_watch_that_has_ended_keeps_nothing() -> None:
    memory = Memory()
    watch = Watch((), ALL, False, 1000, memory, Turn(Clock()))
    watch.end(Status.NOTIFY_CLEANUP)
    watch.tell([FileNotifyInformation(ADDED, "f")])
    assert memory.used == 0


def test_streams_are_told_of_by_their_full_names(client: Client, directory: FileId) -> None:
    streams = CompletionFilter.STREAM_NAME | CompletionFilter.STREAM_SIZE
    start(client, directory, streams | NAME)
    file_id = client.open("d\\f:s")
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert client.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(False, ":t")).status is Status.SUCCESS
    client.close(file_id)
    delete(client, "d\\f:t")
    assert heard(client, directory) == [
        (ADDED, "f"),
        (NotifyAction.ADDED_STREAM, "f:s"),
        (NotifyAction.REMOVED_STREAM, "f:s"),
        (NotifyAction.ADDED_STREAM, "f:t"),
        (NotifyAction.MODIFIED_STREAM, "f:t"),
        (NotifyAction.REMOVED_STREAM, "f:t"),
    ]
