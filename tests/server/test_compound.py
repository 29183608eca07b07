"""Several messages in one frame (MS-SMB2 3.3.5.2.7)."""

from __future__ import annotations

from itertools import count

import pytest

from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.turn import BUDGET_S
from filesvc.smb2.compound import chain
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .compounds import RELATED, ask, send
from .dialogue import Client

LARGE = 8 << 20


def create(name: str, disposition: int = CreateDisposition.OPEN_IF) -> bytes:
    return CreateRequest(name, OF_OTHERS, disposition, share_access=7).encode()


ECHO = EchoRequest().encode()
CLOSE = CloseRequest(RELATED_FILE_ID).encode()


@pytest.mark.parametrize("sign", [False, True])
def test_related_requests_share_the_file(client: Client, store: MemoryStore, sign: bool) -> None:
    store.add("a", b"hello")
    client.sign = sign
    answers = ask(
        client,
        (Command.CREATE, create("a"), 0),
        (Command.READ, ReadRequest(RELATED_FILE_ID, 0, 5).encode(), RELATED),
        (Command.CLOSE, CLOSE, RELATED),
    )
    assert [answer.status for answer in answers] == [Status.SUCCESS] * 3
    assert bytes(ReadResponse.parse(answers[1].message).data) == b"hello"
    assert all(answer.header.next_command % 8 == 0 for answer in answers)
    assert all(bool(answer.header.flags & HeaderFlags.SIGNED) is sign for answer in answers)


def test_a_failed_create_fails_what_is_related_to_it(client: Client) -> None:
    answers = ask(client, (Command.CREATE, create("a", CreateDisposition.OPEN), 0), (Command.CLOSE, CLOSE, RELATED))
    assert [answer.status for answer in answers] == [Status.OBJECT_NAME_NOT_FOUND] * 2


def test_a_first_related_request_is_invalid_and_so_is_what_follows_it(client: Client) -> None:
    answers = ask(
        client,
        (Command.CREATE, create("a"), RELATED),
        (Command.CLOSE, CLOSE, RELATED),
        (Command.CLOSE, CLOSE, 0),
    )
    assert [answer.status for answer in answers] == [Status.INVALID_PARAMETER, Status.INVALID_PARAMETER, Status.FILE_CLOSED]


def test_the_related_file_id_means_nothing_without_the_flag(client: Client) -> None:
    answers = ask(client, (Command.CREATE, create("a"), 0), (Command.CLOSE, CLOSE, 0))
    assert [answer.status for answer in answers] == [Status.SUCCESS, Status.FILE_CLOSED]


def test_unrelated_requests_stand_for_themselves(client: Client) -> None:
    answers = ask(
        client,
        (Command.ECHO, EchoRequest().encode(), 0),
        (Command.CLOSE, CloseRequest(FileId(99, 99)).encode(), 0),
        (Command.ECHO, EchoRequest().encode(), 0),
    )
    assert [answer.status for answer in answers] == [Status.SUCCESS, Status.FILE_CLOSED, Status.SUCCESS]


def test_a_compound_that_breaks_the_connection_gives_back_what_it_had_read(client: Client, store: MemoryStore) -> None:
    store.add("a", b"hello")
    file_id = client.open("a")
    validate = IoctlRequest(Fsctl.VALIDATE_NEGOTIATE_INFO, RELATED_FILE_ID, bytes(24), 24).encode()
    assert ask(client, (Command.READ, ReadRequest(file_id, 0, 5).encode(), 0), (Command.IOCTL, validate, 0)) == []
    assert client.closed
    assert client.server.data_path.buffers.outstanding == 0


def large_reads(client: Client, count: int) -> list[bytes]:
    file_id = client.open("large", disposition=CreateDisposition.OPEN)
    while client.connection.window.available < 128 * count:
        client.send(client.header(Command.ECHO, credits=8192).encode() + EchoRequest().encode())
        client.receive()
    return [client.header(Command.READ, charge=128).encode() + ReadRequest(file_id, 0, LARGE).encode() for _ in range(count)]


def test_answers_too_large_for_one_frame_come_in_several(client: Client, store: MemoryStore) -> None:
    store.add("large", bytes(LARGE))
    client.send(*map(bytes, chain(large_reads(client, 3))))
    answers = client.receive()
    assert [answer.status for answer in answers] == [Status.SUCCESS] * 3
    assert [len(ReadResponse.parse(answer.message).data) for answer in answers] == [LARGE] * 3


def test_a_compound_waits_while_its_client_takes_nothing(client: Client, store: MemoryStore) -> None:
    store.add("large", bytes(LARGE))
    client.send(*map(bytes, chain(large_reads(client, 20))))
    assert client.connection.outbox.pending < client.server.settings.limits.backlog + 2 * LARGE
    assert len(client.receive()) == 20
    client.send(*map(bytes, chain(large_reads(client, 20))))
    client.transport.loseConnection()
    assert client.server.data_path.buffers.outstanding == 0


