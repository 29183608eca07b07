"""
Conversations with pending replies, breaks and acknowledgements, written in the order in which they run.

C{>>} is what a client sends, and C{<<} what the server must send to a client then::

    with Playbook() as play:
        play >> (holder, opening("f", BATCH)) << (holder, opened(BATCH, held))
        play >> (other, opening("f", BATCH)) << (other, pending) << (holder, breaking(held, II))
        play >> (holder, acknowledging(held, II)) << (holder, acknowledged(held, II)) << (other, opened(II))

Before the next C{>>}, and at the end, each client must have been sent all that is expected, in that order, and nothing else; between
clients there is no order. A L{Placeholder} stands for what is not known before, and then for what was found there first.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.server.access.rights import OF_OTHERS
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import Lease, LeaseState, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.lock import LockElement, LockRequest
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification, OplockBreak

from .dialogue import Answer, Client, setting

NOTIFICATION = 0xFFFFFFFFFFFFFFFF  # the message id of what answers no request (MS-SMB2 3.3.4.6)


class Placeholder:
    """A file id, which the server decides; C{known} is not there before it is first checked."""

    known: FileId

    def check(self, value: FileId) -> None:
        self.known = getattr(self, "known", value)
        assert value == self.known


Request = Callable[[], tuple[Command, bytes]]
"""Says what is sent, at the time when it is sent: its placeholders are filled by then."""
Expectation = Callable[[Answer], None]
"""Asserts that this is what must come."""


class Playbook:
    """One conversation."""

    def __init__(self) -> None:
        self._due: dict[int, list[Expectation]] = {}
        self._clients: dict[int, Client] = {}
        self._pending: dict[tuple[int, int], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.settle()

    def __rshift__(self, said: tuple[Client, Request]) -> Self:
        self.settle()
        client, request = said
        self._clients[id(client)] = client
        command, body = request()
        client.send(client.encode(client.header(command), body))
        return self

    def __lshift__(self, told: tuple[Client, Expectation]) -> Self:
        client, expectation = told
        self._clients[id(client)] = client
        self._due.setdefault(id(client), []).append(expectation)
        return self

    def settle(self) -> None:
        """All that is due has come, and nothing else. Before a test does something beside the conversation, such as letting time pass."""
        for key, client in self._clients.items():
            came, due = client.receive(), self._due.pop(key, [])
            told = [f"{Command(answer.header.command).name} {answer.status.name}" for answer in came]
            assert len(came) == len(due), f"{len(due)} messages were due, and these came: {told}"
            for expectation, answer in zip(due, came, strict=True):
                expectation(answer)
                self._check_async(key, answer.header)

    def _check_async(self, key: int, header: Header) -> None:
        """MS-SMB2 3.3.4.2 and 3.3.4.3: a request that is pending has an AsyncId until it is answered, and no other has one."""
        request = key, header.message_id
        async_id = header.async_id if header.flags & HeaderFlags.ASYNC_COMMAND else None
        if header.status != Status.PENDING:
            assert self._pending.pop(request, None) == async_id
        else:
            assert async_id
            self._pending[request] = async_id


def opening(name: str, oplock: int = 0, share: int = 7, disposition: int = CreateDisposition.OPEN_IF) -> Request:
    request = CreateRequest(name, OF_OTHERS, disposition, share_access=share, requested_oplock_level=oplock)
    return lambda: (Command.CREATE, request.encode())


def leasing(
    key: bytes,
    wanted: LeaseState,
    name: str = "f",
    access: int = OF_OTHERS,
    share: int = 7,
    disposition: int = CreateDisposition.OPEN_IF,
) -> Request:
    request = CreateRequest(
        name,
        access,
        disposition,
        share_access=share,
        requested_oplock_level=OplockLevel.LEASE,
        create_contexts=[CreateContext(REQUEST_LEASE, Lease(key, wanted).encode())],
    )
    return lambda: (Command.CREATE, request.encode())


def locking(file_id: Placeholder, offset: int, length: int, flags: int) -> Request:
    return lambda: (Command.LOCK, LockRequest(file_id.known, [LockElement(offset, length, flags)]).encode())


def renaming(file_id: Placeholder, name: str) -> Request:
    information = FileRenameInformation(False, name)
    return lambda: (Command.SET_INFO, setting(file_id.known, FileInformationClass.RENAME, information))


def deleting(file_id: Placeholder) -> Request:
    information = FileDispositionInformation(True)
    return lambda: (Command.SET_INFO, setting(file_id.known, FileInformationClass.DISPOSITION, information))


def giving_up(key: bytes, kept: LeaseState) -> Request:
    return lambda: (Command.OPLOCK_BREAK, LeaseBreak(key, kept).encode())


def closing(file_id: Placeholder) -> Request:
    return lambda: (Command.CLOSE, CloseRequest(file_id.known).encode())


def acknowledging(file_id: Placeholder, level: int) -> Request:
    return lambda: (Command.OPLOCK_BREAK, OplockBreak(file_id.known, level).encode())


def opened(oplock: int, file_id: Placeholder | None = None) -> Expectation:
    def check(answer: Answer) -> None:
        ended(Command.CREATE)(answer)
        response = CreateResponse.parse(answer.message)
        assert response.oplock_level == oplock
        if file_id is not None:
            file_id.check(response.file_id)

    return check


def leased(key: bytes, granted: LeaseState, file_id: Placeholder | None = None) -> Expectation:
    def check(answer: Answer) -> None:
        opened(OplockLevel.LEASE, file_id)(answer)
        contexts = CreateResponse.parse(answer.message).create_contexts
        (data,) = [memoryview(context.data) for context in contexts if context.name == REQUEST_LEASE]
        assert parse_lease(data) == Lease(key, granted)

    return check


def lease_breaking(key: bytes, held: LeaseState, left: LeaseState) -> Expectation:
    """A notification, which must be answered if writes or handles were cached (MS-SMB2 3.3.4.7)."""
    must_answer = held & (LeaseState.WRITE_CACHING | LeaseState.HANDLE_CACHING)
    flags = LeaseBreakFlags.ACK_REQUIRED if must_answer else 0

    def check(answer: Answer) -> None:
        ended(Command.OPLOCK_BREAK)(answer)
        assert answer.header.message_id == NOTIFICATION
        assert LeaseBreakNotification.parse(answer.message) == LeaseBreakNotification(key, held, left, flags)

    return check


def given_up(key: bytes, kept: LeaseState) -> Expectation:
    def check(answer: Answer) -> None:
        ended(Command.OPLOCK_BREAK)(answer)
        assert LeaseBreak.parse(answer.message) == LeaseBreak(key, kept)

    return check


def pending(answer: Answer) -> None:
    assert answer.status is Status.PENDING


def ended(command: Command, status: Status = Status.SUCCESS) -> Expectation:
    def check(answer: Answer) -> None:
        assert (answer.header.command, answer.status) == (command, status)

    return check


def breaking(file_id: Placeholder, level: int) -> Expectation:
    return _oplock_break(file_id, level, notification=True)


def acknowledged(file_id: Placeholder, level: int) -> Expectation:
    return _oplock_break(file_id, level, notification=False)


def _oplock_break(file_id: Placeholder, level: int, notification: bool) -> Expectation:
    def check(answer: Answer) -> None:
        ended(Command.OPLOCK_BREAK)(answer)
        assert (answer.header.message_id == NOTIFICATION) == notification
        assert OplockBreak.parse(answer.message) == OplockBreak(file_id.known, level)

    return check
