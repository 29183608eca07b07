"""Requests that take time: interim responses and CANCEL (MS-SMB2 3.3.4.2, 3.3.4.4, 3.3.5.16)."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.status import Status
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.lock import LockFlags

from .dialogue import Client, MakeClient

ASYNC = HeaderFlags.ASYNC_COMMAND
ECHO = EchoRequest().encode()


@pytest.fixture
def file_id(client: Client, another: Client) -> FileId:
    """An open of a file whose first byte C{another} has locked."""
    held = another.open("a")
    assert another.lock(held, (0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)).status is Status.SUCCESS
    return client.open("a")


def cancel(client: Client, **fields: Any) -> list[Any]:
    """Send a CANCEL; what comes then."""
    client.send(client.encode(client.header(Command.CANCEL, credits=0, **fields), CancelRequest().encode()))
    answers: list[Any] = client.receive()
    return answers


def test_an_interim_response_names_the_request_by_an_id(client: Client, file_id: FileId) -> None:
    interim = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK), process_id=7)
    assert interim.status is Status.PENDING
    assert interim.header.flags & ASYNC
    assert interim.header.async_id
    other = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    assert other.header.async_id not in (0, interim.header.async_id)


def test_the_connection_goes_on_meanwhile(client: Client, file_id: FileId) -> None:
    client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    assert client.ask(Command.ECHO, ECHO).status is Status.SUCCESS
    assert client.create("b").status is Status.SUCCESS


def test_cancel_by_the_async_id(client: Client, file_id: FileId) -> None:
    first, second = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK)), client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    (answer,) = cancel(client, flags=ASYNC, async_id=second.header.async_id, message_id=0)
    assert (answer.status, answer.header.message_id) == (Status.CANCELLED, second.header.message_id)
    assert answer.header.async_id == second.header.async_id
    (answer,) = cancel(client, flags=ASYNC, async_id=first.header.async_id, message_id=0)
    assert answer.header.message_id == first.header.message_id


def test_cancel_by_the_message_id(client: Client, file_id: FileId) -> None:
    first, second = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK)), client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    (answer,) = cancel(client, message_id=second.header.message_id)
    assert (answer.status, answer.header.message_id) == (Status.CANCELLED, second.header.message_id)
    (answer,) = cancel(client, message_id=first.header.message_id)
    assert answer.header.message_id == first.header.message_id


def test_a_cancel_that_comes_too_late_says_nothing(client: Client, another: Client, file_id: FileId) -> None:
    interim = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    another.transport.loseConnection()
    (answer,) = client.receive()
    assert answer.status is Status.SUCCESS
    assert cancel(client, flags=ASYNC, async_id=interim.header.async_id, message_id=0) == []
    assert cancel(client, message_id=interim.header.message_id) == []
    assert client.ask(Command.ECHO, ECHO).status is Status.SUCCESS


def test_a_cancel_is_of_its_own_connection_only(client: Client, make_client: MakeClient, file_id: FileId) -> None:
    interim = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    stranger = make_client()
    assert cancel(stranger, flags=ASYNC, async_id=interim.header.async_id, message_id=0) == []
    assert cancel(stranger, message_id=interim.header.message_id) == []
    assert client.receive() == []


def test_a_cancel_takes_no_id_and_no_credit(client: Client, file_id: FileId) -> None:
    before = (client.connection.window.low, client.connection.window.high)
    assert cancel(client, message_id=12345) == []
    assert (client.connection.window.low, client.connection.window.high) == before


def test_the_final_response_is_signed_as_the_request(client: Client, file_id: FileId) -> None:
    client.sign = True
    interim = client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    (final,) = cancel(client, flags=ASYNC, async_id=interim.header.async_id, message_id=0)
    assert final.header.flags & HeaderFlags.SIGNED
    assert client.verifies(final)


def test_a_lost_connection_cancels_what_waits(client: Client, file_id: FileId) -> None:
    client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK))
    client.transport.loseConnection()
    assert client.receive() == []