@pytest.mark.parametrize("lost", [False, True])
def test_others_have_their_turn_in_the_middle_of_many(
    client: Client, another: Client, store: MemoryStore, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.send(client.header(Command.ECHO, credits=1000).encode() + EchoRequest().encode())
    client.receive()
    # Each look at the clock takes a twentieth of what a turn may take.
    monkeypatch.setattr(client.server.turn.reactor, "seconds", count(0, BUDGET_S / 20).__next__)
    send(client, *[(Command.CREATE, create(f"{number}"), 0) for number in range(200)])
    assert 0 < len(client.server.nodes) < 200
    assert another.ask(Command.ECHO, ECHO).status is Status.SUCCESS
    if lost:
        client.transport.loseConnection()
    client.server.reactor.pump([0] * 40)
    if lost:
        assert len(client.server.nodes) == 0
    else:
        assert [answer.status for answer in client.receive()] == [Status.SUCCESS] * 200


def test_a_related_request_inherits_session_and_tree(client: Client) -> None:
    body = create("a")
    body += bytes(-len(body) % 8)
    first = client.header(Command.CREATE, next_command=64 + len(body))
    second = client.header(Command.CLOSE, flags=RELATED, session_id=0xFFFFFFFFFFFFFFFF, tree_id=0xFFFFFFFF)
    client.send(first.encode() + body, second.encode() + CLOSE)
    answers = client.receive()
    assert [answer.status for answer in answers] == [Status.SUCCESS] * 2
    assert (answers[1].header.session_id, answers[1].header.tree_id) == (client.session_id, client.tree_id)


def test_answers_come_in_one_frame_aligned(client: Client) -> None:
    client.open("a")
    send(client, (Command.CREATE, create("a"), 0), (Command.CLOSE, CLOSE, RELATED), (Command.ECHO, ECHO, 0))
    data = client.transport.value()
    client.transport.clear()
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    frame = memoryview(data)[4:]
    ends = []
    while frame:
        header = Header.parse(frame)
        ends.append(header.next_command)
        frame = frame[header.next_command or len(frame) :]
    assert len(ends) == 3
    assert all(end % 8 == 0 for end in ends)
    assert (len(data) - 4) % 8 == 0


def test_a_single_answer_is_not_padded(client: Client) -> None:
    file_id = client.open("a")
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert len(client.ask(Command.READ, ReadRequest(file_id, 0, 1).encode()).message) == 64 + 16 + 1


def test_what_is_wrong_with_one_is_its_own_affair(client: Client) -> None:
    answers = ask(
        client,
        (Command.ECHO, ECHO, 0),
        (Command.READ, bytes(8), 0),
        (19, bytes(8), 0),
        (Command.ECHO, ECHO, 0),
    )
    assert [answer.status for answer in answers] == [
        Status.SUCCESS,
        Status.INVALID_PARAMETER,
        Status.INVALID_PARAMETER,
        Status.SUCCESS,
    ]


def test_a_failure_in_the_middle_leaves_the_file_to_those_behind(client: Client, store: MemoryStore) -> None:
    store.add("a", b"hello")
    answers = ask(
        client,
        (Command.CREATE, create("a"), 0),
        (Command.READ, ReadRequest(RELATED_FILE_ID, 100, 5).encode(), RELATED),
        (Command.READ, ReadRequest(RELATED_FILE_ID, 0, 5).encode(), RELATED),
        (Command.CLOSE, CLOSE, RELATED),
    )
    assert [answer.status for answer in answers] == [Status.SUCCESS, Status.END_OF_FILE, Status.SUCCESS, Status.SUCCESS]


def test_a_file_that_is_named_is_the_one_those_behind_inherit(client: Client) -> None:
    file_id = client.open("a")
    answers = ask(client, (Command.FLUSH, FlushRequest(file_id).encode(), 0), (Command.CLOSE, CLOSE, RELATED))
    assert [answer.status for answer in answers] == [Status.SUCCESS] * 2
    assert client.close(file_id).status is Status.FILE_CLOSED


def test_the_last_may_wait_and_those_before_are_answered_at_once(client: Client, another: Client) -> None:
    held = another.open("a")
    wait = [LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK)]
    now = [LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)]
    another.ask(Command.LOCK, LockRequest(held, now).encode())
    answers = ask(client, (Command.CREATE, create("a"), 0), (Command.LOCK, LockRequest(RELATED_FILE_ID, wait).encode(), RELATED))
    assert [answer.status for answer in answers] == [Status.SUCCESS, Status.PENDING]
    another.close(held)
    (late,) = client.receive()
    assert (late.status, late.header.command) == (Status.SUCCESS, Command.LOCK)


def test_many_requests_in_one_frame(client: Client) -> None:
    answers = ask(client, *[(Command.ECHO, ECHO, 0)] * 50)
    assert [answer.status for answer in answers] == [Status.SUCCESS] * 50
