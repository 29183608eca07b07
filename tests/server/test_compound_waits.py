"""Requests that have to wait, wherever they stand in a compound (MS-SMB2 3.3.4.2, 3.3.5.2.7.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.name_information import FileLinkInformation, FileRenameInformation
from filesvc.interfaces import Creation
from filesvc.server.access.rights import ALL
from filesvc.server.state.caching import BREAK_TIMEOUT
from filesvc.server.state.open import PipeOpen
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import LeaseState, LeaseV2
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.oplock_break import LeaseBreak
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore
from filesvc.store.names import DESCRIPTOR_XATTR

from .compounds import RELATED, Request, ask, receive_frames, send
from .dialogue import Answer, Client
from .standing_reactor import FakeReactor

MakeClient = Callable[..., Client]

R = LeaseState.READ_CACHING
RH = R | LeaseState.HANDLE_CACHING
RWH = RH | LeaseState.WRITE_CACHING
KEY, OTHER_KEY = b"k" * 16, b"o" * 16
ASYNC = HeaderFlags.ASYNC_COMMAND
DONE = [Status.SUCCESS] * 3

ECHO = Request(Command.ECHO, EchoRequest().encode())
CLOSE = Request(Command.CLOSE, CloseRequest(RELATED_FILE_ID).encode(), RELATED)


class Encodable(Protocol):
    """A structure of a message."""

    def encode(self) -> bytes: ...


def create(name: str, access: int = ALL, options: int = 0, wanted: int = 0, key: bytes = b"c" * 16) -> Request:
    contexts, level = ([CreateContext(REQUEST_LEASE, LeaseV2(key, wanted).encode())], OplockLevel.LEASE) if wanted else ([], 0)
    request = CreateRequest(
        name,
        access,
        CreateDisposition.OPEN,
        share_access=7,
        create_options=options,
        create_contexts=contexts,
        requested_oplock_level=level,
    )
    return Request(Command.CREATE, request.encode())


def set_file(kind: int, value: Encodable, file_id: FileId = RELATED_FILE_ID) -> Request:
    return Request(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, kind, value.encode()).encode(), RELATED)


def rename_to(name: str) -> Request:
    return set_file(FileInformationClass.RENAME, FileRenameInformation(True, name))


LINK = set_file(FileInformationClass.LINK, FileLinkInformation(False, "linked"))
RENAME = rename_to("renamed")
DELETE = set_file(FileInformationClass.DISPOSITION, FileDispositionInformation(True))
SECURE = Request(
    Command.SET_INFO,
    SetInfoRequest(RELATED_FILE_ID, InfoType.SECURITY, 0, SecurityDescriptor().encode(), SecurityInformation.DACL).encode(),
    RELATED,
)
LOCK = Request(Command.LOCK, LockRequest(RELATED_FILE_ID, [LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK)]).encode(), RELATED)


def statuses(answers: list[Answer]) -> list[Status]:
    return [answer.status for answer in answers]


def acknowledge(client: Client, keep: int = R, key: bytes = KEY) -> None:
    assert client.ask(Command.OPLOCK_BREAK, LeaseBreak(key, keep).encode()).status is Status.SUCCESS


def cancel(client: Client, message_id: int) -> list[Answer]:
    client.send(client.encode(client.header(Command.CANCEL, credits=0, message_id=message_id), CancelRequest().encode()))
    return client.receive()


@pytest.fixture
def holder(client: Client, store: MemoryStore) -> Client:
    """A client that has a file C{f} open for its handle's sake, as the Linux kernel keeps those that programs have closed."""
    store.add("f", b"hello")
    store.open(("f",), Creation.EXISTING, None, False).set_xattr(DESCRIPTOR_XATTR, SecurityDescriptor(EVERYONE).encode())
    client.lease("f", RH, KEY)
    return client


@pytest.fixture
def other(make_client: MakeClient) -> Client:
    """Another client than C{client}."""
    return make_client(client_guid=UUID(int=2))


# What the Linux kernel sends


@pytest.mark.parametrize("own", [True, False], ids=["its own handle", "another's handle"])
@pytest.mark.parametrize(("change", "there"), [(RENAME, {"renamed"}), (LINK, {"f", "linked"})], ids=["rename", "link"])
def test_linux_gives_a_file_another_name(
    holder: Client, other: Client, store: MemoryStore, own: bool, change: Request, there: set[str]
) -> None:
    renamer = holder if own else other
    send(renamer, create("f", AccessMask.DELETE | AccessMask.FILE_READ_ATTRIBUTES), change, CLOSE)
    assert holder.kept() == [R]
    acknowledge(holder)
    assert statuses(renamer.unasked + renamer.receive()) == DONE
    assert {name for name in ("f", "linked", "renamed") if exists(other, name)} == there


