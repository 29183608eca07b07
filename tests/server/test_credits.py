"""Credits and credit charges (MS-SMB2 3.3.1.2, 3.3.5.2.3, 3.3.5.2.5)."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.settings import Limits, Settings
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeClient, MakeServer

ECHO = EchoRequest().encode()


def echo(client: Client, **fields: Any) -> Any:
    return client.ask(Command.ECHO, ECHO, **fields)


@pytest.mark.parametrize(("asked", "granted"), [(0, 1), (1, 1), (7, 7), (64, 64)])
def test_what_is_asked_for_is_granted(client: Client, asked: int, granted: int) -> None:
    assert echo(client, credits=asked).header.credits == granted


def test_no_client_holds_more_than_the_limit(make_server: MakeServer, client: Client) -> None:
    other = Client(make_server(Settings(limits=Limits(credits=100))))
    other.negotiate()
    held = 64
    for _ in range(5):
        held += echo(other, credits=1000).header.credits - 1
    assert held == 100
    assert echo(other, credits=1000).header.credits == 1


def test_nobody_is_left_without_a_credit(make_server: MakeServer, client: Client) -> None:
    other = Client(make_server(Settings(limits=Limits(credits=1))))
    for _ in range(3):
        assert (other.negotiate() if not other.message_id else echo(other)).header.credits == 1


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_1_1])
def test_a_charge_takes_as_many_ids(make_client: MakeClient, dialect: int) -> None:
    client = make_client(dialect)
    first = client.message_id
    assert echo(client, charge=5).status is Status.SUCCESS
    assert client.message_id == first + 5
    client.send(client.header(Command.ECHO, message_id=first + 3).encode() + ECHO)
    assert client.closed


def test_no_charge_at_all_is_one(client: Client) -> None:
    assert echo(client, credit_charge=0).status is Status.SUCCESS
    assert echo(client).status is Status.SUCCESS


def test_the_oldest_dialect_knows_no_charges(make_client: MakeClient) -> None:
    client = make_client(Dialect.SMB_2_0_2)
    assert echo(client, credit_charge=9).status is Status.SUCCESS
    assert echo(client).status is Status.SUCCESS
    file_id = client.open("a")
    assert client.ask(Command.READ, ReadRequest(file_id, 0, 65536).encode()).status is Status.END_OF_FILE
    assert client.ask(Command.READ, ReadRequest(file_id, 0, 65537).encode()).status is Status.INVALID_PARAMETER


def test_ids_may_come_in_any_order(client: Client) -> None:
    start = client.message_id
    for offset in (3, 0, 2, 1):
        client.send(client.header(Command.ECHO, message_id=start + offset).encode() + ECHO)
    assert [answer.header.message_id - start for answer in client.receive()] == [3, 0, 2, 1]


def test_a_charge_that_reaches_beyond_what_was_granted_ends_the_connection(client: Client) -> None:
    held = client.connection.window.available
    client.send(client.header(Command.ECHO, charge=held).encode() + ECHO)
    assert not client.closed
    client.receive()
    held = client.connection.window.available
    client.send(client.header(Command.ECHO, charge=held + 1).encode() + ECHO)
    assert client.closed


@pytest.mark.parametrize(
    ("length", "charge", "fits"),
    [(65536, 1, True), (65537, 1, False), (65537, 2, True), (131072, 2, True), (131073, 2, False), (8 << 20, 128, True), (0, 1, True)],
)
def test_reads_and_writes_are_paid_for(client: Client, store: MemoryStore, length: int, charge: int, fits: bool) -> None:
    store.add("a", b"x")
    file_id = client.open("a")
    status = Status.SUCCESS if fits else Status.INVALID_PARAMETER
    assert client.ask(Command.READ, ReadRequest(file_id, 0, length).encode(), charge=charge).status is status
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, bytes(length)).encode(), charge=charge).status is status


def test_a_response_tells_the_charge(client: Client) -> None:
    assert echo(client, charge=3).header.credit_charge == 3


def test_credits_come_with_the_interim_response(client: Client) -> None:
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    interim = client.ask(Command.CHANGE_NOTIFY, ChangeNotifyRequest(folder, 1, 0, 1000).encode(), credits=9)
    assert (interim.status, interim.header.credits) == (Status.PENDING, 9)
    before = client.connection.window.high
    client.open("d\\new")
    (late,) = [answer for answer in client.unasked + client.receive() if answer.header.command == Command.CHANGE_NOTIFY]
    assert late.header.credits == 0
    assert client.connection.window.high == before + 64
