"""Oplocks: who gets which, what breaks them, and who waits for that."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileEndOfFileInformation, FileInformationClass
from filesvc.server.caches.oplock import Oplock
from filesvc.server.state.caching import BREAK_TIMEOUT
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.create import CreateDisposition, CreateResponse, OplockLevel
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.oplock_break import OplockBreak
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeClient
from .playbook import Placeholder, Playbook, acknowledged, acknowledging, breaking, closing, ended, opened, opening, pending
from .standing_reactor import FakeReactor

NONE, II, EXCLUSIVE, BATCH = OplockLevel.NONE, OplockLevel.II, OplockLevel.EXCLUSIVE, OplockLevel.BATCH


def create(client: Client, level: int, **fields: Any) -> Any:
    return client.create("f", requested_oplock_level=level, **fields)


def granted(client: Client, level: int, **fields: Any) -> tuple[FileId, int]:
    answer = create(client, level, **fields)
    assert answer.status is Status.SUCCESS
    response = CreateResponse.parse(answer.message)
    return response.file_id, response.oplock_level


def acknowledge(client: Client, file_id: FileId, level: int) -> Any:
    return client.ask(Command.OPLOCK_BREAK, OplockBreak(file_id, level).encode())


@pytest.mark.parametrize("level", [NONE, II, EXCLUSIVE, BATCH])
def test_the_only_open_gets_what_it_asks_for(client: Client, level: int) -> None:
    assert granted(client, level)[1] == level


@pytest.mark.parametrize("level", [II, EXCLUSIVE, BATCH])
def test_a_second_open_gets_level_ii_at_most(client: Client, another: Client, level: int) -> None:
    granted(client, NONE)
    assert granted(another, level)[1] == II


def test_directories_have_no_oplocks(client: Client, store: MemoryStore) -> None:
    answer = client.create("", requested_oplock_level=BATCH)
    assert CreateResponse.parse(answer.message).oplock_level == NONE


@pytest.mark.parametrize(("held", "disposition", "to"), [
    (EXCLUSIVE, CreateDisposition.OPEN, II),
    (BATCH, CreateDisposition.OPEN, II),
    (EXCLUSIVE, CreateDisposition.OVERWRITE, NONE),
    (BATCH, CreateDisposition.SUPERSEDE, NONE),
])  # fmt: skip
def test_another_open_waits_for_the_break(client: Client, another: Client, held: int, disposition: int, to: int) -> None:
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, opening("f", held)) << (client, opened(held, file_id))
        play >> (another, opening("f", BATCH, disposition=disposition)) << (another, pending) << (client, breaking(file_id, to))
        play >> (client, acknowledging(file_id, to)) << (client, acknowledged(file_id, to)) << (another, opened(II))


def test_looking_at_attributes_breaks_nothing(client: Client, another: Client) -> None:
    granted(client, BATCH)
    assert granted(another, NONE, access=AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE)[1] == NONE
    assert not client.breaks()


def test_a_close_answers_too(client: Client, another: Client) -> None:
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, opening("f", BATCH, share=0)) << (client, opened(BATCH, file_id))
        play >> (another, opening("f", BATCH)) << (another, pending) << (client, breaking(file_id, II))
        play >> (client, closing(file_id)) << (client, ended(Command.CLOSE)) << (another, opened(BATCH))


def test_a_lost_connection_answers_too(client: Client, another: Client) -> None:
    granted(client, BATCH)
    assert create(another, BATCH).status is Status.PENDING
    client.transport.loseConnection()
    assert another.last().status is Status.SUCCESS


def test_share_modes_are_looked_at_when_a_batch_oplock_has_broken(client: Client, another: Client) -> None:
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, opening("f", BATCH, share=0)) << (client, opened(BATCH, file_id))
        play >> (another, opening("f")) << (another, pending) << (client, breaking(file_id, II))
        play >> (client, acknowledging(file_id, II)) << (client, acknowledged(file_id, II))
        play << (another, ended(Command.CREATE, Status.SHARING_VIOLATION))


def test_an_exclusive_oplock_does_not_break_for_what_share_modes_forbid(client: Client, another: Client) -> None:
    granted(client, EXCLUSIVE, share=0)
    assert create(another, NONE).status is Status.SHARING_VIOLATION
    assert not client.breaks()


def test_who_does_not_answer_loses_the_oplock(client: Client, another: Client, reactor: FakeReactor) -> None:
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, opening("f", BATCH)) << (client, opened(BATCH, file_id))
        play >> (another, opening("f")) << (another, pending) << (client, breaking(file_id, II))
        play.settle()
        reactor.advance(BREAK_TIMEOUT - 1)
        play.settle()
        reactor.advance(1)
        play << (another, opened(NONE))
        play >> (client, acknowledging(file_id, II)) << (client, ended(Command.OPLOCK_BREAK, Status.INVALID_OPLOCK_PROTOCOL))


def test_waiting_can_be_cancelled(client: Client, another: Client) -> None:
    granted(client, BATCH)
    pending = create(another, NONE)
    header = another.header(Command.CANCEL, flags=HeaderFlags.ASYNC_COMMAND, async_id=pending.header.async_id)
    another.send(another.encode(header, b"\4\0\0\0"))
    assert another.last().status is Status.CANCELLED


def test_more_is_taken_while_the_answer_is_awaited(client: Client, another: Client, make_client: MakeClient) -> None:
    """The client is first told to keep level II, and when it does, to give that up as well."""
    overwriting = make_client()
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, opening("f", BATCH)) << (client, opened(BATCH, file_id))
        play >> (another, opening("f")) << (another, pending) << (client, breaking(file_id, II))
        play >> (overwriting, opening("f", disposition=CreateDisposition.OVERWRITE)) << (overwriting, pending)
        play >> (client, acknowledging(file_id, II)) << (client, acknowledged(file_id, II)) << (client, breaking(file_id, NONE))
        play << (another, opened(NONE)) << (overwriting, opened(NONE))


def write(client: Client, file_id: FileId) -> Any:
    return client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())


def lock(client: Client, file_id: FileId) -> Any:
    element = LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
    return client.ask(Command.LOCK, LockRequest(file_id, [element]).encode())


def set_size(client: Client, file_id: FileId) -> Any:
    size = FileEndOfFileInformation(7).encode()
    return client.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.END_OF_FILE, size).encode())


@pytest.mark.parametrize("change", [write, lock, set_size])
def test_changes_take_level_ii_from_all(client: Client, another: Client, change: Any) -> None:
    mine, _ = granted(client, II)
    theirs, _ = granted(another, II)
    assert change(another, theirs).status is Status.SUCCESS
    assert client.breaks() == [OplockBreak(mine, NONE)]
    assert another.breaks() == [OplockBreak(theirs, NONE)]
    assert change(another, theirs).status is not Status.PENDING
    assert not client.breaks()


def test_own_changes_leave_an_exclusive_oplock(client: Client) -> None:
    file_id, _ = granted(client, EXCLUSIVE)
    write(client, file_id)
    assert not client.breaks()


@pytest.mark.parametrize(("held", "said", "status"), [
    (II, NONE, Status.INVALID_DEVICE_STATE),
    (II, II, Status.INVALID_OPLOCK_PROTOCOL),
    (II, EXCLUSIVE, Status.INVALID_OPLOCK_PROTOCOL),
    (II, BATCH, Status.INVALID_OPLOCK_PROTOCOL),
    (II, OplockLevel.LEASE, Status.INVALID_PARAMETER),
    (EXCLUSIVE, NONE, Status.INVALID_DEVICE_STATE),
    (EXCLUSIVE, II, Status.INVALID_DEVICE_STATE),
    (EXCLUSIVE, EXCLUSIVE, Status.INVALID_OPLOCK_PROTOCOL),
    (BATCH, NONE, Status.INVALID_DEVICE_STATE),
    (BATCH, II, Status.INVALID_DEVICE_STATE),
    (BATCH, BATCH, Status.INVALID_OPLOCK_PROTOCOL),
    (BATCH, OplockLevel.LEASE, Status.INVALID_PARAMETER),
])  # fmt: skip
def test_an_answer_that_nobody_asked_for_changes_nothing(client: Client, held: int, said: int, status: Status) -> None:
    file_id, _ = granted(client, held)
    assert acknowledge(client, file_id, said).status is status
    (holder,) = (one.holder for node in client.server.nodes for one in node.opens)
    assert isinstance(holder, Oplock)
    assert holder.level == held


def test_an_answer_to_what_was_taken_without_asking(client: Client) -> None:
    file_id, _ = granted(client, II)
    client.write(file_id, b"data")
    assert acknowledge(client, file_id, NONE).status is Status.INVALID_OPLOCK_PROTOCOL


def test_an_answer_of_who_has_no_oplock(client: Client) -> None:
    without = client.open("g")
    assert acknowledge(client, without, II).status is Status.INVALID_DEVICE_STATE


def test_an_answer_that_keeps_too_much_keeps_nothing(client: Client, another: Client) -> None:
    file_id, _ = granted(client, EXCLUSIVE)
    create(another, NONE)
    assert acknowledge(client, file_id, BATCH).status is Status.INVALID_OPLOCK_PROTOCOL
    assert another.last().status is Status.SUCCESS


def test_no_shared_oplock_beside_byte_range_locks(client: Client, another: Client) -> None:
    file_id, _ = granted(client, NONE)
    client.write(file_id, b"x")
    client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY))
    assert granted(another, II)[1] == NONE


def test_a_notification_is_encrypted_if_the_session_is(client: Client, another: Client) -> None:
    granted(client, BATCH)
    session = client.connection.channels[client.session_id].session
    assert session.sealer is not None
    session.encrypt_data = True
    client.transport.clear()
    create(another, NONE)
    assert client.transport.value()[4:8] == b"\xfdSMB"