@pytest.mark.parametrize("answer", ["acknowledges", "closes"])
def test_linux_moves_a_folder(client: Client, other: Client, answer: str) -> None:
    client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    inside = client.lease("d\\f", RH, KEY)
    send(other, create("d", AccessMask.DELETE), rename_to("e"), CLOSE)
    assert receive_frames(other) == []
    assert client.kept() == [R]
    if answer == "closes":
        client.close(inside)
        assert statuses(other.receive()) == DONE
        assert exists(other, "e\\f")
    else:
        acknowledge(client)
        assert statuses(other.receive()) == [Status.SUCCESS, Status.ACCESS_DENIED, Status.SUCCESS]
        assert exists(other, "d\\f")


def exists(client: Client, name: str) -> bool:
    answer = client.create(name, CreateDisposition.OPEN, AccessMask.FILE_READ_ATTRIBUTES)
    if answer.status is Status.SUCCESS:
        client.close(CreateResponse.parse(answer.message).file_id)
    return answer.status is Status.SUCCESS


# Interim responses


@pytest.mark.parametrize("change", [RENAME, LINK, DELETE, SECURE], ids=["rename", "link", "delete", "security"])
@pytest.mark.parametrize("behind", [[], [CLOSE], [CLOSE, ECHO]], ids=["last", "middle", "with more behind"])
@pytest.mark.parametrize("protection", ["none", "signed", "sealed"])
def test_a_set_info_waits_in_silence(holder: Client, other: Client, change: Request, behind: list[Request], protection: str) -> None:
    other.sign, other.seal = protection == "signed", protection == "sealed"
    message_ids = send(other, create("f"), change, *behind)
    assert receive_frames(other) == []
    assert holder.kept() == [R]
    acknowledge(holder)
    (answers,) = receive_frames(other)
    assert statuses(answers) == [Status.SUCCESS] * (2 + len(behind))
    assert [answer.header.message_id for answer in answers] == message_ids
    assert not any(answer.header.flags & ASYNC for answer in answers)
    assert all(answer.header.credits for answer in answers)
    if other.sign:
        assert all(other.verifies(answer) for answer in answers)


@pytest.mark.parametrize("before", [[], [ECHO], [ECHO, ECHO]], ids=["first", "second", "third"])
@pytest.mark.parametrize("protection", ["none", "signed", "sealed"])
def test_a_create_that_waits_is_told_so_after_what_stands_before_it(
    client: Client, other: Client, before: list[Request], protection: str
) -> None:
    client.lease("f", RWH, KEY)
    other.sign, other.seal = protection == "signed", protection == "sealed"
    query = QueryInfoRequest(RELATED_FILE_ID, InfoType.FILE, FileInformationClass.BASIC, 40).encode()
    message_ids = send(other, *before, create("f"), Request(Command.QUERY_INFO, query, RELATED), CLOSE)
    frames = receive_frames(other)
    if before:
        assert statuses(frames.pop(0)) == [Status.SUCCESS] * len(before)
    ((interim,),) = frames
    assert (interim.status, interim.header.message_id, interim.header.next_command) == (Status.PENDING, message_ids[-3], 0)
    assert interim.header.flags & ASYNC
    assert not interim.header.flags & HeaderFlags.SIGNED
    assert interim.header.credits
    acknowledge(client, RH)
    (answers,) = receive_frames(other)
    assert statuses(answers) == DONE
    assert [bool(answer.header.flags & ASYNC) for answer in answers] == [True, False, False]
    assert (answers[0].header.async_id, answers[0].header.credits) == (interim.header.async_id, 0)
    if other.sign:
        assert all(other.verifies(answer) for answer in answers)


def test_a_lock_that_waits_in_the_middle(client: Client, other: Client) -> None:
    held = client.open("f")
    lock = LockRequest(held, [LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)])
    assert client.ask(Command.LOCK, lock.encode()).status is Status.SUCCESS
    write = Request(Command.WRITE, WriteRequest(RELATED_FILE_ID, 0, b"x").encode(), RELATED)
    flush = Request(Command.FLUSH, FlushRequest(RELATED_FILE_ID).encode(), RELATED)
    send(other, create("f"), LOCK, write, flush, CLOSE)
    opened, interim = receive_frames(other)
    assert (statuses(opened), statuses(interim)) == ([Status.SUCCESS], [Status.PENDING])
    client.close(held)
    (answers,) = receive_frames(other)
    assert [(answer.header.command, answer.status) for answer in answers] == [
        (command, Status.SUCCESS) for command in (Command.LOCK, Command.WRITE, Command.FLUSH, Command.CLOSE)
    ]


