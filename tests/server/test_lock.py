"""Byte-range locks: who gets which, who waits, and what they keep from whom."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileEndOfFileInformation, FileInformationClass
from filesvc.server.files import byte_range_locks as locks
from filesvc.server.files.byte_range_locks import ByteRange, ByteRangeLocks
from filesvc.server.turn import Turn
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeClient
from .playbook import Placeholder, Playbook, closing, ended, locking, opened, opening, pending

SHARED = LockFlags.SHARED_LOCK | LockFlags.FAIL_IMMEDIATELY
EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY
WAIT = LockFlags.EXCLUSIVE_LOCK
UNLOCK = LockFlags.UNLOCK
Opens: TypeAlias = tuple[Placeholder, Placeholder, Placeholder]
LOCKED = ended(Command.LOCK)


@pytest.fixture
def files(client: Client, store: MemoryStore) -> tuple[FileId, FileId]:
    """Two opens of one file."""
    store.add("f", bytes(100))
    return client.open("f"), client.open("f")


@pytest.fixture
def opens(client: Client, store: MemoryStore) -> Opens:
    """Three opens of one file."""
    store.add("f", bytes(100))
    made = Placeholder(), Placeholder(), Placeholder()
    with Playbook() as play:
        for file_id in made:
            play >> (client, opening("f")) << (client, opened(0, file_id))
    return made


@pytest.mark.parametrize(
    ("first", "second", "same_open", "granted"),
    [
        (SHARED, SHARED, True, True),
        (SHARED, SHARED, False, True),
        (SHARED, EXCLUSIVE, True, False),
        (SHARED, EXCLUSIVE, False, False),
        (EXCLUSIVE, SHARED, True, True),
        (EXCLUSIVE, SHARED, False, False),
        (EXCLUSIVE, EXCLUSIVE, True, False),
        (EXCLUSIVE, EXCLUSIVE, False, False),
    ],
)
def test_which_locks_go_together(
    client: Client, files: tuple[FileId, FileId], first: int, second: int, same_open: bool, granted: bool
) -> None:
    assert client.lock(files[0], (0, 10, first)).status is Status.SUCCESS
    assert client.lock(files[not same_open], (5, 10, second)).status is (Status.SUCCESS if granted else Status.LOCK_NOT_GRANTED)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ((10, 0), (10, 0), False),
        ((10, 0), (9, 1), False),
        ((10, 0), (10, 1), False),
        ((10, 0), (10, 2), False),
        ((10, 0), (9, 2), True),
        ((10, 0), (9, 3), True),
        ((0, 0), (0, 10), False),
        ((0, 10), (10, 10), False),
        ((0, 11), (10, 10), True),
        ((2**64 - 1, 1), (2**64 - 2, 1), False),
        ((2**64 - 1, 1), (0, 2**64 - 1), False),
        ((2**64 - 1, 1), (1, 2**64 - 1), True),
    ],
)
def test_which_ranges_meet(one: tuple[int, int], other: tuple[int, int], meet: bool) -> None:
    assert ByteRange("a", *one, exclusive=True).overlaps(*other) is meet
    assert ByteRange("a", *other, exclusive=True).overlaps(*one) is meet


def test_an_exclusive_lock_is_given_back_before_shared_ones_on_top_of_it(client: Client, files: tuple[FileId, FileId]) -> None:
    for mode in (EXCLUSIVE, SHARED):
        assert client.lock(files[0], (0, 10, mode)).status is Status.SUCCESS
    assert client.lock(files[0], (0, 10, UNLOCK)).status is Status.SUCCESS
    assert client.lock(files[1], (0, 10, SHARED)).status is Status.SUCCESS


def test_only_what_is_held_is_given_back(client: Client, files: tuple[FileId, FileId]) -> None:
    assert client.lock(files[0], (0, 10, SHARED), (10, 10, SHARED)).status is Status.SUCCESS
    assert client.lock(files[0], (0, 20, UNLOCK)).status is Status.RANGE_NOT_LOCKED
    assert client.lock(files[1], (0, 10, UNLOCK)).status is Status.RANGE_NOT_LOCKED


def test_all_ranges_are_taken_or_none(client: Client, files: tuple[FileId, FileId]) -> None:
    first, second = files
    assert client.lock(first, (0, 10, EXCLUSIVE)).status is Status.SUCCESS
    assert client.lock(second, (50, 10, EXCLUSIVE)).status is Status.SUCCESS
    assert client.lock(first, (0, 10, SHARED), (50, 10, SHARED)).status is Status.LOCK_NOT_GRANTED
    assert client.lock(second, (0, 10, SHARED)).status is Status.LOCK_NOT_GRANTED, "the roll-back gave back what was held before"
    assert client.lock(first, (0, 10, UNLOCK)).status is Status.SUCCESS
    assert client.lock(first, (0, 10, UNLOCK)).status is Status.RANGE_NOT_LOCKED, "the roll-back left something"


def test_ranges_given_back_before_a_mistake_stay_so(client: Client, files: tuple[FileId, FileId]) -> None:
    assert client.lock(files[0], (0, 1, EXCLUSIVE), (1, 1, EXCLUSIVE)).status is Status.SUCCESS
    assert client.lock(files[0], (0, 1, UNLOCK), (1, 1, EXCLUSIVE)).status is Status.INVALID_PARAMETER
    assert client.lock(files[1], (0, 1, EXCLUSIVE)).status is Status.SUCCESS
    assert client.lock(files[1], (1, 1, EXCLUSIVE)).status is Status.LOCK_NOT_GRANTED


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([], Status.INVALID_PARAMETER),
        ([(0, 1, 0)], Status.INVALID_PARAMETER),
        ([(0, 1, SHARED | EXCLUSIVE)], Status.INVALID_PARAMETER),
        ([(0, 1, UNLOCK | LockFlags.FAIL_IMMEDIATELY)], Status.INVALID_PARAMETER),
        ([(0, 1, UNLOCK | LockFlags.SHARED_LOCK)], Status.INVALID_PARAMETER),
        ([(0, 1, EXCLUSIVE), (1, 1, WAIT)], Status.INVALID_PARAMETER),
        ([(0, 1, EXCLUSIVE), (1, 1, UNLOCK)], Status.INVALID_PARAMETER),
        ([(2**64 - 1, 2, EXCLUSIVE)], Status.INVALID_LOCK_RANGE),
        ([(2**64 - 1, 1, EXCLUSIVE)], Status.SUCCESS),
        ([(2**64 - 1, 0, EXCLUSIVE)], Status.SUCCESS),
    ],
)
def test_what_is_a_lock(client: Client, files: tuple[FileId, FileId], elements: Any, expected: Status) -> None:
    assert client.lock(files[0], *elements).status is expected


def test_a_lock_takes_a_file_and_the_right_to_its_data(client: Client, store: MemoryStore) -> None:
    store.add("f")
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert client.lock(directory, (0, 1, EXCLUSIVE)).status is Status.INVALID_PARAMETER
    attributes = client.open("f", access=AccessMask.FILE_READ_ATTRIBUTES)
    assert client.lock(attributes, (0, 1, EXCLUSIVE)).status is Status.ACCESS_DENIED
    assert client.lock(FileId(77, 77), (0, 1, EXCLUSIVE)).status is Status.FILE_CLOSED


def test_a_lock_is_waited_for(client: Client, opens: Opens) -> None:
    first, second, _ = opens
    with Playbook() as play:
        play >> (client, locking(first, 0, 10, WAIT)) << (client, LOCKED)
        play >> (client, locking(second, 5, 10, WAIT)) << (client, pending)
        # It is not held yet.
        play >> (client, locking(second, 5, 10, UNLOCK)) << (client, ended(Command.LOCK, Status.RANGE_NOT_LOCKED))
        play >> (client, locking(first, 0, 10, UNLOCK)) << (client, LOCKED) << (client, LOCKED)
        play >> (client, locking(first, 14, 1, SHARED)) << (client, ended(Command.LOCK, Status.LOCK_NOT_GRANTED))
        play >> (client, locking(second, 5, 10, UNLOCK)) << (client, LOCKED)


def test_those_who_wait_are_served_in_order(client: Client, opens: Opens) -> None:
    first, second, third = opens
    with Playbook() as play:
        play >> (client, locking(first, 0, 10, WAIT)) << (client, LOCKED)
        play >> (client, locking(second, 0, 10, WAIT)) << (client, pending)
        play >> (client, locking(third, 0, 10, WAIT)) << (client, pending)
        play >> (client, closing(first)) << (client, LOCKED) << (client, ended(Command.CLOSE))
        play >> (client, locking(second, 0, 10, UNLOCK)) << (client, LOCKED) << (client, LOCKED)
        play >> (client, locking(third, 0, 10, UNLOCK)) << (client, LOCKED)


def test_waiting_ends_by_cancel(client: Client, files: tuple[FileId, FileId]) -> None:
    first, second = files
    assert client.lock(first, (0, 10, WAIT)).status is Status.SUCCESS
    client.cancel(client.lock(second, (0, 10, WAIT)))
    assert [answer.status for answer in client.receive()] == [Status.CANCELLED]
    assert client.lock(first, (0, 10, UNLOCK)).status is Status.SUCCESS
    assert client.lock(first, (0, 10, EXCLUSIVE)).status is Status.SUCCESS, "the cancelled request was granted"


def test_waiting_ends_by_close(client: Client, opens: Opens) -> None:
    first, second, _ = opens
    with Playbook() as play:
        play >> (client, locking(first, 0, 10, WAIT)) << (client, LOCKED)
        play >> (client, locking(second, 0, 10, WAIT)) << (client, pending)
        play >> (client, closing(second))
        play << (client, ended(Command.LOCK, Status.RANGE_NOT_LOCKED)) << (client, ended(Command.CLOSE))


@pytest.mark.parametrize(
    ("command", "body"),
    [(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()), (Command.LOGOFF, LogoffRequest().encode())],
)
def test_waiting_ends_by_leaving(client: Client, files: tuple[FileId, FileId], command: int, body: bytes) -> None:
    assert client.lock(files[0], (0, 10, WAIT)).status is Status.SUCCESS
    client.lock(files[1], (0, 10, WAIT))
    assert client.ask(command, body).status is Status.SUCCESS
    assert len(client.unasked) == 1


def test_waiting_ends_with_the_connection(client: Client, another: Client, files: tuple[FileId, FileId]) -> None:
    theirs = another.open("f")
    assert client.lock(files[0], (0, 10, WAIT)).status is Status.SUCCESS
    assert another.lock(theirs, (0, 10, WAIT)).status is Status.PENDING
    another.transport.loseConnection()
    assert client.lock(files[0], (0, 10, UNLOCK)).status is Status.SUCCESS
    assert client.lock(files[1], (0, 10, EXCLUSIVE)).status is Status.SUCCESS


def test_a_lost_connection_gives_its_locks_to_who_waits(client: Client, another: Client, files: tuple[FileId, FileId]) -> None:
    theirs = another.open("f")
    assert another.lock(theirs, (0, 10, WAIT)).status is Status.SUCCESS
    assert client.lock(files[0], (0, 10, WAIT)).status is Status.PENDING
    another.transport.loseConnection()
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS]


@pytest.mark.parametrize(
    ("mode", "own_read", "own_write", "other_read", "other_write"),
    [(SHARED, True, False, True, False), (EXCLUSIVE, True, True, False, False)],
)
def test_what_a_lock_forbids(
    client: Client, files: tuple[FileId, FileId], mode: int, own_read: bool, own_write: bool, other_read: bool, other_write: bool
) -> None:
    assert client.lock(files[0], (10, 10, mode)).status is Status.SUCCESS
    for file_id, may_read, may_write in ((files[0], own_read, own_write), (files[1], other_read, other_write)):
        read = client.ask(Command.READ, ReadRequest(file_id, 0, 11).encode())
        assert read.status is (Status.SUCCESS if may_read else Status.FILE_LOCK_CONFLICT)
        write = client.ask(Command.WRITE, WriteRequest(file_id, 19, b"xx").encode())
        assert write.status is (Status.SUCCESS if may_write else Status.FILE_LOCK_CONFLICT)
        assert client.ask(Command.READ, ReadRequest(file_id, 20, 10).encode()).status is Status.SUCCESS
        assert client.ask(Command.READ, ReadRequest(file_id, 15, 0).encode()).status is Status.SUCCESS


def test_a_locked_file_is_truncated_and_overwritten(client: Client, store: MemoryStore, files: tuple[FileId, FileId]) -> None:
    """As on Windows: locks guard reads and writes. They outlive the bytes they are on."""
    assert client.lock(files[0], (50, 10, EXCLUSIVE)).status is Status.SUCCESS
    body = FileEndOfFileInformation(10).encode()
    request = SetInfoRequest(files[1], InfoType.FILE, FileInformationClass.END_OF_FILE, body)
    assert client.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS
    client.close(client.open("f", disposition=CreateDisposition.OVERWRITE))
    assert client.lock(files[1], (50, 10, EXCLUSIVE)).status is Status.LOCK_NOT_GRANTED
    assert client.lock(files[0], (50, 10, UNLOCK)).status is Status.SUCCESS


def test_a_request_sent_again_is_not_done_again(client: Client, files: tuple[FileId, FileId]) -> None:
    first = files[0]
    for _ in range(2):
        assert client.lock(first, (0, 10, EXCLUSIVE), index=1, number=1).status is Status.SUCCESS
    assert client.lock(first, (0, 10, UNLOCK), index=1, number=1).status is Status.SUCCESS, "taken for the same request"
    assert client.lock(first, (0, 10, EXCLUSIVE), index=1, number=2).status is Status.LOCK_NOT_GRANTED
    assert client.lock(first, (0, 10, EXCLUSIVE), index=1, number=2).status is Status.LOCK_NOT_GRANTED, "failures are not remembered"
    for _ in range(2):
        assert client.lock(first, (0, 10, UNLOCK), index=64, number=2).status is Status.SUCCESS
    assert client.lock(first, (0, 10, UNLOCK), index=64, number=3).status is Status.RANGE_NOT_LOCKED


@pytest.mark.parametrize("index", [0, 65])
def test_other_indices_are_not_remembered(client: Client, files: tuple[FileId, FileId], index: int) -> None:
    assert client.lock(files[0], (0, 10, EXCLUSIVE), index=index, number=1).status is Status.SUCCESS
    assert client.lock(files[0], (0, 10, EXCLUSIVE), index=index, number=1).status is Status.LOCK_NOT_GRANTED


def test_the_oldest_dialect_has_no_sequences(make_client: MakeClient, store: MemoryStore) -> None:
    client = make_client(Dialect.SMB_2_0_2)
    store.add("f")
    file_id = client.open("f")
    assert client.lock(file_id, (0, 10, EXCLUSIVE), index=1, number=1).status is Status.SUCCESS
    assert client.lock(file_id, (0, 10, EXCLUSIVE), index=1, number=1).status is Status.LOCK_NOT_GRANTED


def test_who_is_granted_may_come_back_at_once() -> None:
    locks, turn = ByteRangeLocks(), Turn(Clock())
    assert locks.lock([ByteRange("a", 0, 10, True)])
    locks.wait(ByteRange("b", 0, 10, True), turn).addCallback(lambda _: locks.release("b"))
    late = locks.wait(ByteRange("c", 0, 10, True), turn)
    locks.release("a")
    assert late.called
    assert not locks.lock([ByteRange("a", 0, 10, False)])


def test_a_request_locks_only_so_much(client: Client) -> None:
    file_id = client.open("a")
    many = [(10 * number, 5, EXCLUSIVE) for number in range(1000)]
    assert client.lock(file_id, *many).status is Status.INSUFFICIENT_RESOURCES
    assert client.lock(file_id, many[0]).status is Status.SUCCESS


def test_a_file_has_only_so_many_locks(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MOST", 3)
    file_id = client.open("a")
    assert client.lock(file_id, *((number, 1, EXCLUSIVE) for number in range(3))).status is Status.SUCCESS
    assert client.lock(file_id, (5, 1, EXCLUSIVE)).status is Status.INSUFFICIENT_RESOURCES
    assert client.lock(file_id, (0, 1, UNLOCK)).status is Status.SUCCESS
    assert client.lock(file_id, (5, 1, EXCLUSIVE)).status is Status.SUCCESS


RANGES = st.tuples(st.integers(0, 6), st.integers(0, 4))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), RANGES, st.booleans(), st.sampled_from(["lock", "unlock", "release"])), max_size=30), RANGES
)
def test_searched_ranges_say_what_looking_at_each_says(steps: list[tuple[str, tuple[int, int], bool, str]], asked: tuple[int, int]) -> None:
    locks = ByteRangeLocks()
    held: list[ByteRange] = []
    for owner, (offset, length), exclusive, what in steps:
        if what == "lock":
            wanted = ByteRange(owner, offset, length, exclusive)
            free = not any(one.overlaps(offset, length) and (exclusive or (one.exclusive and one.owner != owner)) for one in held)
            assert locks.lock([wanted]) is free
            held += [wanted] * free
        elif what == "unlock":
            mine = [one for one in held if (one.owner, one.offset, one.length) == (owner, offset, length)]
            assert locks.unlock(owner, offset, length) is bool(mine)
            if mine:
                held.remove(next((one for one in mine if one.exclusive), mine[0]))
        else:
            locks.release(owner)
            held = [one for one in held if one.owner != owner]
        assert list(locks) == held
        assert locks.held_by(owner) == [one for one in held if one.owner == owner]
        for write in (False, True):
            expected = bool(asked[1]) and any(one.overlaps(*asked) and (one.owner != owner if one.exclusive else write) for one in held)
            assert locks.forbids(owner, *asked, write=write) is expected