def test_a_pipe_that_is_busy_is_waited_for(client: Client) -> None:
    client.enter("IPC$")
    file_id = client.open("srvsvc", disposition=CreateDisposition.OPEN, access=AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA)
    open = client.connection.channels[client.session_id].session.opens[file_id.volatile]
    assert isinstance(open, PipeOpen)
    open.turn.acquire()
    write = Request(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    read = Request(Command.READ, ReadRequest(RELATED_FILE_ID, 0, 100).encode(), RELATED)
    ask_pipe = Request(Command.IOCTL, IoctlRequest(Fsctl.PIPE_TRANSCEIVE, RELATED_FILE_ID, b"x", 100).encode(), RELATED)
    assert statuses(ask(client, write, read, ask_pipe, CLOSE)) == [Status.PENDING]
    open.turn.release()
    assert statuses(client.receive()) == [Status.SUCCESS, Status.PIPE_EMPTY, Status.SUCCESS, Status.SUCCESS]


def test_a_change_notify_waits_at_the_end_only(client: Client) -> None:
    client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    notify = Request(Command.CHANGE_NOTIFY, ChangeNotifyRequest(RELATED_FILE_ID, CompletionFilter.FILE_NAME, 1000).encode(), RELATED)
    assert statuses(ask(client, create("d"), notify, CLOSE)) == [Status.SUCCESS, Status.INTERNAL_ERROR, Status.SUCCESS]
    opened, interim = statuses(ask(client, create("d"), notify))
    assert (opened, interim) == (Status.SUCCESS, Status.PENDING)


def test_a_client_hears_of_an_open_before_it_hears_that_its_lease_breaks(holder: Client, other: Client) -> None:
    """As the answer to a CREATE waits for what stands behind it, something may happen to what was granted."""
    holder.close(holder.open("g"))
    send(other, create("g", wanted=RWH, key=OTHER_KEY), CLOSE._replace(flags=0), create("f"), RENAME)
    assert holder.kept() == [R]
    assert receive_frames(other) == []
    assert holder.create("g").status is Status.PENDING
    opened, broken = receive_frames(other)
    assert [answer.header.command for answer in opened] == [Command.CREATE, Command.CLOSE, Command.CREATE]
    assert [answer.header.command for answer in broken] == [Command.OPLOCK_BREAK]
    acknowledge(holder)
    assert [answer.header.command for answer in other.receive()] == [Command.SET_INFO]


# What ends the waiting


def test_a_break_that_nobody_answers_is_over_in_time(holder: Client, other: Client, reactor: FakeReactor) -> None:
    send(other, create("f"), RENAME, CLOSE)
    reactor.advance(BREAK_TIMEOUT - 1)
    assert receive_frames(other) == []
    reactor.advance(1)
    assert statuses(other.receive()) == DONE


def test_a_cancelled_set_info_lets_those_behind_go_on(holder: Client, other: Client) -> None:
    message_ids = send(other, create("f"), RENAME, CLOSE)
    assert statuses(cancel(other, message_ids[1])) == [Status.SUCCESS, Status.CANCELLED, Status.SUCCESS]
    assert exists(other, "f")
    assert cancel(other, message_ids[1]) == []


def test_what_is_related_to_a_cancelled_create_fails_like_it(client: Client, other: Client) -> None:
    client.lease("f", RWH, KEY)
    message_ids = send(other, create("f"), RENAME, CLOSE)
    assert statuses(other.receive()) == [Status.PENDING]
    assert statuses(cancel(other, message_ids[0])) == [Status.CANCELLED] * 3


def test_a_cancel_means_none_that_does_not_wait_yet(holder: Client, other: Client) -> None:
    message_ids = send(other, create("f"), RENAME, CLOSE)
    assert cancel(other, message_ids[0]) == cancel(other, message_ids[2]) == []


@pytest.mark.parametrize("gone", ["the one that waits", "the one that is waited for"])
def test_a_lost_connection_ends_the_waiting(holder: Client, other: Client, make_client: MakeClient, gone: str) -> None:
    send(other, create("f"), RENAME, CLOSE)
    (other if gone == "the one that waits" else holder).transport.loseConnection()
    if gone == "the one that waits":
        assert exists(holder, "f")
    else:
        assert statuses(other.receive()) == DONE


def test_the_file_may_be_closed_meanwhile(holder: Client, other: Client) -> None:
    file_id = other.open("f")
    echo = ECHO._replace(flags=RELATED)
    rename = SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.RENAME, FileRenameInformation(True, "renamed").encode()).encode()
    send(other, Request(Command.SET_INFO, rename), echo, CLOSE)
    assert other.close(file_id).status is Status.SUCCESS
    acknowledge(holder)
    answers = other.unasked + other.receive()
    assert statuses(answers) == [Status.FILE_CLOSED, Status.SUCCESS, Status.FILE_CLOSED]
    assert exists(other, "f")


@pytest.mark.parametrize("how", ["both answer", "nobody answers"])
def test_two_compounds_that_wait_for_each_other(holder: Client, other: Client, reactor: FakeReactor, how: str) -> None:
    other.lease("g", RH, OTHER_KEY)
    send(other, create("f"), rename_to("f2"), CLOSE)
    send(holder, create("g"), rename_to("g2"), CLOSE)
    if how == "both answer":
        acknowledge(holder)
        acknowledge(other, key=OTHER_KEY)
    else:
        reactor.advance(BREAK_TIMEOUT)
    for client in (holder, other):
        client.unasked += client.receive()
        client.breaks()
        assert statuses(client.unasked) == DONE


def test_only_so_many_wait(client: Client, other: Client) -> None:
    client.lease("f", RWH, KEY)
    most = other.connection.limits.waiting
    for _ in range(most):
        send(other, create("f"), CLOSE)
    assert statuses(other.receive()) == [Status.PENDING] * most
    assert statuses(ask(other, create("f"), CLOSE)) == [Status.INSUFFICIENT_RESOURCES] * 2


# Whose file it is


STALE = FileId(0x1234, 0x5678)


@pytest.mark.parametrize("stale", [STALE, FileId(0xFFFFFFFFFFFFFFFF, 0)], ids=["of another open", "half a placeholder"])
@pytest.mark.parametrize(
    "ask_of",
    [
        lambda stale: (Command.CLOSE, CloseRequest(stale)),
        lambda stale: (Command.FLUSH, FlushRequest(stale)),
        lambda stale: (Command.READ, ReadRequest(stale, 0, 1)),
        lambda stale: (Command.WRITE, WriteRequest(stale, 0, b"x")),
        lambda stale: (Command.LOCK, LockRequest(stale, [LockElement(0, 1, LockFlags.SHARED_LOCK)])),
        lambda stale: (Command.IOCTL, IoctlRequest(Fsctl.CREATE_OR_GET_OBJECT_ID, stale, b"", 64)),
        lambda stale: (Command.QUERY_INFO, QueryInfoRequest(stale, InfoType.FILE, FileInformationClass.BASIC, 40)),
        lambda stale: (
            Command.SET_INFO,
            SetInfoRequest(stale, InfoType.FILE, FileInformationClass.DISPOSITION, FileDispositionInformation(False).encode()),
        ),
    ],
    ids=["CLOSE", "FLUSH", "READ", "WRITE", "LOCK", "IOCTL", "QUERY_INFO", "SET_INFO"],
)
def test_a_related_request_names_no_file(
    client: Client, store: MemoryStore, stale: FileId, ask_of: Callable[[FileId], tuple[int, Encodable]]
) -> None:
    store.add("f", b"hello")
    store.open(("f",), Creation.EXISTING, None, False).set_xattr(DESCRIPTOR_XATTR, SecurityDescriptor(EVERYONE).encode())
    command, request = ask_of(stale)
    assert statuses(ask(client, create("f"), Request(command, request.encode(), RELATED))) == [Status.SUCCESS] * 2


def test_a_related_listing_names_no_folder(client: Client) -> None:
    client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    query = Request(Command.QUERY_DIRECTORY, QueryDirectoryRequest(STALE, FileInformationClass.FULL_DIRECTORY, 1000).encode(), RELATED)
    assert statuses(ask(client, create("d"), query, CLOSE)) == DONE


def test_an_open_file_is_not_touched_by_a_related_request_that_names_it(client: Client) -> None:
    mine = client.open("g")
    client.open("f")
    assert statuses(ask(client, create("f"), Request(Command.CLOSE, CloseRequest(mine).encode(), RELATED))) == [Status.SUCCESS] * 2
    assert client.close(mine).status is Status.SUCCESS


def test_there_is_no_file_to_inherit_from_what_has_none(client: Client) -> None:
    assert statuses(ask(client, ECHO, CLOSE)) == [Status.SUCCESS, Status.INVALID_HANDLE]
